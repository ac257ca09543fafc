from __future__ import annotations

import asyncio

from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.adapters.memory_log import MemoryLog
from services.eligibility.relay import Relay
from services.eligibility.shards import RETAKE_SECONDS, Shards
from services.kit.metrics import Metrics
from tests.eligibility.workbench import Bench
from tests.schemas.orders import raw_order


def shards_of(bench: Bench, log: MemoryLog) -> Shards:
    repository = bench.repository
    assert isinstance(repository, MemoryRepository)

    def new_relay(shard: int) -> Relay:
        return Relay(shard, outbox=repository, open_log=log, sealer=bench.sealer, clock=bench.clock, metrics=Metrics())

    return Shards(new_relay, clock=bench.clock, metrics=Metrics())


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_partitions_of_the_raw_orders_are_the_shards(bench: Bench) -> None:
    shards = shards_of(bench, MemoryLog())

    await shards.assigned([("p.orders.raw", 2), ("p.production.updates", 2), ("p.production.updates", 3)])
    assert shards.owned == [2]

    await shards.revoked([("p.orders.raw", 2), ("p.production.updates", 2)])
    assert shards.owned == []


async def test_what_is_judged_is_published_when_woken(bench: Bench) -> None:
    log = MemoryLog()
    shards = shards_of(bench, log)
    await shards.assigned([("orders.raw", 0)])
    await settle()

    await bench.arrive(raw_order())
    shards.wake({0, 5})
    await settle()

    assert [message.topic for message in log.committed] == ["decisions", "production"]
    await shards.release_all()


async def test_a_fenced_shard_that_is_still_ours_is_taken_again(bench: Bench) -> None:
    log = MemoryLog()
    shards = shards_of(bench, log)
    await shards.assigned([("orders.raw", 0)])
    await settle()
    stranger = await log(0)
    await bench.arrive(raw_order())
    shards.wake({0})
    await settle()
    assert log.owners[0] is stranger
    assert log.committed == []

    bench.clock.advance(RETAKE_SECONDS)
    await settle()

    assert log.owners[0] is not stranger
    assert len(log.committed) == 2
    await shards.release_all()
