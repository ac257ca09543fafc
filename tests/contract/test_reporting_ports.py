"""Projections and reports keep their promises in Postgres and in memory alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import pytest

from schemas.reasons import Reason, ReasonCode
from schemas.sessions import OrderOutcome
from services.kit.clock import ManualClock
from services.kit.postgres.pool import create_pool
from services.reporting import cursors
from services.reporting.adapters.memory import MemoryProjections, MemoryReports
from services.reporting.adapters.memory_parcels import MemoryParcels
from services.reporting.adapters.postgres import MIGRATIONS_DIRECTORY, SCHEMA, PostgresProjections
from services.reporting.adapters.postgres_parcels import PostgresParcels
from services.reporting.adapters.postgres_reports import PostgresReports
from services.reporting.attention import (
    Attention,
    DueOrders,
    FailingStore,
    StuckParcels,
    UnreadableOrders,
    WaitingOrders,
)
from services.reporting.facts import Fact
from services.reporting.ports import (
    ORDER_CURSOR,
    PARCEL_CURSOR,
    SESSION_CURSOR,
    SESSION_ORDER_CURSOR,
    OrderFilter,
    ParcelFilter,
    Parcels,
    Projections,
    Reports,
    SessionFilter,
)
from services.reporting.views import LastSuccess, ListOf, OrderView
from tests.reporting.facts import (
    SELLER,
    SESSION,
    START,
    STORE,
    at,
    decided,
    disabled_endpoint,
    finished,
    key,
    located,
    not_matched,
    outcome,
    progressed,
    pushed,
    started,
    store,
    stuck,
    summary,
    update,
)

EVERY_ORDER = OrderFilter()
EVERY_SESSION = SessionFilter()


@dataclass
class Kept:
    """Both ports over one place, and a clock that makes remembered answers old."""

    projections: Projections
    reports: Reports
    parcels: Parcels
    clock: ManualClock

    async def take(self, *facts: Fact, first: int = 0, topic: str = "orders.decisions") -> None:
        self.clock.advance(60)
        await self.projections.apply(located(*facts, first=first, topic=topic))


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    clock = ManualClock(START)
    if request.param == "memory":
        twin = MemoryProjections()
        yield Kept(twin, MemoryReports(twin), MemoryParcels(twin), clock)
        return
    dsn = request.getfixturevalue("migrated_database")(SCHEMA, MIGRATIONS_DIRECTORY)
    pool = await create_pool(dsn, schema=SCHEMA, max_size=3)
    reports = PostgresReports(pool, clock=clock)
    yield Kept(PostgresProjections(pool), reports, PostgresParcels(pool), clock)
    await pool.close()


async def test_positions_are_kept_with_the_rows(kept: Kept) -> None:
    place = ("orders.decisions", 0)

    before = await kept.projections.positions([place])
    await kept.take(decided(key(1)), decided(key(2)), first=41)

    assert before == {}
    assert await kept.projections.positions([place, ("orders.decisions", 1)]) == {place: 43}


async def test_facts_before_the_position_are_skipped(kept: Kept) -> None:
    await kept.take(decided(), first=10)

    await kept.take(decided(number=2, reasons=(not_matched(),)), first=3)

    order = await kept.reports.order(SELLER, key())
    assert order is not None
    assert order.decision_number == 1


async def test_the_highest_decision_is_valid_whenever_it_came(kept: Kept) -> None:
    await kept.take(decided(number=2, minute=9, reasons=(not_matched(),)))

    await kept.take(decided(number=1), first=1)

    order = await kept.reports.order(SELLER, key())
    assert order is not None
    assert (order.decision_number, order.outcome) == (2, "held")
    assert order.released_at == at(2)
    assert order.state == "released"


async def test_an_order_has_its_timeline_in_words(kept: Kept) -> None:
    await kept.take(started(), progressed(outcome()), topic="sync.sessions")
    await kept.take(decided(), update("accepted"), update("shipped", minute=9))

    order = await kept.reports.order(SELLER, key())

    assert order is not None
    assert [entry.kind for entry in order.timeline] == ["imported", "decided", "released", "accepted", "shipped"]
    assert order.timeline[-1].sentence == "Shipped with USPS, tracking number 9400111."
    assert order.state == "shipped"
    assert order.items[0].made_as == "SKU-MUG"


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ([progressed(outcome())], "imported"),
        ([decided(reasons=(not_matched(),))], "held"),
        ([decided(reasons=(not_matched(),), outcome="rejected")], "rejected"),
        ([decided()], "released"),
        ([decided(), update("accepted")], "accepted"),
        ([decided(), update("accepted", minute=5), update("on_hold", minute=6)], "on_hold"),
        ([decided(), update("on_hold", minute=6), update("in_production", minute=7)], "in_production"),
        ([decided(), update("in_production", minute=7), update("shipped", minute=8)], "shipped"),
        ([decided(), decided(number=2, outcome="rejected", step="cancelled")], "cancelling"),
        ([decided(), decided(number=2, outcome="rejected", step="cancelled"), update("cancelled")], "cancelled"),
        (
            [
                decided(),
                update("in_production", minute=3),
                decided(number=2, outcome="rejected", step="cancelled"),
                update("cancel_refused", minute=6),
            ],
            "in_production",
        ),
    ],
)
async def test_an_order_stands_where_its_facts_put_it(kept: Kept, facts: Sequence[Fact], state: str) -> None:
    await kept.take(*facts)

    [order] = (await kept.reports.orders(SELLER, EVERY_ORDER, after=None, limit=10)).items

    assert order.state == state


async def test_counts_of_a_session_are_of_different_orders(kept: Kept) -> None:
    first = progressed(outcome(1), outcome(2, "existing"), part=1, total=4)
    second = progressed(outcome(2, "updated"), outcome(3, "failed", problem="no id"), outcome(1, "existing"), part=2)
    await kept.take(started(), first, topic="sync.sessions")

    await kept.take(second, first, finished(), first=2, topic="sync.sessions")

    session = await kept.reports.session(SELLER, SESSION)
    assert session is not None
    assert (session.listed, session.new, session.updated, session.existing, session.failed) == (3, 1, 1, 0, 1)
    assert (session.state, session.duration_seconds) == ("succeeded", 180)


async def test_orders_that_could_not_be_identified_are_counted_one_by_one(kept: Kept) -> None:
    nameless = OrderOutcome(external_id="", result="failed", problem="no id")

    await kept.take(started(), progressed(nameless, nameless), topic="sync.sessions")

    session = await kept.reports.session(SELLER, SESSION)
    assert session is not None
    assert session.failed == 2


async def test_a_session_that_only_progressed_is_running(kept: Kept) -> None:
    await kept.take(progressed(outcome()), topic="sync.sessions")

    [session] = (await kept.reports.sessions(SELLER, EVERY_SESSION, after=None, limit=10)).items

    assert (session.state, session.platform, session.listed) == ("running", None, 1)


async def test_sessions_are_listed_newest_first_and_filtered(kept: Kept) -> None:
    await kept.take(
        started("s1", minute=1),
        started("s2", minute=2, way="webhook", platform="shopify"),
        started("s3", minute=3),
        progressed(outcome(), session="s3"),
        finished("s1"),
        topic="sync.sessions",
    )

    async def found(**wanted: object) -> list[str]:
        page = await kept.reports.sessions(SELLER, SessionFilter(**wanted), after=None, limit=10)  # type: ignore[arg-type]
        return [session.session_id for session in page.items]

    assert await found() == ["s3", "s2", "s1"]
    assert await found(platform="shopify") == ["s2"]
    assert await found(way="poll", state="running") == ["s3"]
    assert await found(since=at(2), until=at(3)) == ["s2"]
    assert await found(with_orders_only=True) == ["s3"]
    assert await found(store_id="another") == []


async def test_orders_are_found_by_what_is_asked(kept: Kept) -> None:
    await kept.take(
        decided(key(1)),
        decided(key(2), reasons=(not_matched("A_100%"),)),
        decided(key(3, platform="shopify", store="store-2"), outcome="rejected", reasons=(not_matched(),), step=None),
        progressed(outcome(4, display_name="Étoile")),
    )

    async def found(**wanted: object) -> set[str]:
        page = await kept.reports.orders(SELLER, OrderFilter(**wanted), after=None, limit=10)  # type: ignore[arg-type]
        return {order.external_id for order in page.items}

    assert await found() == {"1001", "1002", "1003", "1004"}
    assert await found(platform="shopify") == {"1003"}
    assert await found(store_id=STORE, outcome="held") == {"1002"}
    assert await found(state="imported") == {"1004"}
    assert await found(reason="ITEM_NOT_MATCHED") == {"1002", "1003"}
    assert await found(text="#1001") == {"1001"}
    assert await found(text="mug-11") == {"1001", "1002", "1003"}
    assert await found(text="étoile") == {"1004"}
    assert await found(text="%") == set()
    assert await found(since=at(-1001 % 1000), until=at(-1000 % 1000 + 10_000)) != set()


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
async def test_pages_hold_every_item_once(kept: Kept, limit: int) -> None:
    numbers = range(1, 6)
    await kept.take(*(decided(key(number)) for number in numbers))
    await kept.take(
        started(),
        progressed(*(outcome(number) for number in numbers)),
        started("s2"),
        started("s3"),
        topic="sync.sessions",
    )

    orders = await _all(
        lambda word: kept.reports.orders(SELLER, EVERY_ORDER, after=cursors.read(word, like=ORDER_CURSOR), limit=limit)
    )
    sessions = await _all(
        lambda word: kept.reports.sessions(
            SELLER, EVERY_SESSION, after=cursors.read(word, like=SESSION_CURSOR), limit=limit
        )
    )
    session_orders = await _all(
        lambda word: kept.reports.session_orders(
            SELLER, SESSION, result=None, after=cursors.read(word, like=SESSION_ORDER_CURSOR), limit=limit
        )
    )

    assert sorted(order.external_id for order in orders) == [str(1000 + number) for number in numbers]
    assert sorted(session.session_id for session in sessions) == ["s2", "s3", SESSION]
    assert [order.external_id for order in session_orders] == [str(1000 + number) for number in numbers]


async def test_another_sellers_things_are_not_there(kept: Kept) -> None:
    await kept.take(store(), started(), progressed(outcome()), decided())

    assert await kept.reports.order("seller-2", key()) is None
    assert await kept.reports.session("seller-2", SESSION) is None
    assert await kept.reports.session_orders("seller-2", SESSION, result=None, after=None, limit=10) is None
    assert (await kept.reports.orders("seller-2", EVERY_ORDER, after=None, limit=10)).items == ()
    assert (await kept.reports.sessions("seller-2", EVERY_SESSION, after=None, limit=10)).items == ()
    assert (await kept.reports.stores("seller-2", after=None, limit=10)).items == ()
    assert (await kept.reports.summary("seller-2")).total.imported == 0


async def test_the_summary_adds_up(kept: Kept) -> None:
    both = (not_matched(), Reason(code=ReasonCode.NOT_APPROVED))
    late = (Reason(code=ReasonCode.CHANGED_TOO_LATE, evidence={"change": "address"}),)
    await kept.take(
        decided(key(1)),
        update("shipped", key(1)),
        decided(key(2), reasons=both),
        decided(key(3), reasons=(not_matched(),)),
        decided(key(4), outcome="rejected", reasons=(Reason(code=ReasonCode.TEST_ORDER),), step=None),
        decided(key(5)),
        decided(key(5), number=2, reasons=late, outcome="eligible"),
        decided(key(6, platform="shopify", store="store-2")),
        progressed(outcome(7)),
    )

    summary = await kept.reports.summary(SELLER)

    total = summary.total
    assert total.imported == total.undecided + total.held + total.rejected + total.released == 7
    assert (total.undecided, total.held, total.rejected, total.released, total.shipped) == (1, 2, 1, 3, 1)
    assert total.held_by_reason == {"ITEM_NOT_MATCHED": 2, "NOT_APPROVED": 1}
    assert total.rejected_by_reason == {"TEST_ORDER": 1}
    assert total.remarked_by_reason == {"CHANGED_TOO_LATE": 1}
    assert summary.platforms["shopify"].released == 1
    assert [(wait.code, wait.orders) for wait in summary.waits] == [
        ("ITEM_NOT_MATCHED", 2),
        ("CHANGED_TOO_LATE", 1),
        ("NOT_APPROVED", 1),
    ]


async def test_of_two_records_of_a_store_with_one_time_the_last_told_stands(kept: Kept) -> None:
    await kept.take(store(name="B"), store(name="A"))
    await kept.take(store(name="Z"), store(name="C"), first=2)

    [shown] = (await kept.reports.stores(SELLER, after=None, limit=10)).items

    assert shown.name == "C"


async def test_a_store_shows_its_state_and_what_happened_last(kept: Kept) -> None:
    await kept.take(store(), started(), decided())
    await kept.take(
        store(state="reconnect", problem="Etsy refuses our access.", changed_at=at(1)),
        store(name="Old name", changed_at=at(-200)),
        first=3,
    )

    [shown] = (await kept.reports.stores(SELLER, after=None, limit=10)).items

    assert (shown.name, shown.state, shown.problem) == ("Paper Moon", "reconnect", "Etsy refuses our access.")
    assert shown.last_session is not None
    assert (shown.last_session.session_id, shown.last_session.state) == (SESSION, "running")
    assert shown.counts.released == 1
    assert shown.last_order_at == at(-1001 % 1000)


async def test_nothing_needs_a_seller_whose_orders_go_their_way(kept: Kept) -> None:
    await kept.take(store(), started(), progressed(outcome()), finished(), decided())

    assert await kept.reports.attention(SELLER, now=at(100)) == Attention(stores=(store(),))


async def test_polls_that_fail_in_a_row_are_counted_from_the_newest(kept: Kept) -> None:
    ends = [("s1", "succeeded"), ("s2", "failed"), ("s3", "partial"), ("s4", "failed")]
    facts = [
        (started(name, minute=10 * n), finished(name, minute=10 * n + 1, state=state, problem=f"{name} broke off"))
        for n, (name, state) in enumerate(ends)
    ]
    await kept.take(store(), *(fact for pair in facts for fact in pair))
    # Neither what still runs nor what the platform pushed says whether polls get to their end.
    await kept.take(started("s5", minute=50), started("hook", minute=60, way="webhook"), first=100)

    [failing] = (await kept.reports.attention(SELLER, now=at(100))).failing

    assert failing == FailingStore(STORE, 3, at(11), "s4", "s4 broke off")


async def test_one_poll_that_succeeds_ends_a_row_of_failures(kept: Kept) -> None:
    await kept.take(store(), started("s1", minute=1), finished("s1", minute=2, state="failed"))

    before = await kept.reports.attention(SELLER, now=at(100))
    await kept.take(started("s2", minute=3), finished("s2", minute=4), first=3)
    after = await kept.reports.attention(SELLER, now=at(100))

    assert (len(before.failing), len(after.failing)) == (1, 0)


async def test_unreadable_orders_are_those_that_nothing_read_since(kept: Kept) -> None:
    bad = [outcome(number, "failed", problem="total: not a number") for number in (1, 2, 3)]
    await kept.take(store(), started(), progressed(*bad))
    await kept.take(started("s2", minute=5), progressed(bad[0], outcome(2), session="s2", minute=6), first=3)

    [unreadable] = (await kept.reports.attention(SELLER, now=at(100))).unreadable

    assert unreadable == UnreadableOrders(STORE, 2, at(1.5), "s2", "poll")


async def test_an_unreadable_order_is_pointed_out_for_a_week(kept: Kept) -> None:
    await kept.take(store(), started(), progressed(outcome(1, "failed", problem="no total")))

    found = [len((await kept.reports.attention(SELLER, now=at(60 * 24 * days))).unreadable) for days in (6.9, 7.1)]

    assert found == [1, 0]


async def test_orders_wait_for_long_after_a_day_and_by_each_reason(kept: Kept) -> None:
    both = (not_matched(), Reason(code=ReasonCode.NOT_APPROVED))
    await kept.take(
        decided(key(1), reasons=both),
        decided(key(2), reasons=(not_matched(),)),
        decided(key(3)),
        decided(key(4), outcome="rejected", reasons=(not_matched(),), step=None),
    )

    early = await kept.reports.attention(SELLER, now=at(1 + 60 * 24))
    late = await kept.reports.attention(SELLER, now=at(2 + 60 * 24))

    assert early.waiting == ()
    assert late.waiting == (
        WaitingOrders(ReasonCode.ITEM_NOT_MATCHED, 2, at(1)),
        WaitingOrders(ReasonCode.NOT_APPROVED, 1, at(1)),
    )


async def test_an_order_that_was_released_waits_no_longer(kept: Kept) -> None:
    await kept.take(decided(reasons=(not_matched(),)), decided(number=2, cause="match", step="released", minute=9))

    assert (await kept.reports.attention(SELLER, now=at(10_000))).waiting == ()


async def test_an_address_that_is_not_called_needs_its_seller_until_it_is_enabled_or_removed(kept: Kept) -> None:
    first, second = disabled_endpoint(), disabled_endpoint(endpoint_id="e-2", changed_at=at(1))
    await kept.take(first, second, topic="webhook.endpoints")
    both = (await kept.reports.attention(SELLER, now=at(9))).endpoints
    again = [disabled_endpoint(state=state, changed_at=at(2)) for state in ("enabled", "disabled", "enabled")]
    gone = disabled_endpoint(endpoint_id="e-2", state="removed", changed_at=at(3))

    await kept.take(*again, gone, second, first=2, topic="webhook.endpoints")

    assert both == (first, second)
    assert (await kept.reports.attention(SELLER, now=at(9))).endpoints == ()
    assert (await kept.reports.attention("seller-2", now=at(9))).endpoints == ()


async def test_another_sellers_troubles_are_not_there(kept: Kept) -> None:
    await kept.take(store(), started(), progressed(outcome(1, "failed", problem="no total")))
    await kept.take(finished(state="failed"), decided(reasons=(not_matched(),)), first=3)

    assert await kept.reports.attention("seller-2", now=at(10_000)) == Attention()


async def test_a_store_tells_its_newest_poll_that_succeeded(kept: Kept) -> None:
    await kept.take(
        store(platform_name="Etsy"),
        started("s1", minute=1),
        finished("s1", minute=2),
        started("s2", minute=3),
        finished("s2", minute=4, state="failed"),
    )

    [shown] = (await kept.reports.stores(SELLER, after=None, limit=10)).items

    assert shown.platform_name == "Etsy"
    assert shown.last_success == LastSuccess(session_id="s1", at=at(2), read_through=at(0))
    assert shown.last_session is not None
    assert shown.last_session.session_id == "s2"


T = TypeVar("T")


async def _all(fetch: Callable[[str | None], Awaitable[ListOf[T] | None]]) -> list[T]:
    items: list[T] = []
    word: str | None = None
    while True:
        page = await fetch(word)
        assert page is not None
        items += page.items
        if page.next is None:
            return items
        word = page.next


async def test_a_deadline_that_comes_with_a_parcel_counts_until_the_platform_has_it(kept: Kept) -> None:
    await kept.take(decided(summary=summary(key(), ship_by=at(90_000))), update("shipped", minute=9))
    await kept.take(stuck(minute=10, ship_by=at(60)), topic="tracking.pushes")

    [late] = (await listed(kept, OrderFilter(deadline="late", now=at(61)))).items
    [at_risk] = (await listed(kept, OrderFilter(deadline="at_risk", now=at(59)))).items
    due = (await kept.reports.attention(SELLER, now=at(59))).due
    await kept.take(pushed("verified", step=2, minute=11, ship_by=at(60)), first=1, topic="tracking.pushes")

    assert late.ship_by == at_risk.ship_by == at(60)
    assert [(one.late, one.orders) for one in due] == [(False, 1)]
    assert due[0].since == late.at_risk_from
    assert (await listed(kept, OrderFilter(deadline="late", now=at(61)))).items == ()
    assert (await kept.reports.attention(SELLER, now=at(61))).due == ()


async def test_an_order_has_its_parcels_its_deadline_and_arrives(kept: Kept) -> None:
    due = summary(key(), ship_by=at(60))
    await kept.take(decided(summary=due), update("shipped", minute=9))
    await kept.take(stuck(minute=10), topic="tracking.pushes")

    [late] = (await listed(kept, OrderFilter(deadline="late", now=at(61)))).items
    at_risk = await listed(kept, OrderFilter(deadline="at_risk", now=at(59)))
    await kept.take(pushed("verified", step=2, minute=11), first=1, topic="tracking.pushes")
    await kept.take(update("delivered", minute=12), first=2)
    order = await kept.reports.order(SELLER, key())

    assert order is not None
    assert (late.state, late.tracking[0].state, late.tracking[0].retryable) == ("shipped", "needs_attention", True)
    assert late.at_risk_from == at(60 - 24 * 60)
    assert len(at_risk.items) == 1
    assert (order.state, order.at_risk_from, order.tracking[0].verified_at) == ("delivered", None, at(11))
    assert (await listed(kept, OrderFilter(deadline="late", now=at(61)))).items == ()
    for state in ("shipped", "delivered"):
        assert len((await listed(kept, OrderFilter(state=state))).items) == 1


async def test_deadlines_and_parcels_that_need_the_seller_are_counted_by_store(kept: Kept) -> None:
    now = at(3 * 24 * 60)
    near, past = now + timedelta(hours=1), now - timedelta(hours=1)
    await kept.take(
        store(),
        decided(key(1), summary=summary(key(1), ship_by=near)),
        decided(key(2), summary=summary(key(2), ship_by=past), reasons=(not_matched(),)),
        decided(key(3), summary=summary(key(3), ship_by=past)),
        decided(key(4), summary=summary(key(4), ship_by=past, fulfilment="fulfilled")),
        decided(key(5), summary=summary(key(5), ship_by=past)),
        decided(key(6), summary=summary(key(6), ship_by=now + timedelta(days=40))),
        update("shipped", key(3)),
        update("shipped", key(5)),
    )
    await kept.take(
        stuck(order=key(3), minute=20),
        stuck(order=key(3), push_id="second", minute=21),
        pushed("verified", key(5)),
        pushed("refused", key(5), push_id="third", minute=22, code="REFUSED", problem="No."),
        topic="tracking.pushes",
    )

    found = await kept.reports.attention(SELLER, now=now)
    long_after = await kept.reports.attention(SELLER, now=now + timedelta(days=15))

    assert found.due == (
        DueOrders(STORE, late=False, orders=1, since=near - timedelta(days=1)),
        DueOrders(STORE, late=True, orders=3, since=past),
    )
    assert found.stuck == (
        StuckParcels(STORE, "needs_attention", 1, at(20)),
        StuckParcels(STORE, "refused", 1, at(22)),
    )
    assert (long_after.due, long_after.stuck) == ((), ())


async def test_parcels_are_listed_and_counted(kept: Kept) -> None:
    await kept.take(decided(key(1)))
    await kept.take(
        pushed("verified", key(1)),
        stuck(order=key(2), minute=11, shipped_at=at(8), problem="Older."),
        stuck(order=key(3), minute=12, shipped_at=at(7), problem="Newer."),
        topic="tracking.pushes",
    )

    first = await kept.parcels.parcels(SELLER, ParcelFilter(), after=None, limit=2)
    rest = await kept.parcels.parcels(
        SELLER, ParcelFilter(), after=cursors.read(first.next, like=PARCEL_CURSOR), limit=2
    )
    summary_ = await kept.parcels.summary(SELLER, ParcelFilter(state="needs_attention", since=at(7), until=at(9)))
    named = await kept.parcels.parcel(SELLER, f"push-{key(1)}")

    assert [one.external_id for one in (*first.items, *rest.items)] == ["1001", "1002", "1003"]
    assert named == first.items[0]
    assert named is not None
    assert named.display_name == "#1001"
    [count] = summary_.counts
    assert (count.parcels, count.since, count.remedy) == (2, at(11), "Newer.")
    assert await kept.parcels.parcel("seller-2", f"push-{key(1)}") is None


async def listed(kept: Kept, wanted: OrderFilter) -> ListOf[OrderView]:
    return await kept.reports.orders(SELLER, wanted, after=None, limit=10)
