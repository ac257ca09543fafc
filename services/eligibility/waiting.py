"""Says which facts would change the mind about a held order, so that their arrival has it judged again by itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from schemas.order import OrderItem, RawOrder
from schemas.reasons import Reason, ReasonCode
from services.eligibility.facts import Facts, refs_of
from services.eligibility.matching import making_of

WaitedFor = Literal["match", "catalog", "settings", "balance", "store"]


class Wait(NamedTuple):
    """One fact that an order waits for; `ref` is the match's key, the SKU, the seller or the store."""

    fact: WaitedFor
    ref: str


def waits_of(order: RawOrder, reasons: tuple[Reason, ...], facts: Facts) -> frozenset[Wait]:
    """Return what the order waits for; revisions, approvals and addresses name their order, so they need no wait."""
    return frozenset(wait for reason in reasons for wait in _waits(order, reason, facts))


def _waits(order: RawOrder, reason: Reason, facts: Facts) -> Iterator[Wait]:
    match reason.code:
        case ReasonCode.ITEM_NOT_MATCHED | ReasonCode.VARIANT_UNAVAILABLE | ReasonCode.ARTWORK_MISSING:
            for item in order.items:
                if item.external_id == reason.item_id:
                    yield from _waits_of_item(order, item, facts)
        case ReasonCode.NOT_APPROVED:
            yield Wait("settings", order.seller_id)
        case ReasonCode.PRODUCTION_NOT_PAID:
            yield Wait("settings", order.seller_id)
            yield Wait("balance", order.seller_id)
        case ReasonCode.PLACED_BEFORE_LINKING:
            yield Wait("store", order.store_id)
        case _:
            pass


def _waits_of_item(order: RawOrder, item: OrderItem, facts: Facts) -> Iterator[Wait]:
    yield Wait("settings", order.seller_id)
    for ref in refs_of(order, item):
        yield Wait("match", ref.key())
    if item.sku:
        yield Wait("catalog", item.sku)
    making = making_of(order, item, facts)
    if making is not None:
        yield Wait("catalog", making.sku)
