"""Takes in what production answers: how far an order is, and that a cancelled one is paid back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast, get_args

from schemas.money import Money
from schemas.production import ProductionUpdate
from services.eligibility.dossier import Dossier
from services.eligibility.payments import Claim
from services.eligibility.ports import Repository, StateChange
from services.eligibility.released import ProductionState, after_update
from services.kit.clock import Clock
from services.kit.errors import UnreadableMessage

#: What may change the decision about an order: whether it can still be called back.
_JUDGED_AGAIN = {"cancelled", "cancel_refused"}
_OVER = {"shipped", "cancelled"}
_STATES = frozenset(get_args(ProductionState))


def concerns_decisions(update: ProductionUpdate) -> bool:
    """Tell whether an update says how far the order is; what becomes of a parcel on its way changes no decision."""
    return update.type.removeprefix("production.") in _STATES


@dataclass(frozen=True, slots=True)
class Answer:
    """An update of production's with the shard that its partition is."""

    update: ProductionUpdate
    shard: int


async def take_answers(answers: Sequence[Answer], repository: Repository, *, clock: Clock, keep_for: timedelta) -> None:
    """Keep the newest state of each order. The same answers again change nothing.

    Raises:
        UnreadableMessage: an order that production was never told of.
    """
    async with repository.judging({answer.shard for answer in answers}) as transaction:
        dossiers = await transaction.dossiers({answer.update.order_key for answer in answers})
        changes: dict[str, StateChange] = {}
        for answer in answers:
            key = answer.update.order_key
            dossiers[key] = _after(answer, dossiers.get(key))
            changes[key] = _change(dossiers[key], clock.now() + keep_for)
        refunds = [_refund(dossiers[key]) for key, change in changes.items() if change.state == "cancelled"]
        due = [refund for refund in refunds if refund is not None]
        if due:
            await transaction.payments.settle(due)
        again = [key for key, change in changes.items() if change.state in _JUDGED_AGAIN]
        await transaction.put_states(list(changes.values()), again=again)


def _after(answer: Answer, dossier: Dossier | None) -> Dossier:
    if dossier is None or dossier.told is None:
        raise UnreadableMessage("order_key", "production was never told of this order")
    reported = cast(ProductionState, answer.update.type.removeprefix("production."))
    state, past_return = after_update(dossier.told, reported)
    return replace(dossier, told=replace(dossier.told, state=state, past_return=past_return))


def _change(dossier: Dossier, erase_after: datetime) -> StateChange:
    told = dossier.told
    if told is None or told.state is None:
        raise ValueError("an answered order was told and has a state")
    return StateChange(dossier.order_key, told.state, told.past_return, erase_after if told.state in _OVER else None)


def _refund(dossier: Dossier) -> Claim | None:
    if dossier.charged is None:
        return None
    nothing = Money.zero(dossier.charged.currency)
    return Claim(dossier.order_key, dossier.seller_id, nothing, charged=dossier.charged)
