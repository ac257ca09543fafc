"""Audits in Postgres; whatever a lease allows is checked under its row's lock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

import asyncpg
import orjson
from pydantic import TypeAdapter

from schemas.audits import CountsCompared, FoundOrder, OrdersCompared
from schemas.ids import OrderKey, split_order_key
from schemas.sessions import Window as Span
from services.ingest.adapters.postgres import SQL, Connection
from services.ingest.adapters.postgres.outbox import put
from services.ingest.adapters.postgres.polls import keep_seen, seen_of
from services.ingest.adapters.postgres.stores import store_of
from services.ingest.audits.audit import SCHEDULED, Answer, Asked, Audit, Difference, Explained, Tally
from services.ingest.audits.ports import AuditCost, AuditLease, Entry, Unplanned
from services.ingest.ports import LeaseLost, Seen
from services.kit.kafka.publisher import Message
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql

_SQL = load_sql(SQL / "audits.sql")
_FOUND = TypeAdapter(tuple[FoundOrder, ...])


class PostgresAudits:
    """`Audits` in the tables whose names begin so."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def add(self, audits: Sequence[Audit], *, messages: Sequence[Message] = ()) -> None:
        """In one transaction."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                for audit in audits:
                    await connection.execute(_SQL.insert_audit, *_identity(audit), *_changeable(audit))
                await put(connection, messages)

    async def get(self, audit_id: str) -> Audit | None:
        """One audit."""
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.get_audit, audit_id)
        return _audit(row) if row else None

    async def page(self, seller_id: str, *, store_id: str | None, after: str | None, limit: int) -> list[Audit]:
        """By the index over seller and id."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.page_of_audits, seller_id, store_id, after, limit)
        return [_audit(row) for row in rows]

    async def unfinished(self, store_ids: Collection[str]) -> Mapping[str, int]:
        """In one statement."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.count_unfinished_audits, list(store_ids))
        return {row["store_id"]: row["unfinished"] for row in rows}

    async def unplanned(self, *, platforms: Collection[str], limit: int) -> list[Unplanned]:
        """In one statement."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.unplanned_audits, list(platforms), list(SCHEDULED), limit)
        return [Unplanned(store_of(row), row["scope"], row["last_planned"], row["failed_at"]) for row in rows]

    async def costs(self, platforms: Collection[str]) -> list[AuditCost]:
        """In one statement."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.costs_of_audits, list(platforms))
        return [AuditCost(row["platform"], row["scope"], row["budget"], row["calls"]) for row in rows]

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[AuditLease]:
        """In one statement, passing over rows that others claim; a lease whose store is not read just expires."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.claim_audits, owner, list(platforms), limit, now, until)
            found = await self._pool.fetch(_SQL.stores_of_audits, [row["store_id"] for row in rows]) if rows else []
        stores = {row["store_id"]: store_of(row) for row in found}
        return [AuditLease(_audit(row), stores[row["store_id"]], owner, row["lease_number"]) for row in rows]

    async def renew(self, lease: AuditLease, *, until: datetime) -> None:
        """If it is still ours."""
        with translated_errors():
            _held(await self._pool.fetchval(_SQL.renew_audit_lease, *_holder(lease), until))

    async def give_back(self, lease: AuditLease, *, due: datetime) -> None:
        """If it is still ours."""
        with translated_errors():
            _held(await self._pool.fetchval(_SQL.give_back_audit, *_holder(lease), due))

    async def drop(self, lease: AuditLease) -> None:
        """If it is still ours."""
        with translated_errors():
            _held(await self._pool.fetchval(_SQL.drop_audit, *_holder(lease)))

    async def listed_lately(self, audit: Audit, *, since: datetime) -> int | None:
        """In one statement."""
        with translated_errors():
            listed: int | None = await self._pool.fetchval(
                _SQL.listed_lately, audit.store_id, audit.scope, since, audit.audit_id
            )
        return listed

    async def begin(self, lease: AuditLease, audit: Audit, *, messages: Sequence[Message]) -> None:
        """Under the lease; an audit that began already changes nothing."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                if (await _hold(connection, lease))["started_at"] is None:
                    await connection.execute(_SQL.update_audit, audit.audit_id, *_changeable(audit))
                    await put(connection, messages)

    async def list_more(
        self,
        lease: AuditLease,
        audit: Audit,
        *,
        listed: Mapping[str, datetime],
        found: Sequence[Difference] = (),
        seen: Mapping[OrderKey, Seen] | None = None,
        messages: Sequence[Message] = (),
    ) -> None:
        """Under the lease, in one transaction."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await _hold(connection, lease)
                await connection.execute(_SQL.update_audit, audit.audit_id, *_changeable(audit))
                await connection.execute(_SQL.keep_listed, audit.audit_id, list(listed), list(listed.values()))
                await _keep(connection, audit, found, seen, messages)

    async def listed(self, audit_id: str) -> list[Entry]:
        """Sorted by Postgres."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.listed_orders, audit_id)
        return [(row["external_id"], row["at"]) for row in rows]

    async def ask(self, lease: AuditLease, audit: Audit, *, messages: Sequence[Message]) -> None:
        """Under the lease, in one transaction."""
        await self._leave(lease, audit, messages, forget=True)

    async def answer(self, compared: OrdersCompared, *, now: datetime) -> bool:
        """Under the audit's row lock, so that of two last answers one sees the other."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                parts = await connection.fetchval(_SQL.lock_round, compared.audit_id, compared.round)
                if parts is None:
                    return False
                place = (compared.audit_id, compared.round)
                found = _FOUND.dump_json(compared.found).decode()
                counted = compared.counted.model_dump_json() if compared.counted else None
                await connection.execute(_SQL.keep_answer, *place, compared.part, compared.held, found, counted)
                if await connection.fetchval(_SQL.count_answers, *place) < parts:
                    return False
                await connection.execute(_SQL.audit_answered, compared.audit_id, now)
        return True

    async def answers(self, audit: Audit) -> list[Answer]:
        """By part."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.answers_of_audit, audit.audit_id, audit.round)
        return [_answer(row) for row in rows]

    async def differences(self, audit_id: str) -> Mapping[str, Difference]:
        """All of them."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.differences_of_audit, audit_id)
        return {row["external_id"]: Difference(**row) for row in rows}

    async def settle(
        self,
        lease: AuditLease,
        audit: Audit,
        *,
        changed: Sequence[Difference],
        seen: Mapping[OrderKey, Seen] | None = None,
        messages: Sequence[Message] = (),
    ) -> None:
        """Under the lease, in one transaction."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await _hold(connection, lease)
                await connection.execute(_SQL.update_audit, audit.audit_id, *_changeable(audit))
                await _keep(connection, audit, changed, seen, messages)

    async def explained(self, store_id: str, by: str, external_ids: Collection[str]) -> Mapping[str, Explained]:
        """In one statement."""
        if not external_ids:
            return {}
        with translated_errors():
            rows = await self._pool.fetch(_SQL.explanations, store_id, by, list(external_ids))
        return {row["external_id"]: Explained(row["at"], row["explanation"], row["explained_at"]) for row in rows}

    async def rest(self, lease: AuditLease, audit: Audit) -> None:
        """Under the lease, in one transaction."""
        await self._leave(lease, audit, (), forget=False)

    async def end(self, lease: AuditLease, audit: Audit, *, messages: Sequence[Message]) -> None:
        """Under the lease, in one transaction."""
        await self._leave(lease, audit, messages, forget=True)

    async def forget(self, *, before: datetime, asked_before: datetime) -> None:
        """All at once."""
        with translated_errors():
            await self._pool.execute(_SQL.forget_audits, before, asked_before)
            await self._pool.execute(_SQL.forget_explanations, asked_before)

    async def _leave(self, lease: AuditLease, audit: Audit, messages: Sequence[Message], *, forget: bool) -> None:
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await _hold(connection, lease)
                await connection.execute(_SQL.update_audit, audit.audit_id, *_changeable(audit))
                if forget:
                    await connection.execute(_SQL.forget_listed, audit.audit_id)
                    await connection.execute(_SQL.forget_answers, audit.audit_id)
                await connection.execute(_SQL.release_audit, audit.audit_id)
                await put(connection, messages)


class PostgresOpenOrders:
    """`OpenOrders` by the index over the open ones of `seen_orders`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def open_orders(
        self, platform: str, store_id: str, *, after: str | None, limit: int
    ) -> list[tuple[str, Seen]]:
        """By key, in the order of its bytes."""
        prefix = f"{platform}:{store_id}"
        with translated_errors():
            # ";" is the sign after ":": no key of this store comes behind it.
            rows = await self._pool.fetch(_SQL.open_orders, f"{prefix}:{after or ''}", f"{prefix};", limit)
        return [(split_order_key(row["order_key"]).external_id, seen_of(row)) for row in rows]


