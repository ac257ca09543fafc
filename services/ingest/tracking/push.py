"""A parcel on its way to being known by its platform: pure changes by copy, and what is told of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from schemas.ids import OrderKey, SellerId, StoreId, fact_id
from schemas.topics import TRACKING_PUSHES
from schemas.tracking import PushState, TrackingPushed
from services.ingest.tracking.carriers import BY_ID
from services.kit.kafka.publisher import Message

#: What waits for something, beside the codes of platforms' own refusals (`PushRefused.code`).
WAITS_FOR_SCAN, ON_HOLD, PLATFORM_AWAY, RECONNECT = "WAITS_FOR_SCAN", "ON_HOLD", "PLATFORM_AWAY", "RECONNECT"
UNSURE, NOT_SHOWN_YET = "UNSURE", "NOT_SHOWN_YET"
#: What is not to be told, or cannot be.
SWITCHED_OFF, NOT_WANTED, VOIDED, REPLACED = "SWITCHED_OFF", "NOT_WANTED", "VOIDED", "REPLACED"
SHIPPED_BY_HAND = "SHIPPED_BY_HAND"
#: What the seller must see to.
ORDER_GONE, ORDER_CANCELLED, VANISHED, NO_ANSWER = "ORDER_GONE", "ORDER_CANCELLED", "VANISHED", "NO_ANSWER"
VOIDED_AFTER_TELLING, REPLACE_BY_HAND = "VOIDED_AFTER_TELLING", "REPLACE_BY_HAND"
UNITS_LEFT = "UNITS_LEFT"

#: What each of our codes says to the seller, and what to do; `{name}` is the platform.
SENTENCES: Mapping[str, str] = {
    WAITS_FOR_SCAN: "Waits until the carrier has scanned the parcel, as you chose for this store.",
    ON_HOLD: "{name} holds the order. It is told of the parcel as soon as the hold ends.",
    PLATFORM_AWAY: "{name} could not be asked ({problem}). It is tried again by itself.",
    RECONNECT: "{name} no longer accepts our access. Connect the store again, and this goes on by itself.",
    UNSURE: "It is not known whether {name} took the number. It is looked up there before it is sent again.",
    NOT_SHOWN_YET: "{name} took the number and does not show it yet. It is looked up again.",
    SWITCHED_OFF: "You chose that tracking of this store is not told. Switch it on and try again, or add it by hand.",
    NOT_WANTED: "{name} wants no tracking number from us for this order.",
    VOIDED: "The label was voided before {name} was told of it.",
    REPLACED: "The parcel got another label before {name} was told of this one.",
    SHIPPED_BY_HAND: "The order is shipped on {name} already, without this number, and nothing is left to ship. Open "
    "the order there and add the number to its shipment by hand.",
    ORDER_GONE: "{name} does not have the order any more. See whether the parcel can be called back.",
    ORDER_CANCELLED: "The order was cancelled on {name} and the parcel is on its way. Call it back, or settle it with "
    "the buyer.",
    VANISHED: "{name} took the number three times and does not show it. Add it to the order there by hand, or try "
    "again.",
    NO_ANSWER: "{name} did not answer for a day when it was told of the parcel. Try again, or add the number by hand.",
    UNITS_LEFT: "{name} has this number with an earlier shipment and takes no further items under it. Mark the items "
    "of this parcel as shipped there by hand, with the same number; then try again.",
    VOIDED_AFTER_TELLING: "The label was voided after {name} was told its number. Correct the shipment there.",
    REPLACE_BY_HAND: "The parcel got another label, and you chose that numbers are not replaced. Change the number on "
    "{name} by hand, or switch it on and try again.",
}

#: The platform has the number, or may have it.
_TOLD: frozenset[PushState] = frozenset({"sent", "accepted", "verified"})
#: No call to a platform takes longer.
_CALL_OVER_AFTER = timedelta(minutes=1)
#: From these the seller can have it tried again; one that waits is then tried at once.
_RETRIED: frozenset[PushState] = frozenset({"queued", "refused", "needs_attention", "off"})


@dataclass(frozen=True, slots=True)
class PushOrder:
    """The order that parcels belong to. `ship_by` is the platform's deadline, as far as it is known."""

    order_key: OrderKey
    external_id: str
    store_id: StoreId
    seller_id: SellerId
    platform: str
    ship_by: datetime | None = None


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a push stands after it was looked at: its state, why, and when it is looked at again (None: never).

    `after_grant`: also once the store was granted access more often than that.
    """

    state: PushState
    code: str | None = None
    problem: str | None = None
    due_at: datetime | None = None
    parcel_id: str | None = None
    after_grant: int | None = None


@dataclass(frozen=True, slots=True)
class Push:
    """One parcel as its platform is told of it; see `services.ingest.contract.parcels.Parcel` for what a parcel is.

    `step` counts what was told of it. `attempts` counts calls, `writes` those that the platform took since the seller
    last asked, `unanswered` those without an answer in a row, `failures` anything else that did not work in a row.
    `sent_at` is when the last call was about to be made, `written_at` when the platform took it.
    """

    push_id: str
    order: PushOrder
    shipment_id: str
    number: int
    tracking_number: str
    carrier: str | None
    carrier_name: str
    tracking_url: str
    shipped_at: datetime
    lines: Mapping[str, int]
    created_at: datetime
    changed_at: datetime
    service: str | None = None
    replaces: str | None = None
    state: PushState = "queued"
    step: int = 0
    attempts: int = 0
    writes: int = 0
    unanswered: int = 0
    failures: int = 0
    sent_at: datetime | None = None
    written_at: datetime | None = None
    due_at: datetime | None = None
    after_grant: int | None = None
    code: str | None = None
    problem: str | None = None
    parcel_id: str | None = None
    verified_at: datetime | None = None
    scanned_at: datetime | None = None
    voided_at: datetime | None = None
    replaced_by: str | None = None

    @property
    def is_told(self) -> bool:
        """Whether the platform has the number, or may have it."""
        return self.state in _TOLD or self.writes > 0

    def is_due(self, *, now: datetime, grants: int) -> bool:
        """Whether there is something to do."""
        if self.after_grant is not None and grants > self.after_grant:
            return True
        return self.due_at is not None and self.due_at <= now

    def sending(self, *, now: datetime) -> Push:
        """The push right before the platform is called; one that is not to be told any more stays as it is."""
        if self.voided_at or self.replaced_by:
            return self
        return replace(
            self,
            state="sent",
            attempts=self.attempts + 1,
            sent_at=now,
            due_at=now,
            after_grant=None,
            code=None,
            problem=None,
        )

    def taken(self, parcel_id: str | None, *, now: datetime) -> Push:
        """The push after the platform took the call."""
        taken = replace(
            self, state="accepted", writes=self.writes + 1, unanswered=0, failures=0, written_at=now, due_at=now
        )
        return replace(taken, parcel_id=parcel_id or self.parcel_id, code=None, problem=None)

    def unheard(self, stand: Stand) -> Push:
        """The push after a call without an answer."""
        return self._at(stand, unanswered=self.unanswered + 1)

    def failed(self, stand: Stand) -> Push:
        """The push after something did not work."""
        unanswered = self.unanswered if stand.state == "sent" else 0
        return self._at(stand, failures=self.failures + 1, unanswered=unanswered)

    def not_called(self, before: Push) -> Push:
        """The push after its call was turned away at the door: it is as `before` the call."""
        return replace(self, state=before.state, sent_at=before.sent_at)

    def stands(self, stand: Stand, *, now: datetime, ship_by: datetime | None = None) -> Push:
        """The push after it was looked at."""
        order = self.order if ship_by is None else replace(self.order, ship_by=ship_by)
        verified_at = (self.verified_at or now) if stand.state == "verified" else None
        return replace(self._at(stand, failures=0), order=order, verified_at=verified_at)

    def scanned(self, *, at: datetime, now: datetime) -> Push:
        """The push after the carrier has the parcel; one that waits for it goes on."""
        due_at = now if self.code == WAITS_FOR_SCAN else self.due_at
        return self if self.scanned_at else replace(self, scanned_at=at, due_at=due_at)

    def voided(self, name: str, *, now: datetime) -> Push:
        """The push after its label was given back: the platform is not told, or the seller is that it was."""
        if self.voided_at or self.replaced_by:
            return self
        code, state = _after_voiding(self)
        problem = SENTENCES[code].format(name=name)
        return replace(
            self, state=state, code=code, problem=problem, due_at=None, after_grant=None, voided_at=now, failures=0
        )

    def left_to(self, other: str, name: str) -> Push:
        """The push after another label took the place of this one: the push `other` goes on with it."""
        left = replace(self, replaced_by=other, due_at=None, after_grant=None)
        if self.is_told:
            return left
        return replace(left, state="off", code=REPLACED, problem=SENTENCES[REPLACED].format(name=name))

    def in_place_of(self, old: Push) -> Push:
        """The push of the label that took the place of an `old` one's."""
        if not old.is_told:
            return replace(self, replaces=old.replaces)
        # A call that may still be under way is waited for.
        sure_at = old.sent_at + _CALL_OVER_AFTER if old.state == "sent" and old.sent_at else None
        return replace(self, replaces=old.tracking_number, due_at=max(self.created_at, sure_at or self.created_at))

    def retried(self, *, now: datetime) -> Push:
        """The push after the seller asked to try again; one that may be known by the platform stays as it is."""
        if self.state not in _RETRIED or self.voided_at or self.replaced_by:
            return self
        return replace(
            self,
            state="queued",
            due_at=now,
            after_grant=None,
            writes=0,
            unanswered=0,
            failures=0,
            code=None,
            problem=None,
        )

    def _at(self, stand: Stand, *, failures: int | None = None, unanswered: int | None = None) -> Push:
        if self.replaced_by:
            return self
        due_at = stand.due_at
        if stand.code == WAITS_FOR_SCAN and self.scanned_at:
            due_at = self.scanned_at
        stood = replace(
            self,
            state=stand.state,
            code=stand.code,
            problem=stand.problem,
            due_at=due_at,
            after_grant=stand.after_grant,
            parcel_id=stand.parcel_id or self.parcel_id,
            failures=self.failures if failures is None else failures,
            unanswered=self.unanswered if unanswered is None else unanswered,
        )
        if self.voided_at is None:
            return stood
        # It was voided while the platform was being told.
        code, state = _after_voiding(stood)
        return replace(stood, state=state, code=code, problem=self.problem, due_at=None, after_grant=None)


