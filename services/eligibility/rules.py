"""The rules of eligibility, each a function that returns its objections; an order hears all of them at once.

The tuples are the order in which a seller reads the reasons. `FINAL` reasons reject, `RESOLVABLE` ones hold. Whether
production is paid for (`PRODUCTION_NOT_PAID`) is found last, by the charge itself, or foreseen from the balance while
other reasons hold the order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeGuard

from schemas.address import Address
from schemas.ids import fact_id
from schemas.order import OrderItem, RawOrder
from schemas.reasons import Reason, ReasonCode
from services.eligibility import address
from services.eligibility.facts import Correction, Facts
from services.eligibility.matching import Making, items_to_make, making_of

#: Rises when a rule changes, so that a decision tells by which rules it was made.
RULES_VERSION = "3"

Rule = Callable[[RawOrder, Facts], Iterable[Reason]]

_UNPAID = {"pending", "authorized", "partially_paid"}
_GIVEN_BACK = {"refunded", "voided", "expired"}
_SUSPICIOUS = {"investigate", "cancel"}


def must_not_be_cancelled(order: RawOrder, _: Facts) -> Iterable[Reason]:
    """The platform or the buyer cancelled it."""
    return () if order.cancelled_at is None else (Reason(code=ReasonCode.CANCELLED),)


def must_still_exist(order: RawOrder, _: Facts) -> Iterable[Reason]:
    """The platform no longer has it."""
    return (Reason(code=ReasonCode.DELETED_ON_PLATFORM),) if order.deleted else ()


def must_not_be_refunded(order: RawOrder, _: Facts) -> Iterable[Reason]:
    """The whole payment went back, or never came."""
    if order.payment not in _GIVEN_BACK:
        return ()
    return (Reason(code=ReasonCode.REFUNDED, evidence={"payment": order.payment}),)


def must_not_be_a_test(order: RawOrder, _: Facts) -> Iterable[Reason]:
    """A platform's test order has no buyer."""
    return (Reason(code=ReasonCode.TEST_ORDER),) if order.test else ()


def must_not_be_fulfilled(order: RawOrder, _: Facts) -> Iterable[Reason]:
    """Somebody shipped it already."""
    return (Reason(code=ReasonCode.ALREADY_FULFILLED),) if order.fulfilment == "fulfilled" else ()


def must_leave_something_to_make(order: RawOrder, _: Facts) -> Iterable[Reason]:
    """Digital items, gift cards and removed lines need no production."""
    return () if items_to_make(order) else (Reason(code=ReasonCode.NOTHING_TO_MAKE),)


def must_be_paid(order: RawOrder, _: Facts) -> Iterable[Reason]:
    """The buyer's money is not there yet."""
    if order.payment not in _UNPAID:
        return ()
    return (Reason(code=ReasonCode.PAYMENT_PENDING, evidence={"payment": order.payment}),)


def must_say_what_was_refunded(order: RawOrder, facts: Facts) -> Iterable[Reason]:
    """Part of the money went back and no line says for what; the seller may say: make it as it stands.

    Lines of which nothing is ever made (a download, a tip) say nothing about it.
    """
    made = (item for item in order.items if item.kind == "physical")
    unclear = order.payment == "partially_refunded" and all(item.quantity_to_make >= item.quantity for item in made)
    if not unclear or (facts.approval.given and facts.approval.payment == order.payment):
        return ()
    return (Reason(code=ReasonCode.PARTIAL_REFUND_UNCLEAR),)


def must_be_placed_since_linking(order: RawOrder, facts: Facts) -> Iterable[Reason]:
    """Orders from before the store was linked may be made elsewhere. A store not heard of yet is not linked yet."""
    if facts.approval.given:
        return ()
    since = facts.import_since(order)
    if since is not None and order.placed_at >= since:
        return ()
    return (Reason(code=ReasonCode.PLACED_BEFORE_LINKING),)


def must_not_be_on_hold(order: RawOrder, _: Facts) -> Iterable[Reason]:
    """Each hold of the platform is a reason."""
    return [Reason(code=ReasonCode.PLATFORM_HOLD, evidence={"hold": hold}) for hold in order.holds or ()]


def must_look_honest(order: RawOrder, facts: Facts) -> Iterable[Reason]:
    """The platform's fraud check objects; an approval given in view of that same advice overrides it."""
    if order.risk not in _SUSPICIOUS or (facts.approval.given and facts.approval.risk == order.risk):
        return ()
    return (Reason(code=ReasonCode.FRAUD_REVIEW, evidence={"risk": order.risk or ""}),)


