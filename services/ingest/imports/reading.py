"""Reads the file of an import in steps on a thread of its own, so that webhooks are answered meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, tzinfo
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from services.ingest.imports.files import ImportFiles
from services.ingest.imports.record import Findings, FoundColumn, Import
from services.ingest.platforms.direct.files.assembling import Made, Reading, assemble, reading_of
from services.ingest.platforms.direct.files.delimited import Cells
from services.ingest.platforms.direct.files.fields import BY_NAME
from services.ingest.platforms.direct.files.gathering import Gathering
from services.ingest.platforms.direct.files.table import Table
from services.ingest.stores.store import Store

T = TypeVar("T")

#: So many rows are read, and orders made, in one step: some tens of milliseconds.
ROWS_AT_ONCE = 1000
ORDERS_AT_ONCE = 200
#: So many are given in one step: a statement of Postgres and a batch of Kafka cost little more for many than for few.
GIVEN_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class OrdersOfFile:
    """The orders of an import's file, by their place from 0."""

    gathering: Gathering
    reading: Reading

    @property
    def findings(self) -> Findings:
        """What kind of file it is."""
        return findings_of(self.gathering.table)

    async def made(self, first: int, last: int) -> Sequence[Made]:
        """The orders from `first` until `last`, exclusive."""
        made: list[Made] = []
        for start in range(first, last, ORDERS_AT_ONCE):
            made += await apart(partial(self._made_of, start, min(start + ORDERS_AT_ONCE, last)))
        return made

    def _made_of(self, first: int, last: int) -> list[Made]:
        return [self._made(number) for number in range(first, last)]

    async def made_from(self, first: int, *, at_once: int) -> AsyncGenerator[Sequence[Made], None]:
        """All orders from `first` on, some at a time; the next are made while their taker deals with these."""
        coming = self._coming(first, at_once)
        try:
            while made := await coming:
                first += len(made)
                coming = self._coming(first, at_once)
                yield made
        finally:
            # A step is over soon, and must be, before the file is closed.
            await asyncio.wait({coming})

    def _coming(self, first: int, at_once: int) -> asyncio.Task[Sequence[Made]]:
        return asyncio.create_task(self.made(first, min(first + at_once, self.gathering.orders)))

    async def raw(self, numbers: Sequence[int]) -> Sequence[list[tuple[int, Cells]]]:
        """The rows of these orders as they stand in the file."""
        return await apart(lambda: [self.gathering.order(number) for number in numbers])

    def _made(self, number: int) -> Made:
        return assemble(self.gathering.order(number), self.reading)


@asynccontextmanager
async def read_file(
    files: ImportFiles, held: Import, store: Store, *, most_rows: int | None = None
) -> AsyncIterator[OrdersOfFile]:
    """Gather the orders of an import's file, of all its rows or about `most_rows`.

    Raises:
        FileRefused: it cannot be read as orders.
        FileGone: it is not kept any more.
        TransientError: Postgres is away.
    """
    async with files.opened(held) as file:
        gathering = await apart(lambda: Gathering(file))
        try:
            while (most_rows is None or gathering.rows < most_rows) and await apart(
                lambda: gathering.take(ROWS_AT_ONCE)
            ):
                pass
            await apart(gathering.settle)
            # What is in the future, or what zone is meant, does not change while an import runs.
            reading = reading_of(gathering.table, zone=_zone(store), currency=store.currency, now=held.asked_at)
            yield OrdersOfFile(gathering, reading)
        finally:
            gathering.close()


def findings_of(table: Table) -> Findings:
    """What kind of file it is."""
    columns = tuple(FoundColumn(column.header, _title(column.meaning)) for column in table.columns if column.header)
    return Findings(table.layout.slug, table.layout.name, table.form, table.header_row, columns)


async def apart(call: Callable[[], T]) -> T:
    """Await a short call on a thread; it is over when this returns, cancelled or not."""
    work = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait({work})
        raise


def _title(meaning: str | None) -> str | None:
    if meaning is None:
        return None
    return BY_NAME[meaning].title if meaning in BY_NAME else "State or line of the order"


def _zone(store: Store) -> tzinfo:
    try:
        return ZoneInfo(store.time_zone) if store.time_zone else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
