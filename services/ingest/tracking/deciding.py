"""What is done next about a parcel, by what its platform has of the order's shipping; pure.

A platform that mails the buyer at every call must not be called twice for one parcel. So it is called only when it was
just read and does not have the number, and again only when it is certain that the last call did nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from schemas.stores import StoreSettings
from schemas.tracking import PushState
from services.ingest.contract.parcels import READ_FIRST, Parcel, ParcelWriter, PushRefused, Shipping, plain_number
from services.ingest.tracking.push import (
    NO_ANSWER,
    NOT_SHOWN_YET,
    NOT_WANTED,
    ON_HOLD,
    ORDER_CANCELLED,
    ORDER_GONE,
    REPLACE_BY_HAND,
    SENTENCES,
    SHIPPED_BY_HAND,
    SWITCHED_OFF,
    UNITS_LEFT,
    UNSURE,
    VANISHED,
    WAITS_FOR_SCAN,
    Push,
    Stand,
    grown,
)

#: After a call without an answer, what it did shows within this time. A platform that keeps failing is given longer.
SURE_AFTER, FAILS_OFTEN = timedelta(minutes=1), 3
LONGEST_UNSURE = timedelta(hours=1)
#: Calls without an answer in a row: about a day of them.
MOST_UNANSWERED = 30
#: How often a number that vanished is told again.
MOST_AGAIN = 2
#: When a number that the platform took and does not show is looked up again, after it was taken.
_LOOKS_AT_ONCE = (2, 5, 15, 30, 60)
_LOOKS_LATER = (5, 30, 120, 600, 1_800, 3_600, 5_400, 7_200)
#: Where reading back at once is no proof, when it is.
PROVEN_AFTER = timedelta(hours=1)
_HOLD_LOOK = timedelta(minutes=15)
#: A seller's choice may change without anybody telling.
_CHOICE_LOOK = timedelta(hours=1)
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=30), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Write:
    """Tell the platform of this parcel now."""

    parcel: Parcel


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides beside the push and the platform's answer.

    `siblings` are the numbers of the order's other pushes that the platform was told by us; `lines` what goes under the
    push's number in all, where production told of several shipments under one (None: the push's own); `told` what other
    shipments under it the platform was told of before.
    """

    name: str
    settings: StoreSettings
    writer: ParcelWriter
    siblings: Collection[str] = ()
    lines: Mapping[str, int] | None = None
    told: Mapping[str, int] = field(default_factory=dict)

    def stand(self, state: PushState, code: str, *, due_at: datetime | None = None) -> Stand:
        """The stand for one of our codes."""
        return Stand(state, code, SENTENCES[code].format(name=self.name), due_at)


def before_reading(push: Push, rules: Rules, *, now: datetime) -> Stand | None:
    """Where a push stands by what the seller chose; None: ask the platform."""
    if push.is_told:
        return None
    if not rules.settings.sync_tracking:
        return rules.stand("off", SWITCHED_OFF)
    if push.replaces and not rules.settings.replace_tracking:
        return rules.stand("needs_attention", REPLACE_BY_HAND)
    if rules.settings.hold_until_scanned and push.scanned_at is None:
        return rules.stand("queued", WAITS_FOR_SCAN, due_at=now + _CHOICE_LOOK)
    return None


def decide(push: Push, shipping: Shipping | None, rules: Rules, *, now: datetime) -> Write | Stand:
    """What to do now that the platform answered `shipping`."""
    if shipping is None:
        return Stand("verified") if push.state == "verified" else rules.stand("needs_attention", ORDER_GONE)
    rest = _rest(push, shipping, rules)
    if shipping.has(push.tracking_number) and not rest:
        return _there(push, shipping, rules, now=now)
    waiting = _waits(push, rules, now=now)
    return waiting or _kept_out(push, shipping, rules, rest, now=now) or _write(push, shipping, rules, rest)


def lines_together(push: Push, pushes: Iterable[Push]) -> dict[str, int] | None:
    """Units of all shipments under a push's number that are not told yet: a platform has a number once.

    None where there is no other.
    """
    others = [each for each in _same_number(push, pushes) if not (each.is_told or each.voided_at or each.replaced_by)]
    if not others or not all(each.lines for each in (push, *others)):
        return None
    units: Counter[str] = Counter()
    for each in (push, *others):
        units.update(each.lines)
    return dict(units)


def lines_told(push: Push, pushes: Iterable[Push]) -> dict[str, int]:
    """Units of other shipments under a push's number that the platform was told of."""
    units: Counter[str] = Counter()
    for each in _same_number(push, pushes):
        if each.is_told and not each.voided_at:
            units.update(each.lines)
    return dict(units)


def under_same_number(push: Push, pushes: Iterable[Push]) -> Push | None:
    """Another shipment under the same number of which it is not known yet whether the platform took it."""
    return next((each for each in _same_number(push, pushes) if each.state in {"sent", "accepted"}), None)


def parcel_of(push: Push, rules: Rules) -> Parcel:
    """The parcel as the platform is to be told of it; `replaces` is a number that it was told, or not."""
    return Parcel(
        order_external_id=push.order.external_id,
        number=push.number,
        tracking_number=push.tracking_number,
        carrier=push.carrier,
        carrier_name=push.carrier_name,
        shipped_at=push.shipped_at,
        lines=push.lines if rules.lines is None else rules.lines,
        # A number that vanished was announced when the platform took it.
        notify_buyer=rules.settings.notify_buyer and push.writes == 0,
        service=push.service,
        tracking_url=push.tracking_url,
        replaces=push.replaces,
    )


