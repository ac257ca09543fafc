"""`python -m tests.bench`: the figures, measured side by side in one run, as a table and `var/bench/summary.json`.

`ORDERS` (20000) orders for the whole path and the eligibility stage, `SECONDS` (30) of webhooks. Exits 1 when a figure
falls short, after printing all of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

from rich.console import Console

from deploy.local.stack import VAR, local_stack
from deploy.local.throwaway import throwaway_directory
from tests.bench import (
    audits,
    eligibility_stage,
    imports,
    mapping,
    orders_api,
    platforms,
    tracking,
    webhooks,
    week,
    whole_path,
)
from tests.bench.figures import Figure, table

DIRECTORY = VAR / "bench"
WANTED_RATIO = 0.35


def main() -> int:
    """Measure everything; 0 when every figure is met."""
    orders, seconds = int(os.environ.get("ORDERS") or 20000), int(os.environ.get("SECONDS") or 30)
    console = Console(width=None if sys.stdout.isatty() else 150)
    figures: list[Figure] = []
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with throwaway_directory(DIRECTORY / "runs") as directory:
        console.print("Recorded payloads to raw orders, in one process …")
        figures += mapping.measure()
        console.print(f"A simulated week of {week.SHOPS} shops …")
        figures += week.measure()
        console.print(f"The eligibility stage over {orders} orders, beside a bare loop …")
        figures.append(_eligibility_stage(directory, orders))
        console.print(f"An audit of {audits.ORDERS} orders that agrees …")
        figures.append(asyncio.run(audits.measure(directory / "audits", orders=audits.ORDERS)))
        console.print(f"{whole_path.DEMO_ORDERS} orders with the platforms' limits on, as `make demo` does …")
        figures.append(asyncio.run(whole_path.measure_demo(directory / "demo")))
        console.print(f"{platforms.ORDERS} orders of each platform by itself, with its limits on and off …")
        figures += asyncio.run(platforms.measure(directory / "platforms"))
        console.print(f"The whole path with {orders} orders …")
        figures += asyncio.run(whole_path.measure(directory / "whole", orders))
        console.print(f"{webhooks.PER_SECOND} webhooks a second for {seconds} s, beside a bare receiver …")
        figures += asyncio.run(webhooks.measure(directory / "webhooks", seconds))
        console.print("Parcels from production's word to the platforms', and a backlog of them …")
        figures += asyncio.run(tracking.measure(directory / "tracking", seconds=tracking.SECONDS))
        figures += tracking.measure_backlog()
        console.print(f"Files of orders: reading {imports.MOST_ROWS} rows, giving {imports.GIVEN_ORDERS} orders …")
        figures += imports.measure_reading(directory / "files")
        figures += asyncio.run(imports.measure_giving(directory / "imports", imports.GIVEN_ORDERS))
        console.print(f"Orders by API: {orders_api.PER_SECOND} a second for {orders_api.SECONDS} s, and batches …")
        figures += asyncio.run(
            orders_api.measure(directory / "orders-api", seconds=orders_api.SECONDS, batches=orders_api.BATCHES)
        )
    console.print(table(figures))
    (DIRECTORY / "summary.json").write_text(json.dumps([figure.as_json() for figure in figures], indent=2) + "\n")
    return 0 if all(figure.met for figure in figures) else 1


def _eligibility_stage(directory: Path, orders: int) -> Figure:
    with local_stack(directory / "stage") as stack:
        measured = asyncio.run(eligibility_stage.measure(stack.kafka_bootstrap_servers, stack.database_url, orders))
    return Figure(
        "eligibility",
        round(measured["value"]),
        "orders/s",
        f"ratio at least {WANTED_RATIO}",
        measured["ratio"] >= WANTED_RATIO,
        baseline=round(measured["baseline"]),
        ratio=round(measured["ratio"], 2),
    )


if __name__ == "__main__":
    sys.exit(main())
