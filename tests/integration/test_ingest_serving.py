"""One ingest process, whole, on a real Kafka and Postgres, with a platform in memory."""

from __future__ import annotations

import asyncio
import io
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.kafka.broker import KafkaBroker
from deploy.local.kafka.jars import ensure_jars
from deploy.local.postgres import PostgresServer
from deploy.local.stack import JARS, running
from schemas.stores import StoreSettings
from tests.ingest.processes import ingest, raw_orders, seller_key, twin, until
from tests.ingest.twin_platform import webhook

pytestmark = pytest.mark.integration


async def test_a_linked_store_is_polled_and_its_webhooks_are_durable_when_answered(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, twin()) as process:
        store_id = await process.link(secrets.token_hex(4))
        process.platform.put("pushed")

        status = await process.push(store_id, "order", "pushed")

        assert status == 200
        assert {event.order.external_id for event in await raw_orders(kafka_bootstrap, store_id)} == {"pushed"}
        for number in range(25):
            process.platform.put(f"polled-{number}")

        async def all_there() -> bool:
            return len({event.order.key for event in await raw_orders(kafka_bootstrap, store_id)}) == 26

        await until(all_there)
        _, shown = await process.call("GET", f"/v1/stores/{store_id}")
        assert shown["state"] == "linked"
        assert shown["subscriptions"] == ["orders"]
        assert process.platform.subscribed == [f"{process.base}/webhooks/twin/{store_id}"]


async def test_a_store_is_its_sellers_alone(kafka_bootstrap: str, fresh_database: str, tmp_path: Path) -> None:
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, twin()) as process:
        store_id = await process.link("shop-1")
        stranger = {"Authorization": f"Bearer {await seller_key(fresh_database, 'seller-2')}"}
        path = f"/v1/stores/{store_id}"

        answers = [
            await process.call(method, place, headers=stranger, **({"json": {}} if method == "PATCH" else {}))
            for method, place in [
                ("GET", path),
                ("PATCH", path),
                ("DELETE", path),
                ("POST", f"{path}/poll"),
                ("POST", f"{path}/orders/o1/read"),
            ]
        ]
        _, listed = await process.call("GET", "/v1/stores", headers=stranger)
        without_key, _ = await process.call("GET", path, headers={"Authorization": ""})

        assert [(status, problem["code"]) for status, problem in answers] == [(404, "store_not_found")] * 5
        assert listed == {"items": [], "next": None}
        assert without_key == 401


async def test_a_store_goes_through_its_life_over_http(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, twin()) as process:
        _, unknown = await process.call("POST", "/v1/stores", json={"platform": "nowhere"})
        refused, problem = await process.call(
            "POST", "/v1/stores", json={"platform": "twin", "credentials": {"shop": "a", "token": "wrong"}}
        )
        created, pending = await process.call(
            "POST", "/v1/stores", json={"platform": "twin", "request": {"shop": "shop-1"}, "settings": {"paid_only": 1}}
        )
        path = f"/v1/stores/{pending['store_id']}"
        early, _ = await process.call("POST", f"{path}/poll")
        state = pending["authorization"]["url"].split("state=")[1].split("&")[0]
        callback = f"{process.base}/oauth/twin/callback?state={state}&code=good"
        pages = [await process.page(callback) for _ in range(2)]
        _, linked = await process.call("GET", path)
        _, changed = await process.call("PATCH", path, json={"name": "<New>", "settings": {"auto_sync": False}})
        asked, _ = await process.call("POST", f"{path}/poll")
        _, unlinked = await process.call("DELETE", path)
        gone = await process.push(pending["store_id"], "order", "o1")

        assert unknown["code"] == "platform_not_found"
        assert (refused, problem["code"]) == (422, "linking_refused")
        assert (created, pending["state"]) == (201, "pending")
        assert early == 409
        assert [status for status, _ in pages] == [200, 400]
        assert "The store is linked" in pages[0][1]
        usual = StoreSettings().model_dump()
        assert (linked["state"], linked["settings"]) == ("linked", usual | {"paid_only": True})
        assert (changed["name"], changed["settings"]) == ("<New>", usual | {"auto_sync": False, "paid_only": True})
        assert asked == 202
        assert unlinked["state"] == "unlinked"
        assert gone == 404


async def test_bad_webhooks_are_refused_and_counted(kafka_bootstrap: str, fresh_database: str, tmp_path: Path) -> None:
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, twin()) as process:
        store_id = await process.link("shop-1")
        _, body = webhook("order", "o1")
        address = f"{process.base}/webhooks/twin/{store_id}"

        async def post(data: bytes, **headers: str) -> int:
            async with process.client.post(address, data=io.BytesIO(data), headers=headers) as response:
                return response.status

        statuses = [
            await post(body),
            await post(body, **{"X-Signature": "0" * 64}),
            await post(body, **{"X-Signature": "not hexadecimal ☃"}),
            await post(b"x" * (2 * 1024 * 1024 + 1)),
        ]
        async with process.client.get(f"{process.base}/metrics") as response:
            metrics = await response.text()

        assert statuses == [401, 401, 401, 413]
        assert 'syncorder_webhooks_total{outcome="signature_refused",platform="twin"} 3.0' in metrics


