"""One order that a seller types in: on the page, in a real browser; by API where there is none."""

from __future__ import annotations

from typing import Protocol

from rich.console import Console

from deploy.demo.api import Api
from deploy.demo.direct.samples import Sample, samples
from deploy.demo.world import World

#: What it is called in the report.
REFERENCE = "H-1001"


class ByHand(Protocol):
    """Gives one order. `way` says how: "page" or "API"."""

    way: str

    async def give(self, store_id: str) -> Sample:
        """Give it to that store, and return what it is."""
        ...


class ByApi:
    """Gives it as the page would."""

    way = "API"

    def __init__(self, api: Api) -> None:
        self._api = api

    async def give(self, store_id: str) -> Sample:
        """Give it to that store, and return what it is."""
        order = by_hand_order()
        place = order.place
        ship_to = {
            "name": order.buyer,
            "line1": place.line1,
            "city": place.city,
            "region": place.region,
            "postal_code": place.postal_code,
            "country": place.country,
        }
        items = [{"sku": good.sku, "quantity": quantity} for good, quantity in order.lines]
        body = {"store_id": store_id, "reference": order.reference, "ship_to": ship_to, "items": items}
        await self._api.call("ingest", "POST", "/v1/orders", body=body)
        return order


def by_hand(api: Api, _world: World, _console: Console) -> ByHand:
    """By API."""
    return ByApi(api)


def by_hand_order() -> Sample:
    """The order."""
    [order] = samples([REFERENCE], last=())
    return order
