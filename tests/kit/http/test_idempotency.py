from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from pydantic import BaseModel

from services.kit.clock import ManualClock
from services.kit.errors import TransientError
from services.kit.http.idempotency import HEADER, REPLAYED_HEADER, Idempotency
from services.kit.http.routes import Routes
from services.kit.keys import ACCESS_MIGRATIONS, ACCESS_SCHEMA
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from services.kit.vault import Vault
from tests.kit.http.conftest import Serve, Served

pytestmark = pytest.mark.integration


class Order(BaseModel):
    buyer: str


class Made(BaseModel):
    number: int
    buyer: str


@dataclass
class Shop:
    served: Served
    clock: ManualClock
    pool: asyncpg.Pool
    made: list[str]
    failures: list[Exception]
    gate: asyncio.Event

    async def order(self, key: str | None, buyer: str = "Ada", *, api_key: str | None = None) -> tuple[int, Any, str]:
        headers = {"Authorization": f"Bearer {api_key or self.served.key}"}
        if key is not None:
            headers[HEADER] = key
        answer = await self.served.session.post("/v1/orders", json={"buyer": buyer}, headers=headers)
        return answer.status, await answer.json(), answer.headers.get(REPLAYED_HEADER, "")


@pytest.fixture
async def shop(served: Serve, fresh_database: str, tmp_path: Path) -> AsyncIterator[Shop]:
    await migrate(fresh_database, schema=ACCESS_SCHEMA, directory=ACCESS_MIGRATIONS)
    pool = await create_pool(fresh_database, schema=ACCESS_SCHEMA)
    clock = ManualClock(datetime(2026, 7, 1, tzinfo=UTC))
    made: list[str] = []
    failures: list[Exception] = []
    gate = asyncio.Event()
    gate.set()
    routes = Routes(title="Orders", version="1")

    @routes.post("/v1/orders", status=201, summary="An order", scope="things:write")
    async def order(_request: web.Request, *, body: Order) -> Made:
        made.append(body.buyer)
        await gate.wait()
        if failures:
            raise failures.pop()
        return Made(number=len(made), buyer=body.buyer)

    repeat = Idempotency(pool, vault=Vault.open_or_create(tmp_path / "key"), clock=clock, service="test")
    yield Shop(await served(routes, repeat=repeat.answer), clock, pool, made, failures, gate)
    await pool.close()


async def test_the_same_write_gets_the_same_answer_and_has_one_effect(shop: Shop) -> None:
    first = await shop.order("key-1")
    again = await shop.order("key-1")
    without = await shop.order(None)

    assert first == (201, {"number": 1, "buyer": "Ada"}, "")
    assert again == (201, {"number": 1, "buyer": "Ada"}, "true")
    assert without[1]["number"] == 2


async def test_many_at_once_have_one_effect(shop: Shop) -> None:
    answers = await asyncio.gather(*(shop.order("key-1") for _ in range(30)))

    assert len(shop.made) == 1
    assert {status for status, _, _ in answers} <= {201, 409}
    assert sum(status == 201 and not replayed for status, _, replayed in answers) == 1


async def test_while_it_is_in_flight_the_same_write_is_refused(shop: Shop) -> None:
    shop.gate.clear()
    first = asyncio.ensure_future(shop.order("key-1"))
    while not shop.made:  # noqa: ASYNC110 - seen from outside
        await asyncio.sleep(0.01)

    meanwhile = await shop.order("key-1")
    shop.gate.set()

    assert (meanwhile[0], meanwhile[1]["code"]) == (409, "write_in_flight")
    assert (await first)[0] == 201


async def test_another_body_under_the_same_key_is_refused(shop: Shop) -> None:
    await shop.order("key-1")

    status, problem, _ = await shop.order("key-1", "Grace")

    assert (status, problem["code"]) == (422, "idempotency_key_reused")


async def test_sellers_do_not_meet_under_one_key(shop: Shop) -> None:
    other = shop.served.keys.grant("seller-2", ["things:write"])

    await shop.order("key-1")
    answer = await shop.order("key-1", "Grace", api_key=other)

    assert (answer[0], answer[1]["buyer"]) == (201, "Grace")


async def test_a_failed_write_can_be_tried_again(shop: Shop) -> None:
    shop.failures.append(TransientError("away"))

    first = await shop.order("key-1")
    second = await shop.order("key-1")

    assert (first[0], second[0]) == (503, 201)


async def test_an_answer_is_forgotten_after_a_day(shop: Shop) -> None:
    await shop.order("key-1")
    shop.clock.advance(24 * 3600 + 1)

    _, made, replayed = await shop.order("key-1", "Grace")

    assert (made["number"], replayed) == (2, "")
    assert await shop.pool.fetchval("SELECT count(*) FROM idempotent_writes") == 1


async def test_a_write_whose_process_died_can_be_sent_again_after_a_minute(shop: Shop) -> None:
    await shop.order("key-1")
    await shop.pool.execute("UPDATE idempotent_writes SET status = NULL, answer = NULL")

    early = await shop.order("key-1")
    shop.clock.advance(61)
    late = await shop.order("key-1")

    assert (early[0], late[0]) == (409, 201)


async def test_kept_answers_show_nothing_to_who_reads_the_table(shop: Shop) -> None:
    await shop.order("key-1", "Lovelace")

    [row] = await shop.pool.fetch("SELECT idempotent_writes::text AS row, answer FROM idempotent_writes")

    assert b"Lovelace" not in row["answer"]
    assert "Lovelace" not in row["row"]


@pytest.mark.parametrize("key", ["x" * 256, "with space", "\u00fc"])
async def test_a_malformed_key_is_refused(shop: Shop, key: str) -> None:
    status, problem, _ = await shop.order(key)

    assert (status, problem["code"]) == (422, "idempotency_key_malformed")
    assert shop.made == []
