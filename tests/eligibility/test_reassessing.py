from __future__ import annotations

import asyncio
import contextlib

import pytest
from structlog.testing import capture_logs

from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.facts import Match, MatchRef
from services.eligibility.reassessing import Bell, Reassessing
from services.kit.errors import TransientError
from services.kit.kafka.topics import MAX_MESSAGE_BYTES
from services.kit.metrics import Metrics
from tests.eligibility.workbench import SELLER, SKU, START, STORE, Bench
from tests.schemas.orders import order_item, raw_order


def worker(bench: Bench, bell: Bell | None = None, metrics: Metrics | None = None) -> Reassessing:
    return Reassessing(
        bench.judge,
        bench.repository,
        bell=bell or Bell(),
        owned=lambda: [0, 1],
        clock=bench.clock,
        metrics=metrics or Metrics(),
    )


async def wait_for_a_match(bench: Bench, shards: int = 2) -> None:
    for shard in range(shards):
        await bench.arrive(raw_order(number=str(shard), items=(order_item(sku="X"),)), shard=shard)


async def test_requests_of_the_owned_shards_are_judged_and_no_others(bench: Bench) -> None:
    await wait_for_a_match(bench, shards=3)
    await bench.repository.put_match(MatchRef(SELLER, STORE, "sku", "X"), Match(SKU), now=START)

    await worker(bench).judge_requested()

    assert await bench.repository.requested([0, 1, 2]) == [2]
    assert await bench.commands(0) == await bench.commands(1) == ["order.released"]


async def test_a_ring_wakes_the_worker_at_once(bench: Bench) -> None:
    bell = Bell()
    repository = bench.repository
    assert isinstance(repository, MemoryRepository)
    repository._wake_workers = bell.ring
    await wait_for_a_match(bench)
    working = asyncio.create_task(worker(bench, bell).run())
    await asyncio.sleep(0)

    await bench.repository.put_match(MatchRef(SELLER, STORE, "sku", "X"), Match(SKU), now=START)
    for _ in range(100):
        await asyncio.sleep(0)

    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working
    assert await bench.commands(1) == ["order.released"]


async def test_one_order_that_cannot_be_judged_does_not_stop_the_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders = [raw_order(number=str(n), items=(order_item(sku="X"),)) for n in range(20)]
    await bench.arrive(*orders)
    await bench.repository.put_match(MatchRef(SELLER, STORE, "sku", "X"), Match(SKU), now=START)
    opened, metrics = bench.sealer.open_event, Metrics()

    def open_event(dossier: object) -> object:
        if getattr(dossier, "order_key", "") == orders[7].key:
            raise ValueError("broken")
        return opened(dossier)  # type: ignore[arg-type] # passed on as it came

    monkeypatch.setattr(bench.sealer, "open_event", open_event)

    with capture_logs() as logs:
        await worker(bench, metrics=metrics).judge_requested()

    assert {entry["event"] for entry in logs} == {"reassessment.failed"}
    assert len(await bench.commands()) == 19
    assert await bench.repository.requested([0]) == []
    assert metrics.value("syncorder_unexpected_errors_total", where="eligibility.reassessing") > 0


async def test_a_request_is_dropped_when_its_order_became_too_large_for_kafka(bench: Bench) -> None:
    huge = raw_order(number="1", items=(order_item(sku="X"),), note="x" * MAX_MESSAGE_BYTES)
    await bench.arrive(huge, raw_order(number="2", items=(order_item(sku="X"),)))
    await bench.repository.put_match(MatchRef(SELLER, STORE, "sku", "X"), Match(SKU), now=START)

    await worker(bench).judge_requested()

    assert await bench.repository.requested([0]) == []
    assert await bench.reasons(huge.key) == ["ITEM_NOT_MATCHED"]
    assert await bench.commands() == ["order.released"]


async def test_requests_stay_while_the_database_is_away(bench: Bench) -> None:
    repository = bench.repository
    assert isinstance(repository, MemoryRepository)
    await wait_for_a_match(bench)
    await bench.repository.put_match(MatchRef(SELLER, STORE, "sku", "X"), Match(SKU), now=START)
    repository.fail_with(TransientError("away"))

    with pytest.raises(TransientError):
        await worker(bench).judge_requested()

    repository.fail_with(None)
    await worker(bench).judge_requested()
    assert await bench.commands(0) == ["order.released"]
