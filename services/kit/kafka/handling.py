"""Every record of a batch ends handled or set aside; what fails in passing is repeated for as long as it takes."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import structlog

from services.kit.clock import Clock
from services.kit.errors import TransientError, UnreadableMessage
from services.kit.kafka.dead_letters import DeadLetters
from services.kit.kafka.records import Record
from services.kit.metrics import Metrics
from services.kit.trace import bound

log = structlog.get_logger()

Handler = Callable[[Sequence[Record]], Awaitable[None]]

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 15.0
#: How often a record that fails alone is tried before it becomes a dead letter.
ATTEMPTS = 3
#: More dead letters than this in the window, and at least every tenth record: the reader is wrong, not the records.
DEAD_LETTER_LIMIT = 100
DEAD_LETTER_WINDOW = timedelta(minutes=1)
_DEAD_LETTER_SHARE = 0.1


class Abandoned(Exception):  # noqa: N818 - an outcome, not a fault
    """The batch is given back unfinished: its partitions move, or the process ends. Its position is not kept."""


@dataclass(slots=True)
class _Window:
    """How many records ended well and how many did not, lately."""

    ends: deque[tuple[datetime, int, int]] = field(default_factory=deque)

    def note(self, now: datetime, *, handled: int = 0, dead: int = 0) -> None:
        self.ends.append((now, handled, dead))
        while self.ends and now - self.ends[0][0] > DEAD_LETTER_WINDOW:
            self.ends.popleft()

    def is_flooded(self) -> bool:
        handled = sum(entry[1] for entry in self.ends)
        dead = sum(entry[2] for entry in self.ends)
        return dead > DEAD_LETTER_LIMIT and dead >= _DEAD_LETTER_SHARE * (handled + dead)


class BatchHandling:
    """Runs one subscription's handler over batches; used by one task at a time."""

    def __init__(
        self, group: str, handler: Handler, *, clock: Clock, metrics: Metrics, dead_letters: DeadLetters
    ) -> None:
        self._group = group
        self._handler = handler
        self._clock = clock
        self._metrics = metrics
        self._dead_letters = dead_letters
        self._window = _Window()
        #: Set while the handler waits to be repeated: such a pause is no standstill.
        self.is_waiting = False
        #: Why the subscription stopped for good; None while it goes on.
        self.halted: str | None = None

    async def handle(self, records: Sequence[Record], *, abandon: asyncio.Event) -> None:
        """Return when every record is handled or a dead letter.

        Raises:
            Abandoned: `abandon` was set while the handler waited to be repeated.
        """
        await self._end_all(records, abandon)
        self._window.note(self._clock.now(), handled=len(records))
        for topic, count in Counter(record.topic for record in records).items():
            self._metrics.increment("syncorder_records_handled_total", count, group=self._group, topic=topic)

    async def _end_all(self, records: Sequence[Record], abandon: asyncio.Event) -> None:
        if len(records) == 1:
            # A batch is in many traces; its handler finds each record's in the record.
            with bound(records[0].trace()):
                await self._end_one(records[0], abandon)
            return
        try:
            await self._until_not_transient(lambda: self._handler(records), abandon)
        except Abandoned:
            raise
        except Exception as error:  # noqa: BLE001 - the consumer's outermost loop: some record of these is bad
            self._unexpected(error, len(records))
            middle = len(records) // 2
            await self._end_all(records[:middle], abandon)
            await self._end_all(records[middle:], abandon)

    async def _end_one(self, record: Record, abandon: asyncio.Event) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._until_not_transient(lambda: self._handler([record]), abandon)
            except Abandoned:
                raise
            except UnreadableMessage as error:
                await self._set_aside(record, abandon, reason="unreadable", detail=str(error))
                return
            except Exception as error:  # noqa: BLE001 - as above; what it is decides nothing, its text may be private
                self._unexpected(error, 1)
                if attempt == ATTEMPTS:
                    await self._set_aside(record, abandon, reason="failed", detail=type(error).__name__)
                else:
                    await self._pause(FIRST_WAIT_SECONDS * attempt, abandon)
            else:
                return

    async def _until_not_transient(self, act: Callable[[], Awaitable[None]], abandon: asyncio.Event) -> None:
        wait = FIRST_WAIT_SECONDS
        while True:
            try:
                await act()
            except TransientError as error:
                self._metrics.increment("syncorder_handler_retries_total", group=self._group)
                log.warning("batch.postponed", group=self._group, problem=str(error), wait=wait)
                await self._pause(max(wait, error.retry_after or 0), abandon)
                wait = min(wait * 2, LONGEST_WAIT_SECONDS)
            else:
                return

    async def _set_aside(self, record: Record, abandon: asyncio.Event, *, reason: str, detail: str) -> None:
        self._window.note(self._clock.now(), dead=1)
        if self._window.is_flooded():
            await self._halt(abandon)
        place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        log.error("record.set_aside", group=self._group, reason=reason, detail=detail, **place)
        await self._until_not_transient(
            lambda: self._dead_letters.send(record, reason=reason, detail=detail, group=self._group), abandon
        )
        self._metrics.increment("syncorder_dead_letters_total", group=self._group, topic=record.topic)

    async def _halt(self, abandon: asyncio.Event) -> None:
        self.halted = f"{self._group} stopped: more than {DEAD_LETTER_LIMIT} records failed within a minute"
        log.critical("subscription.halted", group=self._group, limit=DEAD_LETTER_LIMIT)
        await abandon.wait()
        raise Abandoned

    async def _pause(self, seconds: float, abandon: asyncio.Event) -> None:
        self.is_waiting = True
        sleeping = asyncio.ensure_future(self._clock.sleep(seconds))
        giving_up = asyncio.ensure_future(abandon.wait())
        try:
            await asyncio.wait((sleeping, giving_up), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.is_waiting = False
            sleeping.cancel()
            giving_up.cancel()
        if abandon.is_set():
            raise Abandoned

    def _unexpected(self, error: Exception, count: int) -> None:
        if isinstance(error, UnreadableMessage):
            return
        self._metrics.increment("syncorder_unexpected_errors_total", where=self._group)
        log.error("batch.failed", group=self._group, records=count, exc_info=error)
