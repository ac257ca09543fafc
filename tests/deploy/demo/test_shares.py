"""The demo's orders are dealt out so that no platform's own limits make it last for many minutes."""

from __future__ import annotations

import pytest

from deploy.demo.__main__ import shares_of


@pytest.mark.parametrize(
    ("orders", "platforms", "shares"),
    [
        (10, {"a": None, "b": None, "c": None}, {"a": 3, "b": 3, "c": 4}),
        (1000, {"a": 30, "b": None, "c": 35, "d": None}, {"a": 30, "b": 467, "c": 35, "d": 468}),
        (12, {"a": 30, "b": None, "c": 35}, {"a": 4, "b": 4, "c": 4}),
        (1000, {"a": 30}, {"a": 1000}),
        (2, {"a": None, "b": None, "c": 5}, {"a": 0, "b": 1, "c": 1}),
    ],
)
def test_orders_are_dealt_evenly_but_where_few_parcels_can_be_told(
    orders: int, platforms: dict[str, int | None], shares: dict[str, int]
) -> None:
    dealt = shares_of(orders, platforms)

    assert sum(dealt.values()) == orders
    assert dealt == shares
