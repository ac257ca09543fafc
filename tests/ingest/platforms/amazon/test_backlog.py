"""A day's parcels of one seller are told at the pace at which Amazon takes them, within its real budgets."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.platforms.amazon.connector import AmazonConnector
from services.ingest.platforms.amazon.sweeping import Sweeps
from services.ingest.platforms.amazon.tracking import AmazonParcels
from services.ingest.tracking.push import NOT_SHOWN_YET
from services.ingest.tracking.runs import PushRunner
from services.kit.clock import ManualClock
from tests.ingest.platforms import test_every_platform
from tests.ingest.platforms.test_every_parcel import Desk, desk
from tests.ingest.platforms.test_every_push import Dispatch
from tests.ingest.workbench import LEASE

pytestmark = [pytest.mark.integration, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(60)]

PARCELS, AT_ONCE = 160, 12


class TurnClock:
    """A clock that is moved on when everybody waits for it, for our budgets too."""

    def __init__(self) -> None:
        self._turns = ManualClock(datetime.now(UTC))
        self.now, self.sleep, self.advance = self._turns.now, self._turns.sleep, self._turns.advance

    @property
    def sleepers(self) -> int:
        return self._turns.sleepers


class Office:
    """One process that tells Amazon of parcels, many at once."""

    def __init__(self, found: Desk, clock: TurnClock) -> None:
        self.found, self.clock = found, clock
        self.dispatch = Dispatch(found)
        self.at_work: set[asyncio.Task[None]] = set()
        ingest = found.shop.ingest
        self.runner = PushRunner(
            ingest.connectors, ingest.stores, self.dispatch.pushes, ingest.tokens, clock, ingest.metrics
        )

    async def work(self, *, until: timedelta) -> None:
        ends = self.clock.now() + until
        while self.clock.now() < ends:
            await self._claim()
            while self.clock.sleepers < len(self.at_work):
                await asyncio.wait(self.at_work, timeout=0.002, return_when=asyncio.FIRST_COMPLETED)
                await self._claim()
            self.pass_time(0.5)
        for task in self.at_work:
            task.cancel()
        await asyncio.gather(*self.at_work, return_exceptions=True)
        self.at_work.clear()

    def pass_time(self, seconds: float) -> None:
        self.found.shop.boxes.running.platforms["amazon"].clock.advance(timedelta(seconds=seconds))
        self.clock.advance(seconds)

    def states(self) -> dict[str, int]:
        found = [push.state for push in self.dispatch.told()]
        return {state: found.count(state) for state in set(found)}

    async def _claim(self) -> None:
        for task in [task for task in self.at_work if task.done()]:
            task.result()
            self.at_work.discard(task)
        now = self.clock.now()
        leases = await self.dispatch.pushes.claim(
            owner="process-1", platforms=["amazon"], limit=AT_ONCE - len(self.at_work), now=now, until=now + LEASE
        )
        self.at_work |= {asyncio.create_task(self.runner.run(lease)) for lease in leases}


async def office(found: Desk, clock: TurnClock) -> tuple[Office, list[str]]:
    body = {"count": PARCELS, "state": "ready", "created_over": "PT1H", "created_ago": "PT20M", "webhooks": False}
    made: list[str] = (await found.control("POST", "/orders", body))["ids"]
    truth = await found.shop.truth()
    opened = Office(found, clock)
    await opened.dispatch.hear([truth[number] for number in made])
    await found.shop.control("POST", "/settings", {"limits": True})
    return opened, made


def patched(monkeypatch: pytest.MonkeyPatch) -> TurnClock:
    clock = TurnClock()
    monkeypatch.setattr(test_every_platform, "ImpatientClock", lambda: clock)
    return clock


async def over_budget(found: Desk) -> int:
    return int((await found.shop.control("GET", "/books"))["api_calls_over_budget"])


async def test_a_backlog_is_told_as_fast_as_confirmations_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = patched(monkeypatch)
    async with desk("amazon") as found:
        opened, made = await office(found, clock)

        # Ten go at once, and then two a second, a little less.
        await opened.work(until=timedelta(seconds=90))
        truth = await found.shop.truth()
        told = [len(truth[number]["shipments"]) for number in made]
        codes = {push.code for push in opened.dispatch.told()}
        await opened.work(until=timedelta(minutes=4))

        assert codes == {None, NOT_SHOWN_YET}
        assert told == [1] * PARCELS
        assert opened.states() == {"verified": PARCELS}
        assert await over_budget(found) == 0


async def test_a_process_that_dies_in_a_backlog_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = patched(monkeypatch)
    async with desk("amazon") as found:
        opened, made = await office(found, clock)
        connector = found.shop.ingest.connectors["amazon"]
        assert isinstance(connector, AmazonConnector)
        mails = await found.books("emails")

        for _ in range(2):
            await opened.work(until=timedelta(seconds=20.5))
            connector.parcels = AmazonParcels(connector._client, clock, Sweeps(connector._client, clock))
        await opened.work(until=timedelta(minutes=8))

        truth = await found.shop.truth()
        assert [len(truth[number]["shipments"]) for number in made] == [1] * PARCELS
        assert opened.states() == {"verified": PARCELS}
        assert await found.books("emails") - mails == PARCELS
        assert await over_budget(found) == 0
