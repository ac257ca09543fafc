from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.clock import ManualClock
from services.kit.errors import TransientError
from services.kit.keys import (
    ACCESS_MIGRATIONS,
    ACCESS_SCHEMA,
    KeyRing,
    create_key,
    generate_key,
    is_well_formed,
    list_keys,
    revoke_key,
)
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool

START = datetime(2026, 7, 1, tzinfo=UTC)


def test_keys_are_recognizable_and_never_alike() -> None:
    keys = {generate_key() for _ in range(1000)}

    assert len(keys) == 1000
    assert all(key.startswith("osk_live_") and is_well_formed(key) for key in keys)


def test_any_one_wrong_character_is_noticed() -> None:
    key = generate_key()

    for position in range(len("osk_live_"), len(key)):
        wrong = key[:position] + ("a" if key[position] != "a" else "b") + key[position + 1 :]
        assert not is_well_formed(wrong)


@given(st.text(max_size=80))
def test_no_text_breaks_the_check(text: str) -> None:
    assert not is_well_formed(text)


@pytest.mark.integration
async def test_the_database_holds_no_key_and_notes_its_use_once_a_minute(fresh_database: str) -> None:
    await migrate(fresh_database, schema=ACCESS_SCHEMA, directory=ACCESS_MIGRATIONS)
    pool = await create_pool(fresh_database, schema=ACCESS_SCHEMA)
    clock = ManualClock(START)
    text, record = await create_key(pool, "seller-1", ["*"], "phone", clock=clock)
    ring = KeyRing(pool, clock)

    used: list[datetime | None] = []
    for _ in range(4):
        clock.advance(25)
        await ring.authenticate(text)
        used.append((await list_keys(pool, "seller-1"))[0].last_used_at)
    rows = await pool.fetch("SELECT api_keys::text AS row FROM api_keys")
    await pool.close()

    assert used == [START + timedelta(seconds=25)] * 3 + [START + timedelta(seconds=100)]
    assert all(text[18:] not in row["row"] for row in rows)
    assert record.label == "phone"


@pytest.mark.integration
async def test_a_key_is_revoked_once_and_its_end_is_shown(fresh_database: str) -> None:
    await migrate(fresh_database, schema=ACCESS_SCHEMA, directory=ACCESS_MIGRATIONS)
    pool = await create_pool(fresh_database, schema=ACCESS_SCHEMA)
    clock = ManualClock(START)
    _, record = await create_key(pool, "seller-1", ["*"], "phone", clock=clock)

    ended = [await revoke_key(pool, record.key_id, clock=clock) for _ in range(2)]
    [shown] = await list_keys(pool, "seller-1")
    await pool.close()

    assert ended == [True, False]
    assert shown.revoked_at == START


@pytest.mark.integration
async def test_a_key_that_cannot_be_looked_up_is_neither_good_nor_bad(fresh_database: str) -> None:
    await migrate(fresh_database, schema=ACCESS_SCHEMA, directory=ACCESS_MIGRATIONS)
    pool = await create_pool(fresh_database, schema=ACCESS_SCHEMA)
    clock = ManualClock(START)
    text, _ = await create_key(pool, "seller-1", ["*"], "phone", clock=clock)
    ring = KeyRing(pool, clock)
    await ring.authenticate(text)
    await pool.close()

    within = await ring.authenticate(text)
    clock.advance(5)

    assert within is not None
    with pytest.raises(TransientError):
        await ring.authenticate(text)
