"""A write sent again under the same `Idempotency-Key` gets the same answer for 24 hours and has no second effect.

Successful answers are kept, sealed. A refused or failed write is forgotten, so that it can be tried again; what it did
before it failed is for the handler to recognize.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
from aiohttp import web

from services.kit.clock import Clock
from services.kit.http.auth import principal_if_any
from services.kit.http.problems import Problem
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql
from services.kit.together import Together
from services.kit.vault import Vault

HEADER = "Idempotency-Key"
REPLAYED_HEADER = "Idempotency-Replayed"
KEPT_FOR = timedelta(hours=24)
#: A write in flight for longer has lost its process.
IN_FLIGHT_FOR = timedelta(seconds=60)
_FORGET_EVERY = timedelta(minutes=10)
#: Writes that one statement begins, or ends.
_AT_ONCE = 100

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_FIRST_ERROR_STATUS = 400
_SQL = load_sql(Path(__file__).parent.parent / "sql" / "access.sql")


@dataclass(frozen=True, slots=True)
class _Claim:
    owner: str
    key: str
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Ending:
    owner: str
    key: str
    started: datetime
    status: int
    sealed: bytes = field(repr=False)


class Idempotency:
    """Repeats answers from the `access` schema; `repeat=` of `build_app` takes its `answer`."""

    def __init__(self, pool: asyncpg.Pool, *, vault: Vault, clock: Clock, service: str) -> None:
        self._pool = pool
        self._vault = vault
        self._clock = clock
        self._service = service
        self._forgot_at: datetime | None = None
        self._beginnings = Together(self._begin, at_most=_AT_ONCE)
        self._endings = Together(self._finish, at_most=_AT_ONCE)

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
        started = await self._beginnings.ask(_Claim(owner, key, digest))
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
                await self._endings.ask(self._ending(owner, key, started, response))
                kept = True
        finally:
            if not kept:
                with translated_errors():
                    await self._pool.execute(_SQL.abandon_write, owner, key, started)
        return response

    async def _begin(self, claims: Sequence[_Claim]) -> list[datetime | None]:
        """When each was begun by its claim; None where the key is somebody else's, in this call too."""
        now = self._clock.now()
        firsts: dict[tuple[str, str], _Claim] = {}
        for claim in claims:
            firsts.setdefault((claim.owner, claim.key), claim)
        with translated_errors():
            if self._forgot_at is None or now - self._forgot_at > _FORGET_EVERY:
                self._forgot_at = now
                await self._pool.execute(_SQL.forget_old_writes, now - KEPT_FOR)
            rows = await self._pool.fetch(
                _SQL.begin_writes,
                *([owner for owner, _ in firsts], [key for _, key in firsts]),
                [claim.digest for claim in firsts.values()],
                *(now, now - IN_FLIGHT_FOR, now - KEPT_FOR),
            )
        begun: dict[tuple[str, str], datetime] = {
            (row["owner"], row["idempotency_key"]): row["started_at"] for row in rows
        }
        return [
            begun.get(place) if firsts[place] is claim else None
            for claim in claims
            for place in [(claim.owner, claim.key)]
        ]

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

    async def _finish(self, endings: Sequence[_Ending]) -> list[None]:
        with translated_errors():
            await self._pool.execute(
                _SQL.finish_writes,
                *([ending.owner for ending in endings], [ending.key for ending in endings]),
                *([ending.started for ending in endings], [ending.status for ending in endings]),
                [ending.sealed for ending in endings],
            )
        return [None] * len(endings)

    def _ending(self, owner: str, key: str, started: datetime, response: web.Response) -> _Ending:
        body = response.body if isinstance(response.body, (bytes, bytearray)) else b""
        answer = response.headers.get("Content-Type", "application/json").encode() + b"\n" + bytes(body)
        return _Ending(owner, key, started, response.status, self._vault.seal(answer, context=_context(owner, key)))


def _digest(request: web.Request, body: bytes) -> bytes:
    return hashlib.sha256(f"{request.method} {request.path_qs}\n".encode() + body).digest()


def _context(owner: str, key: str) -> str:
    return f"access.idempotent_writes|{owner}|{key}"
