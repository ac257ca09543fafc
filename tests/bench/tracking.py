"""`python -m tests.bench.tracking`: from production's word that a parcel left until its platform shows the number.

On each platform with its limits on, at a quarter of the pace that they allow, all at the same time in one world; and a
backlog of five thousand in hours that pass at once. What is shipped is told on the topic as production tells it.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaProducer
from rich.console import Console

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.journey import Linked
from deploy.demo.world import SELLER, Choices, World, running_world
from deploy.local.stack import VAR
from deploy.local.throwaway import throwaway_directory
from deploy.sandbox.app import discover
from schemas.ids import OrderKey, SellerId, order_key
from schemas.production import Shipment, ShippedItem, UpdateShipped
from schemas.topics import PRODUCTION_UPDATES
from tests.bench.figures import Figure, percentile, table
from tests.ingest.platforms.amazon.backlog import at_best, day_of
from tests.simulation.shops import undisturbed
from tests.simulation.virtual_time import simulate

SECONDS, LONGEST_SECONDS = 60.0, 30.0
BACKLOG = 5_000
#: How long the last parcels are waited for.
PATIENCE = 60.0
#: Of what a platform's limits allow, and where they allow more than matters, parcels a minute.
SHARE, UNLIMITED = 0.25, 120


@dataclass(frozen=True, slots=True)
class Sent:
    """One parcel that production tells of: when after the beginning, and of which order."""

    at: float
    key: OrderKey
    number: str
    lines: Mapping[str, int]


async def measure(directory: Path, *, seconds: float) -> list[Figure]:
    """The 95th percentile a platform, and the calls that it took."""
    with running_world(directory, Choices(settings={"LOG_LEVEL": "WARNING"})) as world:
        async with aiohttp.ClientSession() as session:
            api = Api(world, session)
            stores = [await _linked(api, world, name, seconds) for name in sorted(world.platforms)]
            await _read(api, stores)
            sent = {store.opened.platform: await _plan(api, store, seconds) for store in stores}
            books = {name: await _books(api, name) for name in world.platforms}
            told_at = await _ship(world, [parcel for parcels in sent.values() for parcel in parcels])
            figures = []
            for store in stores:
                name = store.opened.platform
                took = await _took(api, store, told_at, {parcel.number for parcel in sent[name]})
                figures.append(_figure(name, took, len(sent[name]), await _books(api, name) - books[name]))
            return figures


def measure_backlog(parcels: int = BACKLOG) -> list[Figure]:
    """Seconds until all are confirmed, and how many calls were too many."""
    with undisturbed():
        day = simulate(day_of(parcels))
    wanted = at_best(parcels) * 1.02
    calls, over = day.amazon.calls.total(), day.amazon.over.total()
    return [
        Figure(
            f"{parcels:,} confirmations waiting, until the last, in virtual time",
            round(day.confirmed_in),
            "s",
            f"at most {wanted:.0f} s",
            day.confirmed_in <= wanted and over == 0,
            calls=calls,
            over_budget=over,
            note=f"read back after {day.verified_in:.0f} s; "
            + ", ".join(f"{number} {operation}" for operation, number in sorted(day.amazon.calls.items())),
        )
    ]


def _pace(name: str) -> float:
    """Parcels a second that a platform's quota spares."""
    return SHARE * (discover()[name].parcels_a_minute or UNLIMITED) / 60


async def _linked(api: Api, world: World, name: str, seconds: float) -> Linked:
    opened = await journey.open_store(api, name, ingest_url=world.services["ingest"])
    await journey.create_past_orders(api, opened, max(round(_pace(name) * seconds), 1), state="ready", seed=3)
    return await journey.link_store(api, opened)


async def _read(api: Api, stores: Sequence[Linked]) -> None:
    """Wait until the orders were read: an order's first reading spends of the same calls."""
    async with asyncio.timeout(PATIENCE):
        for store in stores:
            wanted = len(await journey.truth(api, store.opened))
            while len(await journey.reported_orders(api, store)) < wanted:  # noqa: ASYNC110 - nobody tells us
                await asyncio.sleep(0.5)


