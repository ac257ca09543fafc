"""The twin: the same rows in memory, merged by the values' own rules and filtered in plain Python."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from schemas.sessions import OrderResult
from services.reporting.adapters.memory_attention import attention_in
from services.reporting.adapters.memory_proofs import MemoryProofs
from services.reporting.answers import (
    order_detail,
    order_view,
    session_order_view,
    session_view,
    store_view,
    summary_view,
)
from services.reporting.attention import Attention, proven_attention
from services.reporting.cursors import Cursor, written
from services.reporting.deadlines import deadline_at, deadline_of, is_open
from services.reporting.facts import Located, Place
from services.reporting.ports import ANYTHING, Change, OrderFilter, SessionFilter
from services.reporting.projections import Changes, reduce_facts
from services.reporting.rows import (
    Row,
    entry_row,
    parcel_row,
    session_order_row,
    session_row,
    store_row,
    whole_order_row,
)
from services.reporting.views import (
    Counts,
    ListOf,
    OrderDetail,
    OrderView,
    SessionOrderView,
    SessionView,
    StoreView,
    Summary,
)

V = TypeVar("V")


class MemoryProjections:
    """See `Projections` and `Feed`; `fail_with` makes the next writes fail."""

    def __init__(self) -> None:
        self.kept = Changes()
        self._positions: dict[Place, int] = {}
        self._failure: Exception | None = None
        self._numbers = itertools.count(1)
        self._listening: list[asyncio.Queue[Change]] = []

    def fail_with(self, error: Exception | None) -> None:
        """Let every write raise `error`, until told None."""
        self._failure = error

    async def positions(self, places: Collection[Place]) -> Mapping[Place, int]:
        """Return the next offsets of partitions that were read before."""
        return {place: self._positions[place] for place in places if place in self._positions}

    async def apply(self, facts: Sequence[Located]) -> None:
        """Take the facts in, unless they are in already."""
        if self._failure is not None:
            raise self._failure
        fresh = [fact for fact in facts if fact.offset >= self._positions.get(fact.place, 0)]
        changes = reduce_facts(fact.fact for fact in fresh)
        self.kept.merge(changes)
        for fact in fresh:
            self._positions[fact.place] = max(self._positions.get(fact.place, 0), fact.offset + 1)
        self._tell(changes)

    async def changes(self) -> AsyncIterator[Change]:
        """Yield changes from now on, for ever."""
        told: asyncio.Queue[Change] = asyncio.Queue()
        self._listening.append(told)
        yield ANYTHING
        while True:
            yield await told.get()

    def _tell(self, changes: Changes) -> None:
        things: list[Any] = [*changes.stores.values(), *changes.sessions.values(), *changes.orders.values()]
        things += [*changes.audits.values(), *changes.endpoints.values()]
        for seller_id in {thing.seller_id for thing in things}:
            change = Change(
                change_id=str(next(self._numbers)),
                seller_id=seller_id,
                sessions=tuple(one.session_id for one in changes.sessions.values() if one.seller_id == seller_id),
                orders=tuple(one.order_key for one in changes.orders.values() if one.seller_id == seller_id),
                audits=tuple(one.audit_id for one in changes.audits.values() if one.seller_id == seller_id),
            )
            for told in self._listening:
                told.put_nowait(change)


class MemoryReports:
    """See `Reports`: reads what a `MemoryProjections` keeps."""

    def __init__(self, projections: MemoryProjections) -> None:
        self._projections = projections

    @property
    def _kept(self) -> Changes:
        return self._projections.kept

    async def stores(self, seller_id: str, *, after: Cursor | None, limit: int) -> ListOf[StoreView]:
        """Return the seller's stores by id."""
        rows = [self._store_row(store_row(store)) for store in self._kept.stores.values()]
        mine = sorted((row for row in rows if row["seller_id"] == seller_id), key=lambda row: str(row["store_id"]))
        counts = {store.store_id: store for store in (await self.summary(seller_id)).stores}
        return _page(
            [row for row in mine if after is None or row["store_id"] > after[0]],
            limit,
            lambda row: store_view(row, _plain(counts.get(row["store_id"]))),
            lambda row: (row["store_id"],),
        )

    async def store(self, seller_id: str, store_id: str) -> StoreView | None:
        """Return one store."""
        page = await self.stores(seller_id, after=None, limit=len(self._kept.stores) + 1)
        return next((store for store in page.items if store.store_id == store_id), None)

    async def summary(self, seller_id: str) -> Summary:
        """Return the seller's orders in numbers."""
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in self._order_rows(seller_id):
            groups.setdefault((row["platform"], row["store_id"]), []).append(row)
        counts = [_counted(platform, store, rows) for (platform, store), rows in sorted(groups.items())]
        reasons = [one for (platform, store), rows in sorted(groups.items()) for one in _reasons(platform, store, rows)]
        return summary_view(counts, reasons)

    async def attention(self, seller_id: str, *, now: datetime) -> Attention:
        """Return what may need the seller at `now`."""
        kept = self._kept
        stores = [store for store in kept.stores.values() if store.seller_id == seller_id]
        found = attention_in(
            stores,
            endpoints=[one for one in kept.endpoints.values() if one.seller_id == seller_id],
            sessions=self._session_rows(seller_id),
            session_orders=[session_order_row(order) for order in kept.session_orders.values()],
            orders=self._order_rows(seller_id),
            entries=[entry_row(entry) for entry in kept.timeline.values()],
            now=now,
        )
        proofs = MemoryProofs(self._projections)
        of_stores = await proofs.of(seller_id, [store.store_id for store in found.stores])
        return proven_attention(found, of_stores, await proofs.doubts(seller_id), now=now)

    async def sessions(
        self, seller_id: str, wanted: SessionFilter, *, after: Cursor | None, limit: int
    ) -> ListOf[SessionView]:
        """Return sync sessions, newest first."""
        rows = [row for row in self._session_rows(seller_id) if _session_wanted(row, wanted)]
        rows.sort(key=lambda row: (row["listed_at"], row["session_id"]), reverse=True)
        return _page(
            [row for row in rows if after is None or (row["listed_at"], row["session_id"]) < after],
            limit,
            session_view,
            lambda row: (row["listed_at"], row["session_id"]),
        )

    async def session(self, seller_id: str, session_id: str) -> SessionView | None:
        """Return one sync session."""
        found = [row for row in self._session_rows(seller_id) if row["session_id"] == session_id]
        return session_view(found[0]) if found else None

    async def session_orders(
        self, seller_id: str, session_id: str, *, result: OrderResult | None, after: Cursor | None, limit: int
    ) -> ListOf[SessionOrderView] | None:
        """Return what a session did with each order, in the order they were read."""
        if await self.session(seller_id, session_id) is None:
            return None
        rows = [session_order_row(one) for one in self._kept.session_orders.values() if one.session_id == session_id]
        rows.sort(key=_place_in_session)
        return _page(
            [
                row
                for row in rows
                if (result is None or row["result"] == result) and (after is None or _place_in_session(row) > after)
            ],
            limit,
            session_order_view,
            _place_in_session,
        )

    async def orders(
        self, seller_id: str, wanted: OrderFilter, *, after: Cursor | None, limit: int
    ) -> ListOf[OrderView]:
        """Return orders, last placed first."""
        rows = [row for row in self._order_rows(seller_id) if _order_wanted(row, wanted)]
        rows.sort(key=lambda row: (row["listed_at"], row["order_key"]), reverse=True)
        return _page(
            [row for row in rows if after is None or (row["listed_at"], row["order_key"]) < after],
            limit,
            order_view,
            lambda row: (row["listed_at"], row["order_key"]),
        )

    async def order(self, seller_id: str, order_key: str) -> OrderDetail | None:
        """Return one order with its timeline."""
        found = [row for row in self._order_rows(seller_id) if row["order_key"] == order_key]
        if not found:
            return None
        entries = [entry_row(entry) for entry in self._kept.timeline.values() if entry.order_key == order_key]
        entries.sort(key=lambda row: (row["at"], row["sequence"], row["entry_id"]))
        return order_detail(found[0], entries)

    def _order_rows(self, seller_id: str) -> list[Row]:
        parcels: dict[str, list[Row]] = {}
        for row in sorted(map(parcel_row, self._kept.parcels.values()), key=_parcel_place):
            parcels.setdefault(row["order_key"], []).append(row)
        mine = [change for change in self._kept.orders.values() if change.seller_id == seller_id]
        return [{**whole_order_row(change), "tracking": parcels.get(change.order_key, [])} for change in mine]

    def _session_rows(self, seller_id: str) -> list[Row]:
        results: dict[str, Counter[str]] = {}
        for order in self._kept.session_orders.values():
            results.setdefault(order.session_id, Counter())[order.outcome.result] += 1
        rows = []
        for change in self._kept.sessions.values():
            if change.seller_id == seller_id:
                row = session_row(change)
                row["listed_at"] = row["started_at"] or row["first_at"]
                counted = results.get(change.session_id, Counter())
                row["listed"] = counted.total()
                row.update({f"{result}_orders": counted[result] for result in ("new", "updated", "existing", "failed")})
                rows.append(row)
        return rows

    def _store_row(self, row: Row) -> Row:
        sessions = [one for one in self._session_rows(row["seller_id"]) if one["store_id"] == row["store_id"]]
        orders = [one for one in self._order_rows(row["seller_id"]) if one["store_id"] == row["store_id"]]
        last = max(sessions, key=lambda one: (one["listed_at"], one["session_id"]), default=None)
        succeeded = [one for one in sessions if one["way"] == "poll" and one["finished_state"] == "succeeded"]
        success = max(succeeded, key=lambda one: one["listed_at"], default=None)
        return {
            **row,
            "last_session_id": last["session_id"] if last else None,
            "last_session_at": last["listed_at"] if last else None,
            "last_session_state": (last["finished_state"] or "running") if last else None,
            "last_success_id": success["session_id"] if success else None,
            "last_success_at": success["finished_at"] if success else None,
            "read_through": success["window_end"] if success else None,
            "last_order_at": max((one["listed_at"] for one in orders), default=None),
        }


