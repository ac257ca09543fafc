"""Reads what Shopify has of an order's shipping: what was sent, and what may be sent now and from where."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from services.ingest.contract.parcels import KnownParcel, Shipping, Standing
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import Access
from services.ingest.parsing import parsed
from services.ingest.platforms.shopify import queries
from services.ingest.platforms.shopify.client import FieldDenied, ShopifyClient, TooDear
from services.ingest.platforms.shopify.naming import ORDER, number_in
from services.ingest.platforms.shopify.paging import as_object, next_cursor
from services.kit.errors import TransientError

#: What is read at once: most orders have one fulfilment order of a few lines, and all that is asked for is held first.
PARCELS, PARTS, LINES = 10, 5, 10
MORE_PARCELS, MORE_LINES = 250, 50
_PART_POINTS = 4 + 2 * LINES
_CREATE = "CREATE_FULFILLMENT"
_WAITING = frozenset({"ON_HOLD", "SCHEDULED"})
_UNDER_WAY = frozenset({"OPEN", "IN_PROGRESS"})
#: Fulfilments of any other state came to nothing.
_SENT = frozenset({"SUCCESS", "OPEN", "PENDING"})
_DONE = frozenset({"FULFILLED", "FULFILLMENT_NOT_REQUIRED"})
_PAID_BACK = frozenset({"REFUNDED", "VOIDED"})


class _Graphql(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True, alias_generator=to_camel, frozen=True)


class _Named(_Graphql):
    id: str


class _Action(_Graphql):
    action: str


class _AssignedLocation(_Graphql):
    location: _Named | None = None


class GraphqlPartLine(_Graphql):
    """FulfillmentOrderLineItem: its id is what a fulfilment names, not the line's."""

    id: str
    remaining_quantity: int = Field(ge=0)
    line_item: _Named

    @property
    def line(self) -> str:
        """The line's id, as the order has it."""
        return number_in(self.line_item.id, path="lineItem.id")


class _PartLines(_Graphql):
    nodes: tuple[GraphqlPartLine, ...]


class GraphqlPart(_Graphql):
    """FulfillmentOrder: what one location has to ship of an order."""

    id: str
    status: str
    fulfill_at: AwareDatetime | None = None
    fulfill_by: AwareDatetime | None = None
    supported_actions: tuple[_Action, ...]
    assigned_location: _AssignedLocation | None = None
    line_items: _PartLines

    @property
    def left(self) -> tuple[GraphqlPartLine, ...]:
        """The lines of which something remains."""
        return tuple(line for line in self.line_items.nodes if line.remaining_quantity)

    @property
    def location(self) -> str | None:
        """From where it is shipped: one fulfilment has one location."""
        found = self.assigned_location.location if self.assigned_location else None
        return found.id if found else None

    @property
    def may_be_shipped(self) -> bool:
        """Whether this app may fulfil it now."""
        return self.status in _UNDER_WAY and any(each.action == _CREATE for each in self.supported_actions)

    @property
    def waits(self) -> bool:
        """Whether it may be fulfilled later: it is on hold, or scheduled."""
        return self.status in _WAITING

    @property
    def is_under_way(self) -> bool:
        """Whether somebody may fulfil it now."""
        return self.status in _UNDER_WAY


class GraphqlTracking(_Graphql):
    """FulfillmentTrackingInfo."""

    number: str | None = None
    company: str | None = None
    url: str | None = None


class _More(_Graphql):
    has_next_page: bool


class GraphqlSentLine(_Graphql):
    """FulfillmentLineItem."""

    quantity: int = Field(ge=0)
    line_item: _Named


class GraphqlSentLines(_Graphql):
    """The first lines of a fulfilment."""

    page_info: _More
    nodes: tuple[GraphqlSentLine, ...]


class GraphqlSent(_Graphql):
    """Fulfillment."""

    id: str
    status: str
    tracking_info: tuple[GraphqlTracking, ...] = ()
    #: None where they were not asked for, or are too many.
    fulfillment_line_items: GraphqlSentLines | None = None

    @property
    def lines(self) -> dict[str, int] | None:
        """The units in it by line id; None where that is not known."""
        found = self.fulfillment_line_items
        if found is None or found.page_info.has_next_page:
            return None
        units: dict[str, int] = {}
        for each in found.nodes:
            line = number_in(each.line_item.id, path="lineItem.id")
            units[line] = units.get(line, 0) + each.quantity
        return units


class GraphqlShipping(_Graphql):
    """Order, as far as it is about shipping."""

    cancelled_at: AwareDatetime | None = None
    display_financial_status: str | None = None
    display_fulfillment_status: str | None = None
    fulfillments: tuple[GraphqlSent, ...]

    @property
    def sent(self) -> tuple[GraphqlSent, ...]:
        """The fulfilments that stand."""
        return tuple(sent for sent in self.fulfillments if sent.status in _SENT)


@dataclass(frozen=True, slots=True)
class Told:
    """What Shopify told of an order; `parts` is None where the app may not see what there is to fulfil."""

    external_id: str
    order: GraphqlShipping
    parts: tuple[GraphqlPart, ...] | None

    def shipping(self) -> Shipping:
        """Return it in the words of every platform."""
        left = [part for part in self.parts or () if part.left]
        return Shipping(
            self._standing(left),
            tuple(_parcels(self.order)),
            until=_earliest(part.fulfill_at for part in left if part.status == "SCHEDULED"),
            ship_by=_earliest(part.fulfill_by for part in left),
            left=_units(part for part in left if part.may_be_shipped),
            detail=self,
        )

    def _standing(self, left: list[GraphqlPart]) -> Standing:
        order = self.order
        if order.cancelled_at is not None:
            return "cancelled"
        if any(part.may_be_shipped for part in left):
            return "open"
        if any(part.waits for part in left):
            return "on_hold"
        if order.display_financial_status in _PAID_BACK and not left and not order.sent:
            return "cancelled"
        # What somebody else is to ship, or we are not shown, is not done: whoever writes says so.
        is_shown = bool(self.parts) and not any(part.is_under_way for part in left)
        return "shipped" if is_shown or order.display_fulfillment_status in _DONE else "open"


