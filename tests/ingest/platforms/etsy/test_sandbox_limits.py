"""An Etsy app's calls a second and a day are never overdrawn, however many shops and processes share them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from deploy.sandbox.etsy.quota import DAY, Quota
from services.ingest.contract.connector import Tools
from services.ingest.contract.stores import Access
from services.ingest.platforms.etsy.client import EtsyClient
from services.ingest.platforms.etsy.connector import EtsyConnector
from services.ingest.platforms.etsy.settings import EtsySettings
from services.kit.errors import TransientError
from services.kit.http.client import HttpAnswer
from services.kit.limits import Limits
from tests.ingest.platforms.budgets import counted_in
from tests.ingest.platforms.etsy.world import CALLBACK, CLOCK, World, world
from tests.ingest.platforms.sandboxes import access_of
from tests.ingest.platforms.twin_http import Asked, ScriptedHttp, answer
from tests.ingest.toolbox import HastyClock, toolbox

SHOPS = 50


async def linked_shops(shop: World) -> list[Access]:
    """Fifty shops of the app, each linked, while nothing is limited."""
    found = []
    for _ in range(SHOPS):
        await shop.boxes.control("POST", "/etsy/stores", {"redirect_uris": [CALLBACK]})
        found.append(access_of(await shop.boxes.authorize(shop.connector, {}, callback_url=CALLBACK), "etsy"))
    return found


def process(shop: World, limits: Limits) -> EtsyConnector:
    """The connector as a process of its own has it: only what is counted is shared."""
    return EtsyConnector(shop.boxes.settings(EtsySettings), Tools(shop.boxes.http, CLOCK, limits))


@pytest.mark.integration
async def test_fifty_shops_in_two_processes_never_exceed_the_calls_a_second(request: pytest.FixtureRequest) -> None:
    async with world() as shop, counted_in("postgres", request) as (one, other):
        accesses = await linked_shops(shop)
        await shop.settings(limits=True, per_second=40)
        processes = process(shop, one), process(shop, other)
        served: list[int] = []

        async def look(place: int) -> None:
            for _ in range(2):
                try:
                    await processes[place % 2].read_order(accesses[place], "1", way="poll")
                except TransientError as error:
                    await CLOCK.sleep(error.retry_after or 0)
                else:
                    served.append(place)

        await look(0)
        served.clear()
        await asyncio.gather(*(look(place) for place in range(SHOPS)))

        assert (await shop.boxes.books("etsy"))["api_calls_over_budget"] == 0
        # Hardly a shop is served twice before every shop was served once: timers on a busy machine are late.
        assert len(set(served[:SHOPS])) >= 0.7 * SHOPS
        assert len(served) >= 1.8 * SHOPS


@pytest.mark.integration
async def test_fifty_shops_in_two_processes_never_exceed_the_calls_a_day(request: pytest.FixtureRequest) -> None:
    async with world() as shop, counted_in("postgres", request) as (one, other):
        accesses = await linked_shops(shop)
        await shop.settings(limits=True, per_second=1000, per_day=60)
        processes = process(shop, one), process(shop, other)

        async def look(place: int) -> None:
            with suppress(TransientError):
                await processes[place % 2].read_order(accesses[place % SHOPS], "1", way="poll")

        before = (await shop.boxes.books("etsy"))["api_calls"]
        await look(0)
        await asyncio.gather(*(look(place) for place in range(2 * SHOPS)))

        books = await shop.boxes.books("etsy")
        assert books["api_calls_over_budget"] == 0
        assert 0 < books["api_calls"] - before <= 60


async def test_over_three_greedy_days_no_24_hours_see_more_calls_than_allowed_and_most_are_used() -> None:
    clock = HastyClock()
    quota = Quota(lambda: clock.now().timestamp(), per_second=10, per_day=400)

    def serve(_asked: Asked) -> HttpAnswer:
        admission = quota.admit()
        status = 404 if admission.allowed else 429
        return answer({"error": "Resource not found"}, status=status, headers=admission.headers)

    client = EtsyClient(EtsySettings(_env_file=None, etsy_keystring="key"), toolbox(ScriptedHttp(serve), clock))
    end, calls = clock.now() + timedelta(seconds=3 * DAY), 0
    while clock.now() < end:
        try:
            await client.get("t", "/users/me")
            calls += 1
        except TransientError as error:
            await clock.sleep(max(error.retry_after or 0, 60.0))

    assert quota.over_budget == 0
    assert calls >= 3 * 400 * 0.7
