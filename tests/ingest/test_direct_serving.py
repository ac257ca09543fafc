"""Orders by API on a whole ingest process, with a real Kafka and Postgres, by hand and by a generated client."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from services.ingest.app import routes_document
from services.ingest.platforms.direct.connector import DirectConnector
from tests.ingest.platforms.direct.given import given
from tests.ingest.processes import Ingest, ingest, raw_orders, twin, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

#: As the generator names it after our document's title.
PACKAGE = "sync_order_ingest_client"
EXAMPLE = Path(__file__).parents[2] / "docs" / "examples" / "give_orders.py"
TYPED = ("/v1/orders", "/v1/stores", "/v1/syncs")


async def test_a_direct_store_is_neither_polled_nor_synced(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    async with direct_store(kafka_bootstrap, fresh_database, tmp_path) as (process, store_id):
        read = await process.link("shop-1")

        async def is_polled() -> bool:
            return (await process.call("GET", f"/v1/stores/{read}"))[1]["last_poll_at"] is not None

        await until(is_polled)
        _, store = await process.call("GET", f"/v1/stores/{store_id}")
        poll = await process.call("POST", f"/v1/stores/{store_id}/poll")
        period = {"from": "2026-03-07", "to": "2026-03-08"}
        sync = await process.call("POST", "/v1/syncs", json={"stores": [store_id], "period": period, "zone": "Eastern"})

    # It was linked first, so it would have been polled first.
    assert store["last_poll_at"] is None
    assert (poll[0], poll[1]["code"]) == (sync[0], sync[1]["code"]) == (409, "store_not_read")


@asynccontextmanager
async def direct_store(kafka: str, dsn: str, directory: Path) -> AsyncIterator[tuple[Ingest, str]]:
    async with ingest(kafka, dsn, directory, twin(), others={"direct": DirectConnector()}) as process:
        status, store = await process.call("POST", "/v1/stores", json={"platform": "direct", "name": "By hand"})
        assert (status, store["state"], store["name"]) == (201, "linked", "By hand")
        yield process, store["store_id"]


async def test_an_order_answered_2xx_is_in_kafka_once_however_often_it_is_sent(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    async with direct_store(kafka_bootstrap, fresh_database, tmp_path) as (process, store_id):
        body, key = {"store_id": store_id, **given("W-1")}, {"Idempotency-Key": "once"}

        first = await process.call("POST", "/v1/orders", json=body, headers=key)
        again = await process.call("POST", "/v1/orders", json=body, headers=key)
        other_body = await process.call("POST", "/v1/orders", json={**body, "note": "Soon"}, headers=key)
        without_key = await process.call("POST", "/v1/orders", json=body)
        together = await asyncio.gather(
            *(process.call("POST", "/v1/orders", json={"store_id": store_id, **given("W-2")}) for _ in range(5))
        )

        assert (first[0], first[1]["result"]) == (201, "new")
        assert again == first
        assert (other_body[0], other_body[1]["code"]) == (422, "idempotency_key_reused")
        assert (without_key[0], without_key[1]["result"]) == (201, "existing")
        assert sorted(answer["result"] for _, answer in together) == ["existing"] * 4 + ["new"]
        told = await raw_orders(kafka_bootstrap, store_id)
        assert {event.order.external_id for event in told} == {"W-1", "W-2"}
        # Telling an order again, while it is not known yet that Kafka has it, tells the same fact.
        assert len({event.event_id for event in told}) == 2


async def test_a_generated_client_gives_updates_and_cancels_orders(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generate_client(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    client, models = importlib.import_module(f"{PACKAGE}.client"), importlib.import_module(f"{PACKAGE}.models")
    calls = {name: importlib.import_module(f"{PACKAGE}.api.orders.{name}") for name in CALLS}
    async with direct_store(kafka_bootstrap, fresh_database, tmp_path) as (process, store_id):
        token = process.client.headers["Authorization"].removeprefix("Bearer ")
        async with client.AuthenticatedClient(base_url=process.base, token=token) as seller:
            order = models.NewOrder.from_dict({"store_id": store_id, **given("W-1")})
            taken = await calls["give_order"].asyncio(client=seller, body=order)
            code, said = await run_example(
                tmp_path, process.base, token, store_id, [given("W-2"), given("W-1", note="x")]
            )
            newer = models.NewerOrder.from_dict(given("W-1", note="Soon"))
            updated = await calls["replace_order"].asyncio(store_id, "W-1", client=seller, body=newer)
            cancelled = await calls["cancel_order"].asyncio(
                store_id, "W-1", client=seller, body=models.CancelOrder(reason="a slip")
            )
            shown = await calls["show_order"].asyncio(store_id, "W-1", client=seller)
            missing = await calls["show_order"].asyncio(store_id, "W-9", client=seller)

    assert (taken.result, taken.order_key) == ("new", f"direct:{store_id}:W-1")
    assert (code, said.splitlines()[-1]) == (1, "1 taken, 1 refused")
    assert said.startswith("line 2, W-1: The store has an order with this reference and other content")
    assert (updated.result, updated.revision) == ("updated", 2)
    assert (cancelled.state, cancelled.revision) == ("cancelled", 3)
    assert shown.state == "cancelled"
    assert missing.code == "order_not_found"


async def run_example(
    packages: Path, base: str, key: str, store_id: str, orders: list[dict[str, Any]]
) -> tuple[int | None, str]:
    """What `docs/examples/give_orders.py` says of a file of these orders, and its exit code."""
    file = packages / "orders.jsonl"
    file.write_text("".join(json.dumps(order) + "\n" for order in orders))
    environment = {**os.environ, "PYTHONPATH": str(packages), "SYNC_ORDER_KEY": key}
    example = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLE), base, store_id, str(file)), env=environment, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await example.communicate()
    return example.returncode, said.decode()


CALLS = ("give_order", "replace_order", "cancel_order", "show_order")


def generate_client(directory: Path) -> None:
    document: dict[str, Any] = routes_document()
    # Whole files of other kinds than JSON are more than the generator knows how to send.
    document["paths"] = {path: routes for path, routes in document["paths"].items() if path.startswith(TYPED)}
    (directory / "openapi.json").write_text(json.dumps(document))
    (directory / "config.yml").write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"]
    command += ["--path", str(directory / "openapi.json"), "--config", str(directory / "config.yml")]
    done = subprocess.run(
        [*command, "--output-path", str(directory / PACKAGE)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
