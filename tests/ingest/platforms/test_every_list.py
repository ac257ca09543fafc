"""Every platform's own list and count of a window, and its orders by their ids, against what is true there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest

from schemas.order import RawOrder, order_revised
from services.ingest.contract.connector import Connector
from services.ingest.contract.reading import By, ListedChange, Unreadable, Window
from services.ingest.contract.stores import Access
from services.kit.errors import TransientError
from tests.ingest.platforms.sandboxes import read_window, readable
from tests.ingest.platforms.test_every_platform import FAULTS, ORDERS, PLATFORMS, Shop, linked

pytestmark = [pytest.mark.integration, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(60)]

#: More than any platform's largest page, in two seconds.
CROWD = 260
#: How often an answer is asked for again before a test gives up.
TRIES = 60
#: The id of no order.
NEVER = "9999999999999999999"
#: Platforms that say nothing of how many orders a window holds.
COUNTLESS = {"amazon"}

Answer = TypeVar("Answer")


async def patiently(shop: Shop, ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask again while the platform is away, or its budget used up."""
    for _ in range(TRIES):
        try:
            return await ask()
        except TransientError:
            shop.pass_time(1)
    raise AssertionError("it is never answered")


async def listed(
    shop: Shop, window: Window, meanwhile: Callable[[], Awaitable[None]] | None = None
) -> tuple[list[ListedChange], int | None]:
    """The whole list, and how many the platform said it would be; `meanwhile` happens once, after the first part."""
    connector, access = await opened(shop)
    found: list[ListedChange] = []
    after, totals = None, set[int | None]()
    for _ in range(TRIES):
        cursor = after
        part = await patiently(shop, lambda: connector.list_orders(access, window, after=cursor))  # noqa: B023 - at once
        found += part.orders
        totals.add(part.total)
        after = part.after
        if meanwhile is not None:
            await meanwhile()
            meanwhile = None
        if after is None:
            return found, max(totals, key=lambda total: total or 0)
    raise AssertionError("the list does not end")


async def opened(shop: Shop) -> tuple[Connector, Access]:
    connector = shop.ingest.connectors[shop.slug]
    return connector, await shop.ingest.tokens.fresh(connector, shop.store)


def hour_to(end: datetime, by: By) -> Window:
    end = end.replace(microsecond=0)
    return Window(end - timedelta(hours=3), end, by)


def newest(changes: list[ListedChange]) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for change in changes:
        found[change.external_id] = max(change.at, found.get(change.external_id, change.at))
    return found


def within(truth: dict[str, dict[str, Any]], window: Window) -> set[str]:
    """The ids of the orders that are in a window; times in the truth are exact, and the window's are whole seconds."""
    times = {number: datetime.fromisoformat(order[f"{window.by}_at"]) for number, order in truth.items()}
    return {number for number, at in times.items() if not truth[number]["deleted"] and window.start <= at < window.end}


@pytest.mark.parametrize("by", ["created", "updated"])
@pytest.mark.parametrize("slug", PLATFORMS)
async def test_a_list_and_a_count_are_the_pages_and_the_truth(slug: str, by: By) -> None:
    async with linked(slug) as shop:
        await shop.make(CROWD, created_over="PT2S", created_ago=7200)
        shop.pass_time(300 + shop.opened["lag"])
        connector, access = await opened(shop)
        window = hour_to(shop.clock.now() - connector.pace.settle, by)

        changes, total = await listed(shop, window)
        count = await connector.count_orders(access, window)

        pages = readable(await read_window(connector, access, window))
        assert newest(changes) == {
            number: order.placed_at if by == "created" else order.revised_at for number, order in pages.items()
        }
        assert len(changes) == len(pages)
        assert set(pages) == within(await shop.truth(), window)
        assert count == (None if slug in COUNTLESS else len(pages))
        assert total in {None, len(pages)}