def _session_wanted(row: Row, wanted: SessionFilter) -> bool:
    return (
        _same(wanted.platform, row["platform"])
        and _same(wanted.store_id, row["store_id"])
        and _same(wanted.way, row["way"])
        and _same(wanted.state, row["finished_state"] or "running")
        and (wanted.since is None or row["listed_at"] >= wanted.since)
        and (wanted.until is None or row["listed_at"] < wanted.until)
        and (not wanted.with_orders_only or row["new_orders"] + row["updated_orders"] + row["failed_orders"] > 0)
    )


def _order_wanted(row: Row, wanted: OrderFilter) -> bool:
    heard = " ".join(word for word in (row["heard_display_name"], row["external_id"]) if word).lower()
    return (
        _same(wanted.platform, row["platform"])
        and _same(wanted.store_id, row["store_id"])
        and (_same(wanted.state, row["state"]) or (wanted.state, row["state"]) == ("shipped", "delivered"))
        and _same(wanted.outcome, row["outcome"])
        and (wanted.reason is None or wanted.reason in (row["reason_codes"] or ()))
        and (wanted.text is None or wanted.text.lower() in (row["searched"] or heard))
        and (wanted.since is None or row["listed_at"] >= wanted.since)
        and (wanted.until is None or row["listed_at"] < wanted.until)
        and (wanted.deadline is None or _deadline(row, wanted.now) == wanted.deadline)
    )


