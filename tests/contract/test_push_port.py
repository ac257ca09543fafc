"""What the port of pushes promises, over Postgres and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest

from schemas.ids import order_key
from schemas.tracking import TrackingPushed
from services.ingest.adapters.memory import Memory
from services.ingest.adapters.memory.polls import MemoryOutbox
from services.ingest.adapters.memory.pushes import MemoryPushes
from services.ingest.adapters.memory.stores import MemoryStores
from services.ingest.adapters.postgres import MIGRATIONS, SCHEMA
from services.ingest.adapters.postgres.outbox import PostgresOutbox
from services.ingest.adapters.postgres.pushes import PostgresPushes
from services.ingest.adapters.postgres.stores import PostgresStores
from services.ingest.ports import LeaseLost, Outbox, Stores
from services.ingest.tracking.ports import ORDERS_OF_A_STORE, Block, News, PushFilter, PushLease, PushStorage
from services.ingest.tracking.push import Push, PushOrder, Stand
from services.ingest.tracking.shipping_news import after_update
from services.kit.kafka.publisher import Message
from services.kit.postgres.pool import create_pool
from tests.ingest.pushing import shipped
from tests.ingest.workbench import LEASE, SELLER, START, STORE, linked_store

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WAITS = Stand("needs_attention", "RIGHT_MISSING", "Grant the right.", START + DAY, after_grant=0)


@dataclass(frozen=True)
class Ports:
    stores: Stores
    pushes: PushStorage
    outbox: Outbox

    async def told(self) -> list[TrackingPushed]:
        heard: list[Message] = []

        async def hear(messages: Sequence[Message]) -> None:
            heard.extend(messages)

        await self.outbox.relay(hear, limit=1000)
        return [TrackingPushed.model_validate_json(each.value) for each in heard if each.topic == "tracking.pushes"]

    async def ship(
        self, number: str = "o1", *, store_id: str = STORE, ship_by: datetime | None = None, now: datetime = START
    ) -> Push:
        """Keep the push of an order's parcel, whose id is the order's."""
        key = order_key("twin", store_id, number)
        order = PushOrder(key, number, linked_store(store_id).store_id, SELLER, "twin", ship_by)
        update = shipped(number, shipment_id=number)
        await self.pushes.take([News(order, lambda pushes: after_update(pushes, update, order, now=now))], now=now)
        [push] = (await self.pushes.of_order(key)).values()
        return push

    async def claim(
        self, owner: str = "process-1", *, after: timedelta = timedelta(), limit: int = 10
    ) -> list[PushLease]:
        now = START + after
        return await self.pushes.claim(owner=owner, platforms=["twin"], limit=limit, now=now, until=now + LEASE)

    async def leased(self, owner: str = "process-1", *, after: timedelta = timedelta()) -> PushLease:
        [lease] = await self.claim(owner, after=after, limit=1)
        return lease

    async def stand(self, lease: PushLease, stand: Stand) -> Push:
        """Keep where the order's one push stands, and end the lease."""

        def change(pushes: object) -> list[Push]:
            assert isinstance(pushes, dict)
            return [push.stands(stand, now=START) for push in pushes.values()]

        [push] = (await self.pushes.change(lease, change, now=START)).values()
        await self.pushes.leave(lease)
        return push


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def ports(request: pytest.FixtureRequest) -> AsyncIterator[Ports]:
    if request.param == "memory":
        memory = Memory()
        yield Ports(MemoryStores(memory), MemoryPushes(memory), MemoryOutbox(memory))
        return
    dsn = request.getfixturevalue("migrated_database")(SCHEMA, MIGRATIONS)
    pool = await create_pool(dsn, schema=SCHEMA, max_size=8)
    yield Ports(PostgresStores(pool), PostgresPushes(pool), PostgresOutbox(pool))
    await pool.close()


@pytest.fixture(autouse=True)
async def _stores(ports: Ports) -> None:
    for store_id in (STORE, "st-2"):
        await ports.stores.add(linked_store(store_id))
    await ports.told()


def keys(leases: Sequence[PushLease]) -> list[str]:
    return [lease.order_key.rsplit(":", 1)[1] for lease in leases]


async def test_a_push_is_kept_whole_and_told_of_once(ports: Ports) -> None:
    first = await ports.ship(ship_by=START + HOUR)
    again = await ports.ship(ship_by=START + HOUR)

    [told] = await ports.told()
    assert (first, await ports.pushes.get(first.push_id)) == (again, first)
    assert (told.state, told.step, told.ship_by) == ("queued", 1, START + HOUR)


