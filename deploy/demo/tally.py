"""Adds up a run: what the platforms and the factory say is true against what the report shows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: Which reasons may keep back an order that is an example of something. A platform that hides addresses of old orders
#: leaves an address that lacks its street and one that is hidden looking the same.
EXPECTED_REASONS: Mapping[str, frozenset[str]] = {
    "unpaid_pending": frozenset({"PAYMENT_PENDING"}),
    "unpaid_authorized": frozenset({"PAYMENT_PENDING"}),
    "cancelled": frozenset({"CANCELLED"}),
    "refunded": frozenset({"REFUNDED"}),
    "test": frozenset({"TEST_ORDER"}),
    "gift_card_only": frozenset({"NOTHING_TO_MAKE"}),
    "digital_only": frozenset({"NOTHING_TO_MAKE"}),
    "deleted_product": frozenset({"ITEM_NOT_MATCHED"}),
    "invalid_address": frozenset({"ADDRESS_INCOMPLETE", "ADDRESS_NOT_VISIBLE"}),
    "unmatched_sku": frozenset({"ITEM_NOT_MATCHED"}),
}


@dataclass(frozen=True, slots=True)
class Reported:
    """One order as the report shows it; `shipped` says that a tracking number stands there."""

    external_id: str
    outcome: str
    reasons: frozenset[str]
    released: bool
    shipped: bool


@dataclass(frozen=True, slots=True)
class PlatformTally:
    """One row of the table, and every sentence about what does not add up."""

    on_platform: int
    imported: int
    held: Mapping[str, int]
    rejected: Mapping[str, int]
    released: int
    shipped: int
    tracking_verified: int = 0
    tracking_seconds_p95: float | None = None
    differences: tuple[str, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """The row as the summary file holds it."""
        return {
            "on_platform": self.on_platform,
            "imported": self.imported,
            "held": dict(self.held),
            "rejected": dict(self.rejected),
            "released": self.released,
            "shipped": self.shipped,
            "tracking_verified": self.tracking_verified,
            "tracking_seconds_p95": self.tracking_seconds_p95,
        }


@dataclass(frozen=True, slots=True)
class Pushed:
    """One parcel as ingest says that its platform was told of it, and after how many seconds the number was there."""

    external_id: str
    tracking_number: str
    state: str
    code: str | None = None
    seconds: float | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether the platform takes a number for it."""
        return (self.state, self.code) != ("off", "NOT_WANTED")


def tally_platform(
    truth: Iterable[Mapping[str, Any]], reported: Iterable[Reported], pushed: Iterable[Pushed] | None = None
) -> PlatformTally:
    """Compare a platform's own orders with the report, order by order, and its shipments with the parcels.

    `pushed` None leaves the shipments out.
    """
    parcels: dict[str, list[Pushed]] = {}
    for parcel in pushed or ():
        parcels.setdefault(parcel.external_id, []).append(parcel)
    true = {order["id"]: order for order in truth}
    shown = {order.external_id: order for order in reported}
    return PlatformTally(
        on_platform=len(true),
        imported=len(shown),
        held=_by_reason(order for order in shown.values() if order.outcome == "held"),
        rejected=_by_reason(order for order in shown.values() if order.outcome == "rejected"),
        released=sum(order.released for order in shown.values()),
        shipped=sum(order.shipped for order in shown.values()),
        tracking_verified=sum(
            order.shipped and not any(_unshown(true.get(number, {}), parcels.get(number, [])))
            for number, order in shown.items()
        ),
        tracking_seconds_p95=_p95([parcel.seconds for parcel in pushed or () if parcel.seconds is not None]),
        differences=(*_differences(true, shown), *(_untold(true, shown, parcels) if pushed is not None else ())),
    )


def factory_differences(book: Mapping[str, Any], units_wanted: Mapping[str, int]) -> list[str]:
    """What the factory's book says against the platforms: each order released once, and exactly its units made.

    `units_wanted` holds, by order key, the units that the platforms' truth wants made.
    """
    totals, made = book["totals"], {key: entry["units_made"] for key, entry in book["orders"].items()}
    differences = [
        f"the factory counts {totals[name]} {name.replace('_', ' ')}"
        for name in ("duplicate_events", "duplicate_releases", "holes", "unreadable")
        if totals[name]
    ]
    return differences + [
        f"{key}: {made.get(key, 0)} units made, {units_wanted.get(key, 0)} wanted"
        for key in sorted(made.keys() | units_wanted.keys())
        if made.get(key, 0) != units_wanted.get(key, 0)
    ]


def _by_reason(orders: Iterable[Reported]) -> dict[str, int]:
    return dict(sorted(Counter(code for order in orders for code in order.reasons).items()))


def _p95(seconds: Sequence[float]) -> float | None:
    return round(sorted(seconds)[int(0.95 * (len(seconds) - 1))], 2) if seconds else None


def _untold(
    true: Mapping[str, Mapping[str, Any]], shown: Mapping[str, Reported], parcels: Mapping[str, Sequence[Pushed]]
) -> Iterable[str]:
    for external_id in sorted(number for number, order in shown.items() if order.shipped):
        for problem in _unshown(true.get(external_id, {}), parcels.get(external_id, [])):
            yield f"{external_id}: {problem}"


def _unshown(order: Mapping[str, Any], parcels: Sequence[Pushed]) -> Iterable[str]:
    """What the platform's own shipments of a shipped order say against its parcels; each number once."""
    if not parcels:
        yield "shipped, and no parcel is known"
    there = Counter(plain(shipment["tracking_number"] or "") for shipment in order.get("shipments", []))
    for parcel in parcels:
        times = there[plain(parcel.tracking_number)]
        if parcel.is_wanted and times != 1:
            state = f"{parcel.state} {parcel.code or ''}".strip()
            yield f"{parcel.tracking_number} is there {times} times and should be once ({state})"


def plain(tracking_number: str) -> str:
    """A tracking number in the form in which two are the same: platforms drop blanks and signs, and change the case."""
    return "".join(sign for sign in tracking_number if sign.isalnum()).upper()


def _differences(true: Mapping[str, Mapping[str, Any]], shown: Mapping[str, Reported]) -> Iterable[str]:
    for external_id in true.keys() - shown.keys():
        yield f"{external_id} ({true[external_id]['scenario']}) is on the platform and not in the report"
    for external_id in shown.keys() - true.keys():
        yield f"{external_id} is in the report and not on the platform"
    for external_id in true.keys() & shown.keys():
        order, report = true[external_id], shown[external_id]
        scenario = order["scenario"]
        expected = EXPECTED_REASONS.get(scenario, frozenset())
        if order["makeable"] != report.released:
            wanted = "released" if order["makeable"] else "kept back"
            yield f"{external_id} ({scenario}) should be {wanted} and is {report.outcome}"
        if report.released != report.shipped:
            yield f"{external_id} ({scenario}) was released and not shipped"
        if not order["makeable"] and expected and not expected & report.reasons:
            yield f"{external_id} ({scenario}) is {report.outcome} for {sorted(report.reasons)}"
