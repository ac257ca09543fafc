"""The store's points are never overdrawn, however many processes read it; by the stand-in's own books."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import Window
from services.ingest.platforms.shopify.connector import ShopifyConnector
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.kit.limits import Limits
from tests.ingest.platforms.budgets import counted_in
from tests.ingest.platforms.sandboxes import read_window, readable
from tests.ingest.platforms.shopify.world import CLOCK, World, world

pytestmark = pytest.mark.integration


def process(shop: World, limits: Limits) -> ShopifyConnector:
    """The connector as a process of its own has it: only what is counted is shared."""
    return ShopifyConnector(shop.boxes.settings(ShopifySettings), Tools(shop.boxes.http, CLOCK, limits))


async def read_at_once(shop: World, *processes: ShopifyConnector) -> None:
    now = CLOCK.now()
    window = Window(now - timedelta(hours=2), now + timedelta(seconds=1))
    found = await asyncio.gather(*(read_window(each, shop.access, window) for each in processes))
    assert {len(readable(orders)) for orders in found} == {100}


async def test_two_processes_on_one_store_never_overdraw_its_points(request: pytest.FixtureRequest) -> None:
    async with world(plan="plus") as shop, counted_in("postgres", request) as (one, other):
        # A bucket of two seconds: small enough that the two are short of points at once.
        await shop.boxes.control("POST", "/shopify/settings", {"limits": True, "bucket_seconds": 2})
        await shop.make(100)

        await read_at_once(shop, process(shop, one), process(shop, other))

        books = await shop.boxes.books("shopify")
        assert books["api_calls_over_budget"] == 0
        assert books["api_calls"] > 10


async def test_two_processes_that_count_apart_would_overdraw_them(request: pytest.FixtureRequest) -> None:
    async with (
        world(plan="plus") as shop,
        counted_in("memory", request) as (one, _),
        counted_in("memory", request) as (_, other),
    ):
        await shop.boxes.control("POST", "/shopify/settings", {"limits": True, "bucket_seconds": 2})
        await shop.make(100)

        await read_at_once(shop, process(shop, one), process(shop, other))

        assert (await shop.boxes.books("shopify"))["api_calls_over_budget"] > 0


async def test_what_a_page_is_expected_to_cost_is_what_shopify_charges() -> None:
    async with world(limits=True) as shop:
        await shop.make(30)
        client = shop.connector._client
        expected = {}
        ask = client.graphql

        async def noting(*given: object, operation: str, points: float, **more: object) -> object:
            expected[operation] = points
            return await ask(*given, operation=operation, points=points, **more)  # type: ignore[arg-type]

        client.graphql = noting  # type: ignore[method-assign,assignment]
        await shop.read()

        for operation in ("FirstPage", "NextPage"):
            charged = client.cost_of(operation)
            assert charged is not None
            assert 0.95 * expected[operation] <= charged <= expected[operation]
