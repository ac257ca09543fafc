"""A write sent again under the same `Idempotency-Key` gets the same answer for 24 hours and has no second effect.

Successful answers are kept, sealed. A refused or failed write is forgotten, so that it can be tried again; what it did
before it failed is for the handler to recognize.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
from aiohttp import web

from services.kit.clock import Clock
from services.kit.http.auth import principal_if_any
from services.kit.http.problems import Problem
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql
from services.kit.vault import Vault

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
KEPT_FOR = timedelta(hours=24)
#: A write in flight for longer has lost its process.
IN_FLIGHT_FOR = timedelta(seconds=60)
_FORGET_EVERY = timedelta(minutes=10)

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_FIRST_ERROR_STATUS = 400
_SQL = load_sql(Path(__file__).parent.parent / "sql" / "access.sql")


class Idempotency:
    """Repeats answers from the `access` schema; `repeat=` of `build_app` takes its `answer`."""

    def __init__(self, pool: asyncpg.Pool, *, vault: Vault, clock: Clock, service: str) -> None:
        self._pool = pool
        self._vault = vault
        self._clock = clock
        self._service = service
        self._forgot_at: datetime | None = None

    async def answer(
        self, request: web.Request, body: bytes, respond: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """The kept answer, or `respond()`'s, kept from now on.

        Raises:
            Problem: 409 while the same write is in flight, 422 when the key was used for another request.
        """
        key, asker = request.headers.get(HEADER), principal_if_any(request)
        if key is None or asker is None:
            return await respond()
        if not _KEY.fullmatch(key):
            raise Problem(422, "idempotency_key_malformed", "An Idempotency-Key is 1 to 255 visible characters.")
        owner = f"{asker.seller_id}|{self._service}"
        digest = _digest(request, body)
        started = await self._begin(owner, key, digest)
        if started is None:
            return await self._repeated(owner, key, digest)
        return await self._answer_first(owner, key, started, respond)

    async def _answer_first(
        self, owner: str, key: str, started: datetime, respond: Callable[[], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        kept = False
        try:
            response = await respond()
            if response.status < _FIRST_ERROR_STATUS and isinstance(response, web.Response):
                await self._finish(owner, key, started, response)
                kept = True
        finally:
            if not kept:
                with translated_errors():
                    await self._pool.execute(_SQL.abandon_write, owner, key, started)
        return response

    async def _begin(self, owner: str, key: str, digest: bytes) -> datetime | None:
        now = self._clock.now()
        with translated_errors():
            if self._forgot_at is None or now - self._forgot_at > _FORGET_EVERY:
                self._forgot_at = now
                await self._pool.execute(_SQL.forget_old_writes, now - KEPT_FOR)
            started: datetime | None = await self._pool.fetchval(
                _SQL.begin_write, owner, key, digest, now, now - IN_FLIGHT_FOR, now - KEPT_FOR
            )
        return started

    async def _repeated(self, owner: str, key: str, digest: bytes) -> web.StreamResponse:
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.find_write, owner, key)
        if row is None or (row["status"] is None and row["request_digest"] == digest):
            raise Problem(409, "write_in_flight", "The same write is being answered.", headers={"Retry-After": "1"})
        if row["request_digest"] != digest:
            raise Problem(422, "idempotency_key_reused", "This Idempotency-Key was used for another request.")
        answer = self._vault.unseal(row["answer"], context=_context(owner, key))
        content_type, _, body = answer.partition(b"\n")
        return web.Response(
            status=row["status"],
            body=body,
            headers={"Content-Type": content_type.decode(), REPLAYED_HEADER: "true"},
        )

    async def _finish(self, owner: str, key: str, started: datetime, response: web.Response) -> None:
        body = response.body if isinstance(response.body, (bytes, bytearray)) else b""
        answer = response.headers.get("Content-Type", "application/json").encode() + b"\n" + bytes(body)
        sealed = self._vault.seal(answer, context=_context(owner, key))
        with translated_errors():
            await self._pool.execute(_SQL.finish_write, owner, key, started, response.status, sealed)


def _digest(request: web.Request, body: bytes) -> bytes:
    return hashlib.sha256(f"{request.method} {request.path_qs}\n".encode() + body).digest()


def _context(owner: str, key: str) -> str:
    return f"access.idempotent_writes|{owner}|{key}"
