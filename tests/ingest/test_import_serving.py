"""Imports on whole ingest processes, with a real Kafka and Postgres."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from services.ingest.platforms.direct.connector import DirectConnector
from tests.ingest.platforms.direct.files.table_files import csv_of, row, xlsx_of
from tests.ingest.processes import Ingest, ingest, raw_orders, twin, until

pytestmark = [pytest.mark.integration, pytest.mark.timeout(90)]

ORDERS = 500


async def reached(process: Ingest, import_id: str, *states: str) -> Any:
    """The import as soon as it is in one of these states."""
    shown: dict[str, Any] = {}

    async def there() -> bool:
        shown.update((await process.call("GET", f"/v1/imports/{import_id}"))[1])
        return shown["state"] in states

    await until(there, within=40)
    return shown


async def uploaded(process: Ingest, store_id: str, file: bytes) -> Any:
    status, held = await process.call("POST", "/v1/imports", params={"store_id": store_id}, data=io.BytesIO(file))
    assert status == 202, held
    return await reached(process, held["import_id"], "ready", "failed")


async def test_an_import_is_finished_by_the_process_that_comes_after_and_gives_each_order_once(
    kafka_bootstrap: str, fresh_database: str, tmp_path: Path
) -> None:
    file = csv_of(*(row(Reference=f"W-{number}") for number in range(ORDERS)))
    direct = {"direct": DirectConnector()}
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, twin(), others=direct) as process:
        _, store = await process.call("POST", "/v1/stores", json={"platform": "direct", "name": "By hand"})
        held = await uploaded(process, store["store_id"], file)
        await process.call("POST", f"/v1/imports/{held['import_id']}/start", json={})

        async def begun() -> bool:
            shown: dict[str, Any] = (await process.call("GET", f"/v1/imports/{held['import_id']}"))[1]
            return bool(shown["progress"]["orders_done"] > 0)

        await until(begun)
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, twin(), others=direct) as process:
        ended = await reached(process, held["import_id"], "succeeded", "partial", "failed")
        again = await uploaded(process, store["store_id"], file)

    told = await raw_orders(kafka_bootstrap, store["store_id"])
    assert ended["state"] == "succeeded"
    assert ended["results"] == {"new": ORDERS, "updated": 0, "existing": 0, "failed": 0}
    assert len({event.event_id for event in told}) == len({event.order.external_id for event in told}) == ORDERS
    assert again["tally"]["existing"] == ORDERS
    assert ended["import_id"] in again["notices"][0]


async def test_a_workbook_goes_the_same_way(kafka_bootstrap: str, fresh_database: str, tmp_path: Path) -> None:
    titles = list(row())
    others = {"direct": DirectConnector()}
    async with ingest(kafka_bootstrap, fresh_database, tmp_path, twin(), others=others) as process:
        _, store = await process.call("POST", "/v1/stores", json={"platform": "direct", "name": "By hand"})
        file = xlsx_of(titles, [*row().values()], [*row(Reference="W-2", Quantity="none").values()])
        held = await uploaded(process, store["store_id"], file)
        await process.call("POST", f"/v1/imports/{held['import_id']}/start", json={})
        ended = await reached(process, held["import_id"], "partial")
        _, failed = await process.page(f"{process.base}/v1/imports/{held['import_id']}/failed")

    assert [event.order.external_id for event in await raw_orders(kafka_bootstrap, store["store_id"])] == ["W-1"]
    assert ended["results"]["failed"] == 1
    assert "W-2" in failed
