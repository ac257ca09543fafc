"""`/v1/syncs` of a whole ingest process, on a real Kafka and Postgres, with a platform in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.processes import Ingest, ingest, raw_orders, seller_key, twin, until

pytestmark = pytest.mark.integration

PERIOD = {"from": "2026-03-07", "to": "2026-03-08"}
BODY: dict[str, Any] = {"period": PERIOD, "zone": "Eastern"}
#: Midnight of 7 March in New York.
FIRST = datetime(2026, 3, 7, 5, tzinfo=UTC)


async def ended(process: Ingest, sync_id: str) -> dict[str, Any]:
    shown: dict[str, Any] = {}

    async def has_ended() -> bool:
        nonlocal shown
        _, shown = await process.call("GET", f"/v1/syncs/{sync_id}")
        return shown["finished_at"] is not None

    await until(has_ended)
    return shown


async def test_a_period_is_synced_and_shown_once_however_often_it_is_asked_for(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, twin()) as process:
        store_id = await process.link("shop-1")
        for number in range(25):
            process.platform.put(f"o{number}", at=FIRST + timedelta(hours=number))
        process.platform.put("the day after", at=FIRST + timedelta(hours=47))
        body, key = {**BODY, "stores": [store_id]}, {"Idempotency-Key": "once"}

        status, page = await process.call("POST", "/v1/syncs", json=body, headers=key)
        again, same = await process.call("POST", "/v1/syncs", json=body, headers=key)
        [asked] = page["items"]
        sync = await ended(process, asked["sync_id"])
        _, listed = await process.call("GET", f"/v1/syncs?store_id={store_id}")

        assert (status, again, same) == (202, 202, page)
        assert asked["state"] == "queued"
        assert (asked["zone"], asked["by"]) == ("America/New_York", "created")
        assert asked["period"] == PERIOD
        # 23 hours of the second day: clocks were put forward.
        assert asked["window"] == {"start": "2026-03-07T05:00:00Z", "end": "2026-03-09T04:00:00Z"}
        assert (sync["state"], sync["listed"], sync["new"], sync["total"]) == ("succeeded", 25, 25, 25)
        assert [one["sync_id"] for one in listed["items"]] == [sync["sync_id"]]
        told = {event.order.external_id for event in await raw_orders(kafka_bootstrap, store_id)}
        assert told == {f"o{number}" for number in range(25)}


async def test_a_sync_is_paused_resumed_and_cancelled_and_the_end_is_final(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    platform = twin()
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, platform) as process:
        store_id = await process.link("shop-1")
        for number in range(200):
            platform.put(f"o{number}", at=FIRST + timedelta(minutes=number))
        platform.pause = 0.2
        _, page = await process.call("POST", "/v1/syncs", json={**BODY, "platform": "twin"})
        path = f"/v1/syncs/{page['items'][0]['sync_id']}"
        assert page["items"][0]["store_id"] == store_id

        async def listed_some() -> bool:
            return bool((await process.call("GET", path))[1]["listed"])

        await until(listed_some)
        paused = (await process.call("POST", f"{path}/pause"))[1]
        still = (await process.call("GET", path))[1]
        resumed = (await process.call("POST", f"{path}/resume"))[1]
        cancelled = (await process.call("POST", f"{path}/cancel"))[1]
        status, problem = await process.call("POST", f"{path}/resume")

        assert [one["state"] for one in (paused, still, resumed, cancelled)] == [
            "paused",
            "paused",
            "running",
            "cancelled",
        ]
        assert still["listed"] == paused["listed"] < 200
        assert (status, problem["code"], problem["state"]) == (409, "sync_ended", "cancelled")


async def test_a_dry_run_says_what_would_come_and_stores_nothing(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, twin()) as process:
        store_id = await process.link("shop-1")
        for number in range(12):
            process.platform.put(f"o{number}", at=FIRST + timedelta(hours=number), payment="pending")

        _, found = await process.call("POST", "/v1/syncs", json={**BODY, "stores": [store_id], "dry_run": True})
        _, listed = await process.call("GET", "/v1/syncs")

        assert found["dry_run"] is True
        [item] = found["items"]
        assert (item["orders"], item["new"], item["known"], item["complete"]) == (12, 12, 0, True)
        assert item["reasons"] == [{"reason": "unpaid", "orders": 12}]
        assert listed["items"] == []
        assert await raw_orders(kafka_bootstrap, store_id) == []


async def test_what_cannot_be_asked_for_is_refused_with_what_to_do(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, twin()) as process:
        store_id, other = await process.link("shop-1"), await process.link("shop-2")
        await process.call("DELETE", f"/v1/stores/{other}")
        stranger = {"Authorization": f"Bearer {await seller_key(fresh_database, 'seller-2')}"}
        own = {"stores": [store_id]}

        async def code(change: dict[str, Any], **request: Any) -> tuple[int, str]:
            status, problem = await process.call("POST", "/v1/syncs", json={**BODY, **change}, **request)
            return status, problem["code"]

        _, unknown = await process.call("POST", "/v1/syncs", json={**BODY, **own, "zone": "Mars/Olympus"})
        assert (unknown["code"], unknown["where"]) == ("unknown_zone", "zone")
        assert "Eastern" in unknown["zones"]
        assert await code({**own, "period": {"from": "2026-03-09", "to": "2026-03-08"}}) == (422, "period_reversed")
        assert await code({**own, "period": {"from": "2999-03-09", "to": "2999-03-10"}}) == (422, "period_in_future")
        assert await code({**own, "period": {"from": "soon", "to": "later"}}) == (422, "malformed_period")
        assert await code({}) == (422, "invalid_request")
        assert await code({**own, "platform": "twin"}) == (422, "invalid_request")
        assert await code({"platform": "nowhere"}) == (404, "platform_not_found")
        assert await code({"stores": [other]}) == (409, "store_not_linked")
        assert await code({"stores": ["nowhere"]}) == (404, "store_not_found")
        assert await code(own, headers=stranger) == (404, "store_not_found")
        assert await code({"platform": "twin"}, headers=stranger) == (409, "store_not_linked")
        _, page = await process.call("POST", "/v1/syncs", json={**BODY, **own})
        sync = f"/v1/syncs/{page['items'][0]['sync_id']}"
        for method, path in (("GET", sync), ("POST", f"{sync}/pause"), ("POST", f"{sync}/cancel")):
            status, problem = await process.call(method, path, headers=stranger)
            assert (status, problem["code"]) == (404, "sync_not_found")
        assert await process.call("GET", "/v1/syncs", headers=stranger) == (200, {"items": [], "next": None})
