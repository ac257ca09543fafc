"""Until when an order must ship, and from when on that is in danger: told before it is too late."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

#: at_risk: little of the time is left. late: the time is over.
Deadline = Literal["at_risk", "late"]

#: So much of the time must be left, and this part of it.
LEAST_LEFT = timedelta(hours=24)
LEAST_PART = 1 / 3

#: Nobody ships these any more.
CLOSED_STATES = ("rejected", "cancelling", "cancelled")
#: The platform does not have the number.
UNTOLD_STATES = ("queued", "sent", "refused", "needs_attention")


def at_risk_from(placed_at: datetime | None, ship_by: datetime | None) -> datetime | None:
    """Return from when on an order is at risk: a day is left, or a third of the time, whichever comes first."""
    if ship_by is None:
        return None
    third = max(ship_by - placed_at, timedelta()) * LEAST_PART if placed_at else timedelta()
    return ship_by - max(LEAST_LEFT, third)


def deadline_of(row: Mapping[str, Any]) -> tuple[datetime | None, datetime | None]:
    """Return until when an open row of `orders` must ship, and from when on it is at risk.

    What its platform told when it was asked of a parcel that it does not have is newer than what the order says.
    """
    if row["shipped_at"] is None:
        return row["ship_by"], row["at_risk_from"]
    untold = [_moment(parcel["ship_by"]) for parcel in row["tracking"] or () if parcel["state"] in UNTOLD_STATES]
    ends = [ship_by or row["ship_by"] for ship_by in untold]
    risks = [at_risk_from(row["placed_at"], ship_by) if ship_by else row["at_risk_from"] for ship_by in untold]
    return _earliest(ends), _earliest(risks)


def _moment(value: datetime | str | None) -> datetime | None:
    """Read a time that Postgres gave as a part of JSON."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _earliest(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)


def is_open(row: Mapping[str, Any]) -> bool:
    """Say whether a row of `orders` is still to be shipped, or its platform still to be told of a parcel.

    `tracking` in it are its rows of `parcels`. (`sql/reports.sql` and `sql/attention.sql` say the same.)
    """
    if row["state"] in CLOSED_STATES or row["fulfilment"] == "fulfilled":
        return False
    return row["shipped_at"] is None or any(parcel["state"] in UNTOLD_STATES for parcel in row["tracking"] or ())


def deadline_at(now: datetime, *, at_risk: datetime | None, ship_by: datetime | None) -> Deadline | None:
    """Return how an open order stands with its deadline."""
    if ship_by is None or at_risk is None or now < at_risk:
        return None
    return "at_risk" if now < ship_by else "late"
