"""Parcels go home while platforms fail and processes are killed: is every number there once, and no buyer told twice?

What counts is what the platforms have and counted themselves, against what left the factory.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.journey import Linked
from deploy.demo.tally import Pushed, plain
from deploy.demo.world import World
from tests.faults.history import deliver_again
from tests.faults.parcels import Books, ParcelVerdict, judge_parcels

VICTIMS = ("ingest", "ingest-2")
DELIVERED_TWICE = 0.2
IMPORT_SECONDS, SETTLE_SECONDS = 240.0, 540.0
#: The longest time between two kills: they come as the work goes on, whatever it waits for.
LONGEST_CALM = 24.0
#: What each platform does to its calls: a tenth of them in all. A held connection outlasts the longest patience.
FAULTS: tuple[Mapping[str, Any], ...] = (
    {"kind": "status_429", "rate": 0.02},
    {"kind": "status_500", "rate": 0.025},
    {"kind": "cut_connection", "rate": 0.02},
    {"kind": "timeout", "rate": 0.0025, "seconds": 70},
    {"kind": "timeout", "rate": 0.0025, "seconds": 70, "when": "after"},
    {"kind": "status_500", "rate": 0.015, "when": "after"},
    {"kind": "cut_connection", "rate": 0.015, "when": "after"},
)
#: Stores of a platform, by what they are opened with: a seller who ships so much has several, and pace is by store.
STORES: Mapping[str, Sequence[Mapping[str, Any]]] = {
    "woocommerce": ({}, {"plugins": ["fulfillments"]}, {"plugins": ["shipment-tracking"]}),
}
_USUAL: Sequence[Mapping[str, Any]] = ({}, {}, {})
_ENTRIES = ("emails", "emails_again", "faults", "api_calls")


@dataclass(frozen=True, slots=True)
class Shipments:
    """How many parcels leave at least, and how often a process is killed meanwhile."""

    shipments: int
    kills: int
    seed: int

    @property
    def orders(self) -> int:
        """Orders of which some go in two parcels."""
        return self.shipments * 5 // 8 + 1


@dataclass(frozen=True, slots=True)
class Told:
    """How it ended: the verdict, and what there was to withstand."""

    verdict: ParcelVerdict
    killed: Mapping[str, int]
    faults: Mapping[str, int]
    calls: Mapping[str, int]
    seconds: float
    #: Parcels that buyers had not been told of when the last process was killed.
    left_at_last_kill: int
    linked: Sequence[Linked] = field(default=(), repr=False)

    @property
    def clean(self) -> bool:
        """Whether every promise held, and there was something to withstand."""
        return self.verdict.clean and all(self.faults.values())

    def as_json(self) -> dict[str, Any]:
        """The finding as the summary file holds it."""
        return {
            **self.verdict.as_json(),
            "kills": dict(self.killed),
            "faults": dict(self.faults),
            "calls": dict(self.calls),
            "seconds": round(self.seconds, 1),
            "left_at_last_kill": self.left_at_last_kill,
            "platform_limits": "lifted; ingest keeps to its own budgets",
        }


async def ship(api: Api, world: World, plan: Shipments) -> Told:
    """Have orders made, ship them all at once, and judge when nothing more is to be told."""
    await api.factory("/settings", method="POST", body={"hold_share": 1.0, "parcels": 2})
    linked = await _linked_with_orders(api, world, plan)
    await _fault(api, world)
    before, began = await _books(api, world), time.monotonic()
    await api.factory("/settings", method="POST", body={"hold_share": 0.0})
    await api.factory("/resume", method="POST")
    sent = await _shipped(api, plan.orders)
    killed, left = await _kill(api, world, plan, sum(map(len, sent.values())))
    pushed = await _settled(api, linked, sent)
    spent = {name: counts - before[name] for name, counts in (await _books(api, world)).items()}
    for name in world.platforms:
        await api.control("DELETE", f"/{name}/faults")
    return Told(
        verdict=judge_parcels(
            sent,
            await _shown(api, linked),
            {(key, parcel.tracking_number): parcel.state for key, parcel in pushed},
            {name: Books(counts["emails"], counts["emails_again"]) for name, counts in spent.items()},
        ),
        killed=killed,
        faults={name: counts["faults"] for name, counts in spent.items()},
        calls={name: counts["api_calls"] for name, counts in spent.items()},
        seconds=time.monotonic() - began,
        left_at_last_kill=left,
        linked=linked,
    )


async def _linked_with_orders(api: Api, world: World, plan: Shipments) -> list[Linked]:
    """Link the stores with their orders, and wait until production has been told of all."""
    stores: list[Linked] = []
    chosen = [(name, options) for name in sorted(world.platforms) for options in STORES.get(name, _USUAL)]
    shares: Counter[str] = Counter()
    for place, (name, options) in enumerate(chosen):
        await api.control("POST", f"/{name}/settings", body={"limits": False})
        opened = await journey.open_store(api, name, ingest_url=world.services["ingest"], **options)
        count = plan.orders * (place + 1) // len(chosen) - plan.orders * place // len(chosen)
        await journey.create_past_orders(api, opened, count, state="ready", seed=plan.seed + place)
        stores.append(await journey.link_store(api, opened, import_since=timedelta(days=2)))
        shares[name] += count
    await journey.follow(
        api,
        lambda now: all(name in now and now[name].released >= count for name, count in shares.items()),
        within=IMPORT_SECONDS,
        show=lambda _: None,
    )
    return stores


async def _fault(api: Api, world: World) -> None:
    for name in world.platforms:
        for rule in FAULTS:
            await api.control("POST", f"/{name}/faults", body=dict(rule))


async def _shipped(api: Api, orders: int) -> dict[str, list[str]]:
    """The tracking numbers of every order, once all of them left."""
    async with asyncio.timeout(IMPORT_SECONDS):
        while True:
            sent: dict[str, list[str]] = {}
            for parcel in (await api.factory("/parcels"))["items"]:
                sent.setdefault(parcel["order_key"], []).append(parcel["tracking_number"])
            if len(sent) >= orders:
                return sent
            await asyncio.sleep(1)


async def _kill(api: Api, world: World, plan: Shipments, shipments: int) -> tuple[Counter[str], int]:
    """Kill the processes in turn, each time that a further share of the parcels was told; how many were left then."""
    killed: Counter[str] = Counter()
    rng, told = random.Random(plan.seed), 0
    again = asyncio.create_task(_deliver_again(world, plan))
    for number in range(plan.kills):
        with suppress(TimeoutError):
            async with asyncio.timeout(rng.uniform(LONGEST_CALM / 2, LONGEST_CALM)):
                while told < shipments * (number + 1) // (plan.kills + 1):
                    await asyncio.sleep(0.2)
                    told = sum(counts["fulfillments"] for counts in (await _books(api, world)).values())
        child = world.child(VICTIMS[number % len(VICTIMS)])
        await asyncio.to_thread(child.kill)
        await asyncio.to_thread(child.restart)
        killed[child.name] += 1
    await again
    for name in VICTIMS:
        await asyncio.to_thread(world.child(name).wait_ready, f"{world.services[name]}/readyz")
    return killed, max(shipments - told, 0)


async def _deliver_again(world: World, plan: Shipments) -> None:
    """Production's words come a second time while processes die."""
    await asyncio.sleep(LONGEST_CALM)
    await deliver_again(
        world.stack.kafka_bootstrap_servers, "production.updates", share=DELIVERED_TWICE, seed=plan.seed
    )