async def test_news_of_many_orders_are_taken_in_turn_and_once(ports: Ports) -> None:
    heard = [("o2", "s-1"), ("o1", "s-2"), ("o2", "s-3"), ("o2", "s-1")]

    def news(number: str, shipment_id: str) -> News:
        order = PushOrder(order_key("twin", STORE, number), number, linked_store(STORE).store_id, SELLER, "twin", None)
        update = shipped(number, shipment_id=shipment_id)
        return News(order, lambda pushes: after_update(pushes, update, order, now=START))

    await ports.pushes.take([news(*each) for each in heard], now=START)
    await ports.pushes.take([news("o1", "s-2")], now=START)

    kept = await ports.pushes.of_order(order_key("twin", STORE, "o2"))
    assert [(told.shipment_id, told.step) for told in await ports.told()] == [("s-1", 1), ("s-2", 1), ("s-3", 1)]
    assert sorted((push.shipment_id, push.number) for push in kept.values()) == [("s-1", 1), ("s-3", 2)]
    assert sorted(keys(await ports.claim())) == ["o1", "o2"]


async def test_an_order_is_leased_to_one_at_a_time_and_to_the_next_when_that_ends(ports: Ports) -> None:
    await ports.ship()

    first = await ports.claim("process-1")
    meanwhile = await ports.claim("process-2")
    later = await ports.claim("process-2", after=LEASE + timedelta(seconds=1))

    assert (len(first), meanwhile, len(later)) == (1, [], 1)
    with pytest.raises(LeaseLost):
        await ports.pushes.change(first[0], lambda pushes: list(pushes.values()), now=START)
    with pytest.raises(LeaseLost):
        await ports.pushes.renew(first[0], until=START + HOUR)


async def test_two_processes_that_claim_at_once_share_the_orders(ports: Ports) -> None:
    for number in ("o1", "o2", "o3"):
        await ports.ship(number)

    both = await asyncio.gather(ports.claim("process-1", limit=2), ports.claim("process-2", limit=2))
    rest = await ports.claim("process-3")

    assert sorted(keys([*both[0], *both[1], *rest])) == ["o1", "o2", "o3"]


async def test_the_nearest_deadline_goes_first_and_no_store_takes_everything(ports: Ports) -> None:
    for place in range(6):
        await ports.ship(f"o{place}", ship_by=START + HOUR * (9 - place))
    await ports.ship("undated", now=START - HOUR)
    await ports.ship("other", store_id="st-2")

    first = await ports.claim(limit=3)
    rest = await ports.claim(limit=10)

    assert sorted(keys(first)) == ["o4", "o5", "other"]
    assert (keys(rest), ORDERS_OF_A_STORE) == (["o3", "o2"], 4)


async def test_an_order_rests_until_the_first_of_its_pushes_is_due(ports: Ports) -> None:
    await ports.ship()
    lease = await ports.leased()

    await ports.stand(lease, Stand("queued", "ON_HOLD", "It is held.", START + HOUR))

    assert await ports.claim(after=HOUR - timedelta(seconds=1)) == []
    assert len(await ports.claim(after=HOUR)) == 1


async def test_what_is_done_holds_for_the_push_as_it_is_now(ports: Ports) -> None:
    push = await ports.ship()
    lease = await ports.leased()
    key = push.order.order_key

    await ports.pushes.take(
        [News(push.order, lambda pushes: [pushes[push.push_id].voided("Twin", now=START)])], now=START
    )
    kept = await ports.stand(lease, Stand("verified"))

    assert (kept.state, kept.code, (await ports.pushes.of_order(key))[push.push_id]) == (
        "needs_attention",
        "VOIDED_AFTER_TELLING",
        kept,
    )


async def test_every_change_that_shows_is_told_with_a_higher_step(ports: Ports) -> None:
    await ports.ship()
    lease = await ports.leased()

    await ports.stand(lease, Stand("queued", "ON_HOLD", "It is held.", START))
    await ports.stand(await ports.leased(), Stand("queued", "ON_HOLD", "It is held.", START + HOUR))

    assert [(event.step, event.code) for event in await ports.told()] == [(1, None), (2, "ON_HOLD")]


