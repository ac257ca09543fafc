"""Translates between rows of the tables and the values that are judged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

import asyncpg
import orjson
from pydantic import TypeAdapter

from schemas.catalog import CatalogVariant
from schemas.money import Money
from schemas.order import Design
from schemas.reasons import Reason
from services.eligibility.dossier import Decided, Dossier, Judgement, Look, OutboxMessage
from services.eligibility.erasures import Erased, Tombstone, Tombstones
from services.eligibility.facts import Approval, Match, SellerSettings
from services.eligibility.payments import Claim
from services.eligibility.released import Told
from services.eligibility.revisions import Stamp, Standing
from services.kit import trace

Row = tuple[Any, ...]

ORDER_COLUMNS = (
    *("order_key", "shard", "seller_id", "store_id", "imported_at", "revised_at", "fetched_at", "raw_event_id"),
    *("registers", "number", "outcome", "reasons", "judged_event_id", "decided_at", "cost_amount", "cost_currency"),
    *("told_revision", "told_cancelled", "trace"),
)
PERSONAL_COLUMNS = ("order_key", "sealed_event", "told_address", "told_items", "erase_after", "buyer")
LOOK_COLUMNS = ("order_key", "shard", "read_at", "since", "asked", "asked_at", "again_at", "problem")
WAIT_COLUMNS = ("order_key", "fact", "ref", "shard")
OUTBOX_COLUMNS = ("shard", "number", "topic", "order_key", "value", "sealed", "trace")
CHARGE_COLUMNS = ("order_key", "seller_id", "currency", "amount", "charged_at", "changed_at")

_REASONS: TypeAdapter[tuple[Reason, ...]] = TypeAdapter(tuple[Reason, ...])
_DESIGNS: TypeAdapter[tuple[Design, ...]] = TypeAdapter(tuple[Design, ...])


def outbox_row(shard: int, number: int, message: OutboxMessage) -> Row:
    """Return the columns of a message in the outbox."""
    return (shard, number, message.topic, message.key, message.value, message.sealed, message.trace)


def outbox_message(row: asyncpg.Record) -> OutboxMessage:
    """Return a message of the outbox."""
    return OutboxMessage(row["topic"], row["order_key"], row["value"], row["sealed"], row["trace"])


def columns(table: Iterable[Row], width: int) -> list[list[Any]]:
    """Turn rows into the arrays that `unnest` takes."""
    turned = [list(column) for column in zip(*table, strict=True)]
    return turned or [[] for _ in range(width)]


def dossier(row: asyncpg.Record) -> Dossier:
    """Return an order as its row says it stands."""
    return Dossier(
        order_key=row["order_key"],
        shard=row["shard"],
        seller_id=row["seller_id"],
        store_id=row["store_id"],
        imported_at=row["imported_at"],
        standing=_standing(row),
        decided=_decided(row),
        sealed_event=row["sealed_event"],
        sealed_correction=row["sealed_correction"],
        approval=Approval(row["approved"], row["approved_payment"], row["approved_risk"]),
        held_by_seller=row["held_by_seller"],
        pay_asked=row["pay_asked"],
        told=_told(row),
        charged=_money(row["charged_amount"], row["charged_currency"]),
        trace=trace.parse(row["trace"]),
        buyer=row["buyer"],
        look=_look(row) if row["looked"] else None,
    )


def settings(row: asyncpg.Record) -> SellerSettings:
    """Return a seller's settings."""
    return SellerSettings(row["auto_match"], row["auto_approve"], row["auto_pay"])


def match(row: asyncpg.Record) -> Match:
    """Return what production makes."""
    return Match(row["production_sku"], designs(row["designs"]))


@lru_cache(maxsize=4096)
def variant(text: str) -> CatalogVariant:
    """Return a variant; the same few are sold again and again."""
    return CatalogVariant.model_validate_json(text)


@lru_cache(maxsize=4096)
def designs(text: str) -> tuple[Design, ...]:
    """Return a match's artwork."""
    return _DESIGNS.validate_json(text)


def designs_text(wanted: tuple[Design, ...]) -> str:
    """Return artwork as it is kept."""
    return _DESIGNS.dump_json(wanted).decode()


def order_row(judgement: Judgement) -> Row:
    """Return the columns of `write_orders`."""
    dossier, decided = judgement.dossier, judgement.dossier.decided
    told, content = dossier.told, dossier.standing.content
    if decided is None:
        raise ValueError("a judgement has a decision")
    return (
        *(dossier.order_key, dossier.shard, dossier.seller_id, dossier.store_id, dossier.imported_at),
        *(content.revised_at, content.fetched_at, content.event_id, _registers(dossier.standing)),
        *(decided.number, decided.outcome, _reasons_text(decided.reasons), decided.raw_event_id, decided.decided_at),
        decided.cost.amount if decided.cost else None,
        decided.cost.currency if decided.cost else None,
        told.revision if told else None,
        told.cancelled if told else False,
        dossier.trace.text() if dossier.trace else None,
    )


