"""Measures an audit that agrees: a store's whole list beside a report that has every order, through Kafka and Postgres.

`python -m tests.bench.audits` prints the figure; `ORDERS` (10000) are held. The platform is in memory, and the time it
takes to answer is left out. Ingest and the comparer share one process here, and the machine's cores with everything.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from rich.console import Console

from deploy.local.stack import VAR, local_stack
from deploy.local.throwaway import throwaway_directory
from services.ingest.contract.reading import Listing, Window
from services.ingest.contract.stores import Access
from services.kit.clock import SystemClock
from services.kit.kafka.dead_letters import DeadLetters
from services.kit.kafka.publisher import KafkaPublisher
from services.kit.kafka.subscriber import KafkaSubscriber
from services.kit.metrics import Metrics
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from services.reporting.adapters import postgres_proofs
from services.reporting.comparer import Comparer
from tests.bench.figures import Figure, percentile, table
from tests.ingest.processes import Ingest, ingest
from tests.ingest.twin_platform import PACE, TwinConnector

ORDERS, SECONDS = 10_000, 3
_REPORTING = Path(postgres_proofs.__file__).parents[1]
_HOLD = """
INSERT INTO reporting.orders (
    order_key, seller_id, store_id, platform, external_id, changed_at, decision_number, placed_at, revised_at,
    judged_revised_at
)
SELECT 'twin:' || $1 || ':' || one.external_id, 'seller-1', $1, 'twin', one.external_id, one.at, 1, one.at, one.at,
    one.at
FROM unnest($2::text[], $3::timestamptz[]) AS one (external_id, at)
"""


@dataclass
class TimedTwin(TwinConnector):
    """Counts the seconds in which it lists, and those of CPU."""

    listing: float = 0.0
    cpu: float = 0.0

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """As any platform, by whole orders."""
        began, cpu = time.perf_counter(), time.process_time()
        try:
            return await super().list_orders(access, window, after=after)
        finally:
            self.listing += time.perf_counter() - began
            self.cpu += time.process_time() - cpu


async def measure(directory: Path, *, orders: int, times: int = 5) -> Figure:
    """The seconds of an agreeing audit beyond the platform's answers, the median of some."""
    with local_stack(directory / "stack") as stack:
        kafka, dsn = stack.kafka_bootstrap_servers, stack.database_url
        await migrate(dsn, schema="reporting", directory=_REPORTING / "migrations")
        platform = TimedTwin(SystemClock(), page_size=250)
        platform.pace = type(PACE)(timedelta(seconds=2), timedelta(seconds=0.1), timedelta(hours=1))
        end = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)
        async with ingest(kafka, dsn, directory, platform, poll_seconds=0) as process, comparing(kafka, dsn):
            store_id = await process.link("shop-1")
            for number in range(orders):
                platform.put(f"{number:06}", at=end - timedelta(seconds=number))
            await hold(dsn, store_id, platform)
            took = [await audited(process, store_id, orders) for _ in range(times)]
    seconds, cpu = [one for one, _ in took], percentile([one for _, one in took], 0.5)
    middle = percentile(seconds, 0.5)
    return Figure(
        f"an audit of {orders:,} orders that agrees, beyond the platform's answers",
        round(middle, 2),
        "s",
        f"at most {SECONDS}",
        middle <= SECONDS,
        note=f"the slowest of {times}: {max(seconds):.2f} s; ingest and the comparer take {cpu:.2f} s of CPU",
    )


@asynccontextmanager
async def comparing(kafka: str, dsn: str) -> AsyncIterator[None]:
    """The report's comparer over the report's own tables."""
    clock, metrics = SystemClock(), Metrics()
    publisher = KafkaPublisher(kafka, "report", metrics=metrics)
    subscriber = KafkaSubscriber(
        kafka, "report", clock=clock, metrics=metrics, dead_letters=DeadLetters(publisher, clock=clock)
    )
    pool = await create_pool(dsn, schema="reporting", max_size=4)
    subscriber.add(Comparer(postgres_proofs.PostgresProofs(pool), publisher, clock=clock).subscription())
    await subscriber.start()
    try:
        yield
    finally:
        await subscriber.stop()
        await publisher.stop()
        await pool.close()


async def hold(dsn: str, store_id: str, platform: TwinConnector) -> None:
    """Have the report hold every order of the platform, judged."""
    connection = await asyncpg.connect(dsn)
    try:
        held = list(platform.orders.values())
        columns = [one.external_id for one in held], [one.changed_at for one in held]
        await connection.execute(_HOLD, store_id, *columns)
        await connection.execute("ANALYZE reporting.orders")
    finally:
        await connection.close()


async def audited(process: Ingest, store_id: str, orders: int) -> tuple[float, float]:
    """The seconds from asking to the end, and those of CPU meanwhile, without those of the platform."""
    platform = process.platform
    if not isinstance(platform, TimedTwin):
        raise TypeError("the platform tells how long it takes")
    body = {"stores": [store_id], "period": {"from": "2020-01-01", "to": "2099-01-01"}, "zone": "UTC", "by": "updated"}
    platform.listing = platform.cpu = 0.0
    began, cpu = time.perf_counter(), time.process_time()
    status, page = await process.call("POST", "/v1/audits", json=body)
    if status != 202:
        raise RuntimeError(f"the audit was not taken: {page}")
    path = f"/v1/audits/{page['items'][0]['audit_id']}"
    while (shown := (await process.call("GET", path))[1])["finished_at"] is None:  # noqa: ASYNC110 - in the services
        await asyncio.sleep(0.02)
    if (shown["state"], shown["listed"], shown["held"]) != ("agreed", orders, orders):
        raise RuntimeError(f"the audit does not agree: {shown['state']}, {shown['listed']}, {shown['held']}")
    return time.perf_counter() - began - platform.listing, time.process_time() - cpu - platform.cpu


def main() -> int:
    """Measure; 0 when the figure is met."""
    orders = int(os.environ.get("ORDERS") or ORDERS)
    with throwaway_directory(VAR / "bench" / "audits") as directory:
        figure = asyncio.run(measure(directory, orders=orders))
    Console(width=None if sys.stdout.isatty() else 150).print(table([figure]), figure.note)
    return 0 if figure.met else 1


if __name__ == "__main__":
    sys.exit(main())