def _deadline(row: Row, now: datetime | None) -> str | None:
    if now is None or not is_open(row):
        return None
    ship_by, at_risk = deadline_of(row)
    return deadline_at(now, at_risk=at_risk, ship_by=ship_by)


def _parcel_place(row: Row) -> Cursor:
    return (row["shipped_at"], row["push_id"])


def _same(wanted: object, value: object) -> bool:
    return wanted is None or wanted == value


def _counted(platform: str, store_id: str, rows: Sequence[Row]) -> Row:
    waiting = [row for row in rows if row["released_at"] is None]
    return {
        "platform": platform,
        "store_id": store_id,
        "imported": len(rows),
        "undecided": _count(row["outcome"] is None for row in waiting),
        "held": _count(row["outcome"] == "held" for row in waiting),
        "rejected": _count(row["outcome"] == "rejected" for row in waiting),
        "released": len(rows) - len(waiting),
        "accepted": _count(row["production_state"] is not None for row in rows),
        "on_hold": _count(row["state"] == "on_hold" for row in rows),
        "shipped": _count(row["shipped_at"] is not None for row in rows),
        "cancelled": _count(row["state"] == "cancelled" for row in rows),
    }


def _reasons(platform: str, store_id: str, rows: Sequence[Row]) -> list[Row]:
    counted = Counter(
        ("remarked" if row["released_at"] else row["outcome"], code)
        for row in rows
        for code in row["reason_codes"] or ()
    )
    return [
        {"platform": platform, "store_id": store_id, "effect": effect, "code": code, "orders": orders}
        for (effect, code), orders in sorted(counted.items())
    ]


def _count(conditions: Iterable[bool]) -> int:
    return sum(conditions)


def _plain(counts: Counts | None) -> Counts:
    return Counts(**counts.model_dump(include=set(Counts.model_fields))) if counts else Counts()


def _place_in_session(row: Row) -> Cursor:
    return (row["part"], row["position"], row["entry_key"])


def _page(rows: Sequence[Row], limit: int, view: Callable[[Row], V], place: Callable[[Row], Cursor]) -> ListOf[V]:
    after = written(place(rows[limit - 1])) if len(rows) > limit else None
    return ListOf(items=tuple(view(row) for row in rows[:limit]), next=after)