def personal_rows(judgements: Iterable[Judgement]) -> Iterator[Row]:
    """Yield the columns of `write_personal_data`, for orders of which not everything was erased."""
    for judgement in judgements:
        dossier, told = judgement.dossier, judgement.dossier.told
        if dossier.sealed_event is not None:
            digests = (told.address, told.items) if told else ("", "")
            yield (dossier.order_key, dossier.sealed_event, *digests, judgement.erase_after, dossier.buyer)


def erased(judgements: Iterable[Judgement]) -> list[Erased]:
    """Return the orders that were judged to be forgotten."""
    return [
        Erased(each.dossier.order_key, each.erased_by, each.dossier.seller_id)
        for each in judgements
        if each.erased_by is not None
    ]


def tombstones(found: Iterable[asyncpg.Record]) -> Tombstones:
    """Return tombstones as their rows say."""
    orders: dict[str, Tombstone] = {}
    stores: dict[str, Tombstone] = {}
    buyers: dict[tuple[bytes, str], Tombstone] = {}
    for row in found:
        tombstone = Tombstone(row["event_id"], row["asked_at"])
        match row["kind"]:
            case "order":
                orders[row["ref"]] = tombstone
            case "store":
                stores[row["ref"]] = tombstone
            case _:
                buyers[row["buyer"], row["ref"]] = tombstone
    return Tombstones(orders, stores, buyers)


def charge_row(claim: Claim, now: datetime) -> Row:
    """Return the columns of a charge."""
    return (claim.order_key, claim.seller_id, claim.cost.currency, claim.cost.amount, now, now)


def standing_row(dossier: Dossier) -> Row:
    """Return the columns of `touch_orders`."""
    content = dossier.standing.content
    place = (content.revised_at, content.fetched_at, content.event_id)
    return (dossier.order_key, dossier.imported_at, *place, _registers(dossier.standing))


def words_row(dossier: Dossier) -> Row:
    """Return the columns of `put_words`."""
    approval = dossier.approval
    words = (approval.given, approval.payment, approval.risk, dossier.held_by_seller, dossier.pay_asked)
    return (dossier.order_key, *words)


def wait_rows(judgement: Judgement) -> Iterator[Row]:
    """Yield the columns of `add_waits`."""
    dossier = judgement.dossier
    for wait in judgement.waits:
        yield (dossier.order_key, wait.fact, wait.ref, dossier.shard)


def look_row(dossier: Dossier) -> Row:
    """Return the columns of `keep_looks`. Raises ValueError for an order without a look."""
    look = dossier.look
    if look is None:
        raise ValueError("an order that needs no look has none to keep")
    waits = (look.since, look.asked, look.asked_at, look.again_at, look.problem)
    return (dossier.order_key, dossier.shard, look.read_at, *waits)


def _look(row: asyncpg.Record) -> Look:
    return Look(
        read_at=row["look_read_at"],
        since=row["look_since"],
        asked=row["look_asked"],
        asked_at=row["look_asked_at"],
        again_at=row["look_again_at"],
        problem=row["look_problem"],
    )


def _standing(row: asyncpg.Record) -> Standing:
    content = Stamp(row["revised_at"], row["fetched_at"], row["raw_event_id"])
    if row["registers"] is None:
        return Standing(content)
    kept = orjson.loads(row["registers"])
    return Standing(
        content,
        risk=kept["risk"],
        risk_at=_stamp(kept["risk_at"]),
        holds=tuple(kept["holds"]) if kept["holds"] is not None else None,
        holds_at=_stamp(kept["holds_at"]),
        gone_at=_stamp(kept.get("gone_at")),
    )


def _registers(standing: Standing) -> str | None:
    if standing.risk_at is None and standing.holds_at is None and standing.gone_at is None:
        return None
    kept = {
        "risk": standing.risk,
        "risk_at": list(standing.risk_at) if standing.risk_at else None,
        "holds": standing.holds,
        "holds_at": list(standing.holds_at) if standing.holds_at else None,
        "gone_at": list(standing.gone_at) if standing.gone_at else None,
    }
    return orjson.dumps(kept).decode()


def _stamp(kept: list[str] | None) -> Stamp | None:
    if kept is None:
        return None
    return Stamp(datetime.fromisoformat(kept[0]), datetime.fromisoformat(kept[1]), kept[2])


def _decided(row: asyncpg.Record) -> Decided | None:
    if row["number"] == 0:
        return None
    return Decided(
        number=row["number"],
        outcome=row["outcome"],
        reasons=_REASONS.validate_json(row["reasons"]) if row["reasons"] else (),
        raw_event_id=row["judged_event_id"],
        decided_at=row["decided_at"],
        cost=_money(row["cost_amount"], row["cost_currency"]),
    )


def _reasons_text(reasons: tuple[Reason, ...]) -> str | None:
    return _REASONS.dump_json(reasons).decode() if reasons else None


def _told(row: asyncpg.Record) -> Told | None:
    if row["told_revision"] is None:
        return None
    return Told(
        revision=row["told_revision"],
        address=row["told_address"] or "",
        items=row["told_items"] or "",
        cancelled=row["told_cancelled"],
        state=row["production_state"],
        past_return=row["past_return"],
    )


def _money(amount: int | None, currency: str | None) -> Money | None:
    return Money(amount=amount, currency=currency) if amount is not None and currency else None
