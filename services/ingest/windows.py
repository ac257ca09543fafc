"""Which period a poll reads, and how long until the next: pure, so that nothing can fall between two polls."""

from __future__ import annotations

from datetime import datetime, timedelta

from schemas.sessions import Window
from services.ingest.contract.reading import Pace
from services.ingest.contract.reading import Window as Asked

#: The wait after the first failed poll of a store; doubled with each further one.
FIRST_BACKOFF = timedelta(seconds=5)
LONGEST_BACKOFF = timedelta(minutes=10)


def next_window(*, cursor: datetime | None, import_since: datetime, now: datetime, pace: Pace) -> Window | None:
    """The period to read: from a little before the cursor to a little before now; None while that is empty.

    The start is never before `import_since`: what changed earlier was never asked for. The end stays `settle` behind
    now, so that a second which is not over is not taken for read, and the `overlap` re-reads what the platform's
    index showed late.
    """
    end = now - pace.settle
    if cursor is None:
        return Window(start=import_since, end=end) if end > import_since else None
    start = max(import_since, cursor - pace.overlap)
    return Window(start=start, end=end) if end > cursor and end > start else None


def look_again(*, cursor: datetime | None, linked_at: datetime, now: datetime, pace: Pace) -> datetime:
    """When there will be a window, after there was none."""
    first = linked_at + pace.settle
    return first if cursor is None and first > now else now + pace.settle


def until_settled(*, read_through: datetime, linked_at: datetime, now: datetime, pace: Pace) -> timedelta | None:
    """How long a store rests after its first poll; None after any other.

    The first poll begins at once and cannot reach the moment of linking; what changed just before it is not left until
    a store is usually polled again.
    """
    rest = linked_at + pace.settle - now
    return rest if read_through < linked_at and rest > timedelta() else None


def rest_of(window: Window, *, read_through: datetime) -> Asked:
    """What of a window an interrupted session has still to read."""
    return Asked(start=min(max(window.start, read_through), window.end), end=window.end)


def backoff(failures: int, *, retry_after: float | None) -> timedelta:
    """How long a store rests after so many failed polls in a row: growing, bounded, at least as long as asked for."""
    doublings = min(max(failures - 1, 0), 16)
    grown = min(FIRST_BACKOFF * (1 << doublings), LONGEST_BACKOFF)
    return min(max(grown, timedelta(seconds=retry_after or 0)), timedelta(hours=1))
