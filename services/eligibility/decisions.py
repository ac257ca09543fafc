"""Turns a proposal and its settlement into a decision: what is kept, and what the report and production hear."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from schemas.decisions import Cause, ItemSummary, OrderDecided, OrderSummary, Outcome, ProductionStep
from schemas.ids import OrderKey, SellerId, fact_id
from schemas.money import Money
from schemas.order import OrderRevised, RawOrder
from schemas.production import ProductionAmended, ProductionCancelled, ProductionOrder, ProductionReleased
from schemas.reasons import Reason, ReasonCode
from services.eligibility.assess import Eligible, Held, Price, Rejected, assess
from services.eligibility.dossier import Decided, Dossier, Judgement, Look, OutboxMessage
from services.eligibility.facts import Facts
from services.eligibility.looks import asked, must_look, question, reason_of, unasked
from services.eligibility.payments import Claim, Settlement, Unpaid
from services.eligibility.proposals import Amend, Cancel, LookFirst, Proposal, Release, Stay
from services.eligibility.released import Told, digests, propose_after_release
from services.eligibility.rules import RULES_VERSION
from services.eligibility.waiting import waits_of
from services.kit.errors import UnreadableMessage
from services.kit.kafka.topics import MAX_MESSAGE_BYTES

DECISIONS, PRODUCTION = "decisions", "production"

#: What a message may hold: Kafka's limit counts its key, its headers and the batch around it too.
MAX_VALUE_BYTES = MAX_MESSAGE_BYTES - 64 * 1024


@dataclass(frozen=True, slots=True)
class Case:
    """One order on the bench: its valid revision, what is known of it, and what it is judged by."""

    event: OrderRevised
    order: RawOrder
    dossier: Dossier
    facts: Facts
    cause: Cause
    #: The order's look as it is kept.
    look_before: Look | None = None


def propose(case: Case) -> Proposal:
    """Return what the rules say, before the money is looked at."""
    dossier = case.dossier
    if dossier.told is not None:
        reasons = dossier.decided.reasons if dossier.decided else ()
        return propose_after_release(case.order, case.facts, dossier.told, standing_reasons=reasons)
    match assess(case.order, case.facts):
        case Eligible(production_order):
            return Release(production_order)
        case Held(reasons, price):
            return Stay("held", reasons, price)
        case Rejected(reasons):
            return Stay("rejected", reasons)


def look_first(case: Case, proposal: Proposal, *, now: datetime, after: timedelta | None) -> Proposal:
    """Put a last look before the release of what was last read longer ago than `after`; None: never."""
    dossier = case.dossier
    if isinstance(proposal, Release) and must_look(case.order, dossier.standing, dossier.look, now=now, after=after):
        return LookFirst(proposal.production_order)
    return proposal


def claim_of(case: Case, proposal: Proposal) -> Claim | None:
    """Return what a proposal costs, or will cost once nothing else holds the order; None when that is nothing."""
    match proposal:
        case Release(production_order) | Amend(production_order):
            cost, binding = production_order.cost, True
        case LookFirst(production_order):
            cost, binding = production_order.cost, False
        case Stay("held", _, Price(amount)):
            cost, binding = amount, False
        case _:
            return None
    return Claim(
        case.order.key,
        case.order.seller_id,
        cost,
        charged=case.dossier.charged,
        willing=_is_willing(case),
        binding=binding,
    )


def _is_willing(case: Case) -> bool:
    return case.dossier.pay_asked or case.facts.settings_of(case.order).auto_pay


def conclude(
    case: Case,
    proposal: Proposal,
    settlement: Settlement | None,
    *,
    seal: Callable[[OutboxMessage], OutboxMessage],
    now: datetime,
    keep_for: timedelta,
    trace: str,
) -> Judgement:
    """Return the judgement. `keep_for` is how long personal data stay after the last thing that needs them.

    The messages carry `trace`, the `traceparent` of this judgement.

    Raises:
        UnreadableMessage: the order makes a message that Kafka would refuse, which would stop its shard's relay.
    """
    look, asks = _looked(case, proposal, settlement, now=now)
    verdict = _verdict(case, proposal, settlement, look)
    told = _told(case, verdict)
    if told is not None or verdict.outcome == "rejected":
        look = None
    decided, emitted = _decided(case, verdict, now=now)
    decision = _decision_message(case, verdict, decided, trace=trace) if emitted else None
    command = _production_message(case, verdict, told, now=now, trace=trace)
    asking = question(case.event, look, trace=trace) if asks and look is not None else None
    messages = tuple(seal(_sendable(message)) for message in (decision, command, asking) if message is not None)
    waits = waits_of(case.order, verdict.reasons, case.facts) if verdict.outcome == "held" else frozenset()
    dossier = replace(case.dossier, decided=decided, told=told, look=look)
    return Judgement(
        dossier=dossier if case.facts.erased_by is None else erased(dossier),
        cause=case.cause,
        waits=waits,
        messages=messages,
        erase_after=now + keep_for if _is_over(verdict, told) else None,
        judged_before=case.dossier.decided is not None,
        looked=look != case.look_before,
        erased_by=case.facts.erased_by,
    )


def erased(dossier: Dossier) -> Dossier:
    """Return what stays of an order whose buyer is forgotten."""
    told = replace(dossier.told, address="", items="") if dossier.told else None
    return replace(dossier, sealed_event=None, sealed_correction=None, buyer=None, told=told)


def _sendable(message: OutboxMessage) -> OutboxMessage:
    if len(message.value) > MAX_VALUE_BYTES:
        raise UnreadableMessage("order", "too large for production")
    return message


@dataclass(frozen=True, slots=True)
class _Verdict:
    outcome: Outcome
    reasons: tuple[Reason, ...] = ()
    step: ProductionStep | None = None
    production_order: ProductionOrder | None = None


def _looked(
    case: Case, proposal: Proposal, settlement: Settlement | None, *, now: datetime
) -> tuple[Look | None, bool]:
    """Return the order's look after this judgement, and whether it is asked for: not while the order cannot be paid."""
    if isinstance(proposal, LookFirst) and not isinstance(settlement, Unpaid):
        return asked(case.dossier.look, now=now)
    return unasked(case.dossier.look), False


