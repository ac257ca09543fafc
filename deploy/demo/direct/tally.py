"""Adds up what became of orders that were given to us: what their files said against what the report shows; pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deploy.demo.direct.samples import Fate, Sample
from deploy.demo.tally import Reported

#: Those that come into the report; the others stay in their file.
_GIVEN: frozenset[Fate] = frozenset({"made", "unmatched"})


@dataclass(frozen=True, slots=True)
class Brought:
    """What ingest says that it did with some orders; `layout` as it told their file's kind, None for the form."""

    new: int
    existing: int
    failed: int
    left_out: int
    layout: str | None = None


@dataclass(frozen=True, slots=True)
class DirectTally:
    """One row of the table: orders that came in one way, and every sentence about what does not add up."""

    orders: int
    imported: int
    refused: int
    left_out: int
    held: Mapping[str, int]
    released: int
    shipped: int
    seconds: float
    differences: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The row as the summary file holds it."""
        return {
            "orders": self.orders,
            "imported": self.imported,
            "refused": self.refused,
            "left_out": self.left_out,
            "held": dict(self.held),
            "released": self.released,
            "shipped": self.shipped,
            "seconds": round(self.seconds, 2),
        }


def tally_given(
    orders: Sequence[Sample], brought: Brought, shown: Mapping[str, Reported], *, layout: str | None, seconds: float
) -> DirectTally:
    """Compare orders with what ingest did with them, and with the report (by reference)."""
    there = [shown[order.reference] for order in orders if order.reference in shown]
    return DirectTally(
        orders=len(orders),
        imported=len(there),
        refused=brought.failed,
        left_out=brought.left_out,
        held=dict(sorted(Counter(code for each in there if each.outcome == "held" for code in each.reasons).items())),
        released=sum(each.released for each in there),
        shipped=sum(each.shipped for each in there),
        seconds=seconds,
        differences=(*_done(orders, brought, layout), *_shown(orders, shown)),
    )


def given_again(orders: Sequence[Sample], brought: Brought) -> Iterator[str]:
    """What is wrong after the same orders came a second time: nothing may have come of it."""
    there = sum(order.fate in _GIVEN for order in orders)
    if (brought.new, brought.existing) != (0, there):
        yield f"the same file again brought {brought.new} new orders and met {brought.existing} of {there}"


def stand_as_wanted(orders: Sequence[Sample], shown: Mapping[str, Reported]) -> bool:
    """Whether nothing is left to wait for."""
    return not any(_shown(orders, shown))


def _done(orders: Sequence[Sample], brought: Brought, layout: str | None) -> Iterator[str]:
    if brought.layout != layout:
        yield f"the file was taken for {brought.layout}, and is {layout}"
    fates = Counter(order.fate for order in orders)
    wanted = fates["made"] + fates["unmatched"], fates["refused"], fates["shipped"]
    done = brought.new, brought.failed, brought.left_out
    if done != wanted:
        yield f"{done} orders are new, refused and left out, and should be {wanted}"


def _shown(orders: Sequence[Sample], shown: Mapping[str, Reported]) -> Iterator[str]:
    for order in orders:
        report = shown.get(order.reference)
        if report is None:
            if order.fate in _GIVEN:
                yield f"{order.reference} is not in the report"
        elif order.fate not in _GIVEN:
            yield f"{order.reference} ({order.fate}) is in the report"
        elif order.fate == "made" and not (report.released and report.shipped):
            yield f"{order.reference} should be made and shipped, and is {report.outcome} {sorted(report.reasons)}"
        elif order.fate == "unmatched" and report.reasons != {"ITEM_NOT_MATCHED"}:
            yield f"{order.reference} should wait for a match, and is {report.outcome} {sorted(report.reasons)}"
