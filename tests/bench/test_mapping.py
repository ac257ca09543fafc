"""The benchmark of mappings maps what is recorded of every platform."""

from __future__ import annotations

import json

import pytest

from schemas.order import RawOrder
from services.ingest.registry import slugs_read
from tests.bench.mapping import mapper_of, orders_per_second, recorded
from tests.ingest.platforms.golden import store_ref


@pytest.mark.parametrize("platform", slugs_read())
def test_recorded_payloads_become_raw_orders(platform: str) -> None:
    store, mapped = store_ref(platform, currency="USD"), mapper_of(platform)

    orders = [mapped(body, store) for body in recorded(platform)]

    assert orders
    assert all(isinstance(order, RawOrder) and json.loads(order.payload.body) for order in orders)


def test_a_rate_is_orders_by_time() -> None:
    bodies = recorded("etsy")

    rate = orders_per_second(mapper_of("etsy"), bodies, store_ref("etsy", currency="USD"), cpu_seconds=0.01)

    assert rate > 100
