"""Measures files of orders: how fast they are parsed and validated, in how much memory, and how fast they are given.

`python -m tests.bench.imports` prints the figures; `ORDERS` (20000) orders are given through whole services.
"""

from __future__ import annotations

import asyncio
import csv
import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import xlsxwriter
from rich.console import Console

from deploy.demo.api import Api
from deploy.demo.world import GIVING_WAY, Choices, World, running_world
from deploy.local.stack import VAR
from deploy.local.throwaway import throwaway_directory
from services.ingest.platforms.direct.files.assembling import Ready, assemble, reading_of
from services.ingest.platforms.direct.files.fields import FIELDS
from services.ingest.platforms.direct.files.gathering import Gathering
from tests.bench.figures import Figure, table
from tests.faults.history import read_all

CSV_PER_SECOND, XLSX_PER_SECOND, GIVEN_PER_SECOND = 5000, 2000, 1000
MOST_MEGABYTES = 250
MOST_ROWS = 200_000
#: Given through whole services, in a world of their own.
GIVEN_ORDERS = 20_000
_XLSX_ROWS = 20_000
_WRITTEN = ("csv", "xlsx")


def measure_reading(directory: Path) -> list[Figure]:
    """Rows a second of each kind of file, and the memory of 200,000 rows, each in a process of its own."""
    figures = []
    for form, rows, wanted in (("csv", MOST_ROWS, CSV_PER_SECOND), ("xlsx", _XLSX_ROWS, XLSX_PER_SECOND)):
        found = _in_a_process(write_file(directory / f"{form}.{form}", rows))
        rate, bare = rows / found["seconds"], rows / found["bare_seconds"] if found["bare_seconds"] else None
        figures.append(
            Figure(
                f"{form} parsed and validated, {rows:,} rows of one order each",
                round(rate),
                "rows/s",
                f"at least {wanted:,}",
                rate >= wanted and found["ready"] == rows,
                baseline=round(bare) if bare else None,
                ratio=round(rate / bare, 2) if bare else None,
            )
        )
    for form in _WRITTEN:
        found = _in_a_process(write_file(directory / f"large.{form}", MOST_ROWS))
        figures.append(
            Figure(
                f"peak memory of the process that reads {MOST_ROWS:,} rows of {form}",
                round(found["megabytes"]),
                "MB",
                f"at most {MOST_MEGABYTES}",
                found["megabytes"] <= MOST_MEGABYTES and found["ready"] == MOST_ROWS,
            )
        )
    return figures


async def measure_giving(directory: Path, orders: int) -> list[Figure]:
    """Orders a second from the start of an import to its end, all of them in Kafka, in whole services."""
    file = write_file(directory / "given.csv", orders)
    with running_world(directory / "world", Choices(settings={"LOG_LEVEL": "WARNING"}, niceness=GIVING_WAY)) as world:
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {world.key}"}) as session:
            api = Api(world, session)
            store = await api.call("ingest", "POST", "/v1/stores", body={"platform": "direct"})
            address = f"{world.services['ingest']}/v1/imports"
            with file.open("rb") as content:
                async with session.post(address, params={"store_id": store["store_id"]}, data=content) as answer:
                    held = await answer.json()
            await _reached(session, f"{address}/{held['import_id']}", "ready")
            started = time.perf_counter()
            async with session.post(f"{address}/{held['import_id']}/start", json={}) as answer:
                answer.raise_for_status()
            ended = await _reached(session, f"{address}/{held['import_id']}", "succeeded")
            rate = orders / (time.perf_counter() - started)
        durable = await _durable(world, store["store_id"])
    fine = ended["results"]["new"] == durable == orders
    return [
        Figure(
            f"an import of {orders:,} orders, from its start until all are in orders.raw",
            round(rate),
            "orders/s",
            f"at least {GIVEN_PER_SECOND:,}, each once",
            rate >= GIVEN_PER_SECOND and fine,
        )
    ]


def write_file(path: Path, rows: int) -> Path:
    """A file of that many orders of one row each, with every column of the template that has an example."""
    path.parent.mkdir(parents=True, exist_ok=True)
    titles = [known.title for known in FIELDS]
    if path.suffix == ".xlsx":
        # Shared strings, as spreadsheet programs write them.
        with xlsxwriter.Workbook(path, {"tmpdir": str(path.parent)}) as book:
            sheet = book.add_worksheet("Orders")
            for number, cells in enumerate(itertools.chain([titles], _rows(rows))):
                for place, cell in enumerate(cells):
                    sheet.write_string(number, place, cell)
        return path
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(titles)
        writer.writerows(_rows(rows))
    return path


def _rows(rows: int) -> Iterator[list[str]]:
    for number in range(rows):
        varied = {"reference": f"W-{number}", "name": f"Buyer {number:06}", "line1": f"{number} Example Street"}
        yield [varied.get(known.name, known.example) for known in FIELDS]


def read_whole(path: Path) -> dict[str, Any]:
    """Read a file as imports do, and tell how long it took and how much memory the process ever had."""
    started = time.process_time()
    with path.open("rb") as file, Gathering(file) as gathering:
        while gathering.take(1000):
            pass
        reading = reading_of(gathering.table, zone=UTC, currency=None, now=datetime.now(UTC))
        made = (assemble(gathering.order(number), reading) for number in range(gathering.orders))
        ready = sum(isinstance(each, Ready) for each in made)
    seconds = time.process_time() - started
    # Not `ru_maxrss`: a child begins with its parent's.
    [peak] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    megabytes = int(peak.split()[1]) / 1024
    return {"seconds": seconds, "ready": ready, "megabytes": megabytes, "bare_seconds": _bare(path)}


def _bare(path: Path) -> float | None:
    """Seconds that the standard library takes for the cells alone."""
    if path.suffix != ".csv":
        return None
    started = time.process_time()
    with path.open(newline="", encoding="utf-8") as file:
        sum(1 for _ in csv.reader(file))
    return time.process_time() - started


def _in_a_process(path: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.imports", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


async def _reached(session: aiohttp.ClientSession, address: str, state: str) -> Any:
    async with asyncio.timeout(600):
        while True:
            async with session.get(address) as answer:
                shown = await answer.json()
            if shown["state"] == state:
                return shown
            if shown["state"] in {"failed", "partial", "cancelled"}:
                raise RuntimeError(f"the import ended: {shown}")
            await asyncio.sleep(0.05)


async def _durable(world: World, store_id: str) -> int:
    records = await read_all(world.stack.kafka_bootstrap_servers, "orders.raw")
    keys = [orjson.loads(record.value or b"{}")["order"]["key"] for record in records]
    return len([key for key in keys if f":{store_id}:" in key])


def main() -> int:
    """Measure; 0 when every figure is met."""
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(read_whole(Path(sys.argv[1]))))
        return 0
    with throwaway_directory(VAR / "bench" / "imports") as directory:
        figures = measure_reading(directory)
        figures += asyncio.run(measure_giving(directory, int(os.environ.get("ORDERS") or GIVEN_ORDERS)))
    Console(width=150).print(table(figures))
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
