"""API keys: 190 random bits, stored only as a digest, and dead at every service within 5 seconds of revocation.

A key is `osk_live_<8 public id>_<32 secret><6 checksum>` in base62. The prefix lets secret scanners find a leaked key;
the checksum refuses typing errors and guesses without asking the database.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import asyncpg

from services.kit.clock import Clock, SystemClock
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql

#: The Postgres schema of keys and idempotent writes, and its migrations.
ACCESS_SCHEMA = "access"
ACCESS_MIGRATIONS = Path(__file__).parent / "migrations"

#: A key with this scope may do everything.
ALL_SCOPES = "*"

CACHED_FOR = timedelta(seconds=4)
LAST_USED_EVERY = timedelta(minutes=1)
_CACHE_SIZE = 10_000

_BASE62 = string.digits + string.ascii_letters
_ID_LENGTH = 8
_SECRET_LENGTH = 32
_CHECKSUM_LENGTH = 6
_KEY = re.compile(
    rf"osk_live_(?P<id>[0-9A-Za-z]{{{_ID_LENGTH}}})_(?P<secret>[0-9A-Za-z]{{{_SECRET_LENGTH}}})"
    rf"(?P<checksum>[0-9A-Za-z]{{{_CHECKSUM_LENGTH}}})"
)

_SQL = load_sql(Path(__file__).parent / "sql" / "access.sql")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the key (or session) and the seller it speaks for."""

    key_id: str
    seller_id: str
    scopes: frozenset[str]

    def may(self, scope: str) -> bool:
        """Whether the scope was granted."""
        return scope in self.scopes or ALL_SCOPES in self.scopes


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is known of a key without the key."""

    key_id: str
    seller_id: str
    scopes: frozenset[str]
    label: str
    created_at: datetime
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None


class Authenticator(Protocol):
    """Tells whom a key speaks for.

    `authenticate` answers None for whatever is not a living key, malformed text included, and raises
    `TransientError` when it cannot know. A revoked key is refused no later than 5 seconds after its revocation.
    """

    async def authenticate(self, text: str) -> Principal | None:
        """The principal of a key, or None."""
        ...


async def create_key(
    pool: asyncpg.Pool, seller_id: str, scopes: Iterable[str], label: str, *, clock: Clock | None = None
) -> tuple[str, KeyRecord]:
    """Make a key for a seller; the text is in nobody's hands but the caller's and cannot be had again."""
    text = generate_key()
    record = KeyRecord(
        key_id=_id_of(text),
        seller_id=seller_id,
        scopes=frozenset(scopes),
        label=label,
        created_at=(clock or SystemClock()).now(),
    )
    with translated_errors():
        await pool.execute(
            _SQL.insert_key,
            *(record.key_id, _digest(text), seller_id, sorted(record.scopes), label, record.created_at),
        )
    return text, record


async def revoke_key(pool: asyncpg.Pool, key_id: str, *, clock: Clock | None = None) -> bool:
    """End a key; False when there was no such key, or it had ended."""
    with translated_errors():
        ended = await pool.fetchval(_SQL.revoke_key, key_id, (clock or SystemClock()).now())
    return ended is not None


async def list_keys(pool: asyncpg.Pool, seller_id: str) -> list[KeyRecord]:
    """All keys of a seller, revoked ones included, oldest first."""
    with translated_errors():
        rows = await pool.fetch(_SQL.list_keys, seller_id)
    return [KeyRecord(**{**row, "scopes": frozenset(row["scopes"])}) for row in rows]


def generate_key() -> str:
    """A new key's text."""
    key_id = _random(_ID_LENGTH)
    secret = _random(_SECRET_LENGTH)
    return f"osk_live_{key_id}_{secret}{_checksum(key_id + secret)}"


def is_well_formed(text: str) -> bool:
    """Whether the text has a key's form and its checksum is right; says nothing about whether it opens."""
    found = _KEY.fullmatch(text)
    return found is not None and _checksum(found["id"] + found["secret"]) == found["checksum"]


@dataclass(frozen=True, slots=True)
class _Cached:
    digest: bytes | None
    principal: Principal
    known_at: datetime


class KeyRing:
    """Authenticates against the `access` schema, asking it again for a key every few seconds at most."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._cache: dict[str, _Cached] = {}
        self._noted: dict[str, datetime] = {}

    async def authenticate(self, text: str) -> Principal | None:
        """The principal of a living key; see `Authenticator`."""
        if not is_well_formed(text):
            return None
        cached = await self._known(_id_of(text))
        if cached.digest is None or not hmac.compare_digest(cached.digest, _digest(text)):
            return None
        await self._note_use(cached.principal.key_id)
        return cached.principal

    async def _known(self, key_id: str) -> _Cached:
        cached = self._cache.get(key_id)
        now = self._clock.now()
        if cached is not None and timedelta() <= now - cached.known_at < CACHED_FOR:
            return cached
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.find_key, key_id)
        # Dated before the question, so that a slow answer is not believed for longer.
        cached = _cached(key_id, row, now)
        if len(self._cache) >= _CACHE_SIZE:
            self._cache.clear()
        self._cache[key_id] = cached
        return cached

    async def _note_use(self, key_id: str) -> None:
        now = self._clock.now()
        noted = self._noted.get(key_id)
        if noted is not None and now - noted < LAST_USED_EVERY:
            return
        self._noted[key_id] = now
        with translated_errors():
            await self._pool.execute(_SQL.note_use, key_id, now, now - LAST_USED_EVERY)


class MemoryKeyRing:
    """The twin: knows the keys it was given."""

    def __init__(self) -> None:
        self._principals: dict[str, Principal] = {}

    def grant(self, seller_id: str, scopes: Iterable[str] = (ALL_SCOPES,)) -> str:
        """Make a key and return its text."""
        text = generate_key()
        self._principals[text] = Principal(_id_of(text), seller_id, frozenset(scopes))
        return text

    def revoke(self, text: str) -> None:
        """End a key at once."""
        self._principals.pop(text, None)

    async def authenticate(self, text: str) -> Principal | None:
        """The principal of a key that was granted and not revoked."""
        return self._principals.get(text)


def _cached(key_id: str, row: asyncpg.Record | None, now: datetime) -> _Cached:
    if row is None:
        return _Cached(None, Principal(key_id, "", frozenset()), now)
    return _Cached(row["digest"], Principal(key_id, row["seller_id"], frozenset(row["scopes"])), now)


def _id_of(text: str) -> str:
    return text.split("_")[2]


def _digest(text: str) -> bytes:
    # A plain digest is enough: there is nothing to guess in 190 random bits.
    return hashlib.sha256(text.encode()).digest()


def _random(length: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(length))


def _checksum(text: str) -> str:
    value, digits = zlib.crc32(text.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        value, digit = divmod(value, len(_BASE62))
        digits = _BASE62[digit] + digits
    return digits
