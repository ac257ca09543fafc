"""Parcels as CSV, a row a parcel, with no cell that a spreadsheet would run as a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime

from services.reporting import cursors
from services.reporting.ports import PARCEL_CURSOR, ParcelFilter, Parcels
from services.reporting.tracking_views import ParcelView

CONTENT_TYPE = "text/csv; charset=utf-8"
FILE_NAME = "tracking.csv"
COLUMNS = (
    "platform",
    "store_id",
    "display_name",
    "external_id",
    "state",
    "code",
    "problem",
    "carrier",
    "tracking_number",
    "tracking_url",
    "shipped_at",
    "ship_by",
    "verified_at",
    "due_at",
    "attempts",
    "shipment_id",
    "order_key",
    "push_id",
)

#: What begins a formula for some spreadsheet program (OWASP, CSV injection).
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
#: Spreadsheet programs read a CSV file as UTF-8 only with its mark.
_MARK = "\ufeff"
_PAGE = 500


async def exported(parcels: Parcels, seller_id: str, wanted: ParcelFilter) -> AsyncIterator[bytes]:
    """Yield the file of all parcels that are wanted, the head first."""
    yield (_MARK + _lines([COLUMNS])).encode()
    after = None
    while True:
        page = await parcels.parcels(seller_id, wanted, after=after, limit=_PAGE)
        if page.items:
            yield _lines(_cells(parcel) for parcel in page.items).encode()
        if page.next is None:
            return
        after = cursors.read(page.next, like=PARCEL_CURSOR)


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet runs: an apostrophe stands before what would be a formula."""
    return f"'{cell}" if cell.lstrip(" ").startswith(_DANGEROUS) else cell


def _cells(parcel: ParcelView) -> tuple[str, ...]:
    return tuple(guarded(_text(getattr(parcel, name))) for name in COLUMNS)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)


def _lines(rows: Iterable[Sequence[str]]) -> str:
    written = io.StringIO()
    csv.writer(written).writerows(rows)
    return written.getvalue()
