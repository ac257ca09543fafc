"""A list beside the report: every difference is found, and nothing that agrees."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.audits import ListedOrder, OrdersListed
from schemas.sessions import Window
from services.reporting.comparing import HeldOrder, compared
from tests.reporting.facts import SELLER, STORE, at

SPAN = Window(start=at(0), end=at(60))


def listed(*orders: tuple[str, float], **other: Any) -> OrdersListed:
    values: dict[str, Any] = {
        "event_id": "listed-1",
        "occurred_at": at(61),
        "seller_id": SELLER,
        "audit_id": "audit-1",
        "store_id": STORE,
        "platform": "etsy",
        "round": 1,
        "part": 2,
        "by": "updated",
        "span": SPAN,
        "orders": tuple(ListedOrder(external_id=name, at=at(minute)) for name, minute in orders),
    }
    return OrdersListed(**(values | other))


def held(**orders: tuple[float, float]) -> dict[str, HeldOrder]:
    """Orders by name: when each was last changed, and placed."""
    return {name: HeldOrder(name, at(revised), at(placed)) for name, (revised, placed) in orders.items()}


@pytest.mark.parametrize(
    ("asked", "ours", "found"),
    [
        (listed(("a", 5)), held(a=(5, 0)), []),
        (listed(("a", 5)), held(a=(6, 0)), []),
        (listed(("a", 5)), held(), [("a", "missing", 5)]),
        (listed(("a", 5)), held(a=(4, 0)), [("a", "stale", 5)]),
        (listed(("a", 5), ("a", 7)), held(a=(5, 0)), [("a", "stale", 7)]),
        (listed(), held(b=(5, 0)), [("b", "unknown", 5)]),
        # The span is half open, and only what lies in it can be unknown.
        (listed(), held(b=(0, 0)), [("b", "unknown", 0)]),
        (listed(), held(b=(60, 0)), []),
        (listed(("a", 5)), held(a=(90, 0)), []),
        # By creation nothing is stale, and what counts is when an order was placed.
        (listed(("a", 5), by="created"), held(a=(4, 5)), []),
        (listed(by="created"), held(b=(90, 5)), [("b", "unknown", 5)]),
        (listed(by="created"), held(b=(5, 90)), []),
        # Without a span only what is listed is compared, always by its last change.
        (listed(("a", 5), span=None), held(a=(4, 0), b=(5, 0)), [("a", "stale", 5)]),
        (listed(("a", 5), span=None, by="created"), held(a=(4, 0)), [("a", "stale", 5)]),
    ],
)
def test_every_difference_is_found_and_nothing_else(
    asked: OrdersListed, ours: dict[str, HeldOrder], found: list[tuple[str, str, float]]
) -> None:
    answer = compared(asked, ours, now=at(70))

    assert [(one.external_id, one.finding, one.at) for one in answer.found] == [
        (name, finding, at(minute)) for name, finding, minute in found
    ]


def test_held_counts_the_listed_orders_that_are_here_and_stale_ones_are() -> None:
    answer = compared(listed(("a", 5), ("b", 5), ("c", 5)), held(a=(5, 0), b=(1, 0), x=(2, 0)), now=at(70))

    assert (answer.held, answer.round, answer.part, answer.store_id) == (2, 1, 2, STORE)


def test_the_same_part_gets_the_same_id_whenever_it_is_compared() -> None:
    first, again = (compared(listed(("a", 5)), ours, now=at(70)) for ours in (held(), held(a=(5, 0))))
    other = compared(listed(("a", 5), round=2), held(), now=at(70))

    assert first.event_id == again.event_id != other.event_id
