"""Every platform, linked as a seller links it and polled as ingest polls it, while its stand-in misbehaves.

Whatever happens, each order is told, each revision once, and access that still holds is not given up.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deploy.sandbox.app import discover
from schemas.ids import SellerId, StoreId
from schemas.stores import StoreSettings
from services.ingest.contract.webhooks import Delivery
from services.ingest.registry import find_platforms
from services.ingest.reserve import Counted
from services.ingest.stores.linking import NewStore, read_callback
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import Tokens
from services.ingest.syncs.sync import Asked, Sync, new_sync
from services.kit.clock import SystemClock
from services.kit.errors import TransientError
from services.kit.http.problems import Problem
from services.kit.periods import Period
from services.kit.settings import KitSettings
from tests.ingest.platforms.sandboxes import Sandboxes, sandboxes
from tests.ingest.toolbox import toolbox
from tests.ingest.workbench import LEASE, Ingestion

pytestmark = [pytest.mark.integration, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(60)]

PLATFORMS = sorted(discover())
#: Those that tell of new orders without being asked.
PUSHING = sorted(slug for slug, stand_in in discover().items() if stand_in.pushes)
#: Those whose access ends by itself, and how a store is opened whose does.
EXPIRING: dict[str, dict[str, Any]] = {"amazon": {}, "ebay": {}, "etsy": {}, "shopify": {"link_by": "authorization"}}
ORDERS = 45
#: More than any platform's largest page.
CROWD = 260
#: More polls than any fault needs: each goes on where the one before stopped.
POLLS = 12
#: What is wrong, and for which of a platform's paths (None: for all).
FAULTS: dict[str, dict[str, Any]] = {
    "refused_now_and_then": {"kind": "status_429", "rate": 0.3, "count": 10},
    "refused_with_a_time_to_wait": {"kind": "status_429", "rate": 0.3, "count": 10, "retry_after": 1},
    "failing": {"kind": "status_500", "rate": 0.3, "count": 10},
    "away": {"kind": "status_503", "rate": 0.3, "count": 10},
    "cut": {"kind": "cut_connection", "rate": 0.3, "count": 10},
    "cut_short": {"kind": "truncated_json", "rate": 0.3, "count": 10},
    "a_page_for_people": {"kind": "html_200", "rate": 0.3, "count": 10},
    "access_refused_once": {"kind": "status_401", "count": 1},
    "an_empty_page": {"kind": "empty_page", "rate": 0.5, "count": 3},
    "a_row_told_twice": {"kind": "repeated_row", "rate": 0.5, "count": 5},
    "a_row_that_moves": {"kind": "moved_row", "rate": 0.5, "count": 5},
}


class ImpatientClock(SystemClock):
    """The machine's clock, moved on with the platform's; waiting takes next to no time."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(max(seconds, 0.0), 0.01))


@dataclass
class Shop:
    """A store on a stand-in, and the ingest process that it is linked to."""

    slug: str
    boxes: Sandboxes
    ingest: Ingestion
    clock: ImpatientClock
    opened: dict[str, Any]
    door: Door
    store_id: str = ""

    @property
    def store(self) -> Store:
        return self.ingest.memory.stores[self.store_id]

    async def control(self, method: str, path: str, body: object = None) -> Any:
        return await self.boxes.control(method, f"/{self.slug}{path}", body)

    async def make(self, count: int, **when: Any) -> None:
        body = {"count": count, "webhooks": False, **when}
        await self.control("POST", f"/stores/{self.opened['store']}/orders", body)

    async def link(self) -> None:
        """As a seller: by pasting what opens the store, or by granting access on the platform's page."""
        since = self.clock.now() - timedelta(days=1)
        new = NewStore("seller-1", self.slug, "", since, StoreSettings())
        if "credentials" in self.opened["link"]:
            self.store_id = (
                await self.ingest.linking.link_with_credentials(new, self.opened["link"]["credentials"])
            ).store_id
            return
        pending = await self.ingest.linking.add_pending(new)
        started = await self.ingest.linking.start(pending, self.opened["link"]["request"])
        url: str | None = started.url
        while url is not None:
            answer = await self.boxes.http.request("GET", url)
            url = answer.headers.get("location")
        self.store_id = pending.store_id

    async def poll(self) -> str:
        """One poll, when the store is due; its state afterwards."""
        now = self.clock.now()
        await self.ingest.polls.ask(self.store_id, by="key-1", now=now)
        leases = await self.ingest.polls.claim(
            owner="process-1", platforms=[self.slug], limit=1, now=now, until=now + LEASE
        )
        for lease in leases:
            await self.ingest.poller.poll(lease)
        return self.store.state

    async def poll_to_the_end(self) -> None:
        """Until a poll told nothing new and nothing is left open."""
        for _ in range(POLLS):
            before = len(self.ingest.publisher.published)
            assert await self.poll() == "linked", self.store.problem
            session = next(reversed(self.ingest.memory.sessions.values()))
            if session.state == "succeeded" and len(self.ingest.publisher.published) == before:
                return
            self.pass_time(1)

    def pass_time(self, seconds: float) -> None:
        """On our side and on the platform's."""
        self.clock.ahead += timedelta(seconds=seconds)
        self.boxes.running.platforms[self.slug].clock.advance(timedelta(seconds=seconds))

    async def truth(self) -> dict[str, dict[str, Any]]:
        found = await self.control("GET", f"/truth?store={self.opened['store']}")
        return {order["id"]: order for order in found["orders"]}