async def test_the_list_is_that_of_the_seller_filtered_and_in_parts(ports: Ports) -> None:
    first = await ports.ship("o1")
    second = await ports.ship("o2", now=START + HOUR)
    third = await ports.ship("o3", store_id="st-2", now=START + HOUR * 2)
    await ports.stand(await ports.leased(), WAITS)

    everything = await ports.pushes.page(PushFilter(SELLER), after=None, limit=2)
    rest = await ports.pushes.page(PushFilter(SELLER), after=(second.created_at, second.push_id), limit=2)
    waiting = await ports.pushes.page(PushFilter(SELLER, code="RIGHT_MISSING"), after=None, limit=5)
    of_store = await ports.pushes.page(PushFilter(SELLER, "queued", None, "st-2"), after=None, limit=5)

    assert [push.shipment_id for push in (*everything, *rest)] == ["o3", "o2", "o1"]
    assert [push.push_id for push in waiting] == [first.push_id]
    assert [push.push_id for push in of_store] == [third.push_id]
    assert await ports.pushes.page(PushFilter("seller-2"), after=None, limit=5) == []


async def test_one_is_retried_and_so_are_all_of_a_code(ports: Ports) -> None:
    pushes = [await ports.ship(number) for number in ("o1", "o2", "o3")]
    for lease in await ports.claim():
        await ports.stand(lease, replace(WAITS, due_at=None, after_grant=None))
    await ports.pushes.block(Block(STORE, "RIGHT_MISSING", "Grant the right.", 0, START + DAY))

    one = await ports.pushes.retry(pushes[0].push_id, now=START)
    after_one = keys(await ports.claim())
    number = await ports.pushes.retry_all(PushFilter(SELLER, code="RIGHT_MISSING"), now=START)

    assert one is not None
    assert (one.state, one.code, after_one, number) == ("queued", None, ["o1"], 2)
    assert sorted(keys(await ports.claim())) == ["o2", "o3"]
    assert await ports.pushes.blocked(linked_store(), now=START) is None


async def test_a_verified_push_is_not_retried(ports: Ports) -> None:
    push = await ports.ship()
    await ports.stand(await ports.leased(), Stand("verified"))

    again = await ports.pushes.retry(push.push_id, now=START)

    assert again is not None
    assert (again.state, await ports.claim(), await ports.pushes.retry("unknown", now=START)) == ("verified", [], None)


async def test_a_blocked_store_is_probed_by_one_a_day_and_open_after_another_grant(ports: Ports) -> None:
    await ports.pushes.block(Block(STORE, "RIGHT_MISSING", "Grant the right.", 0, START + DAY))
    store = linked_store()

    before = await ports.pushes.blocked(store, now=START)
    probe = await ports.pushes.blocked(store, now=START + DAY)
    others = await ports.pushes.blocked(store, now=START + DAY)
    granted = await ports.pushes.blocked(replace(store, grants=1), now=START + DAY)
    lifted = await ports.pushes.blocked(store, now=START + DAY)

    assert before is not None
    assert (before.code, probe, granted, lifted) == ("RIGHT_MISSING", None, None, None)
    assert others is not None
    assert others.probe_at == START + DAY * 2


async def test_what_waits_for_a_store_is_due_after_another_grant_or_when_its_block_is_lifted(ports: Ports) -> None:
    for number in ("o1", "o2"):
        await ports.ship(number)
    for lease in await ports.claim():
        await ports.stand(lease, WAITS)
    await ports.pushes.block(Block(STORE, "RIGHT_MISSING", "Grant the right.", 0, START + DAY))

    resting = await ports.claim()
    await ports.stores.change(STORE, lambda held: replace(held, grants=1))
    granted = await ports.claim()
    for lease in granted:
        await ports.stand(lease, replace(WAITS, after_grant=1))
    await ports.pushes.lift(STORE, now=START)

    assert (resting, sorted(keys(granted)), sorted(keys(await ports.claim()))) == ([], ["o1", "o2"], ["o1", "o2"])


async def test_a_lease_that_is_given_back_ends_and_the_order_is_due_later(ports: Ports) -> None:
    await ports.ship()
    lease = await ports.leased()

    await ports.pushes.give_back(lease, due=START + HOUR)

    assert (await ports.claim(), len(await ports.claim(after=HOUR))) == ([], 1)


async def test_only_what_has_nothing_to_do_is_forgotten(ports: Ports) -> None:
    done, waiting = await ports.ship("o1"), await ports.ship("o2", now=START + timedelta(seconds=1))
    await ports.stand(await ports.leased(), Stand("verified"))

    await ports.pushes.forget(before=START + HOUR)

    assert await ports.pushes.get(done.push_id) is None
    assert await ports.pushes.get(waiting.push_id) == waiting