@pytest.mark.parametrize("fault", ["an_empty_page", "a_row_told_twice", "a_row_that_moves"])
@pytest.mark.parametrize("slug", PLATFORMS)
async def test_a_list_misses_no_order_that_stayed_whatever_the_platform_does(slug: str, fault: str) -> None:
    async with linked(slug) as shop:
        await shop.make(CROWD, created_over="PT2S", created_ago=7200)
        shop.pass_time(300 + shop.opened["lag"])
        connector, _ = await opened(shop)
        window = hour_to(shop.clock.now() - connector.pace.settle, "updated")
        before = await shop.truth()

        await shop.control("POST", "/faults", FAULTS[fault])
        changes, _ = await listed(shop, window)

        truth = await shop.truth()
        stayed = within(truth, window)
        assert len(stayed) > CROWD
        found = newest(changes)
        assert stayed <= set(found) <= set(before)
        for number in stayed:
            assert found[number] == datetime.fromisoformat(truth[number]["updated_at"]).astimezone(UTC)


@pytest.mark.parametrize("slug", PLATFORMS)
async def test_a_list_misses_no_order_while_others_vanish_from_it(slug: str) -> None:
    async with linked(slug) as shop:
        await shop.make(CROWD, created_over="PT2S", created_ago=7200)
        shop.pass_time(300 + shop.opened["lag"])
        connector, _ = await opened(shop)
        window = hour_to(shop.clock.now() - connector.pace.settle, "updated")
        before = await shop.truth()
        gone = sorted(within(before, window), key=lambda number: before[number]["updated_at"])[:30:3]

        async def vanish() -> None:
            for number in gone:
                path = f"/stores/{shop.opened['store']}/orders/{number}"
                await shop.control("PATCH", path, {"action": "delete", "force": True})

        changes, _ = await listed(shop, window, meanwhile=vanish)

        stayed = within(await shop.truth(), window)
        assert len(stayed) > CROWD - len(gone)
        assert stayed <= set(newest(changes)) <= set(before)


@pytest.mark.parametrize("slug", PLATFORMS)
async def test_orders_are_read_by_their_ids_and_only_what_is_not_there_is_none(slug: str) -> None:
    async with linked(slug) as shop:
        connector, access = await opened(shop)
        truth = await shop.truth()
        alive, deleted = sorted(truth)[:-1], max(truth)
        await shop.control(
            "PATCH", f"/stores/{shop.opened['store']}/orders/{deleted}", {"action": "delete", "force": True}
        )
        other = await shop.control("POST", "/stores", {})
        made = await shop.control("POST", f"/stores/{other['store']}/orders", {"count": 1, "webhooks": False})
        [foreign] = made["ids"]
        shop.pass_time(300 + shop.opened["lag"])

        found: dict[str, RawOrder | Unreadable | None] = {}
        asked = [*alive, deleted, NEVER, "none of theirs"]
        for start in range(0, len(asked), connector.ids_at_once):
            some = asked[start : start + connector.ids_at_once]
            found |= await patiently(shop, lambda: connector.read_orders(access, some, way="poll"))  # noqa: B023 - at once

        assert list(found) == asked
        assert {number for number, order in found.items() if order is None} == {deleted, NEVER, "none of theirs"}
        for number in alive[:: ORDERS // 5]:
            alone = await patiently(shop, lambda: connector.read_order(access, number, way="poll"))  # noqa: B023 - at once
            among = found[number]
            assert isinstance(alone, RawOrder)
            assert isinstance(among, RawOrder)
            assert order_revised(among).event_id == order_revised(alone).event_id
        if foreign not in truth:
            assert await connector.read_orders(access, [foreign], way="poll") == {foreign: None}


@pytest.mark.parametrize("fault", ["failing", "an_empty_page"])
@pytest.mark.parametrize("slug", PLATFORMS)
async def test_no_order_is_called_gone_because_an_answer_failed(slug: str, fault: str) -> None:
    async with linked(slug) as shop:
        connector, access = await opened(shop)
        alive = sorted(await shop.truth())[: min(8, connector.ids_at_once)]
        await shop.control("POST", "/faults", {**FAULTS[fault], "rate": 0.6, "count": 6})

        found = await patiently(shop, lambda: connector.read_orders(access, alive, way="poll"))

        assert all(isinstance(order, RawOrder) and order.external_id == number for number, order in found.items())
        assert list(found) == alive
