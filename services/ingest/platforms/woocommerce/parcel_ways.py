"""Finds out in which of three ways a store is told of parcels: its own fulfilments, a plugin, or order and note.

Fulfilments are a feature of the core since 10.1 that is off by default; whoever switched it on, or bought a plugin,
wants parcels there. A store shows in its index what it serves; one that hides its index is tried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from services.ingest.platforms.woocommerce.client import (
    KeyRefused,
    NotUnderstood,
    RouteMissing,
    WooCommerceClient,
    json_of,
)
from services.ingest.platforms.woocommerce.signing import Door
from services.kit.clock import Clock
from services.kit.errors import TransientError

#: How long a store is believed to have the plugins that it had.
BELIEVED_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class ParcelWay:
    """One way; parcels of an order are at `path` where they have an address of their own."""

    kind: Literal["fulfillments", "plugin", "note"]
    namespace: str = ""
    shelf: str = ""

    def path(self, order_id: str) -> str:
        """Return where an order's parcels are."""
        return f"{self.namespace}/orders/{order_id}/{self.shelf}"

    def is_in(self, routes: Mapping[str, Any]) -> bool:
        """Tell whether an index names this way's route; how it writes the order's id is its own business."""
        return any(
            route.startswith(f"{self.namespace}/orders/") and route.endswith(f"/{self.shelf}") for route in routes
        )


FULFILLMENTS = ParcelWay("fulfillments", "/wc/v3", "fulfillments")
#: Shipment Tracking and its like under the names that their versions have had.
PLUGINS = tuple(
    ParcelWay("plugin", namespace, "shipment-trackings")
    for namespace in ("/wc-shipment-tracking/v3", "/wc-ast/v3", "/wc/v2", "/wc/v1")
)
#: What every store has: the order itself, and a note to the buyer.
NOTE = ParcelWay("note")


class WayFinder:
    """Knows of each store for a while what it serves."""

    def __init__(self, client: WooCommerceClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[str, tuple[tuple[ParcelWay, ...], datetime]] = {}

    async def parcels(self, door: Door, order_id: str) -> tuple[ParcelWay, list[Any]]:
        """Return the store's way, and the order's parcels as they are there. Raises TransientError."""
        ways = await self._candidates(door)
        for place, way in enumerate(ways):
            if way.kind == "note":
                break
            try:
                found = await self._client.ask(door, "GET", way.path(order_id))
            except (RouteMissing, KeyRefused):
                # Switched off, or more than our key's user may see who may see orders.
                continue
            except NotUnderstood as error:
                raise TransientError(f"The store cannot show an order's parcels: {error.code}") from error
            if found is not None and not isinstance(found.value, list):
                raise TransientError("The store's parcels of an order cannot be read")
            self._keep(door, ways[place:])
            return way, [] if found is None else found.value
        self._keep(door, (NOTE,))
        return NOTE, []

    def forget(self, door: Door) -> None:
        """Look again next time: something that was there is gone."""
        self._known.pop(door.address.place, None)

    async def _candidates(self, door: Door) -> tuple[ParcelWay, ...]:
        ways, until = self._known.get(door.address.place, ((), None))
        if until is not None and self._clock.now() < until:
            return ways
        self.forget(door)
        index = json_of(await self._client.index(door.address, door.permalinks))
        routes = index.get("routes") if isinstance(index, dict) else None
        all_of_them = (FULFILLMENTS, *PLUGINS)
        shown = [way for way in all_of_them if not isinstance(routes, dict) or way.is_in(routes)]
        return (*shown, NOTE)

    def _keep(self, door: Door, ways: tuple[ParcelWay, ...]) -> None:
        _, until = self._known.get(door.address.place, ((), None))
        self._known[door.address.place] = (ways, until or self._clock.now() + BELIEVED_FOR)
