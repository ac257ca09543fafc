"""Audits in memory."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from schemas.audits import OrdersCompared
from schemas.ids import OrderKey, split_order_key
from services.ingest.adapters.memory import AuditRow, Memory
from services.ingest.audits.audit import SCHEDULED, Answer, Audit, Difference, Explained
from services.ingest.audits.ports import AuditCost, AuditLease, Entry, Unplanned
from services.ingest.ports import LeaseLost, Seen
from services.kit.kafka.publisher import Message


class MemoryAudits:
    """`Audits` in dictionaries."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def add(self, audits: Sequence[Audit], *, messages: Sequence[Message] = ()) -> None:
        """All that are new."""
        for audit in audits:
            if audit.audit_id not in self._memory.audits and not self._has_planned(audit.store_id, audit.scope):
                self._keep_new(audit)
        self._memory.outbox.extend(messages)

    async def get(self, audit_id: str) -> Audit | None:
        """One audit."""
        row = self._memory.audits.get(audit_id)
        return row.audit if row else None

    async def page(self, seller_id: str, *, store_id: str | None, after: str | None, limit: int) -> list[Audit]:
        """By the time they were planned for."""
        last = self._memory.audits.get(after) if after is not None else None
        if after is not None and last is None:
            return []
        found = [
            audit
            for audit in sorted((row.audit for row in self._memory.audits.values()), key=_age, reverse=True)
            if audit.seller_id == seller_id
            and store_id in (None, audit.store_id)
            and (last is None or _age(audit) < _age(last.audit))
            and (audit.begun or audit.scope == "asked")
        ]
        return found[:limit]

    async def unfinished(self, store_ids: Collection[str]) -> Mapping[str, int]:
        """Counted."""
        found = (row.audit for row in self._memory.audits.values() if row.audit.state == "running")
        return Counter(one.store_id for one in found if one.scope == "asked" and one.store_id in store_ids)

    async def unplanned(self, *, platforms: Collection[str], limit: int) -> list[Unplanned]:
        """By store and scope."""
        found, planned = [], self._memory.planned_audits
        for store_id, store in self._memory.stores.items():
            if planned.get(store_id) == len(SCHEDULED):
                continue
            if store.state != "linked" or not store.settings.auto_sync or store.platform not in platforms:
                continue
            for scope in SCHEDULED:
                last = self._memory.scheduled_audits.get((store_id, scope))
                audit = last[-1].audit if last else None
                if audit is None:
                    found.append(Unplanned(store, scope))
                elif audit.state != "running":
                    failed_at = audit.finished_at if audit.state == "failed" else None
                    found.append(Unplanned(store, scope, audit.planned_for, failed_at))
        return found[:limit]

    async def costs(self, platforms: Collection[str]) -> list[AuditCost]:
        """Of the last that ended."""
        return [
            AuditCost(audit.platform, audit.scope, budget, calls)
            for place in self._memory.scheduled_audits
            if (audit := self._memory.ended_audits.get(place)) is not None
            and audit.platform in platforms
            and (store := self._memory.stores.get(audit.store_id)) is not None
            and store.state == "linked"
            for budget, calls in audit.costs.items()
        ]

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[AuditLease]:
        """Whatever is due and free."""
        heap, leases, looked_at = self._memory.due_audits, list[AuditLease](), set[tuple[datetime, str]]()
        while heap and heap[0][0] <= now and len(leases) < limit:
            place = heapq.heappop(heap)
            row = self._memory.open_audits.get(place[1])
            if row is None or row.audit.due_at != place[0] or place in looked_at:
                continue
            looked_at.add(place)
            if row.audit.platform in platforms and (row.expires_at is None or row.expires_at <= now):
                row.owner, row.number, row.expires_at = owner, row.number + 1, until
                leases.append(AuditLease(row.audit, self._memory.stores[row.audit.store_id], owner, row.number))
        for place in looked_at:
            heapq.heappush(heap, place)
        return leases

    async def renew(self, lease: AuditLease, *, until: datetime) -> None:
        """If it is still ours."""
        row = self._held(lease)
        row.expires_at = max(row.expires_at or until, until)

    async def give_back(self, lease: AuditLease, *, due: datetime) -> None:
        """If it is still ours."""
        row = self._held(lease)
        self._keep(row, replace(row.audit, due_at=due))
        row.leave()

    async def drop(self, lease: AuditLease) -> None:
        """If it is still ours."""
        self._held(lease)
        self._forget(lease.audit)
        del self._memory.open_audits[lease.audit.audit_id]

    async def listed_lately(self, audit: Audit, *, since: datetime) -> int | None:
        """By looking at all of the store's."""
        others = [
            row.audit
            for row in self._memory.audits_of.get(audit.store_id, {}).values()
            if row.audit.begun and row.audit.audit_id != audit.audit_id
        ]
        lists = [one for one in others if (one.scope, one.proof, one.state) == (audit.scope, "list", "agreed")]
        last = max(lists, key=lambda one: one.started_at or since, default=None)
        if last is None or last.started_at is None or last.started_at < since:
            return None
        if any(one.state == "running" or _speaks_against(one, last.started_at) for one in others):
            return None
        return last.listed

    async def begin(self, lease: AuditLease, audit: Audit, *, messages: Sequence[Message]) -> None:
        """Under the lease."""
        row = self._held(lease)
        if not row.audit.begun:
            self._keep(row, audit)
            self._memory.outbox.extend(messages)

    async def list_more(
        self,
        lease: AuditLease,
        audit: Audit,
        *,
        listed: Mapping[str, datetime],
        found: Sequence[Difference] = (),
        seen: Mapping[OrderKey, Seen] | None = None,
        messages: Sequence[Message] = (),
    ) -> None:
        """Under the lease."""
        row = self._held(lease)
        self._keep(row, audit)
        for external_id, at in listed.items():
            row.listed[external_id] = max(at, row.listed.get(external_id, at))
        self._keep_differences(row, found)
        self._memory.keep_seen(seen or {})
        self._memory.outbox.extend(messages)

    async def listed(self, audit_id: str) -> list[Entry]:
        """Sorted."""
        return sorted(self._memory.audits[audit_id].listed.items(), key=lambda entry: (entry[1], entry[0]))

    async def ask(self, lease: AuditLease, audit: Audit, *, messages: Sequence[Message]) -> None:
        """Under the lease."""
        row = self._held(lease)
        self._keep(row, audit)
        row.listed.clear()
        row.answers.clear()
        row.leave()
        self._memory.outbox.extend(messages)

    async def answer(self, compared: OrdersCompared, *, now: datetime) -> bool:
        """At once."""
        row = self._memory.audits.get(compared.audit_id)
        if row is None or (row.audit.state, row.audit.stage, row.audit.round) != (
            "running",
            "comparing",
            compared.round,
        ):
            return False
        answer = Answer(compared.part, compared.held, compared.found, compared.counted)
        row.answers.setdefault((compared.round, compared.part), answer)
        if len(await self.answers(row.audit)) < row.audit.parts:
            return False
        self._keep(row, replace(row.audit, due_at=now))
        return True

    async def answers(self, audit: Audit) -> list[Answer]:
        """By part."""
        kept = self._memory.audits[audit.audit_id].answers
        return [answer for (number, _), answer in sorted(kept.items(), key=lambda one: one[0]) if number == audit.round]

    async def differences(self, audit_id: str) -> Mapping[str, Difference]:
        """All of them."""
        return dict(self._memory.audits[audit_id].differences)

    async def settle(
        self,
        lease: AuditLease,
        audit: Audit,
        *,
        changed: Sequence[Difference],
        seen: Mapping[OrderKey, Seen] | None = None,
        messages: Sequence[Message] = (),
    ) -> None:
        """Under the lease."""
        row = self._held(lease)
        self._keep(row, audit)
        self._keep_differences(row, changed)
        self._memory.keep_seen(seen or {})
        self._memory.outbox.extend(messages)

    async def explained(self, store_id: str, by: str, external_ids: Collection[str]) -> Mapping[str, Explained]:
        """Of those that are known."""
        return {
            number: self._memory.explained[store_id, by, number]
            for number in external_ids
            if (store_id, by, number) in self._memory.explained
        }

    async def rest(self, lease: AuditLease, audit: Audit) -> None:
        """Under the lease."""
        row = self._held(lease)
        self._keep(row, audit)
        row.leave()

    async def end(self, lease: AuditLease, audit: Audit, *, messages: Sequence[Message]) -> None:
        """Under the lease."""
        row = self._held(lease)
        self._keep(row, audit)
        row.listed.clear()
        row.answers.clear()
        row.leave()
        del self._memory.open_audits[audit.audit_id]
        self._memory.outbox.extend(messages)

    async def forget(self, *, before: datetime, asked_before: datetime) -> None:
        """All of them."""
        for is_asked, until in ((True, asked_before), (False, before)):
            past = self._memory.past_audits[is_asked]
            while past and past[0][0] < until:
                _, audit_id = heapq.heappop(past)
                if audit_id in self._memory.audits:
                    self._forget(self._memory.audits[audit_id].audit)

    def _keep_new(self, audit: Audit) -> None:
        row = AuditRow(audit)
        self._memory.audits[audit.audit_id] = row
        self._memory.audits_of.setdefault(audit.store_id, {})[audit.audit_id] = row
        if audit.state == "running":
            self._memory.open_audits[audit.audit_id] = row
            heapq.heappush(self._memory.due_audits, (audit.due_at, audit.audit_id))
        if audit.scope != "asked":
            rows = self._memory.scheduled_audits.setdefault((audit.store_id, audit.scope), [])
            rows.append(row)
            del rows[:-2]
            self._memory.planned_audits[audit.store_id] += audit.state == "running"

    def _keep(self, row: AuditRow, audit: Audit) -> None:
        if audit.due_at != row.audit.due_at:
            heapq.heappush(self._memory.due_audits, (audit.due_at, audit.audit_id))
        if audit.finished_at is not None and row.audit.finished_at is None:
            self._end(audit, audit.finished_at)
        row.audit = audit

    def _end(self, audit: Audit, ended_at: datetime) -> None:
        heapq.heappush(self._memory.past_audits[audit.scope == "asked"], (ended_at, audit.audit_id))
        if audit.scope != "asked":
            self._memory.ended_audits[audit.store_id, audit.scope] = audit
            self._memory.planned_audits[audit.store_id] -= 1

    def _forget(self, audit: Audit) -> None:
        row = self._memory.audits.pop(audit.audit_id)
        del self._memory.audits_of[audit.store_id][audit.audit_id]
        rows = self._memory.scheduled_audits.get((audit.store_id, audit.scope), [])
        rows[:] = [one for one in rows if one is not row]
        if audit.scope != "asked":
            self._memory.planned_audits[audit.store_id] -= row.audit.state == "running"
            last = self._memory.ended_audits.get((audit.store_id, audit.scope))
            if last is not None and last.audit_id == audit.audit_id:
                del self._memory.ended_audits[audit.store_id, audit.scope]

    def _keep_differences(self, row: AuditRow, changed: Sequence[Difference]) -> None:
        for one in changed:
            row.differences[one.external_id] = one
            if one.explanation in {"deleted", "filtered", "dead_letter"} and one.read_at is not None:
                key = (row.audit.store_id, row.audit.by, one.external_id)
                self._memory.explained[key] = Explained(one.at, one.explanation, one.read_at)

    def _has_planned(self, store_id: str, scope: str) -> bool:
        last = self._memory.scheduled_audits.get((store_id, scope))
        return last is not None and bool(last) and last[-1].audit.state == "running"

    def _held(self, lease: AuditLease) -> AuditRow:
        row = self._memory.audits.get(lease.audit.audit_id)
        if row is None or (row.owner, row.number) != (lease.owner, lease.number):
            raise LeaseLost("somebody else decides about the audit")
        return row


def _speaks_against(audit: Audit, since: datetime) -> bool:
    return audit.state in {"differs", "failed"} and audit.finished_at is not None and audit.finished_at >= since


def _age(audit: Audit) -> tuple[datetime, str]:
    return audit.planned_for, audit.audit_id


class MemoryOpenOrders:
    """`OpenOrders` in the dictionary of seen orders."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    async def open_orders(
        self, platform: str, store_id: str, *, after: str | None, limit: int
    ) -> list[tuple[str, Seen]]:
        """By key."""
        first, open_ones = f"{platform}:{store_id}:{after or ''}", self._memory.seen_open[platform, store_id]
        keys = sorted(key for key in open_ones if key > first)
        return [(split_order_key(key).external_id, self._memory.seen[key]) for key in keys[:limit]]