async def _settled(api: Api, linked: Sequence[Linked], sent: Mapping[str, Sequence[str]]) -> list[tuple[str, Pushed]]:
    """What ingest says of every parcel, once it waits for nothing any more, or time is over."""
    give_up = time.monotonic() + SETTLE_SECONDS
    waiting = {store.store_id: store for store in linked}
    found: dict[str, list[tuple[str, Pushed]]] = {}
    while waiting:
        for store in list(waiting.values()):
            parcels = [(_key(store, parcel.external_id), parcel) for parcel in await journey.pushed_parcels(api, store)]
            wanted = sum(len(numbers) for key, numbers in sent.items() if key.startswith(_key(store, "")))
            found[store.store_id] = parcels
            if len(parcels) >= wanted and not any(parcel.state in journey.UNSETTLED for _, parcel in parcels):
                del waiting[store.store_id]
        if time.monotonic() > give_up:
            break
        await asyncio.sleep(1)
    return [parcel for parcels in found.values() for parcel in parcels]


async def _shown(api: Api, linked: Sequence[Linked]) -> dict[str, list[str]]:
    """The tracking numbers of every order by the platforms' own truth."""
    return {
        _key(store, order["id"]): [plain(shipment["tracking_number"] or "") for shipment in order["shipments"]]
        for store in linked
        for order in await journey.truth(api, store.opened)
        if order["shipments"]
    }


async def _books(api: Api, world: World) -> dict[str, Counter[str]]:
    return {name: Counter(await api.control("GET", f"/{name}/books")) for name in world.platforms}


def _key(store: Linked, external_id: str) -> str:
    return f"{store.opened.platform}:{store.store_id}:{external_id}"