def _after_voiding(push: Push) -> tuple[str, PushState]:
    return (VOIDED_AFTER_TELLING, "needs_attention") if push.is_told else (VOIDED, "off")


def push_id_of(order_key: str, shipment_id: str) -> str:
    """The id of the push of a shipment."""
    return fact_id("push", order_key, shipment_id)


def push_order_due(pushes: Mapping[str, Push]) -> tuple[datetime | None, int | None, datetime | None]:
    """When the first of an order's pushes is due, after which grant at the latest, and the order's deadline."""
    due = [push.due_at for push in pushes.values() if push.due_at is not None]
    grants = [push.after_grant for push in pushes.values() if push.after_grant is not None]
    ship_by = [push.order.ship_by for push in pushes.values() if push.order.ship_by is not None]
    return min(due, default=None), min(grants, default=None), max(ship_by, default=None)


def told(before: Push | None, after: Push, *, now: datetime) -> tuple[Push, tuple[Message, ...]]:
    """The push as it is to be kept, and what is to be told of the change: nothing where nobody would see one."""
    if before is not None and _seen(before) == _seen(after):
        return after, ()
    kept = replace(after, step=after.step + 1, changed_at=now)
    return kept, (_message(kept),)


def _seen(push: Push) -> tuple[object, ...]:
    return push.state, push.code, push.verified_at, push.order.ship_by, push.attempts


