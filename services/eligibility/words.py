"""What a seller says about single orders: approve, hold, release, another address, pay."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from schemas.address import Address
from schemas.decisions import Cause
from schemas.order import RawOrder
from services.eligibility.dossier import Dossier
from services.eligibility.facts import Approval, Correction
from services.eligibility.looks import vouched
from services.eligibility.ports import Repository
from services.eligibility.rules import address_digest
from services.eligibility.sealing import Sealer

#: not_found: no order of this seller. already_released: too late for that. erased: the buyer's data are gone.
#: decision_changed: the seller speaks of a decision that is no longer the valid one.
Refusal = Literal["not_found", "already_released", "erased", "decision_changed"]


@dataclass(frozen=True, slots=True)
class Spoken:
    """An order at the moment the seller speaks of it."""

    dossier: Dossier
    order: RawOrder
    correction: Correction | None
    now: datetime


#: Changes a dossier, or refuses to.
Word = Callable[[Spoken, Sealer], Dossier | Refusal]


async def say(
    word: Word,
    keys: Collection[str],
    *,
    seller_id: str,
    cause: Cause,
    repository: Repository,
    sealer: Sealer,
    now: datetime,
) -> dict[str, Dossier | Refusal]:
    """Say the same word about orders of a seller; each is kept or refused by itself, and judged again if kept."""
    places = await repository.locate(keys)
    answers: dict[str, Dossier | Refusal] = dict.fromkeys(keys, "not_found")
    ours = {key: place.shard for key, place in places.items() if place.seller_id == seller_id}
    if not ours:
        return answers
    # Under the shards' locks: a hold is there before the order is judged, or comes after it was released.
    async with repository.judging(set(ours.values())) as transaction:
        for key, dossier in (await transaction.dossiers(ours.keys())).items():
            answers[key] = _said(word, dossier, sealer, now)
        changed = [answer for answer in answers.values() if isinstance(answer, Dossier)]
        if changed:
            await transaction.put_words(changed, cause)
    return answers


def approve(spoken: Spoken, _: Sealer) -> Dossier | Refusal:
    """The order be made. What the seller objects to by approving is what stands there now.

    An order that waits for its last look is then as it was read: the seller takes upon themselves that it still stands.
    """
    approval = Approval(given=True, payment=spoken.order.payment, risk=spoken.order.risk)
    return replace(spoken.dossier, approval=approval, look=vouched(spoken.dossier.look, now=spoken.now))


def approve_as_seen(numbers: Mapping[str, int]) -> Word:
    """Return the word: each order be made if its decision is still the one with the number that the seller saw.

    Orders without a number are approved as they stand.
    """

    def word(spoken: Spoken, sealer: Sealer) -> Dossier | Refusal:
        decided, seen = spoken.dossier.decided, numbers.get(spoken.dossier.order_key)
        if seen is not None and (decided is None or decided.number != seen):
            return "decision_changed"
        return approve(spoken, sealer)

    return word


def hold(spoken: Spoken, _: Sealer) -> Dossier | Refusal:
    """The order wait."""
    if spoken.dossier.told is not None:
        return "already_released"
    return replace(spoken.dossier, held_by_seller=True)


def release(spoken: Spoken, _: Sealer) -> Dossier | Refusal:
    """The order wait no longer for the seller."""
    return replace(spoken.dossier, held_by_seller=False)


def pay(spoken: Spoken, _: Sealer) -> Dossier | Refusal:
    """Production be paid for this order from the balance."""
    return replace(spoken.dossier, pay_asked=True)


def correct_address(address: Address) -> Word:
    """Return the word: the parcel goes to `address`."""

    def word(spoken: Spoken, sealer: Sealer) -> Dossier | Refusal:
        return _corrected(spoken, sealer, Correction(of=address_digest(spoken.order.ship_to), address=address))

    return word


def confirm_address(spoken: Spoken, sealer: Sealer) -> Dossier | Refusal:
    """The address, corrected or not, is right as it stands."""
    of = address_digest(spoken.order.ship_to)
    before = spoken.correction.address if spoken.correction and spoken.correction.of == of else None
    return _corrected(spoken, sealer, Correction(of=of, address=before, confirmed=True))


def _corrected(spoken: Spoken, sealer: Sealer, correction: Correction) -> Dossier:
    return replace(spoken.dossier, sealed_correction=sealer.seal_correction(spoken.dossier.order_key, correction))


def _said(word: Word, dossier: Dossier, sealer: Sealer, now: datetime) -> Dossier | Refusal:
    event = sealer.open_event(dossier)
    if event is None:
        return "erased"
    order = dossier.standing.applied_to(event.order)
    return word(Spoken(dossier, order, sealer.open_correction(dossier), now), sealer)
