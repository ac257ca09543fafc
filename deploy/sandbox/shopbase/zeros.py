"""How ShopBase writes what is not there: null, "", 0 or [], and its times, which are text here and numbers there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Form:
    """One manner of writing.

    `text`, `time` and `number` stand for what is absent; `nulls` says that empty arrays are null; `epoch` that the
    times of nested objects are seconds; `utc` that times have the offset +00:00 and not the shop's.
    """

    name: str
    text: str | None
    time: str | int | None
    number: int | None
    nulls: bool
    epoch: bool = False
    utc: bool = False

    def at(self, moment: datetime | None, zone: ZoneInfo) -> str | int | None:
        """A time of an order itself: always ISO 8601 with an offset."""
        if moment is None:
            return self.time
        return moment.astimezone(UTC if self.utc else zone).isoformat()

    def nested(self, moment: datetime | None, zone: ZoneInfo) -> str | int | None:
        """A time inside a fulfillment, a refund or a webhook."""
        if moment is not None and self.epoch:
            return int(moment.timestamp())
        return self.at(moment, zone)

    def rows(self, rows: list[Any]) -> list[Any] | None:
        """An array, which may be null when it is empty."""
        return rows if rows or not self.nulls else None


FORMS: tuple[Form, ...] = (
    Form("null", text=None, time=None, number=None, nulls=True),
    Form("empty", text="", time="", number=0, nulls=False),
    Form("zero", text="", time=0, number=0, nulls=True, epoch=True, utc=True),
)
_BY_NAME = {form.name: form for form in FORMS}


def form_for(number: int, *, zero_values: str) -> Form:
    """The form of the order with this number."""
    return FORMS[number % len(FORMS)] if zero_values == "mixed" else _BY_NAME[zero_values]
