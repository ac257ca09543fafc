"""Imports in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby

from schemas.ids import OrderKey
from services.ingest.adapters.memory import Memory
from services.ingest.imports.ports import ImportLease
from services.ingest.imports.record import ENDED, WORKING, Import, RowProblem, is_further
from services.ingest.ports import LeaseLost, Seen
from services.kit.kafka.publisher import Message


@dataclass
class _Row:
    held: Import
    owner: str | None = None
    number: int = 0
    expires_at: datetime | None = None
    problems: dict[tuple[int, int], RowProblem] = field(default_factory=dict)

    def is_free(self, now: datetime) -> bool:
        return self.expires_at is None or self.expires_at <= now


class MemoryImports:
    """`Imports` in dictionaries."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.rows: dict[str, _Row] = {}
        self.pieces: dict[tuple[str, int], tuple[datetime, bytes]] = {}

    async def keep_piece(self, import_id: str, number: int, sealed: bytes, *, now: datetime) -> None:
        """One."""
        self.pieces[import_id, number] = now, sealed

    async def piece(self, import_id: str, number: int) -> bytes | None:
        """One."""
        return self.pieces.get((import_id, number), (None, None))[1]

    async def drop_pieces(self, import_id: str) -> None:
        """All of them."""
        self.pieces = {key: piece for key, piece in self.pieces.items() if key[0] != import_id}

    async def add(self, new: Import) -> None:
        """Once."""
        self.rows.setdefault(new.import_id, _Row(new))

    async def same_file(self, store_id: str, digest: str) -> str | None:
        """The last."""
        found = [
            row.held.import_id
            for row in self.rows.values()
            if (row.held.store_id, row.held.digest) == (store_id, digest) and row.held.started_at
        ]
        return max(found, default=None)

    async def get(self, import_id: str) -> Import | None:
        """One."""
        row = self.rows.get(import_id)
        return row.held if row else None

    async def page(self, seller_id: str, *, store_id: str | None, after: str | None, limit: int) -> list[Import]:
        """By id."""
        found = [
            row.held
            for import_id, row in sorted(self.rows.items(), reverse=True)
            if row.held.seller_id == seller_id
            and store_id in (None, row.held.store_id)
            and (after is None or import_id < after)
        ]
        return found[:limit]

    async def unfinished(self, store_id: str) -> int:
        """Counted."""
        return sum(row.held.store_id == store_id and row.held.state not in ENDED for row in self.rows.values())

    async def problems(self, import_id: str, *, after: tuple[int, int], limit: int) -> list[tuple[int, RowProblem]]:
        """In their order."""
        held = sorted(self.rows[import_id].problems.items())
        return [(place[1], problem) for place, problem in held if place > after][:limit]

    async def faulty_orders(self, import_id: str, *, after: int, limit: int) -> list[tuple[int, str]]:
        """In their order."""
        held = sorted((place, problem) for place, problem in self.rows[import_id].problems.items() if place[0] > after)
        orders = groupby(held, key=lambda each: each[0][0])
        return [(order, " ".join(_sentence(problem) for _, problem in found)) for order, found in orders][:limit]

    async def refused(self, import_id: str, *, first: int, last: int) -> set[int]:
        """By place."""
        found = self.rows[import_id].problems.values()
        return {each.order for each in found if first <= each.order < last and not each.while_checking}

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[ImportLease]:
        """Whatever is due and free."""
        due = [row for row in self.rows.values() if self._is_due(row, platforms, now)]
        leases = []
        for row in sorted(due, key=lambda row: row.held.due_at)[:limit]:
            row.owner, row.number, row.expires_at = owner, row.number + 1, until
            leases.append(ImportLease(row.held, self._memory.stores[row.held.store_id], owner, row.number))
        return leases

    async def renew(self, lease: ImportLease, *, until: datetime) -> None:
        """If it is still ours."""
        row = self._ours(lease)
        row.expires_at = max(row.expires_at or until, until)

    async def give_back(self, lease: ImportLease, *, due: datetime) -> None:
        """If it is still ours."""
        row = self._ours(lease)
        row.owner = row.expires_at = None
        row.held = replace(row.held, due_at=due)

    async def record(
        self,
        lease: ImportLease,
        held: Import,
        *,
        problems: Sequence[RowProblem] = (),
        retried: Collection[int] = (),
        seen: Mapping[OrderKey, Seen] | None = None,
        messages: Sequence[Message] = (),
    ) -> None:
        """Under the lease."""
        row = self._ours(lease)
        if not is_further(held, row.held):
            return
        row.held = held
        row.problems = {place: each for place, each in row.problems.items() if place[0] not in retried}
        for place, found in groupby(problems, key=lambda problem: problem.order):
            row.problems.update({(place, number): problem for number, problem in enumerate(found, 1)})
        self._memory.keep_seen(seen or {})
        self._memory.outbox.extend(messages)

    async def leave(self, lease: ImportLease, held: Import, *, messages: Sequence[Message] = ()) -> None:
        """Under the lease."""
        self._leave(self._ours(lease), held, messages)

    async def steer(
        self, import_id: str, change: Callable[[Import], tuple[Import, Sequence[Message]]]
    ) -> Import | None:
        """At once."""
        row = self.rows.get(import_id)
        if row is None:
            return None
        changed, messages = change(row.held)
        if changed != row.held:
            self._leave(row, changed, messages)
        return changed

    async def forget(self, *, files_before: datetime, imports_before: datetime) -> None:
        """All of them."""
        self.pieces = {key: piece for key, piece in self.pieces.items() if piece[0] >= files_before}
        self.rows = {
            import_id: row
            for import_id, row in self.rows.items()
            if row.held.asked_at >= imports_before or row.held.state in WORKING
        }

    def _leave(self, row: _Row, held: Import, messages: Sequence[Message]) -> None:
        row.held, row.owner, row.expires_at, row.number = held, None, None, row.number + 1
        self._memory.outbox.extend(messages)

    def _ours(self, lease: ImportLease) -> _Row:
        row = self.rows[lease.held.import_id]
        if (row.owner, row.number) != (lease.owner, lease.number):
            raise LeaseLost("somebody else decides about the import")
        return row

    def _is_due(self, row: _Row, platforms: Collection[str], now: datetime) -> bool:
        held = row.held
        others = [
            other
            for other in self.rows.values()
            if other is not row and other.held.store_id == held.store_id and other.held.state in WORKING
        ]
        return (
            held.state in WORKING
            and held.platform in platforms
            and held.due_at <= now
            and row.is_free(now)
            and not any(other.held.import_id < held.import_id or not other.is_free(now) for other in others)
        )


def _sentence(problem: RowProblem) -> str:
    where = f", {problem.column}" if problem.column else ""
    return f"Row {problem.row}{where}: {problem.problem}. {problem.remedy}"
