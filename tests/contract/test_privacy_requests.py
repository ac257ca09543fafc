"""The contract of `PrivacyRequests`, and of erasing in a `Transaction`, run on Postgres and on its twin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.ids import StoreId
from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.adapters.privacy import PostgresPrivacyRequests
from services.eligibility.adapters.repository import PostgresRepository
from services.eligibility.app import MIGRATIONS
from services.eligibility.erasures import Erased
from services.eligibility.ports import Needs
from services.kit.clock import ManualClock
from services.kit.postgres.pool import create_pool
from tests.eligibility.privacy import ASKED_AT, Privacy, asked, later, order_of_buyer
from tests.eligibility.workbench import KEY, SELLER, START, STORE, Bench
from tests.schemas.orders import NOON, raw_order

NEWEST = 2**62


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def privacy(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Privacy]:
    if request.param == "memory":
        bench = Bench(tmp_path, MemoryRepository())
        await bench.open_for_business()
        yield _with(Privacy(bench), bench)
        return
    dsn = request.getfixturevalue("migrated_database")(MIGRATIONS[0], MIGRATIONS[1])
    pool = await create_pool(dsn, schema=MIGRATIONS[0], max_size=6)
    bench = Bench(tmp_path, PostgresRepository(pool, clock=ManualClock(START), wake_workers=lambda _: None))
    await bench.open_for_business()
    yield _with(Privacy(bench, PostgresPrivacyRequests(pool)), bench)
    await pool.close()


def _with(privacy: Privacy, bench: Bench) -> Privacy:
    privacy.bench = bench  # type: ignore[attr-defined] # only this suite looks at it
    return privacy


@pytest.fixture
def bench(privacy: Privacy) -> Bench:
    bench: Bench = privacy.bench  # type: ignore[attr-defined] # as above
    return bench


async def test_a_request_comes_back_as_it_was_kept(privacy: Privacy) -> None:
    await privacy.keep(asked(kind="data", order_keys=(KEY,)))

    [(request, erased)] = await privacy.requests.of_seller(SELLER, before=NEWEST, state=None, limit=9)

    assert (request.event_id, request.request_id, request.kind) == ("event-1", "platform-1", "data")
    assert (request.platform, request.store_id, request.seller_id) == ("shopify", STORE, SELLER)
    assert (request.order_keys, request.asked_at, request.state, erased) == ((KEY,), ASKED_AT, "open", 0)
    assert request.due_at == ASKED_AT + timedelta(days=30)
    assert len(request.buyers) == 1


async def test_the_same_event_is_kept_once(privacy: Privacy) -> None:
    await privacy.keep(asked(), asked())
    await privacy.keep(asked(kind="data"))

    assert len(await privacy.requests.to_erase(9)) == 1
    assert len(await privacy.requests.of_seller(SELLER, before=NEWEST, state=None, limit=9)) == 1


async def test_only_open_erasures_are_to_be_done_the_oldest_first(privacy: Privacy) -> None:
    await privacy.keep(asked(event_id="1"), asked(event_id="2", kind="data"), asked(event_id="3"), asked(event_id="4"))

    await privacy.requests.close("3", "erased", now=START)

    assert [request.event_id for request in await privacy.requests.to_erase(9)] == ["1", "4"]
    assert [request.event_id for request in await privacy.requests.to_erase(1)] == ["1"]


async def test_the_first_closing_counts(privacy: Privacy) -> None:
    await privacy.keep(asked(kind="data"))

    await privacy.requests.close("event-1", "answered", now=START)
    await privacy.requests.close("event-1", "answered", now=START + timedelta(days=1))

    found = await privacy.requests.find(SELLER, "event-1")
    assert found is not None
    assert (found[0].state, found[0].closed_at) == ("answered", START)


async def test_requests_are_listed_newest_first_by_page_and_state(privacy: Privacy) -> None:
    await privacy.keep(*(asked(event_id=str(n), kind="data") for n in range(5)))
    await privacy.requests.close("2", "answered", now=START)

    first = await privacy.requests.of_seller(SELLER, before=NEWEST, state=None, limit=2)
    rest = await privacy.requests.of_seller(SELLER, before=first[-1][0].number, state=None, limit=9)
    waiting = await privacy.requests.of_seller(SELLER, before=NEWEST, state="open", limit=9)

    assert [request.event_id for request, _ in first + rest] == ["4", "3", "2", "1", "0"]
    assert [request.event_id for request, _ in waiting] == ["4", "3", "1", "0"]


async def test_another_seller_sees_none_of_it(privacy: Privacy) -> None:
    await privacy.keep(asked())

    assert await privacy.requests.of_seller("seller-2", before=NEWEST, state=None, limit=9) == []
    assert await privacy.requests.find("seller-2", "event-1") is None


async def test_a_request_to_a_whole_platform_concerns_the_sellers_of_whom_something_was_erased(
    privacy: Privacy, bench: Bench
) -> None:
    await bench.arrive(order_of_buyer(payment="pending"))

    await privacy.take(asked(store_id=None, seller_id=None))

    assert await privacy.counted() == ("erased", 1)
    assert await privacy.requests.find("seller-2", "event-1") is None


async def test_what_a_request_is_about_comes_by_key_and_page(privacy: Privacy, bench: Bench) -> None:
    orders = [order_of_buyer(str(n), payment="pending") for n in range(4)]
    named = order_of_buyer("9", buyer_id=None, payment="pending")
    await bench.arrive(*orders[:2], named)
    await bench.arrive(*orders[2:], order_of_buyer("8", buyer_id="another"), shard=3)
    await privacy.keep(asked(kind="data", order_keys=(named.key, "shopify:st-1:unknown")))
    found = await privacy.requests.find(SELLER, "event-1")
    assert found is not None

    first = await privacy.requests.affected(found[0], after="", limit=3)
    rest = await privacy.requests.affected(found[0], after=first[-1].order_key, limit=3)

    assert [order.order_key for order in first + rest] == [each.key for each in (*orders, named)]
    assert [order.shard for order in first + rest] == [0, 0, 3, 3, 0]
    assert {order.seller_id for order in first} == {SELLER}


async def test_what_a_request_about_a_store_is_about_are_all_its_orders_and_no_others(
    privacy: Privacy, bench: Bench
) -> None:
    key = "shopify:st-10:1"
    other = raw_order(key=key, store_id=StoreId("st-10"), payment="pending")
    await bench.arrive(raw_order(number="2", payment="pending"), other, raw_order(number="11", payment="pending"))

    await privacy.take(asked(kind="erase_store", buyer_ids=()))

    assert (await bench.dossier("shopify:st-1:2")).sealed_event is None
    assert (await bench.dossier("shopify:st-1:11")).sealed_event is None
    assert (await bench.dossier(key)).sealed_event is not None
    assert await privacy.counted() == ("erased", 2)


async def test_an_erased_order_keeps_its_decision_and_loses_the_rest(privacy: Privacy, bench: Bench) -> None:
    await bench.arrive(order_of_buyer(payment="pending"), order_of_buyer("2"))

    await privacy.take(asked())

    for key, reasons in ((KEY, ["BUYER_DATA_ERASED"]), ("shopify:st-1:2", [])):
        dossier = await bench.dossier(key)
        assert (dossier.sealed_event, dossier.sealed_correction, dossier.buyer) == (None, None, None)
        assert await bench.reasons(key) == reasons
    assert await bench.repository.held(SELLER, store_id=None, reason=None, after="", limit=9) == []


async def test_a_tombstone_stays_on_an_erased_order(privacy: Privacy, bench: Bench) -> None:
    await bench.arrive(order_of_buyer(payment="pending"))
    await privacy.take(asked())

    await bench.arrive(later(1, buyer_id=None))

    assert await bench.reasons() == ["BUYER_DATA_ERASED"]
    assert (await bench.dossier()).sealed_event is None
    assert await bench.commands() == []


async def test_a_later_request_takes_what_was_bought_since_the_earlier_one(privacy: Privacy, bench: Bench) -> None:
    later_still = ASKED_AT + timedelta(days=5)
    await privacy.keep(asked(event_id="1"), asked(event_id="2", occurred_at=later_still), asked(event_id="3"))

    await bench.arrive(order_of_buyer(placed_at=later_still), order_of_buyer("2", placed_at=later_still + timedelta(1)))

    assert await bench.reasons() == ["BUYER_DATA_ERASED"]
    assert await bench.reasons("shopify:st-1:2") == []


async def test_messages_with_an_address_go_once_they_are_surely_published(privacy: Privacy, bench: Bench) -> None:
    repository = bench.repository
    assert isinstance(repository, MemoryRepository | PostgresRepository)
    await bench.arrive(order_of_buyer("1"), order_of_buyer("2"))
    await repository.note_published(0, 2)

    await privacy.take(asked())
    await bench.arrive(raw_order(number="3", payment="pending"))

    left = [(each.number, each.message.sealed) for each in await repository.read(0, after=0, limit=9)]
    assert left == [(1, False), (3, False), (4, True), (5, False)]


async def test_an_order_that_is_erased_twice_is_counted_once(privacy: Privacy, bench: Bench) -> None:
    await bench.arrive(order_of_buyer(payment="pending"))
    await privacy.keep(asked())

    for _ in range(2):
        await bench.judge.erase_unjudged(0, Erased(KEY, "event-1", SELLER))

    assert await privacy.counted() == ("open", 1)


async def test_a_request_waits_for_judgements_that_began_before_it(privacy: Privacy, bench: Bench) -> None:
    async with bench.repository.judging({0}) as transaction:
        await transaction.known(Needs(frozenset({SELLER}), frozenset({STORE}), frozenset(), frozenset()))
        keeping = asyncio.create_task(privacy.keep(asked()))
        _, waiting = await asyncio.wait({keeping}, timeout=0.3)

    assert waiting == {keeping}
    await keeping
    assert len(await privacy.requests.to_erase(9)) == 1


async def test_a_request_in_the_middle_of_many_batches_leaves_nothing_of_the_buyer(
    privacy: Privacy, bench: Bench
) -> None:
    batches = [[order_of_buyer(f"{n}-{m}", payment="pending") for m in range(20)] for n in range(12)]
    revised = [[each.model_copy(update={"revised_at": NOON + timedelta(1)}) for each in batch] for batch in batches]

    async def judge(shard: int) -> None:
        await bench.arrive(*batches[shard], shard=shard)
        await bench.arrive(*revised[shard], shard=shard)

    async def forget() -> None:
        await asyncio.sleep(0.02)
        await privacy.take(asked())

    await asyncio.gather(*map(judge, range(12)), forget(), forget())

    keys = [order.key for batch in batches for order in batch]
    dossiers = await bench.repository.dossiers(keys)
    assert len(dossiers) == 240
    assert {dossier.sealed_event for dossier in dossiers.values()} == {None}
    assert {reason for key in keys for reason in await bench.reasons(key)} == {"BUYER_DATA_ERASED"}