def must_have_an_address(order: RawOrder, facts: Facts) -> Iterable[Reason]:
    """The address is there and complete for its country, or the seller says that it is right."""
    ship_to = address_of(order, facts)
    if not is_visible(ship_to):
        return (Reason(code=ReasonCode.ADDRESS_NOT_VISIBLE),)
    correction = correction_of(order, facts)
    if correction is not None and correction.confirmed:
        return ()
    fields = address.problems(ship_to)
    if not fields:
        return ()
    return (Reason(code=ReasonCode.ADDRESS_INCOMPLETE, evidence={"fields": ", ".join(fields)}),)


def is_visible(ship_to: Address | None) -> TypeGuard[Address]:
    """Whether there is an address at all: platforms hide it from some apps, and some time after the sale from all."""
    return ship_to is not None and bool(ship_to.line1 or ship_to.city or ship_to.postal_code)


def must_be_makeable(order: RawOrder, facts: Facts) -> Iterable[Reason]:
    """Every item is matched to a variant that is available and has its artwork."""
    reasons: list[Reason] = []
    currency: str | None = None
    for item in items_to_make(order):
        making = making_of(order, item, facts)
        found = _objections_to(item, making)
        if not found and making is not None and making.variant is not None:
            currency = currency or making.variant.cost.currency
            # One order has one cost; what costs in another currency cannot be made with it.
            if making.variant.cost.currency != currency:
                found = (_unavailable(item, making),)
        reasons += found
    return reasons


def must_not_be_held(_: RawOrder, facts: Facts) -> Iterable[Reason]:
    """The seller put it on hold."""
    return (Reason(code=ReasonCode.HELD_BY_SELLER),) if facts.held_by_seller else ()


def must_be_approved(order: RawOrder, facts: Facts) -> Iterable[Reason]:
    """The seller wants to see each order first."""
    if facts.approval.given or facts.settings_of(order).auto_approve:
        return ()
    return (Reason(code=ReasonCode.NOT_APPROVED),)


def must_not_be_erased(_: RawOrder, facts: Facts) -> Iterable[Reason]:
    """Nobody can be sent what was bought by somebody who is forgotten."""
    return (Reason(code=ReasonCode.BUYER_DATA_ERASED),) if facts.erased_by is not None else ()


FINAL: tuple[Rule, ...] = (
    must_not_be_erased,
    must_not_be_cancelled,
    must_still_exist,
    must_not_be_refunded,
    must_not_be_a_test,
    must_not_be_fulfilled,
    must_leave_something_to_make,
)

RESOLVABLE: tuple[Rule, ...] = (
    must_be_paid,
    must_say_what_was_refunded,
    must_be_placed_since_linking,
    must_not_be_on_hold,
    must_look_honest,
    must_have_an_address,
    must_be_makeable,
    must_not_be_held,
    must_be_approved,
)


def objections(rules: tuple[Rule, ...], order: RawOrder, facts: Facts) -> tuple[Reason, ...]:
    """Return what all the rules object, in their order."""
    found: list[Reason] = []
    for rule in rules:
        found += rule(order, facts)
    return tuple(found)


def address_of(order: RawOrder, facts: Facts) -> Address | None:
    """Return where the parcel goes: the seller's correction while it holds, else the platform's address."""
    correction = correction_of(order, facts)
    return correction.address if correction is not None and correction.address else order.ship_to


def correction_of(order: RawOrder, facts: Facts) -> Correction | None:
    """Return the seller's correction if it was said of the address that the platform gives now."""
    correction = facts.correction
    if correction is None or correction.of != address_digest(order.ship_to):
        return None
    return correction


def address_digest(ship_to: Address | None) -> str:
    """Return what tells two addresses apart. Personal data like the address itself: it is kept only sealed."""
    return fact_id(ship_to.model_dump_json() if ship_to else "")


def _objections_to(item: OrderItem, making: Making | None) -> tuple[Reason, ...]:
    if making is None:
        evidence = {"sku": item.sku or "", "title": item.title}
        return (Reason(code=ReasonCode.ITEM_NOT_MATCHED, item_id=item.external_id, evidence=evidence),)
    if making.variant is None or not making.variant.available:
        return (_unavailable(item, making),)
    if making.variant.needs_artwork and not making.designs:
        evidence = {"sku": making.sku}
        return (Reason(code=ReasonCode.ARTWORK_MISSING, item_id=item.external_id, evidence=evidence),)
    return ()


def _unavailable(item: OrderItem, making: Making) -> Reason:
    return Reason(code=ReasonCode.VARIANT_UNAVAILABLE, item_id=item.external_id, evidence={"sku": making.sku})