class Door:
    """Our addresses, as the platform and the seller's browser reach them; `ingest` is behind them."""

    ingest: Ingestion

    def __init__(self, slug: str) -> None:
        self.slug = slug
        #: What was pushed: the store's part of the address (None: the app's), and the delivery.
        self.pushed: list[tuple[str | None, Delivery]] = []

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_route("*", f"/oauth/{self.slug}/callback", self._callback)
        app.router.add_get(f"/oauth/{self.slug}/callback/return", self._page)
        for path in ("", "/{store}", "/{store}/{topic}"):
            app.router.add_route("*", f"/webhooks/{self.slug}{path}", self._webhook)
        return app

    async def _callback(self, request: web.Request) -> web.Response:
        said = read_callback(await request.read()) if request.method == "POST" else dict(request.query)
        await self.ingest.linking.complete(self.slug, said)
        return web.Response()

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response()

    async def _webhook(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        address, place = str(request.url.with_query(None)), request.match_info
        delivery = Delivery(headers, await request.read(), address, place.get("topic"), dict(request.query))
        webhooks = self.ingest.webhooks
        greeting = webhooks.greet(self.slug, delivery)
        if greeting is not None:
            return web.Response(body=greeting.body, content_type=greeting.content_type)
        self.pushed.append((place.get("store"), delivery))
        try:
            await self.take(place.get("store"), delivery)
        except (Problem, TransientError):
            return web.Response(status=503)
        return web.Response()

    async def take(self, store_id: str | None, delivery: Delivery) -> str:
        """Do what a push asks for, at a store's address or the app's."""
        if store_id is None:
            return await self.ingest.webhooks.take_for_app(self.slug, delivery)
        return await self.ingest.webhooks.take(self.slug, store_id, delivery)


@asynccontextmanager
async def linked(slug: str, *, orders: int = ORDERS, **options: Any) -> AsyncIterator[Shop]:
    """A linked store with so many orders, the platform's limits off."""
    clock, door = ImpatientClock(), Door(slug)
    async with sandboxes(slug) as boxes, TestServer(door.app()) as server:
        platform = find_platforms()[slug]
        settings = boxes.settings(cast("type[KitSettings]", platform.settings))
        base = str(server.make_url("")).rstrip("/")
        tools = toolbox(boxes.http, clock)
        connectors = {slug: platform.connect(settings, replace(tools, limits=Counted(tools.limits)))}
        door.ingest = Ingestion(connectors, clock, reachable_at=base, limits=tools.limits)
        await boxes.control("POST", f"/{slug}/settings", {"limits": False})
        body = {"redirect_uris": [f"{base}/oauth/{slug}/callback"]} | options
        shop = Shop(slug, boxes, door.ingest, clock, await boxes.control("POST", f"/{slug}/stores", body), door)
        await shop.make(orders, created_over="PT1H", created_ago=600 + 2 * shop.opened["lag"])
        await shop.link()
        yield shop


def revisions(shop: Shop) -> Counter[str]:
    """How many revisions of each order were told; a revision that was told again counts once."""
    return Counter(order for order, _ in {(event.order.external_id, event.event_id) for event in shop.ingest.told})


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("slug", PLATFORMS)
async def test_every_order_is_told_once_whatever_the_platform_does(slug: str, fault: str) -> None:
    async with linked(slug) as shop:
        await shop.control("POST", "/faults", FAULTS[fault])
        await shop.poll_to_the_end()
        await shop.control("DELETE", "/faults")
        # What moved was changed now: it is over, and listed, some minutes later.
        shop.pass_time(600 + shop.opened["lag"])
        await shop.poll_to_the_end()

        told, truth = revisions(shop), await shop.truth()
        assert set(told) == set(truth)
        assert shop.ingest.dead_letters == []
        if fault != "a_row_that_moves":
            assert set(told.values()) == {1}


@pytest.mark.parametrize("minutes", [-4, 4])
@pytest.mark.parametrize("slug", PLATFORMS)
async def test_a_clock_that_is_wrong_by_minutes_costs_no_order(slug: str, minutes: int) -> None:
    async with linked(slug) as shop:
        shop.clock.ahead += timedelta(minutes=minutes)
        await shop.poll_to_the_end()
        await shop.make(5)
        shop.pass_time(1800)
        await shop.poll_to_the_end()

        assert set(revisions(shop)) == set(await shop.truth())


@pytest.mark.parametrize("slug", PLATFORMS)
async def test_access_that_was_taken_back_is_the_sellers_to_mend(slug: str) -> None:
    async with linked(slug) as shop:
        await shop.poll_to_the_end()
        await shop.control("POST", f"/stores/{shop.opened['store']}/revoke")

        assert await shop.poll() == "reconnect"
        assert shop.store.problem
        assert set(revisions(shop)) == set(await shop.truth())


@pytest.mark.parametrize("slug", EXPIRING)
async def test_access_that_ran_out_is_renewed_once_though_two_processes_need_it(slug: str) -> None:
    async with linked(slug, **EXPIRING[slug]) as shop:
        ours, connector = shop.ingest.tokens, shop.ingest.connectors[slug]
        # What rests in Postgres, its locks included, is one for all processes.
        theirs = Tokens(shop.ingest.stores, ours.secrets, shop.ingest.vault, shop.clock, shop.ingest.metrics)
        before = (await ours.fresh(connector, shop.store)).secrets
        shop.pass_time(4 * 3600)

        one, other = await asyncio.gather(ours.fresh(connector, shop.store), theirs.fresh(connector, shop.store))

        assert one.secrets == other.secrets != before
        assert f'syncorder_token_renewals_total{{platform="{slug}"}} 1.0' in shop.ingest.metrics.render().decode()
        await shop.poll_to_the_end()
        assert set(revisions(shop)) == set(await shop.truth())


async def pushed(shop: Shop, count: int = 4) -> list[tuple[str | None, Delivery]]:
    """What the platform pushes of so many new orders, once all of them are told."""
    await shop.poll_to_the_end()
    shop.door.pushed.clear()
    before = set(revisions(shop))
    body = {"count": count, "state": "ready", "webhooks": True}
    await shop.control("POST", f"/stores/{shop.opened['store']}/orders", body)
    async with asyncio.timeout(20):
        while len(set(revisions(shop)) - before) < count:  # noqa: ASYNC110 - the platform pushes when it likes
            await asyncio.sleep(0.02)
    return list(shop.door.pushed)


@pytest.mark.parametrize("slug", PUSHING)
async def test_new_orders_are_told_by_pushes_and_the_poll_after_them_finds_nothing_new(slug: str) -> None:
    async with linked(slug) as shop:
        await pushed(shop)
        by_push = revisions(shop)
        shop.pass_time(900)
        await shop.poll_to_the_end()

        assert revisions(shop) == by_push
        assert set(by_push) == set(await shop.truth())


@pytest.mark.parametrize("slug", PUSHING)
async def test_a_push_with_one_bit_changed_is_refused_wherever_the_bit_is(slug: str) -> None:
    async with linked(slug) as shop:
        store_id, delivery = (await pushed(shop))[0]
        told = revisions(shop)
        for place in range(0, len(delivery.body), max(len(delivery.body) // 16, 1)):
            body = bytearray(delivery.body)
            body[place] ^= 1
            with pytest.raises(Problem) as refused:
                await shop.door.take(store_id, replace(delivery, body=bytes(body)))
            assert refused.value.status == 401

        assert revisions(shop) == told


@pytest.mark.parametrize("slug", PUSHING)
async def test_pushes_again_and_in_any_order_are_no_news(slug: str) -> None:
    async with linked(slug) as shop:
        deliveries = await pushed(shop)
        before = revisions(shop)
        for store_id, delivery in reversed(deliveries):
            await shop.door.take(store_id, delivery)

        assert revisions(shop) == before


@pytest.mark.parametrize("slug", PUSHING)
async def test_a_push_for_a_store_that_is_not_here_or_is_another_brings_no_order(slug: str) -> None:
    async with linked(slug) as shop:
        store_id, delivery = (await pushed(shop))[0]
        before = revisions(shop)
        other = await shop.ingest.stores.get(shop.store_id)
        assert other is not None
        another = replace(other, store_id=StoreId("another"), seller_id=SellerId("seller-2"), external_id="another")
        await shop.ingest.stores.add(another)
        if store_id is None:
            await shop.ingest.linking.unlink(other)
            outcomes = [await shop.door.take(None, delivery)]
        else:
            outcomes = []
            for place in ("nowhere", "another"):
                with pytest.raises(Problem) as refused:
                    await shop.door.take(place, delivery)
                outcomes.append(refused.value.code)

        assert set(outcomes) <= {"unlinked", "store_not_found", "signature_refused"}
        # What the platform still had on its way tells nothing new either.
        assert revisions(shop) == before


@pytest.mark.parametrize("fault", [None, "a_row_that_moves", "an_empty_page"])
@pytest.mark.parametrize("slug", PLATFORMS)
async def test_a_period_of_creation_times_is_read_whole_though_orders_change_and_share_their_second(
    slug: str, fault: str | None
) -> None:
    async with linked(slug) as shop:
        # More of them in two seconds than any platform has on a page, and the period ends between two of those seconds.
        await shop.make(CROWD, state="ready", created_over="PT2S", created_ago=7200)
        truth = await shop.truth()
        crowd = {number for number, order in truth.items() if shop.clock.now() - placed(order) > timedelta(minutes=100)}
        times = sorted(placed(truth[number]) for number in crowd)
        start, last = times[0].replace(microsecond=0), times[len(times) // 3].replace(microsecond=0)
        end = last + timedelta(seconds=1)
        wanted = {number for number in crowd if start <= placed(truth[number]) < end}
        assert 0 < len(wanted) < len(crowd)
        # What became of an order since does not matter.
        for number in sorted(wanted)[::40]:
            await shop.control("PATCH", f"/stores/{shop.opened['store']}/orders/{number}", {"action": "cancel"})
        shop.pass_time(shop.opened["lag"])
        if fault is not None:
            await shop.control("POST", "/faults", FAULTS[fault])
        sync = await asked(shop, start, end)

        await sync_to_the_end(shop, sync.sync_id)

        told = {event.order.external_id for event in shop.ingest.told if event.order.way == "backfill"}
        ended = shop.ingest.memory.syncs[sync.sync_id].sync
        assert ended.state == "succeeded", ended
        assert told == wanted
        assert ended.session.counts.listed >= len(wanted)
        if fault is None:
            assert ended.session.counts.listed == len(wanted)
            assert ended.session.total in {None, len(wanted)}


def placed(order: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(order["created_at"]).astimezone(UTC)


async def asked(shop: Shop, start: datetime, end: datetime) -> Sync:
    now = shop.clock.now()
    words = Asked(start.isoformat(), end.isoformat(), "UTC", "created")
    pace = shop.ingest.connectors[shop.slug].pace
    sync = new_sync(
        "sync-1",
        shop.store,
        words,
        Period(start, end, "UTC"),
        pace=pace,
        by_key="key-1",
        reaches_back_to=None,
        now=now,
    )
    await shop.ingest.syncs.add([sync])
    return sync


async def sync_to_the_end(shop: Shop, sync_id: str) -> None:
    for _ in range(POLLS * 3):
        now = shop.clock.now()
        for lease in await shop.ingest.syncs.claim(
            owner="process-1", platforms=[shop.slug], limit=1, now=now, until=now + LEASE
        ):
            await shop.ingest.sync_runner.run(lease)
        if shop.ingest.memory.syncs[sync_id].sync.session.state != "running":
            return
        shop.pass_time(60)
