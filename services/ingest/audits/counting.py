"""Audits that count instead of listing, as long as the platform's counts leave nothing to be seen in its list.

Counts may agree while one order is missing and another is there too much, so they stand in for a list only for hours:
between two lists that agreed, where nothing speaks against the store, and where a list takes more than they do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from schemas.audits import AuditScope, CountedOrders, CountsCompared
from schemas.sessions import Window as Span
from services.ingest.audits.audit import Audit
from services.ingest.audits.ports import Audits
from services.ingest.contract.connector import Connector
from services.ingest.contract.reading import By, Window
from services.ingest.stores.reading import StoreReading
from services.kit.clock import Clock

#: The scope whose audits may count: those that come hourly, and look again at what the others list.
COUNTED: AuditScope = "day"
#: How many counts an audit takes that counts: by change, by creation, and of what is newer than all that we have.
COUNTS = 3
#: A list that agreed is counted upon for so long: less than a day, so that nothing is in no list's window.
LISTED_EVERY = timedelta(hours=22)
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Counting:
    """Counts orders of one store."""

    reading: StoreReading
    connector: Connector
    audits: Audits
    clock: Clock

    async def is_worth_it(self, audit: Audit) -> bool:
        """Whether counts may stand in for this audit's list, and take less than it. Raises TransientError."""
        if audit.scope != COUNTED or audit.window is None or in_seconds(audit.window) is None:
            return False
        listed = await self.audits.listed_lately(audit, since=self.clock.now() - LISTED_EVERY)
        return listed is not None and listed > COUNTS * self.connector.listed_for_a_count

    async def counts(self, span: Span) -> CountedOrders | None:
        """What the platform counts in a span of whole seconds; None where it does not. Raises as `StoreReading`."""
        updated = await self._count(span.start, span.end, "updated")
        created = await self._count(span.start, span.end, "created") if updated is not None else None
        if updated is None or created is None:
            return None
        return CountedOrders(span=span, updated=updated, created=created)

    async def suffices(self, compared: CountsCompared | None, span: Span) -> bool:
        """Whether the report has as many, and the platform none that changed later. Raises as `StoreReading`."""
        if compared is None or not compared.agree:
            return False
        if compared.newest is None:
            return True
        later = compared.newest.replace(microsecond=0) + _SECOND
        return later >= span.end or await self._count(later, span.end, "updated") == 0

    async def _count(self, start: datetime, end: datetime, by: By) -> int | None:
        return await self.reading.count(Window(start, end, by))


def counted_audit(audit: Audit) -> Audit:
    """The audit, to be proven by counts: in a window of whole seconds, for platforms' times are no finer."""
    return replace(audit, proof="count", window=in_seconds(audit.window) if audit.window else None)


def in_seconds(span: Span) -> Span | None:
    """The whole seconds that lie within a span; None where there is none."""
    start, end = span.start.replace(microsecond=0), span.end.replace(microsecond=0)
    start += _SECOND if start < span.start else timedelta()
    return Span(start=start, end=end) if start < end else None