async def _plan(api: Api, store: Linked, seconds: float) -> list[Sent]:
    orders = await journey.truth(api, store.opened)
    return [
        Sent(
            seconds * place / len(orders),
            OrderKey(order_key(store.opened.platform, store.store_id, order["id"])),
            _number(f"{store.store_id}:{order['id']}"),
            {line["id"]: line["to_make"] for line in order["lines"] if line["to_make"]},
        )
        for place, order in enumerate(orders)
    ]


def _number(name: str) -> str:
    return f"9400{int(hashlib.blake2b(name.encode(), digest_size=8).hexdigest(), 16) % 10**18:018d}"


async def _ship(world: World, sent: Sequence[Sent]) -> dict[str, datetime]:
    """Tell of each at its time; when each was told, by its number."""
    told_at: dict[str, datetime] = {}
    producer = AIOKafkaProducer(bootstrap_servers=world.stack.kafka_bootstrap_servers, acks="all")
    await producer.start()
    try:
        began = time.monotonic()
        for parcel in sorted(sent, key=lambda one: one.at):
            await asyncio.sleep(max(parcel.at - (time.monotonic() - began), 0.0))
            told_at[parcel.number] = datetime.now(UTC)
            await producer.send_and_wait(PRODUCTION_UPDATES.name, key=parcel.key.encode(), value=_update(parcel))
    finally:
        await producer.stop()
    return told_at


def _update(parcel: Sent) -> bytes:
    now = datetime.now(UTC)
    shipment = Shipment(
        shipment_id=f"sh-{parcel.number}",
        carrier="USPS",
        tracking_number=parcel.number,
        shipped_at=now,
        items=tuple(ShippedItem(item_id=line, quantity=units) for line, units in parcel.lines.items()),
    )
    return UpdateShipped(
        event_id=f"shipped-{parcel.number}",
        occurred_at=now,
        seller_id=SellerId(SELLER),
        order_key=parcel.key,
        shipment=shipment,
    ).to_bytes()


async def _took(api: Api, store: Linked, told_at: Mapping[str, datetime], wanted: set[str]) -> list[float]:
    """Seconds of each parcel that was verified before patience ended."""
    give_up = time.monotonic() + PATIENCE
    while True:
        query = {"store_id": store.store_id, "limit": "200"}
        items = [item async for item in api.pages("ingest", "/v1/tracking", query)]
        if sum(item["verified_at"] is not None for item in items) >= len(wanted) or time.monotonic() > give_up:
            break
        await asyncio.sleep(0.5)
    return [_seconds(item, told_at) for item in items if item["verified_at"]]


def _seconds(item: Mapping[str, Any], told_at: Mapping[str, datetime]) -> float:
    return (datetime.fromisoformat(item["verified_at"]) - told_at[item["tracking_number"]]).total_seconds()


def _figure(name: str, took: Sequence[float], sent: int, spent: Counter[str]) -> Figure:
    p95 = percentile(list(took), 0.95) if took else float("inf")
    p50 = percentile(list(took), 0.5) if took else float("inf")
    return Figure(
        f"{name}: shipped to verified, p95 of {len(took)} (p50 {p50:.1f} s)",
        round(p95, 1),
        "s",
        f"at most {LONGEST_SECONDS:.0f} s, all {sent}",
        p95 <= LONGEST_SECONDS and len(took) == sent,
        calls=spent["api_calls"],
        over_budget=spent["api_calls_over_budget"],
    )


async def _books(api: Api, name: str) -> Counter[str]:
    return Counter(await api.control("GET", f"/{name}/books"))


def main() -> int:
    """Measure both; 0 when every figure is met."""
    seconds = float(os.environ.get("SECONDS") or SECONDS)
    with throwaway_directory(VAR / "bench" / "tracking") as directory:
        figures = asyncio.run(measure(directory, seconds=seconds))
    figures += measure_backlog()
    notes = [figure.note for figure in figures if figure.note]
    Console(width=None if sys.stdout.isatty() else 150).print(table(figures), *notes, sep="\n")
    return 0 if all(figure.met for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
