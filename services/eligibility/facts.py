"""The facts that an order is judged by, beside the order itself: what the seller, the store and production said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

from schemas.address import Address
from schemas.base import Value
from schemas.catalog import CatalogVariant
from schemas.order import Design, OrderItem, PaymentState, RawOrder, Risk

MatchKind = Literal["variant", "product", "sku"]
#: A match that holds in all of a seller's stores.
ANY_STORE = ""


@dataclass(frozen=True, slots=True)
class SellerSettings:
    """What the seller leaves to us: matching by SKU, approving, paying from the balance."""

    auto_match: bool = True
    auto_approve: bool = True
    auto_pay: bool = True


class MatchRef(NamedTuple):
    """What a match is about: a platform's variant, a platform's product, or a SKU; in one store or in all."""

    seller_id: str
    store_id: str
    kind: MatchKind
    value: str

    def key(self) -> str:
        """Return the ref as one text, under which orders wait for it. The value comes last: it may hold any sign."""
        return f"{self.seller_id}|{self.store_id}|{self.kind}|{self.value}"


@dataclass(frozen=True, slots=True)
class Match:
    """What production makes for it. `designs` empty: the artwork that the SKU brings along."""

    production_sku: str
    designs: tuple[Design, ...] = ()


class Correction(Value):
    """What the seller said about an order's address: another one, or that it is right.

    It holds as long as the platform's own address is the one it was said of (`of`, a digest): a buyer's later change on
    the platform is newer.
    """

    of: str
    address: Address | None = None
    confirmed: bool = False


@dataclass(frozen=True, slots=True)
class Approval:
    """The seller's word that an order be made, and what they saw when they gave it."""

    given: bool = False
    payment: PaymentState | None = None
    risk: Risk | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What many orders share: the sellers' settings, the stores, the matches and the catalog around one batch.

    `import_since` lacks a store that we have not heard of yet.
    """

    settings: Mapping[str, SellerSettings] = field(default_factory=dict)
    import_since: Mapping[str, datetime] = field(default_factory=dict)
    matches: Mapping[str, Match] = field(default_factory=dict)
    catalog: Mapping[str, CatalogVariant] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that one order is judged by."""

    known: Known = field(default_factory=Known)
    approval: Approval = field(default_factory=Approval)
    held_by_seller: bool = False
    correction: Correction | None = None
    #: The request by which the buyer's data were erased.
    erased_by: str | None = None

    def settings_of(self, order: RawOrder) -> SellerSettings:
        """Return the seller's settings; who never chose any leaves everything to us."""
        return self.known.settings.get(order.seller_id, _DEFAULT_SETTINGS)

    def import_since(self, order: RawOrder) -> datetime | None:
        """Return from when on the store's orders are ours to make; None while the store is unknown."""
        return self.known.import_since.get(order.store_id)


_DEFAULT_SETTINGS = SellerSettings()


def refs_of(order: RawOrder, item: OrderItem) -> Iterator[MatchRef]:
    """Yield what could be matched to make this item, the most particular first."""
    seller = order.seller_id
    for store in (order.store_id, ANY_STORE):
        if item.variant_id:
            yield MatchRef(seller, store, "variant", item.variant_id)
        if item.product_id:
            yield MatchRef(seller, store, "product", item.product_id)
        if item.sku:
            yield MatchRef(seller, store, "sku", item.sku)
