"""The demo's files are what they say, hold what must and must not be made; whatever goes wrong is told."""

from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from deploy.demo.direct.by_hand import by_hand
from deploy.demo.direct.files import Kind, kinds
from deploy.demo.direct.samples import Sample, samples
from deploy.demo.direct.tally import Brought, given_again, stand_as_wanted, tally_given
from deploy.demo.tally import Reported
from services.ingest.platforms.direct.files.assembling import Faulty, LeftOut, Made, Ready, assemble, reading_of
from services.ingest.platforms.direct.files.fields import FIELDS
from services.ingest.platforms.direct.files.gathering import Gathering

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FATES: dict[type[Made], set[str]] = {Ready: {"made", "unmatched"}, LeftOut: {"shipped"}, Faulty: {"refused"}}
ORDERS = samples(["A", "B", "C", "D"], last=("unmatched", "refused"))
BROUGHT = Brought(new=3, existing=0, failed=1, left_out=0, layout="template")
SHOWN = {
    **{name: Reported(name, "eligible", frozenset(), released=True, shipped=True) for name in ("A", "B")},
    "C": Reported("C", "held", frozenset({"ITEM_NOT_MATCHED"}), released=False, shipped=False),
}


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.name)
def test_each_file_is_known_by_its_layout_and_holds_its_orders(kind: Kind) -> None:
    content = kind.content([known.title for known in FIELDS], NOW)

    with Gathering(io.BytesIO(content)) as gathering:
        while gathering.take(1000):
            pass
        reading = reading_of(gathering.table, zone=UTC, currency="USD", now=NOW)
        made = [assemble(gathering.order(number), reading) for number in range(gathering.orders)]
        layout = gathering.table.layout.slug

    assert layout == kind.layout
    assert 5 <= len(made) <= 20
    assert all(order.fate in FATES[type(each)] for each, order in zip(made, kind.orders, strict=True))
    assert [
        sum(item.quantity for item in each.order.items)
        for each, order in zip(made, kind.orders, strict=True)
        if isinstance(each, Ready) and order.fate == "made"
    ] == [order.units for order in kind.orders if order.fate == "made"]


def test_every_kind_has_orders_that_must_not_be_made() -> None:
    fates = [Counter(order.fate for order in kind.orders) for kind in kinds()]

    assert all(
        each["made"] >= 5 and each["unmatched"] == 1 and each["refused"] + each["shipped"] == 1 for each in fates
    )


def test_what_became_of_files_as_it_should_adds_up() -> None:
    tally = tally_given(ORDERS, BROUGHT, SHOWN, layout="template", seconds=1.234)

    assert (tally.differences, stand_as_wanted(ORDERS, SHOWN)) == ((), True)
    assert tally.as_json() == {
        "orders": 4,
        "imported": 3,
        "refused": 1,
        "left_out": 0,
        "held": {"ITEM_NOT_MATCHED": 1},
        "released": 2,
        "shipped": 2,
        "seconds": 1.23,
    }


@pytest.mark.parametrize(
    ("brought", "changed", "says"),
    [
        (replace(BROUGHT, layout="another"), {}, "the file was taken for another, and is template"),
        (replace(BROUGHT, failed=0), {}, "(3, 0, 0) orders are new, refused and left out, and should be (3, 1, 0)"),
        (BROUGHT, {"A": None}, "A is not in the report"),
        (BROUGHT, {"D": SHOWN["A"]}, "D (refused) is in the report"),
        (BROUGHT, {"B": replace(SHOWN["B"], shipped=False)}, "B should be made and shipped, and is eligible []"),
        (BROUGHT, {"C": SHOWN["A"]}, "C should wait for a match, and is eligible []"),
    ],
)
def test_every_difference_is_told(brought: Brought, changed: dict[str, Reported | None], says: str) -> None:
    shown = {name: report for name, report in {**SHOWN, **changed}.items() if report is not None}

    assert tally_given(ORDERS, brought, shown, layout="template", seconds=1).differences == (says,)


@pytest.mark.parametrize(("again", "told"), [((0, 3), 0), ((1, 2), 1), ((0, 2), 1)])
def test_a_file_that_brings_something_twice_is_told(again: tuple[int, int], told: int) -> None:
    orders: list[Sample] = ORDERS

    assert len(list(given_again(orders, replace(BROUGHT, new=again[0], existing=again[1])))) == told


def test_without_a_browser_the_order_by_hand_goes_in_by_api_and_the_demo_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    said = io.StringIO()
    # Nothing is asked of the world before the order is given.
    world: Any = None

    chosen = by_hand(world, world, Console(file=said, width=200))

    assert (chosen.way, said.getvalue().count("\n")) == ("API", 1)
    assert "apt-get install chromium" in said.getvalue()