def _verdict(case: Case, proposal: Proposal, settlement: Settlement | None, look: Look | None) -> _Verdict:
    match proposal:
        case Stay("held", reasons, price):
            return _Verdict("held", reasons + _foreseen(case, price, settlement))
        case Stay(outcome, reasons):
            return _Verdict(outcome, reasons)
        case Cancel(reasons):
            return _Verdict("rejected", reasons, "cancelled")
        case Release(production_order) | LookFirst(production_order) | Amend(production_order) if isinstance(
            settlement, Unpaid
        ):
            reason = _not_paid(Price(production_order.cost), settlement.balance)
            return _Verdict("held", (reason,), None, production_order)
        case LookFirst(production_order):
            reasons = (reason_of(look, case.dossier.standing),) if look is not None else ()
            return _Verdict("held", reasons, None, production_order)
        case Release(production_order):
            return _Verdict("eligible", (), "released", production_order)
        case Amend(production_order):
            return _Verdict("eligible", (), "amended", production_order)


def _foreseen(case: Case, price: Price | None, settlement: Settlement | None) -> tuple[Reason, ...]:
    """Return that production is not paid for, beside what holds the order: as the balance stands, it would not be."""
    if price is not None:
        return (_not_paid(price, settlement.balance),) if isinstance(settlement, Unpaid) else ()
    if case.dossier.told is None and not _is_willing(case):
        return (Reason(code=ReasonCode.PRODUCTION_NOT_PAID),)
    return ()


def _told(case: Case, verdict: _Verdict) -> Told | None:
    told = case.dossier.told
    if verdict.step == "cancelled" and told is not None:
        return replace(told, revision=told.revision + 1, cancelled=True)
    if verdict.step is None:
        return told
    address, items = digests(case.order, case.facts)
    if told is None:
        return Told(1, address, items)
    return replace(told, revision=told.revision + 1, address=address, items=items)


def _decided(case: Case, verdict: _Verdict, *, now: datetime) -> tuple[Decided, bool]:
    before = case.dossier.decided
    cost = verdict.production_order.cost if verdict.production_order else None
    if cost is None and before is not None and case.dossier.told is not None:
        cost = before.cost
    is_same = (
        before is not None
        and verdict.step is None
        and before.outcome == verdict.outcome
        and before.raw_event_id == case.event.event_id
        and _essence(before.reasons) == _essence(verdict.reasons)
    )
    if before is not None and is_same:
        return before, False
    number = before.number + 1 if before else 1
    return Decided(number, verdict.outcome, verdict.reasons, case.event.event_id, now, cost), True


