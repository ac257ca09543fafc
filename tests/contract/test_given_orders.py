"""What the port of given orders promises, over Postgres and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from services.ingest.adapters.memory.given import MemoryGivenOrders
from services.ingest.adapters.postgres import MIGRATIONS, SCHEMA
from services.ingest.adapters.postgres.given import PostgresGivenOrders
from services.ingest.direct.given import Given, GivenOrders, NotChangeable, first_form
from services.ingest.platforms.direct.orders import DirectOrder, to_raw_order
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from tests.ingest.platforms.direct.given import NOW, STORE, given


def row(reference: str = "W-1", **changes: object) -> Given:
    order = DirectOrder.model_validate(given(reference, **changes))
    return first_form(order, to_raw_order(order, STORE, revised_at=NOW))


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def orders(request: pytest.FixtureRequest) -> AsyncIterator[GivenOrders]:
    if request.param == "memory":
        yield MemoryGivenOrders()
        return
    dsn = request.getfixturevalue("fresh_database")
    await migrate(dsn, schema=SCHEMA, directory=MIGRATIONS)
    pool = await create_pool(dsn, schema=SCHEMA, max_size=8)
    yield PostgresGivenOrders(pool)
    await pool.close()


async def test_a_reference_belongs_to_whoever_claims_it_first(orders: GivenOrders) -> None:
    first, second, other = row("W-1"), row("W-1", note="Soon"), row("W-2")

    ours = await orders.claim([first])
    theirs = await orders.claim([second, other])

    assert ours == {first.order_key: first}
    assert theirs == {first.order_key: first, other.order_key: other}
    assert await orders.get([other.order_key, row("W-9").order_key]) == {other.order_key: other}
    assert await orders.claim([]) == {}


async def test_of_many_claims_at_once_one_wins_and_all_hear_which(orders: GivenOrders) -> None:
    claims = [[row(f"W-{number}", note=f"of {claim}") for number in range(20)] for claim in range(6)]
    for claim in claims[::2]:
        claim.reverse()

    answers = await asyncio.gather(*(orders.claim(claim) for claim in claims))

    assert all(answer == answers[0] for answer in answers)


async def test_a_change_is_kept_and_one_that_raises_is_not(orders: GivenOrders) -> None:
    first = row()
    await orders.claim([first])

    def refuse(held: Given) -> Given:
        raise NotChangeable("no", held.reference)

    changed = await orders.change(first.order_key, lambda held: held.cancelled("a slip", now=NOW))
    with pytest.raises(NotChangeable):
        await orders.change(first.order_key, refuse)

    assert changed is not None
    assert (changed.state, changed.revision) == ("cancelled", 2)
    assert await orders.get([first.order_key]) == {first.order_key: changed}
    assert await orders.change(row("W-9").order_key, refuse) is None


async def test_changes_at_once_are_made_one_after_another(orders: GivenOrders) -> None:
    first = row()
    await orders.claim([first])

    def later(held: Given) -> Given:
        return replace(held, revision=held.revision + 1, revised_at=held.revised_at + timedelta(seconds=1))

    await asyncio.gather(*(orders.change(first.order_key, later) for _ in range(10)))

    held = (await orders.get([first.order_key]))[first.order_key]
    assert (held.revision, held.revised_at) == (11, NOW + timedelta(seconds=10))
