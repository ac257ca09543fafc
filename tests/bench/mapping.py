"""Measures how fast recorded payloads become raw orders: bytes, JSON, model, raw order; by the process's CPU time.

A platform is found by its folder: `mapping.to_raw_order` says by its first argument what payload it takes.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any, get_args, get_type_hints

import orjson
from pydantic import BaseModel

from schemas.order import RawOrder
from services.ingest.contract.stores import StoreRef
from services.ingest.parsing import answer_object, exact_object, parsed
from services.ingest.registry import slugs_read
from tests.bench.figures import Figure
from tests.ingest.platforms.golden import FETCHED_AT, cases, payload, store_ref

WANTED_RATE = 5000
CPU_SECONDS = 0.5
#: The best of so many is the figure: the processor's time, too, is longer while others share the machine's caches.
RUNS = 5

Mapper = Callable[[bytes, StoreRef], RawOrder]


def mapper_of(platform: str) -> Mapper:
    """The platform's own way from the bytes of an order to a raw order."""
    to_raw_order = importlib.import_module(f"services.ingest.platforms.{platform}.mapping").to_raw_order
    model = _payload_model(to_raw_order)
    needed = _needed(to_raw_order)
    exact = _minds_digits(platform)

    def mapped(body: bytes, store: StoreRef) -> RawOrder:
        value = answer_object(body)
        # Where amounts are JSON numbers whose digits a float may lose, the bytes are read twice, as the connector does.
        order = parsed(model, exact_object(body, plain=value) if exact else value)
        verbatim = orjson.dumps(value).decode()
        found: RawOrder = to_raw_order(order, store, body=verbatim, way="poll", fetched_at=FETCHED_AT, **needed)
        return found

    return mapped


def _payload_model(to_raw_order: Callable[..., RawOrder]) -> type[BaseModel]:
    """What the first argument is; of several forms the first, which is the one of the platform's lists."""
    first = next(iter(inspect.signature(to_raw_order).parameters))
    kind: Any = get_type_hints(to_raw_order)[first]
    model: type[BaseModel] = next(iter(get_args(kind)), kind)
    return model


def _needed(to_raw_order: Callable[..., RawOrder]) -> dict[str, Any]:
    """Further arguments without a default: what a platform tells elsewhere, and an order stands alone here."""
    parameters = inspect.signature(to_raw_order).parameters.values()
    known = {"body", "way", "fetched_at"}
    return {
        each.name: {}
        for each in parameters
        if each.kind is each.KEYWORD_ONLY and each.default is each.empty and each.name not in known
    }


def _minds_digits(platform: str) -> bool:
    """Whether what reads the platform's lists sees to it that numbers lose no digit."""
    folder = f"services.ingest.platforms.{platform}"
    readers = [name for name in ("listing", "reading") if importlib.util.find_spec(f"{folder}.{name}")]
    return any("exact_object" in vars(importlib.import_module(f"{folder}.{name}")) for name in readers)


def measure() -> list[Figure]:
    """Orders a second of each platform, over all its recorded payloads, again and again."""
    return [_figure(platform) for platform in slugs_read()]


def recorded(platform: str) -> list[bytes]:
    """The platform's recorded orders, in the form that its lists have."""
    ending = ".graphql.json" if cases(platform, ending=".graphql.json") else ".json"
    return [payload(platform, case + ending) for case in cases(platform, ending=ending)]


def orders_per_second(mapper: Mapper, bodies: Sequence[bytes], store: StoreRef, *, cpu_seconds: float) -> float:
    """Map all of them until that much CPU time is spent; a first round warms up and does not count."""
    for body in bodies:
        mapper(body, store)
    began, done = time.process_time(), 0
    while (spent := time.process_time() - began) < cpu_seconds:
        for body in bodies:
            mapper(body, store)
        done += len(bodies)
    return done / spent


def _figure(platform: str) -> Figure:
    bodies = recorded(platform)
    if not bodies:
        return Figure(f"mapping, {platform}", 0, "orders/s", "recorded payloads to measure", met=False)
    store = store_ref(platform, currency="USD")
    mapper = mapper_of(platform)
    rate = max(orders_per_second(mapper, bodies, store, cpu_seconds=CPU_SECONDS) for _ in range(RUNS))
    return Figure(f"mapping, {platform}", round(rate), "orders/s", f"at least {WANTED_RATE}", rate >= WANTED_RATE)