def _essence(reasons: tuple[Reason, ...]) -> list[tuple[ReasonCode, str | None, tuple[tuple[str, str], ...]]]:
    # A balance changes with every other order; by itself it is no news about this one.
    return [
        (
            reason.code,
            reason.item_id,
            tuple(sorted((name, value) for name, value in reason.evidence.items() if name != "balance")),
        )
        for reason in reasons
    ]


def _decision_message(case: Case, verdict: _Verdict, decided: Decided, *, trace: str) -> OutboxMessage:
    order = case.order
    event = OrderDecided(
        event_id=fact_id("order.decided", order.key, str(decided.number)),
        occurred_at=decided.decided_at,
        seller_id=order.seller_id,
        order_key=order.key,
        store_id=order.store_id,
        platform=order.platform,
        external_id=order.external_id,
        number=decided.number,
        raw_event_id=case.event.event_id,
        session_id=case.event.session_id,
        cause=case.cause,
        outcome=decided.outcome,
        reasons=decided.reasons,
        step=verdict.step,
        cost=decided.cost,
        rules_version=RULES_VERSION,
        summary=_summary(case, verdict.production_order),
    )
    return OutboxMessage(DECISIONS, order.key, event.to_bytes(), trace=trace)


def _summary(case: Case, production_order: ProductionOrder | None) -> OrderSummary:
    order = case.order
    made = {item.item_id: item.sku for item in production_order.items} if production_order else {}
    return OrderSummary(
        display_name=order.display_name,
        placed_at=order.placed_at,
        revised_at=order.revised_at,
        imported_at=case.dossier.imported_at,
        way=order.way,
        test=order.test,
        payment=order.payment,
        fulfilment=order.fulfilment,
        cancelled_at=order.cancelled_at,
        ship_by=order.ship_by,
        total=order.total,
        items=tuple(
            ItemSummary(
                external_id=item.external_id,
                title=item.title,
                sku=item.sku,
                kind=item.kind,
                quantity=item.quantity,
                quantity_to_make=item.quantity_to_make,
                made_as=made.get(item.external_id),
            )
            for item in order.items
        ),
    )


def _production_message(
    case: Case, verdict: _Verdict, told: Told | None, *, now: datetime, trace: str
) -> OutboxMessage | None:
    key, seller = case.order.key, case.order.seller_id
    event: ProductionReleased | ProductionAmended | ProductionCancelled
    match verdict.step, verdict.production_order, told:
        case "released", ProductionOrder() as order, _:
            event_id = fact_id("order.released", key, "1")
            event = ProductionReleased(event_id=event_id, occurred_at=now, seller_id=seller, order_key=key, order=order)
        case "amended", ProductionOrder() as order, _:
            event_id = fact_id("order.amended", key, str(order.revision))
            event = ProductionAmended(event_id=event_id, occurred_at=now, seller_id=seller, order_key=key, order=order)
        case "cancelled", _, Told():
            event = _cancellation(key, seller, told, verdict.reasons, now=now)
        case _:
            return None
    return OutboxMessage(PRODUCTION, key, event.to_bytes(), sealed=True, trace=trace)


def _cancellation(
    key: OrderKey, seller: SellerId, told: Told, reasons: tuple[Reason, ...], *, now: datetime
) -> ProductionCancelled:
    return ProductionCancelled(
        event_id=fact_id("order.cancelled", key, "1"),
        occurred_at=now,
        seller_id=seller,
        order_key=key,
        revision=told.revision,
        reason=" ".join(reason.sentence() for reason in reasons),
    )


def _not_paid(price: Price, balance: Money) -> Reason:
    cost = f"{price.amount.text()} {price.amount.currency}"
    evidence = {
        "cost": cost if price.is_whole else f"\u2265 {cost}",
        "balance": f"{balance.text()} {balance.currency}",
    }
    return Reason(code=ReasonCode.PRODUCTION_NOT_PAID, evidence=evidence)


def _is_over(verdict: _Verdict, told: Told | None) -> bool:
    return verdict.outcome == "rejected" or (told is not None and told.state in {"shipped", "cancelled"})
