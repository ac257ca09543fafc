"""Privacy requests and their tombstones in Postgres."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg

from services.eligibility.adapters.postgres import SQL, Connection
from services.eligibility.erasures import EVERY_STORE, PrivacyRequest, RequestState
from services.eligibility.locks import ERASURES, FACTS
from services.eligibility.ports import Affected
from services.kit.postgres.pool import translated_errors


class PostgresPrivacyRequests:
    """See `ports.PrivacyRequests`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def keep(self, requests: Sequence[PrivacyRequest]) -> int:
        """Keep those that are new; return how many were."""
        kept = 0
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                # Short: it only writes what was asked. While it waits for the running judgements, new ones wait for it.
                await connection.execute(SQL.own_facts, FACTS, [ERASURES])
                for request in requests:
                    kept += await _keep(connection, request)
        return kept

    async def to_erase(self, limit: int) -> list[PrivacyRequest]:
        """Return erasures that are not done, oldest first."""
        return [_request(row) for row in await self._fetch(SQL.list_to_erase, limit)]

    async def affected(self, request: PrivacyRequest, *, after: str, limit: int) -> list[Affected]:
        """Return orders that it is about and of whose buyers something is kept, by key, after a key."""
        if request.kind == "erase_store":
            found = await self._fetch(SQL.list_of_store, request.store_id or "", after, limit)
        else:
            named = (list(request.order_keys), list(request.buyers))
            found = await self._fetch(SQL.list_of_buyer, *named, after, request.store_id, limit)
        return [Affected(row["order_key"], row["shard"], row["seller_id"]) for row in found]

    async def close(self, event_id: str, state: RequestState, *, now: datetime) -> None:
        """Note that an open request is done."""
        await self._fetch(SQL.close_privacy_request, event_id, state, now)

    async def of_seller(
        self, seller_id: str, *, before: int, state: RequestState | None, limit: int
    ) -> list[tuple[PrivacyRequest, int]]:
        """Return requests that concern a seller, newest first, each with how many of their orders were erased."""
        found = await self._fetch(SQL.list_privacy_requests, seller_id, before, state, limit)
        return [(_request(row), row["orders_erased"]) for row in found]

    async def find(self, seller_id: str, event_id: str) -> tuple[PrivacyRequest, int] | None:
        """Return one of them."""
        found = await self._fetch(SQL.find_privacy_request, seller_id, event_id)
        return (_request(found[0]), found[0]["orders_erased"]) if found else None

    async def _fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        with translated_errors():
            return await self._pool.fetch(statement, *arguments)


async def _keep(connection: Connection, request: PrivacyRequest) -> int:
    place = (request.platform, request.store_id, request.seller_id)
    named = (list(request.order_keys), list(request.buyers))
    values = (request.event_id, request.request_id, request.kind, *place, *named, request.asked_at)
    if not await connection.fetch(SQL.keep_privacy_request, *values):
        return 0
    asked = (request.event_id, request.asked_at)
    if request.kind == "erase_buyer":
        await connection.execute(SQL.bury_orders, list(request.order_keys), *asked)
        await connection.execute(SQL.bury_buyers, list(request.buyers), request.store_id or EVERY_STORE, *asked)
    if request.kind == "erase_store" and request.store_id is not None:
        await connection.execute(SQL.bury_store, request.store_id, *asked)
    return 1


def _request(row: asyncpg.Record) -> PrivacyRequest:
    return PrivacyRequest(
        event_id=row["event_id"],
        request_id=row["request_id"],
        kind=row["kind"],
        platform=row["platform"],
        store_id=row["store_id"],
        seller_id=row["seller_id"],
        order_keys=tuple(row["order_keys"]),
        buyers=tuple(row["buyers"]),
        asked_at=row["asked_at"],
        number=row["number"],
        state=row["state"],
        closed_at=row["closed_at"],
    )