def after_refusal(push: Push, refusal: PushRefused, *, now: datetime) -> Stand:
    """Where a push stands that the platform refused."""
    if refusal.code == READ_FIRST:
        return Stand("queued", refusal.code, refusal.sentence, now)
    if refusal.remedy == "wait":
        due_at = now + grown(_FIRST_WAIT, push.failures, most=_LONGEST_WAIT)
        return Stand("queued", refusal.code, refusal.sentence, due_at)
    return Stand("needs_attention" if refusal.remedy == "seller" else "refused", refusal.code, refusal.sentence)


def _there(push: Push, shipping: Shipping, rules: Rules, *, now: datetime) -> Stand:
    proven = rules.writer.proves_at_once or push.state == "verified"
    wanted = [known for known in shipping.parcels if Shipping("open", (known,)).has(push.tracking_number)]
    return Stand("verified", due_at=None if proven else now + PROVEN_AFTER, parcel_id=wanted[0].parcel_id)


def _waits(push: Push, rules: Rules, *, now: datetime) -> Stand | None:
    """What must pass before the number, which is not there, may be told again."""
    if push.state == "sent" and push.sent_at is not None:
        if push.unanswered >= MOST_UNANSWERED:
            return rules.stand("needs_attention", NO_ANSWER)
        sure_at = push.sent_at + grown(SURE_AFTER, push.unanswered - FAILS_OFTEN, most=LONGEST_UNSURE)
        return rules.stand("sent", UNSURE, due_at=sure_at) if now < sure_at else None
    if push.state == "accepted" and push.written_at is not None:
        passed = (now - push.written_at).total_seconds()
        looks = _LOOKS_AT_ONCE if rules.writer.proves_at_once else _LOOKS_LATER
        nearest = next((look for look in looks if look > passed), None)
        if nearest is not None:
            return rules.stand("accepted", NOT_SHOWN_YET, due_at=push.written_at + timedelta(seconds=nearest))
    return rules.stand("needs_attention", VANISHED) if push.writes > MOST_AGAIN else None


def _kept_out(push: Push, shipping: Shipping, rules: Rules, rest: Mapping[str, int], *, now: datetime) -> Stand | None:
    """Why the platform is not to be told of a parcel that it does not have."""
    match shipping.standing:
        case "cancelled":
            return rules.stand("needs_attention", ORDER_CANCELLED)
        case "exempt":
            return rules.stand("off", NOT_WANTED)
        case "on_hold":
            return rules.stand("queued", ON_HOLD, due_at=_hold_ends(shipping, now=now))
        case "shipped" if not _ours(push, shipping, rules):
            return rules.stand("refused", SHIPPED_BY_HAND)
        case _ if rest and not rules.writer.adds_units:
            return rules.stand("needs_attention", UNITS_LEFT)
        case _:
            return None


def _hold_ends(shipping: Shipping, *, now: datetime) -> datetime:
    soon = now + _FIRST_WAIT
    return now + _HOLD_LOOK if shipping.until is None else max(shipping.until, soon)


def _ours(push: Push, shipping: Shipping, rules: Rules) -> bool:
    """Whether it was we who shipped the order there: another parcel of it, or this one, whose number got lost."""
    if push.attempts > 0 or (push.replaces and shipping.has(push.replaces)):
        return True
    return any(shipping.has(number) for number in rules.siblings)


def _rest(push: Push, shipping: Shipping, rules: Rules) -> dict[str, int]:
    """Units of a parcel whose number is there without them, and which may be shipped yet.

    Telling it took several calls and stopped in between, or its number was told with another shipment's units.
    """
    number = plain_number(push.tracking_number)
    known = [known.lines for known in shipping.parcels if plain_number(known.tracking_number or "") == number]
    if push.state == "verified" or shipping.left is None or shipping.standing not in {"open", "on_hold"}:
        return {}
    # A platform that does not say what is in a parcel is believed to have all of it.
    if not known or not all(known):
        return {}
    there: Counter[str] = Counter()
    for lines in known:
        there.update(lines or {})
    rest = {
        line: min(units + rules.told.get(line, 0) - there[line], units, shipping.left.get(line, 0))
        for line, units in push.lines.items()
    }
    return {line: units for line, units in rest.items() if units > 0}


def _write(push: Push, shipping: Shipping, rules: Rules, rest: Mapping[str, int]) -> Write:
    """Tell it in the place of the number that it replaces, where that is there and can be replaced."""
    parcel = parcel_of(push, rules)
    if rest:
        # The buyer was told with the number.
        return Write(replace(parcel, lines=rest, notify_buyer=False, replaces=None))
    known = push.replaces and rules.writer.replaces and shipping.has(push.replaces)
    return Write(parcel if known else replace(parcel, replaces=None))


def _same_number(push: Push, pushes: Iterable[Push]) -> list[Push]:
    number = plain_number(push.tracking_number)
    return [each for each in pushes if each is not push and plain_number(each.tracking_number) == number]