class ShippingReader:
    """Reads any store's orders' shipping."""

    def __init__(self, client: ShopifyClient) -> None:
        self._client = client

    async def read(self, access: Access, external_id: str) -> Told | None:
        """Return what Shopify tells; None when it does not have the order."""
        if not (external_id.isascii() and external_id.isdecimal()):
            return None
        gid = f"{ORDER}{external_id}"
        try:
            node = await self._whole(access, gid)
        except FieldDenied:
            node = await self._parcels(access, gid, PARCELS)
        if node is None:
            return None
        if len(node.get("fulfillments") or ()) >= PARCELS:
            node |= await self._parcels(access, gid, MORE_PARCELS) or {}
        try:
            shown = as_object(node.get("fulfillmentOrders")).get("nodes")
            parts = None if shown is None else tuple(parsed(GraphqlPart, part) for part in shown)
            if any(part.left and part.may_be_shipped for part in parts or ()):
                await self._append_sent_lines(access, gid, node)
            return Told(external_id, parsed(GraphqlShipping, node), parts)
        except UnreadablePayload as error:
            raise TransientError(f"Shopify's order cannot be read: {error.path}") from None

    async def _whole(self, access: Access, gid: str) -> dict[str, Any] | None:
        """Return the order with all its fulfilment orders and all their lines."""
        sizes = {"id": gid, "parts": PARTS, "lines": LINES}
        answer = await self._ask(
            access,
            queries.SHIPPING,
            sizes | {"parcels": PARCELS},
            "Shipping",
            points=1 + 2 * PARCELS + PARTS * _PART_POINTS,
        )
        node = answer.get("order")
        if not isinstance(node, dict):
            return None
        connection = as_object(node.get("fulfillmentOrders"))
        parts = list(connection.get("nodes") or ())
        while (cursor := next_cursor(connection)) is not None:
            answer = await self._ask(
                access, queries.MORE_PARTS, sizes | {"after": cursor}, "MoreParts", points=1 + PARTS * _PART_POINTS
            )
            connection = as_object(as_object(answer.get("order")).get("fulfillmentOrders"))
            parts += connection.get("nodes") or ()
        for part in parts:
            await self._append_lines(access, as_object(part))
        return node | {"fulfillmentOrders": {"nodes": parts}}

    async def _append_lines(self, access: Access, part: dict[str, Any]) -> None:
        lines = as_object(part.get("lineItems"))
        while (cursor := next_cursor(lines)) is not None:
            asked = {"id": part.get("id"), "lines": MORE_LINES, "after": cursor}
            answer = await self._ask(access, queries.MORE_PART_LINES, asked, "MorePartLines", points=1 + 2 * MORE_LINES)
            more = as_object(as_object(answer.get("fulfillmentOrder")).get("lineItems"))
            lines["nodes"] = [*(lines.get("nodes") or ()), *(more.get("nodes") or ())]
            lines["pageInfo"] = more.get("pageInfo")

    async def _append_sent_lines(self, access: Access, gid: str, node: dict[str, Any]) -> None:
        """Read what is in the few fulfilments of an order of which something is left."""
        sent = node.get("fulfillments") or []
        if not 0 < len(sent) <= PARCELS:
            return
        asked = {"id": gid, "parcels": len(sent), "lines": LINES}
        points = 1 + len(sent) * (2 + 2 * LINES)
        answer = await self._ask(access, queries.PARCEL_LINES, asked, "ParcelLines", points=points)
        found = as_object(answer.get("order")).get("fulfillments") or ()
        lines = {each.get("id"): each.get("fulfillmentLineItems") for each in map(as_object, found)}
        node["fulfillments"] = [each | {"fulfillmentLineItems": lines.get(each.get("id"))} for each in sent]

    async def _parcels(self, access: Access, gid: str, parcels: int) -> dict[str, Any] | None:
        asked = {"id": gid, "parcels": parcels}
        answer = await self._ask(access, queries.PARCELS, asked, "Parcels", points=1 + 2 * parcels)
        node = answer.get("order")
        return node if isinstance(node, dict) else None

    async def _ask(
        self, access: Access, document: str, variables: Mapping[str, object], operation: str, *, points: float
    ) -> dict[str, Any]:
        secrets = access.secrets
        try:
            return await self._client.graphql(
                secrets["shop"], secrets["access_token"], document, variables, operation=operation, points=points
            )
        except TooDear:
            raise TransientError("Shopify finds an order's shipping too dear to tell") from None


def _parcels(order: GraphqlShipping) -> list[KnownParcel]:
    return [
        KnownParcel(each.number, sent.id, each.company, sent.lines)
        for sent in order.sent
        for each in sent.tracking_info or (GraphqlTracking(),)
    ]


def _units(parts: Iterable[GraphqlPart]) -> dict[str, int]:
    units: dict[str, int] = {}
    for part in parts:
        for line in part.left:
            units[line.line] = units.get(line.line, 0) + line.remaining_quantity
    return units


def _earliest(moments: Any) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
