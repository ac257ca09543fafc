"""Ingest's ports in memory: the twins, bound by the same contract as the real ones. One event loop, one process."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from schemas.ids import OrderKey, split_order_key
from services.ingest.audits.audit import Answer, Audit, Difference, Explained
from services.ingest.ports import Authorization, Seen
from services.ingest.sessions import Session
from services.ingest.stores.store import Store
from services.ingest.syncs.sync import Sync
from services.ingest.webhooks.ports import PushHealth
from services.kit.kafka.publisher import Message


@dataclass(slots=True)
class Poll:
    """A row of the due-table."""

    cursor: datetime | None = None
    next_poll_at: datetime | None = None
    asked_at: datetime | None = None
    asked_by: str | None = None
    last_poll_at: datetime | None = None
    claimed_at: datetime | None = None
    failures: int = 0
    owner: str | None = None
    number: int = 0
    expires_at: datetime | None = None
    next_because: str | None = None
    rest: timedelta = timedelta()
    activity: float | None = None
    costs: Mapping[str, float] = field(default_factory=dict)


@dataclass
class SyncRow:
    """A manual sync with its lease."""

    sync: Sync
    owner: str | None = None
    number: int = 0
    expires_at: datetime | None = None

    def is_free(self, now: datetime) -> bool:
        """Whether nobody reads it."""
        return self.expires_at is None or self.expires_at <= now

    def change(self, *, due_at: datetime) -> None:
        """Make it due then."""
        self.sync = replace(self.sync, due_at=due_at)


@dataclass
class AuditRow:
    """An audit with its lease and all that is kept for it."""

    audit: Audit
    owner: str | None = None
    number: int = 0
    expires_at: datetime | None = None
    listed: dict[str, datetime] = field(default_factory=dict)
    answers: dict[tuple[int, int], Answer] = field(default_factory=dict)
    differences: dict[str, Difference] = field(default_factory=dict)

    def leave(self) -> None:
        """End the lease."""
        self.owner, self.expires_at, self.number = None, None, self.number + 1


@dataclass
class Memory:
    """What all twins of one test share, as the real ones share a database."""

    stores: dict[str, Store] = field(default_factory=dict)
    secrets: dict[str, bytes] = field(default_factory=dict)
    authorizations: dict[bytes, Authorization] = field(default_factory=dict)
    polls: dict[str, Poll] = field(default_factory=dict)
    #: When each store is due as that was last set, with its place among `polls`, and the same to be found by it: what
    #: is no longer so is passed over.
    poll_places: dict[str, tuple[datetime, int]] = field(default_factory=dict)
    due_polls: list[tuple[datetime, int, str]] = field(default_factory=list)
    sessions: dict[str, Session] = field(default_factory=dict)
    #: The open poll session of each store.
    polling: dict[str, str] = field(default_factory=dict)
    seen: dict[OrderKey, Seen] = field(default_factory=dict)
    #: The open ones of `seen`, by platform and store.
    seen_open: defaultdict[tuple[str, str], set[OrderKey]] = field(default_factory=lambda: defaultdict(set))
    syncs: dict[str, SyncRow] = field(default_factory=dict)
    audits: dict[str, AuditRow] = field(default_factory=dict)
    open_audits: dict[str, AuditRow] = field(default_factory=dict)
    audits_of: dict[str, dict[str, AuditRow]] = field(default_factory=dict)
    #: By when they were due when that was last changed: what is no longer so is passed over.
    due_audits: list[tuple[datetime, str]] = field(default_factory=list)
    #: The last two scheduled audits of each store and scope: of one that is planned, the one before it tells the costs.
    scheduled_audits: dict[tuple[str, str], list[AuditRow]] = field(default_factory=dict)
    #: The last of them that ended, and how many of a store's have not.
    ended_audits: dict[tuple[str, str], Audit] = field(default_factory=dict)
    planned_audits: Counter[str] = field(default_factory=Counter)
    #: When audits ended, the first to be forgotten first: those that were asked for, and the others.
    past_audits: dict[bool, list[tuple[datetime, str]]] = field(default_factory=lambda: {True: [], False: []})
    #: By store, kind of time and order.
    explained: dict[tuple[str, str, str], Explained] = field(default_factory=dict)
    webhook_health: dict[str, PushHealth] = field(default_factory=dict)
    outbox: list[Message] = field(default_factory=list)

    def keep_seen(self, seen: Mapping[OrderKey, Seen]) -> None:
        """Keep what is newest."""
        for key, row in seen.items():
            held = self.seen.get(key)
            if held is None or held.revised_at <= row.revised_at:
                told = row.ship_by or (held.ship_by if held else None)
                self.seen[key] = row if told == row.ship_by else replace(row, ship_by=told)
                parts = split_order_key(key)
                open_ones = self.seen_open[parts.platform, parts.store_id]
                (open_ones.add if row.open else open_ones.discard)(key)

    def keep_session(self, session: Session) -> None:
        """Keep what got furthest."""
        held = self.sessions.get(session.session_id)
        if held is None or (held.state == "running" and held.part <= session.part):
            self.sessions[session.session_id] = session
            if session.way == "poll" and session.state == "running":
                self.polling[session.store_id] = session.session_id
            elif self.polling.get(session.store_id) == session.session_id:
                del self.polling[session.store_id]
