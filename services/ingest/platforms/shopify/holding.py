"""Finds out what of an order Shopify keeps on hold, and why.

The order itself shows a hold only where all that is left of it is on hold; a hold of a part shows in its fulfilment
orders, which cost points and need scopes of their own. One unit is never held in part, so most orders are not asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from services.ingest.contract.stores import Access
from services.ingest.platforms.shopify import queries
from services.ingest.platforms.shopify.client import RightMissing, ShopifyClient
from services.ingest.platforms.shopify.paging import as_object, next_cursor, nodes_of
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError

#: Fulfilment orders looked at with each order of a page; where there are more, the order is asked about by itself.
PARTS = 3
#: Orders asked about at once, far below the points that a query may cost.
ORDERS = 100
PART_POINTS, HOLDS_POINTS = 4, 161
#: Pages of one order's fulfilment orders: nobody splits an order into hundreds.
_MOST_PAGES = 5
#: Lines that are named of each part.
_NAMED = 2
#: How long an app is taken to lack the scopes that it lacked.
_DENIED_FOR = timedelta(hours=1)

_ON_HOLD = "ON_HOLD"
#: Here nothing is left that could be on hold, or all of it is.
_WITHOUT_PARTS = frozenset({_ON_HOLD, "FULFILLED", "FULFILLMENT_NOT_REQUIRED", "RESTOCKED"})
_UNKNOWN = "OTHER"


class Holds:
    """Knows the holds of any store's orders."""

    def __init__(self, client: ShopifyClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._denied: dict[str, datetime] = {}

    async def added_to(self, access: Access, nodes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Return the orders, with `holds` where anything of them is on hold."""
        asked = [node["id"] for node in nodes if _may_be_held_in_part(node)]
        in_part = await self._held_in_part(access, asked) if asked else frozenset()
        return [await self._with_holds(access, node, in_part=node.get("id") in in_part) for node in nodes]

    async def _with_holds(self, access: Access, node: dict[str, Any], *, in_part: bool) -> dict[str, Any]:
        if node.get("displayFulfillmentStatus") == _ON_HOLD:
            return node | {"holds": await self._reasons(access, str(node.get("id")), in_part=False) or [_UNKNOWN]}
        if in_part and (found := await self._reasons(access, node["id"], in_part=True)):
            return node | {"holds": found}
        return node

    async def _held_in_part(self, access: Access, gids: Sequence[str]) -> frozenset[str]:
        """Return which of these orders must be asked about: a part of them is on hold, or they have many parts."""
        shop = access.secrets["shop"]
        denied_until = self._denied.get(shop)
        if denied_until is not None and self._clock.now() < denied_until:
            return frozenset()
        found: set[str] = set()
        for start in range(0, len(gids), ORDERS):
            some = gids[start : start + ORDERS]
            variables = {"ids": some, "parts": PARTS}
            points = float(len(some) * PART_POINTS)
            try:
                answer = await self._ask(access, queries.HELD_PARTS, variables, operation="HeldParts", points=points)
            except RightMissing:
                # Without the scopes this is not to be known; that all of an order is on hold, it shows itself.
                self._denied[shop] = self._clock.now() + _DENIED_FOR
                return frozenset()
            found |= {node["id"] for node in map(as_object, answer.get("nodes") or ()) if _has_held_part(node)}
        return frozenset(found)

    async def _reasons(self, access: Access, gid: str, *, in_part: bool) -> list[str]:
        try:
            parts = await self._parts(access, gid)
        except AuthorizationError:
            return []  # the reasons need scopes of their own
        held = [part for part in parts if part.get("status") == _ON_HOLD]
        return [text for part in held for text in _told(part, in_part=in_part)]

    async def _parts(self, access: Access, gid: str) -> list[dict[str, Any]]:
        parts: list[dict[str, Any]] = []
        after: str | None = None
        for _ in range(_MOST_PAGES):
            variables = {"id": gid, "after": after}
            answer = await self._ask(access, queries.HOLDS, variables, operation="Holds", points=HOLDS_POINTS)
            connection = as_object(as_object(answer.get("order")).get("fulfillmentOrders"))
            parts += nodes_of(connection)
            after = next_cursor(connection)
            if after is None:
                break
        return parts

    async def _ask(
        self, access: Access, document: str, variables: Mapping[str, object], *, operation: str, points: float
    ) -> dict[str, Any]:
        secrets = access.secrets
        return await self._client.graphql(
            secrets["shop"], secrets["access_token"], document, variables, operation=operation, points=points
        )


def _may_be_held_in_part(node: Mapping[str, Any]) -> bool:
    if node.get("displayFulfillmentStatus") in _WITHOUT_PARTS or node.get("cancelledAt"):
        return False
    if not isinstance(node.get("id"), str):
        return False  # it cannot be read, as the mapping will say
    lines = nodes_of(as_object(node.get("lineItems")))
    left = [count for line in lines if isinstance(count := line.get("unfulfilledQuantity"), int)]
    return sum(left) > 1


def _has_held_part(node: Mapping[str, Any]) -> bool:
    connection = as_object(node.get("fulfillmentOrders"))
    return next_cursor(connection) is not None or any(part.get("status") == _ON_HOLD for part in nodes_of(connection))


def _told(part: Mapping[str, Any], *, in_part: bool) -> Iterator[str]:
    """Name the reasons, and what is on hold where the rest of the order is not."""
    reasons = [as_object(hold).get("reason") for hold in part.get("fulfillmentHolds") or ()]
    lines = f" ({_lines(part)})" if in_part else ""
    for reason in reasons or [_UNKNOWN]:
        yield f"{reason if isinstance(reason, str) else _UNKNOWN}{lines}"


def _lines(part: Mapping[str, Any]) -> str:
    connection = as_object(part.get("lineItems"))
    titles = [str(as_object(line.get("lineItem")).get("title") or "") for line in nodes_of(connection)]
    more = ", …" if len(titles) > _NAMED or next_cursor(connection) is not None else ""
    return ", ".join(titles[:_NAMED]) + more