async def test_platforms_may_hand_over_access_greet_and_tell_the_whole_app(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    platform = twin()
    platform.put("o1")
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, platform) as process:
        _, pending = await process.call("POST", "/v1/stores", json={"platform": "twin", "request": {"shop": "shop-1"}})
        state = pending["authorization"]["url"].split("state=")[1].split("&")[0]
        handed = {"state": state, "code": "good"}
        taken = [(await process.call("POST", "/oauth/twin/callback", json=handed))[0] for _ in range(2)]
        visits = [
            await process.page(f"{process.base}/oauth/twin/callback/return?success={success}") for success in (1, 0)
        ]
        installs = [
            await process.page(f"{process.base}/oauth/twin/install?shop=shop-2&signed={signed}")
            for signed in ("yes", "no")
        ]
        greeted = [
            await process.page(f"{process.base}/webhooks/twin{place}?challenge=hello")
            for place in ("", f"/{pending['store_id']}")
        ]
        without, _ = await process.page(f"{process.base}/webhooks/twin")
        headers, body = webhook("order", "o1", shop="shop-1")
        async with process.client.post(f"{process.base}/webhooks/twin", data=body, headers=headers) as told:
            status = told.status

        assert taken == [200, 422]
        assert [status for status, _ in visits] == [200, 400]
        assert [status for status, _ in installs] == [200, 400]
        assert "shop-2" in installs[0][1]
        assert greeted == [(200, "hello")] * 2
        assert without == 405
        assert status == 200
        # The first poll may have told the same revision.
        told_orders = await raw_orders(kafka_bootstrap, pending["store_id"])
        assert {event.order.external_id for event in told_orders} == {"o1"}
        assert len({event.event_id for event in told_orders}) == 1


async def test_two_processes_never_poll_one_store_at_once(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    platform = twin()
    platform.pause = 0.05
    async with (
        ingest(kafka_bootstrap, fresh_database, tmp_path, platform, poll_seconds=0.1) as first,
        ingest(kafka_bootstrap, fresh_database, tmp_path, platform, poll_seconds=0.1) as second,
    ):
        store_id = await first.link("shop-1")
        for number in range(30):
            platform.put(f"o{number}")

        async with asyncio.timeout(30):
            while len(platform.reads) <= 10:
                await second.call("POST", f"/v1/stores/{store_id}/poll")
                await asyncio.sleep(0.1)

        assert platform.most_reading == 1


async def test_a_process_that_stops_in_the_middle_is_gone_on_with(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    platform = twin()
    platform.pause = 0.1
    for number in range(100):
        platform.put(f"o{number:03}")
    await asyncio.sleep(1.2)
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, platform, poll_seconds=60) as first:
        store_id = await first.link("shop-1", import_since="2026-01-01T00:00:00Z")

        async def halfway() -> bool:
            return len(platform.reads) >= 3

        await until(halfway)
    reads = len(platform.reads)
    assert reads < 10

    async with ingest(kafka_bootstrap, fresh_database, tmp_path, platform, poll_seconds=60):

        async def all_there() -> bool:
            return len({event.order.key for event in await raw_orders(kafka_bootstrap, store_id)}) == 100

        await until(all_there)

    # The rest of the window was read, not all of it again.
    windows = {window for window, _ in platform.reads[reads:]}
    assert len({window.end for window, _ in platform.reads}) == 1
    assert len(windows) == 1


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[KafkaBroker]:
    """A broker that a test may kill."""
    broker = KafkaBroker(tmp_path / "kafka", jars=ensure_jars(JARS), preferred_port=0)
    with running(broker):
        yield broker


async def test_a_webhook_gets_503_within_a_second_while_kafka_is_away_and_200_when_it_is_back(
    own_broker: KafkaBroker, fresh_database: str, tmp_path: Path
) -> None:
    async with ingest(own_broker.bootstrap_servers, fresh_database, tmp_path, twin(), poll_seconds=60) as process:
        store_id = await process.link("shop-1")
        process.platform.put("o1")
        await process.push(store_id, "order", "o1")
        await asyncio.to_thread(own_broker.kill)
        process.platform.put("o2")

        started = time.monotonic()
        away = await asyncio.gather(*(process.push(store_id, "order", "o2") for _ in range(5)))
        seconds = time.monotonic() - started
        await asyncio.to_thread(own_broker.start)
        await asyncio.to_thread(own_broker.wait_ready)

        async def accepted() -> bool:
            return await process.push(store_id, "order", "o2") == 200

        await until(accepted, within=30)
        assert away == [503] * 5
        # A second is promised; the rest is for a machine that is busy with other tests. Without a limit it is minutes.
        assert seconds < 5
        stored = {event.order.external_id for event in await raw_orders(own_broker.bootstrap_servers, store_id)}
        assert stored == {"o1", "o2"}


@pytest.fixture
def own_database(tmp_path: Path) -> Iterator[PostgresServer]:
    """A Postgres that a test may kill."""
    server = PostgresServer(tmp_path / "postgres", preferred_port=0)
    with running(server):
        yield server


async def test_postgres_away_loses_nothing_and_is_waited_for(
    kafka_bootstrap: str, own_database: PostgresServer, tmp_path: Path
) -> None:
    async with ingest(kafka_bootstrap, own_database.url, tmp_path, twin(), poll_seconds=0.5) as process:
        store_id = await process.link("shop-1")
        process.platform.put("before")
        assert await process.push(store_id, "order", "before") == 200
        await asyncio.to_thread(own_database.kill)
        process.platform.put("meanwhile")

        # What verifies a known store's webhooks is remembered, so its orders still reach Kafka.
        known = await process.push(store_id, "order", "meanwhile")
        unknown = await process.push("st-unknown", "order", "meanwhile")
        await asyncio.to_thread(own_database.start)
        await asyncio.to_thread(own_database.wait_ready)
        process.platform.put("after")

        async def all_there() -> bool:
            found = {event.order.external_id for event in await raw_orders(kafka_bootstrap, store_id)}
            return found == {"before", "meanwhile", "after"}

        await until(all_there, within=40)
        assert (known, unknown) == (200, 503)
