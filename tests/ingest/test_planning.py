"""Polls follow a plan: it spends budgets and not more, outlives processes, and catches up once after a downtime."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from schemas.order import Way
from schemas.stores import StoreSettings
from services.ingest.adapters.memory import Poll
from services.ingest.contract.reading import Page, Window
from services.ingest.contract.stores import Access
from services.ingest.polls.cadence import LONGEST, chance
from services.ingest.ports import Progress
from services.ingest.reserve import Counted
from services.ingest.stores.tokens import seal_secrets
from services.ingest.stores.views import next_sync
from services.kit.clock import ManualClock
from services.kit.errors import TransientError
from services.kit.limits import Limit, MemoryLimits
from tests.ingest.twin_platform import PACE, TwinConnector
from tests.ingest.workbench import LEASE, START, STORE, Ingestion, Workbench, linked_store

DAY = timedelta(days=1)
#: A day's 400 calls of an app: never more in any 24 hours.
A_DAYS_CALLS = Limit(100.0, 300 / DAY.total_seconds())


@dataclass
class ThriftyPlatform(TwinConnector):
    """A platform whose app has a number of calls a day for all stores; a page is a call."""

    limits: Counted = field(default_factory=lambda: Counted(MemoryLimits(ManualClock(START))))
    stated: Limit = A_DAYS_CALLS
    calls: list[datetime] = field(default_factory=list)

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        await self.limits.take("twin|app|day", limit=self.stated)
        self.calls.append(self.clock.now())
        return await super().read_page(access, window, after=after, way=way)


class House(Ingestion):
    """Processes that share stores, a platform and a database."""

    clock: ManualClock

    def __init__(self, *, stated: Limit = A_DAYS_CALLS) -> None:
        clock = ManualClock(START)
        limits = MemoryLimits(clock)
        pace = replace(PACE, interval=timedelta(minutes=3))
        self.platform = ThriftyPlatform(clock, pace=pace, limits=Counted(limits), stated=stated)
        super().__init__({"twin": self.platform}, clock, limits=limits)
        self.processes: Sequence[Ingestion] = [self]
        self._turn = 0

    def restart(self, *, processes: int = 1) -> None:
        """End whatever runs; as many new processes find what the old ones kept."""
        kept = {"memory": self.memory, "publisher": self.publisher, "limits": self.limits}
        self.processes = [Ingestion(self.connectors, self.clock, **kept) for _ in range(processes)]  # type: ignore[arg-type]

    async def add_stores(self, number: int, *, rested: bool = True) -> None:
        """Linked stores, which were read at different times before now."""
        for place in range(number):
            store = linked_store(f"st-{place}", subscribed_to=f"{self.reachable_at}/webhooks/twin/st-{place}")
            late, early = START + 365 * DAY, START - 30 * DAY
            await self.stores.add(replace(store, probed_at=late, subscribed_at=late, import_since=early))
            self.memory.secrets[store.store_id] = seal_secrets(self.vault, store.store_id, {"token": "token-1"})
            ago = LONGEST * chance(store.store_id, 0) if rested else timedelta()
            self.memory.polls[store.store_id] = Poll(
                cursor=START - ago,
                next_poll_at=START - ago + LONGEST if rested else START,
                last_poll_at=START - ago if rested else None,
                rest=LONGEST,
                costs={"twin|app|day": 1.0},
            )

    async def pass_(self, time: timedelta) -> None:
        """Poll whatever becomes due meanwhile, one process after another."""
        end = self.clock.now() + time
        while True:
            process, self._turn = self.processes[self._turn % len(self.processes)], self._turn + 1
            now = self.clock.now()
            leases = await process.polls.claim(
                owner=f"process-{self._turn}", platforms=["twin"], limit=8, now=now, until=now + LEASE
            )
            await self._in_time(asyncio.gather(*(process.poller.poll(lease) for lease in leases)))
            if not leases:
                due = min(poll.next_poll_at or now for poll in self.memory.polls.values())
                if due >= end:
                    self.clock.advance((end - self.clock.now()).total_seconds())
                    return
                self.clock.advance(max((due - self.clock.now()).total_seconds(), 0.0))

    async def _in_time(self, work: asyncio.Future[list[None]]) -> None:
        while not work.done():
            for _ in range(20):
                await asyncio.sleep(0)
            if not work.done() and self.clock.sleepers:
                self.clock.advance(1)
        work.result()

    def most_calls_in_a_day(self) -> int:
        calls, first, most = self.platform.calls, 0, 0
        for last, call in enumerate(calls):
            while calls[first] <= call - DAY:
                first += 1
            most = max(most, last - first + 1)
        return most

    def longest_wait(self, store_id: str) -> timedelta:
        """The longest time between two polls of a store."""
        ends = sorted(
            one.finished_at for one in self.memory.sessions.values() if one.store_id == store_id and one.finished_at
        )
        return max((later - before for before, later in pairwise(ends)), default=timedelta())


async def test_stores_share_a_days_calls_though_processes_restart_and_something_else_takes_all_of_them() -> None:
    house = House()
    await house.add_stores(40)
    house.restart(processes=2)

    await house.pass_(timedelta(hours=15))
    before = {store_id: poll.next_poll_at for store_id, poll in house.memory.polls.items()}
    house.restart(processes=2)
    there = await house.platform.limits.available("twin|app|day")
    assert there is not None
    await house.platform.limits.take("twin|app|day", there.available, limit=A_DAYS_CALLS)
    house.platform.calls += [house.clock.now()] * int(there.available)
    kept = {store_id: poll.next_poll_at for store_id, poll in house.memory.polls.items()}
    await house.pass_(timedelta(hours=20))

    assert kept == before
    assert house.most_calls_in_a_day() <= 400
    assert {one.state for one in house.memory.sessions.values()} == {"succeeded"}
    assert max(house.longest_wait(f"st-{place}") for place in range(40)) < timedelta(hours=8)
    assert house.processes[0].metrics.value("syncorder_polls_put_off_total", platform="twin") > 0


async def test_500_stores_due_at_once_on_one_quota_are_no_storm_and_each_reads_one_window() -> None:
    """As after a downtime of a day: the bucket holds 250 calls, and a next one comes back every 43 seconds."""
    house = House(stated=Limit(250.0, 2_000 / DAY.total_seconds()))
    await house.add_stores(500)
    for poll in house.memory.polls.values():
        poll.cursor, poll.last_poll_at, poll.next_poll_at = START - DAY, START - DAY, START - DAY + LONGEST
    began = house.clock.now()

    await house.pass_(timedelta(hours=7))

    firsts: dict[str, Window] = {}
    for session in sorted(house.memory.sessions.values(), key=lambda one: one.started_at):
        firsts.setdefault(session.store_id, session.window)  # type: ignore[arg-type]
    at_once = sum(call - began < timedelta(minutes=1) for call in house.platform.calls)
    assert len(firsts) == 500
    assert {window.start for window in firsts.values()} == {START - DAY - house.platform.pace.overlap}
    assert all(window.end >= START - house.platform.pace.settle for window in firsts.values())
    assert at_once <= 252
    assert house.most_calls_in_a_day() <= 2_250
    assert {one.state for one in house.memory.sessions.values()} == {"succeeded"}


async def test_a_busy_store_is_read_every_few_minutes_and_a_quiet_one_as_often_as_calls_are_left() -> None:
    house = House(stated=Limit(100.0, 600 / DAY.total_seconds()))
    await house.add_stores(20)
    for place in range(20):
        house.memory.polls[f"st-{place}"].activity = 300.0 if place == 0 else 0.05

    await house.pass_(timedelta(hours=1))

    busy, quiet = house.memory.polls["st-0"], house.memory.polls["st-1"]
    assert busy.rest < timedelta(minutes=15)
    assert timedelta(minutes=45) < quiet.rest <= LONGEST
    assert "20 stores share this budget of 700 calls a day" in str(busy.next_because)


async def test_where_calls_are_left_no_change_waits_for_five_minutes() -> None:
    house = House(stated=Limit(2_500.0, 7_500 / DAY.total_seconds()))
    await house.add_stores(10)
    for poll in house.memory.polls.values():
        poll.next_poll_at = START

    await house.pass_(timedelta(hours=3))

    longest = max(house.longest_wait(f"st-{place}") for place in range(10))
    assert longest + house.platform.pace.settle < timedelta(minutes=5)


async def test_what_a_store_changes_and_takes_is_learnt_from_its_polls() -> None:
    house = House()
    await house.add_stores(1)
    for number in range(4):
        house.platform.put(f"o{number}", at=START + timedelta(minutes=5))
    house.clock.advance(timedelta(hours=8).total_seconds())
    poll = house.memory.polls["st-0"]
    window = house.clock.now() - house.platform.pace.settle - (poll.cursor or START)

    await house.pass_(timedelta(seconds=1))

    share = 1 - 0.5 ** (window / DAY)
    assert poll.activity == pytest.approx(10 / 24 * (1 - share) + 4 / (window / timedelta(hours=1)) * share)
    two_pages = 2 * min(LONGEST / window, 1)
    assert poll.costs == {"twin|app|day": pytest.approx(0.7 + 0.3 * two_pages)}


async def test_what_the_overlap_lists_again_is_no_change() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.put("o1", at=START - timedelta(seconds=10))
    await bench.poll()
    first = bench.memory.polls[STORE].activity
    bench.clock.advance(60)

    await bench.poll()

    assert first is not None
    assert (bench.memory.polls[STORE].activity or 1) < first


async def test_the_end_of_a_session_says_how_far_it_read_and_when_and_why_the_store_is_read_next() -> None:
    bench = Workbench()
    await bench.add_store()

    await bench.poll()

    end = (await bench.sessions())[-1]
    assert end.type == "session.finished"
    assert end.read_through == bench.cursor
    assert end.next_at == bench.memory.polls[STORE].next_poll_at
    assert end.next_because == "Twin stores are read every 60 seconds while calls are left"
    assert end.next_at is not None
    assert timedelta(seconds=54) <= end.next_at - bench.clock.now() <= timedelta(seconds=60)


async def test_a_poll_that_failed_says_that_it_is_tried_again() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.platform.faults["read_page"] = [TransientError("down", retry_after=121)]

    await bench.poll()

    end = (await bench.sessions())[-1]
    assert end.type == "session.finished"
    assert end.next_because == "Twin could not be read to the end; it is tried again after 2.02 minutes"


async def test_a_store_that_is_not_read_by_itself_is_told_no_time() -> None:
    bench = Workbench()
    await bench.add_store(auto_sync=False)
    await bench.polls.ask(STORE, by="key-1", now=bench.clock.now())

    await bench.poll()

    end = (await bench.sessions())[-1]
    assert end.type == "session.finished"
    assert (end.next_at, end.next_because) == (None, None)


async def test_seconds_that_an_installation_sets_replace_the_plan() -> None:
    house = House()
    await house.add_stores(1)
    house.planning.interval = timedelta(seconds=2)
    house.memory.polls["st-0"].next_poll_at = START - timedelta(hours=1)

    await house.pass_(timedelta(seconds=11))

    assert len(house.platform.calls) == 6
    assert house.memory.polls["st-0"].next_because == "this installation reads every store every 2 seconds"


async def test_a_budget_too_small_for_the_promise_shows_as_a_metric_until_it_is_not() -> None:
    house = House(stated=Limit(2.0, 10 / DAY.total_seconds()))
    await house.add_stores(5)

    await house.pass_(timedelta(hours=8))
    short = house.metrics.value("syncorder_stores_short_of_calls", platform="twin")
    await house.platform.limits.learn("twin|app|day", limit=A_DAYS_CALLS)
    await house.pass_(timedelta(days=1))

    assert short == 5
    assert house.metrics.value("syncorder_stores_short_of_calls", platform="twin") == 0


async def test_a_poll_asked_for_is_not_put_off() -> None:
    house = House()
    await house.add_stores(1)
    await house.platform.limits.take("twin|app|day", 100.0, limit=A_DAYS_CALLS)
    await house.pass_(timedelta(seconds=1))
    await house.polls.ask("st-0", by="key-1", now=house.clock.now())

    await house.pass_(timedelta(seconds=1))

    [session] = house.memory.sessions.values()
    assert session.started_by == "key-1"


@pytest.mark.parametrize(
    ("state", "auto_sync", "next_poll_at", "told"),
    [
        ("linked", True, START, (START, "it is so")),
        ("linked", True, None, (START - timedelta(minutes=30), "it was never read yet")),
        ("linked", False, START, (None, "automatic sync is off")),
        ("reconnect", True, START, (None, "it is not connected")),
    ],
)
def test_a_store_shows_when_it_is_read_next_and_why(
    state: str, *, auto_sync: bool, next_poll_at: datetime | None, told: tuple[datetime | None, str]
) -> None:
    store = replace(linked_store(settings=StoreSettings(auto_sync=auto_sync)), state=state)  # type: ignore[arg-type]

    assert next_sync(store, Progress(next_poll_at=next_poll_at, next_because="it is so")) == told
