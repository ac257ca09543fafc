"""Every platform that pushes, its webhooks broken in every way it knows: they are mended, and nothing is missing."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from deploy.sandbox.app import discover
from schemas.sessions import SESSION_EVENT, SessionFinished
from tests.ingest.platforms.test_every_platform import PUSHING, Shop, linked, revisions

pytestmark = [pytest.mark.integration, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(60)]

STAND_INS = discover()
BREAKAGES = [(slug, ailment) for slug in PUSHING for ailment in STAND_INS[slug].ailments if ailment != "silent"]
HOUR = timedelta(hours=1).total_seconds()


async def breaks(shop: Shop, ailment: str, **how: Any) -> list[str]:
    body = {"ailment": ailment} | how
    topics: list[str] = (await shop.control("POST", f"/stores/{shop.opened['store']}/webhooks", body))["topics"]
    return topics


async def orders(shop: Shop, count: int) -> set[str]:
    """New orders, of which the platform tells as it can."""
    body = {"count": count, "state": "ready", "webhooks": True}
    made = await shop.control("POST", f"/stores/{shop.opened['store']}/orders", body)
    return set(made["ids"])


async def told(shop: Shop, wanted: set[str]) -> None:
    """Until these orders were told."""
    async with asyncio.timeout(20):
        while not wanted <= set(revisions(shop)):  # noqa: ASYNC110 - the platform pushes when it likes
            await asyncio.sleep(0.02)


async def healings(shop: Shop) -> list[str]:
    """What sessions told of webhooks that were mended."""
    await shop.ingest.relay.drain()
    events = [
        SESSION_EVENT.validate_json(message.value)
        for message in shop.ingest.publisher.published
        if message.topic == "sync.sessions"
    ]
    return [event.healed for event in events if isinstance(event, SessionFinished) and event.healed]


async def read_again(shop: Shop) -> None:
    """The poll that reads what changed until the webhooks were mended."""
    shop.pass_time(180)
    await shop.poll()


async def refused(shop: Shop) -> None:
    """Until the platform has tried to deliver all that does not verify."""
    async with asyncio.timeout(20):
        tried = 0
        while not tried or len(shop.door.pushed) > tried:
            tried = len(shop.door.pushed)
            await asyncio.sleep(0.3)


@pytest.mark.parametrize(("slug", "ailment"), BREAKAGES)
async def test_what_broke_is_mended_at_the_next_look_and_its_orders_are_read(slug: str, ailment: str) -> None:
    async with linked(slug) as shop:
        await shop.poll_to_the_end()
        shop.door.pushed.clear()
        await breaks(shop, ailment)
        missed = await orders(shop, 3)
        if ailment == "wrong_secret":
            await refused(shop)
        assert not missed & set(revisions(shop))

        shop.pass_time(HOUR)
        await shop.poll_to_the_end()
        await read_again(shop)

        assert set(revisions(shop)) == set(await shop.truth())
        healed = await healings(shop)
        if ailment == "wrong_secret" and STAND_INS[slug].signs_as_app:
            assert healed == []
            return
        assert len(healed) == 1
        assert healed[0].endswith("3 orders came this way.")
        # And now they come by themselves again.
        await told(shop, await orders(shop, 2))
        assert len(await healings(shop)) == 1


@pytest.mark.parametrize("slug", PUSHING)
async def test_an_order_that_no_webhook_told_makes_us_look_before_the_hour_is_over(slug: str) -> None:
    async with linked(slug) as shop:
        await shop.poll_to_the_end()
        await breaks(shop, "missing")
        missed = await orders(shop, 1)

        shop.pass_time(300)
        await shop.poll()
        await read_again(shop)

        assert missed <= set(revisions(shop))
        [healed] = await healings(shop)
        assert "had been removed on" in healed
        assert healed.endswith("1 order came this way.")
        await told(shop, await orders(shop, 2))


@pytest.mark.parametrize("slug", PUSHING)
async def test_silence_with_sound_subscriptions_mends_nothing_and_loses_nothing(slug: str) -> None:
    async with linked(slug) as shop:
        await shop.poll_to_the_end()
        await breaks(shop, "silent", seconds=600)
        missed = await orders(shop, 3)

        shop.pass_time(300)
        await shop.poll_to_the_end()
        await read_again(shop)

        assert missed <= set(revisions(shop))
        assert await healings(shop) == []


@pytest.mark.parametrize("slug", PUSHING)
async def test_a_store_that_was_just_linked_had_nothing_broken(slug: str) -> None:
    async with linked(slug) as shop:
        await shop.poll_to_the_end()
        shop.pass_time(HOUR)
        await shop.poll_to_the_end()

        assert shop.store.subscriptions
        assert await healings(shop) == []
