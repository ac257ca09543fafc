"""`/v1/orders/{key}/copy`: what a new order like a known one begins with, as far as it is still kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from aiohttp import web
from pydantic import BaseModel, Field

from schemas.address import Address
from schemas.catalog import CatalogVariant
from schemas.money import Money
from schemas.order import Design, NameValue, OrderItem, RawOrder
from services.eligibility.answers import OrderPath
from services.eligibility.decisions import Case
from services.eligibility.facts import Correction, Facts
from services.eligibility.judging import needs_of
from services.eligibility.matching import items_to_make, making_of
from services.eligibility.ports import Repository
from services.eligibility.rules import address_of
from services.eligibility.sealing import Sealer
from services.kit.http.auth import principal
from services.kit.http.problems import Problem, not_found
from services.kit.http.routes import Routes

#: How a seller gives an order themselves; its buyer is known from nobody else.
_BY_SELLERS = frozenset({"api", "import", "form"})
#: Who may change an address may see it.
_SCOPE = "orders:write"


class CopiedItem(BaseModel):
    """One line. `sku` is production's where the line is matched, else what the order says."""

    sku: str | None
    title: str
    quantity: int
    unit_price: Money
    options: tuple[NameValue, ...]
    personalization: tuple[NameValue, ...]
    designs: tuple[Design, ...]


class OrderCopy(BaseModel):
    """What a new order begins with. `ship_to` and what follows: only of orders that the seller gave themselves."""

    order_key: str
    items: tuple[CopiedItem, ...]
    ship_to: Address | None = Field(description="Null for orders of a platform: that knows where they went.")
    email: str | None = None
    shipping_service: str | None = None
    gift_message: str | None = None
    note: str | None = None

    @classmethod
    def of(cls, order: RawOrder, facts: Facts) -> Self:
        """Return the copy of an order as it stands."""
        items = tuple(_item(order, item, facts) for item in items_to_make(order))
        if order.way not in _BY_SELLERS:
            return cls(order_key=order.key, items=items, ship_to=None)
        return cls(
            order_key=order.key,
            items=items,
            ship_to=address_of(order, facts),
            email=order.email,
            shipping_service=order.shipping_service,
            gift_message=order.gift_message,
            note=order.note,
        )


@dataclass(frozen=True, slots=True)
class CopyApi:
    """What the route works with."""

    repository: Repository
    sealer: Sealer

    async def copy(self, request: web.Request, *, path: OrderPath) -> OrderCopy:
        """What it takes to order the same again: lines, and for orders that you gave also the buyer."""
        dossier = (await self.repository.dossiers([path.key])).get(path.key)
        if dossier is None or dossier.seller_id != principal(request).seller_id:
            raise not_found("order")
        event = self.sealer.open_event(dossier)
        if event is None:
            raise Problem(409, "order_erased", "The buyer's data of this order were erased.")
        order = dossier.standing.applied_to(event.order)
        correction: Correction | None = self.sealer.open_correction(dossier)
        case = Case(event, order, dossier, Facts(correction=correction), "rules")
        # Of no shard: it only reads.
        async with self.repository.judging(()) as transaction:
            known = await transaction.known(needs_of([case]))
        return OrderCopy.of(order, Facts(known, correction=correction))


def copy_routes(api: CopyApi) -> Routes:
    """Declare the route."""
    routes = Routes(title="Sync Order: eligibility", version="1")
    routes.get(
        "/v1/orders/{key}/copy",
        summary="What a new order like it begins with",
        tags=["orders"],
        scope=_SCOPE,
        errors=[404, 409],
    )(api.copy)
    return routes


def _item(order: RawOrder, item: OrderItem, facts: Facts) -> CopiedItem:
    making = making_of(order, item, facts)
    variant: CatalogVariant | None = making.variant if making else None
    return CopiedItem(
        sku=making.sku if making else item.sku,
        title=variant.product_name if variant else item.title,
        quantity=item.quantity_to_make,
        unit_price=item.unit_price,
        options=item.options,
        personalization=item.personalization,
        designs=making.designs if making else item.designs,
    )
