"""Decides what production is told about a newer state of an order that it already has.

Nothing is released twice: the only things left to say are "amended" and, once, "cancelled", and only before production
starts; after that the seller hears that the change comes too late.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from schemas.ids import fact_id
from schemas.order import RawOrder
from schemas.reasons import Reason, ReasonCode
from services.eligibility.assess import Eligible, Held, Rejected, assess_released, note_of
from services.eligibility.facts import Facts
from services.eligibility.matching import items_to_make
from services.eligibility.proposals import Amend, Cancel, Proposal, Stay
from services.eligibility.rules import address_of, is_visible

ProductionState = Literal["accepted", "on_hold", "in_production", "shipped", "cancelled", "cancel_refused"]

#: From these states on production does not follow a change any more.
_TOO_LATE: frozenset[ProductionState] = frozenset({"in_production", "shipped", "cancel_refused"})
_STAGE: dict[ProductionState, int] = {
    "accepted": 1,
    "on_hold": 1,
    "in_production": 2,
    "cancel_refused": 2,
    "shipped": 3,
    "cancelled": 3,
}


@dataclass(frozen=True, slots=True)
class Told:
    """What production was told of an order, and how far it is. `address` and `items` are digests, kept sealed."""

    revision: int
    address: str
    items: str
    cancelled: bool = False
    state: ProductionState | None = None
    past_return: bool = False


def after_update(told: Told, state: ProductionState) -> tuple[ProductionState, bool]:
    """Return the state after production reported `state`, and whether the point of no return is passed.

    States only move forward: an answer that comes again, or late, takes nothing back.
    """
    past_return = told.past_return or state in _TOO_LATE
    if told.state is not None and _STAGE[state] < _STAGE[told.state]:
        return told.state, past_return
    return state, past_return


def propose_after_release(
    order: RawOrder, facts: Facts, told: Told, *, standing_reasons: tuple[Reason, ...]
) -> Proposal:
    """Propose what follows from the order's newer state."""
    assessment = assess_released(order, facts, revision=told.revision + 1)
    if isinstance(assessment, Rejected):
        return _taken_away(assessment, told)
    if told.cancelled and told.state != "cancel_refused":
        # It cannot come back: production was told to forget it, and nothing is released twice.
        return Stay("rejected", standing_reasons)
    if facts.erased_by is not None:
        # Production goes on with what it was told: an amendment would say again who the buyer is.
        return Stay("eligible", _notices(standing_reasons))
    changes = _changes(order, facts, told)
    if not changes:
        return Stay("eligible", _notices(standing_reasons) if told.state == "shipped" else ())
    if told.past_return:
        return Stay("eligible", (_too_late(" and ".join(changes)),))
    if isinstance(assessment, Held):
        return Stay("held", assessment.reasons, assessment.price)
    return _amendment(assessment)


def digests(order: RawOrder, facts: Facts) -> tuple[str, str]:
    """Return what tells whether the address, and whether the items, differ from what production was told."""
    ship_to = address_of(order, facts)
    label = [order.shipping_label_url] if order.shipping_label_url else []
    address = fact_id(ship_to.model_dump_json() if ship_to else "", order.shipping_service or "", *label)
    parts: list[str] = [order.gift_message or "", note_of(order) or ""]
    for item in items_to_make(order):
        parts += [item.external_id, item.sku or "", item.variant_id or "", str(item.quantity_to_make)]
        parts += [text for pair in item.personalization for text in (pair.name, pair.value)]
        parts += [text for design in item.designs for text in (design.area, design.url)]
    return address, fact_id(*parts)


def _taken_away(assessment: Rejected, told: Told) -> Proposal:
    if told.past_return and told.state != "cancelled":
        codes = ", ".join(reason.code.value.lower() for reason in assessment.reasons)
        return Stay("eligible", (_too_late(codes),))
    if told.cancelled or told.state == "cancelled":
        return Stay("rejected", assessment.reasons)
    return Cancel(assessment.reasons)


def _changes(order: RawOrder, facts: Facts, told: Told) -> list[str]:
    if told.state in {"shipped", "cancelled"} or not items_to_make(order):
        return []
    address, items = digests(order, facts)
    # An address that the platform shows no longer is not another one: production goes on with what it was told.
    moved = address != told.address and is_visible(address_of(order, facts))
    changes = ["address"] if moved else []
    # Once the platform counts shipments, what remains to be made says nothing about an edit.
    if order.fulfilment == "unfulfilled" and items != told.items:
        changes.append("items")
    return changes


def _amendment(assessment: Eligible) -> Proposal:
    return Amend(assessment.production_order)


def _notices(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    return tuple(reason for reason in reasons if reason.code is ReasonCode.CHANGED_TOO_LATE)


def _too_late(change: str) -> Reason:
    return Reason(code=ReasonCode.CHANGED_TOO_LATE, evidence={"change": change})