def _message(push: Push) -> Message:
    order = push.order
    event = TrackingPushed(
        event_id=fact_id("tracking.pushed", push.push_id, str(push.step)),
        occurred_at=push.changed_at,
        seller_id=order.seller_id,
        push_id=push.push_id,
        order_key=order.order_key,
        store_id=order.store_id,
        platform=order.platform,
        shipment_id=push.shipment_id,
        step=push.step,
        state=push.state,
        carrier=BY_ID[push.carrier].name if push.carrier in BY_ID else push.carrier_name,
        tracking_number=push.tracking_number,
        tracking_url=push.tracking_url,
        shipped_at=push.shipped_at,
        attempts=push.attempts,
        code=push.code,
        problem=push.problem,
        due_at=push.due_at,
        ship_by=order.ship_by,
        verified_at=push.verified_at,
    )
    return Message(TRACKING_PUSHES.name, order.order_key, event.to_bytes())


def grown(first: timedelta, times: int, *, most: timedelta) -> timedelta:
    """A wait that doubles with each of `times` before it."""
    return min(first * (1 << min(max(times, 0), 16)), most)


def wanted_again(push: Push, state: str | None, code: str | None) -> bool:
    """Whether a push is among those that the seller wants tried again."""
    return state in (None, push.state) and code in (None, push.code)
