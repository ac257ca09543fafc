"""What every Authenticator promises, over Postgres and in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from services.kit.clock import ManualClock
from services.kit.keys import (
    ACCESS_MIGRATIONS,
    ACCESS_SCHEMA,
    Authenticator,
    KeyRing,
    MemoryKeyRing,
    create_key,
    generate_key,
    revoke_key,
)
from services.kit.postgres.pool import create_pool


@dataclass(frozen=True)
class Subject:
    keys: Authenticator
    grant: Callable[[str, list[str]], Awaitable[str]]
    revoke: Callable[[str], Awaitable[None]]
    clock: ManualClock


async def in_memory() -> AsyncIterator[Subject]:
    ring = MemoryKeyRing()

    async def grant(seller_id: str, scopes: list[str]) -> str:
        return ring.grant(seller_id, scopes)

    async def revoke(text: str) -> None:
        ring.revoke(text)

    yield Subject(ring, grant, revoke, ManualClock(datetime(2026, 7, 1, tzinfo=UTC)))


async def over_postgres(dsn: str) -> AsyncIterator[Subject]:
    pool = await create_pool(dsn, schema=ACCESS_SCHEMA)
    clock = ManualClock(datetime(2026, 7, 1, tzinfo=UTC))

    async def grant(seller_id: str, scopes: list[str]) -> str:
        text, _ = await create_key(pool, seller_id, scopes, "test", clock=clock)
        return text

    async def revoke(text: str) -> None:
        await revoke_key(pool, text.split("_")[2], clock=clock)

    yield Subject(KeyRing(pool, clock), grant, revoke, clock)
    await pool.close()


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def subject(request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
    migrated = None if request.param == "memory" else request.getfixturevalue("migrated_database")
    async for subject in over_postgres(migrated(ACCESS_SCHEMA, ACCESS_MIGRATIONS)) if migrated else in_memory():
        yield subject


async def test_a_key_speaks_for_its_seller_within_its_scopes(subject: Subject) -> None:
    text = await subject.grant("seller-1", ["stores:read"])

    found = await subject.keys.authenticate(text)

    assert found is not None
    assert found.seller_id == "seller-1"
    assert (found.may("stores:read"), found.may("stores:write")) == (True, False)


async def test_a_key_with_all_scopes_may_everything(subject: Subject) -> None:
    text = await subject.grant("seller-1", ["*"])

    found = await subject.keys.authenticate(text)

    assert found is not None
    assert found.may("stores:write")


async def test_nothing_else_opens(subject: Subject) -> None:
    text = await subject.grant("seller-1", ["*"])
    another = generate_key()
    same_id = text[:18] + another[18:]

    for wrong in ("", "garbage", "osk_live_", text[:-1], text + "x", text.swapcase(), another, same_id, "é" * 40):
        assert await subject.keys.authenticate(wrong) is None


async def test_a_revoked_key_is_refused_within_five_seconds(subject: Subject) -> None:
    text = await subject.grant("seller-1", ["*"])
    before = await subject.keys.authenticate(text)

    await subject.revoke(text)
    subject.clock.advance(5)
    after = await subject.keys.authenticate(text)

    assert before is not None
    assert after is None