async def _keep(
    connection: Connection,
    audit: Audit,
    changed: Sequence[Difference],
    seen: Mapping[OrderKey, Seen] | None,
    messages: Sequence[Message],
) -> None:
    """Keep what became of orders, within the caller's transaction."""
    if changed:
        await connection.execute(_SQL.keep_differences, audit.audit_id, *_columns(changed))
    reasons = [one for one in changed if one.explanation not in {None, "changed_since"} and one.read_at is not None]
    if reasons:
        await connection.execute(
            _SQL.remember_explanations,
            *(audit.store_id, audit.by, [one.external_id for one in reasons], [one.at for one in reasons]),
            *([one.explanation for one in reasons], [one.read_at for one in reasons]),
        )
    await keep_seen(connection, seen or {})
    await put(connection, messages)


def _columns(changed: Sequence[Difference]) -> tuple[list[object], ...]:
    return (
        [one.external_id for one in changed],
        [one.finding for one in changed],
        [one.at for one in changed],
        [one.wanted for one in changed],
        [one.read_at for one in changed],
        [one.explanation for one in changed],
        [one.settled for one in changed],
    )


async def _hold(connection: Connection, lease: AuditLease) -> asyncpg.Record:
    row = await connection.fetchrow(_SQL.hold_audit, *_holder(lease))
    if row is None:
        raise LeaseLost("somebody else decides about the audit")
    return row


def _held(audit_id: str | None) -> None:
    if audit_id is None:
        raise LeaseLost("somebody else decides about the audit")


def _holder(lease: AuditLease) -> tuple[str, str, int]:
    return lease.audit.audit_id, lease.owner, lease.number


def _identity(audit: Audit) -> tuple[object, ...]:
    asked = orjson.dumps(asdict(audit.asked)).decode() if audit.asked else None
    return (
        *(audit.audit_id, audit.store_id, audit.seller_id, audit.platform, audit.scope, audit.by),
        *(audit.started_by, audit.planned_for, asked),
    )


def _changeable(audit: Audit) -> tuple[object, ...]:
    window, tally = audit.window, audit.tally
    return (
        *(window.start if window else None, window.end if window else None, audit.state, audit.stage, audit.due_at),
        *(audit.progressed_at, audit.started_at, audit.finished_at, audit.after, audit.listed, audit.counted),
        *(audit.round, audit.parts, audit.asked_report_at, audit.compared_at, audit.held),
        *(tally.missing, tally.stale, tally.unknown, tally.fetched, tally.unsettled, tally.unsettled_since),
        *(audit.step, audit.failures, audit.waiting, audit.problem, orjson.dumps(dict(audit.costs)).decode()),
        audit.proof,
    )


def _audit(row: asyncpg.Record) -> Audit:
    return Audit(
        audit_id=row["audit_id"],
        store_id=row["store_id"],
        seller_id=row["seller_id"],
        platform=row["platform"],
        scope=row["scope"],
        by=row["by"],
        started_by=row["started_by"],
        planned_for=row["planned_for"],
        due_at=row["due_at"],
        progressed_at=row["progressed_at"],
        window=Span(start=row["window_start"], end=row["window_end"]) if row["window_start"] else None,
        asked=_asked(row["asked"]),
        state=row["state"],
        proof=row["proof"],
        stage=row["stage"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        after=row["place_after"],
        listed=row["listed"],
        counted=row["counted"],
        round=row["round"],
        parts=row["parts"],
        asked_report_at=row["asked_report_at"],
        compared_at=row["compared_at"],
        held=row["held"],
        tally=_tally(row),
        step=row["step"],
        failures=row["failures"],
        waiting=row["waiting"],
        problem=row["problem"],
        costs=orjson.loads(row["costs"]),
    )


def _answer(row: asyncpg.Record) -> Answer:
    counted = CountsCompared.model_validate_json(row["counted"]) if row["counted"] else None
    return Answer(row["part"], row["held"], _FOUND.validate_json(row["found"]), counted)


def _asked(kept: str | None) -> Asked | None:
    if kept is None:
        return None
    words = orjson.loads(kept)
    return Asked(words["start"], words["end"], words["zone"], tuple(words["notes"]))


def _tally(row: asyncpg.Record) -> Tally:
    return Tally(row["missing"], row["stale"], row["unknown"], row["fetched"], row["unsettled"], row["unsettled_since"])
