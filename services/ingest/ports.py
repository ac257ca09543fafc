"""What ingest needs kept: stores and their secrets, leases and sessions of polls, orders seen, what is to be told.

Every method raises `TransientError` when the database is away; nothing may then be assumed done or undone, and calling
again is safe. Messages given to a port go into its outbox in the same transaction as the rows, so that they are told
if and only if the rows are there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from schemas.ids import OrderKey, SessionId, StoreId
from services.ingest.polls.cadence import Sharer
from services.ingest.sessions import Session
from services.ingest.stores.store import Store
from services.ingest.syncs.sync import Sync
from services.kit.kafka.publisher import Message


class LeaseLost(Exception):  # noqa: N818 - the fact
    """Another process holds the store's lease now: stop at once, it goes on from what is recorded."""


class AlreadyLinked(Exception):  # noqa: N818
    """The seller already has a store with this id on the platform: link that one."""


@dataclass(frozen=True, slots=True)
class StoredAccess:
    """A store and its sealed secrets, None while it has none."""

    store: Store
    sealed: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Authorization:
    """A seller on the way to the platform and back. `state_digest` is the SHA-256 of the one-time state."""

    state_digest: bytes
    store_id: StoreId
    platform: str
    memory: bytes = field(repr=False)
    expires_at: datetime


class Stores(Protocol):
    """The stores. A change that other services must know of is announced in the same transaction."""

    async def add(self, store: Store) -> None:
        """Keep a new store. Raises AlreadyLinked when the seller has it."""
        ...

    async def get(self, store_id: str) -> Store | None:
        """One store of any seller."""
        ...

    async def find(self, seller_id: str, *, platform: str, external_id: str) -> Store | None:
        """The seller's store with this id on the platform, at rest or not."""
        ...

    async def of_platform(self, platform: str, external_id: str) -> list[Store]:
        """The stores of any seller with this id on the platform, those at rest included."""
        ...

    async def page(self, seller_id: str, *, after: str | None, limit: int) -> list[Store]:
        """Stores of a seller by ascending id, those after `after`."""
        ...

    async def open(self, store_id: str) -> StoredAccess | None:
        """A store with its secrets."""
        ...

    async def change(
        self, store_id: str, change: Callable[[Store], Store], *, secrets: bytes | None = None, erase: bool = False
    ) -> Store | None:
        """Apply `change` to the present store, alone; keep `secrets`, or erase what is kept.

        Returns the store after it, None when there is none. Raises AlreadyLinked when the seller has another store
        with the new id.
        """
        ...

    async def drop_pending(self, store_id: str) -> None:
        """Forget a store that was never linked."""
        ...


class SecretsTurn(Protocol):
    """One process's turn at a store's secrets."""

    #: The sealed secrets as they are now.
    sealed: bytes | None

    async def keep(self, sealed: bytes) -> None:
        """Replace them; durable when the turn ends without an error."""
        ...


class Secrets(Protocol):
    """Whose turn it is to renew a store's secrets."""

    def turn(self, store_id: str) -> AbstractAsyncContextManager[SecretsTurn]:
        """Wait until no other task or process has this store's turn, and take it."""
        ...


class Authorizations(Protocol):
    """Sellers on their way."""

    async def add(self, authorization: Authorization) -> None:
        """Remember one."""
        ...

    async def take(self, state_digest: bytes, *, now: datetime) -> Authorization | None:
        """Give back what the state was issued for, once; None when it is unknown, used or expired."""
        ...

    async def forget_expired(self, *, now: datetime) -> None:
        """Forget those who did not come back."""
        ...


@dataclass(frozen=True, slots=True)
class Seen:
    """The newest revision of an order that is in Kafka for certain, and the session that listed it last.

    `open` says that more is to be expected of the order, `read_at` when the revision was read. `ship_by` is the newest
    that was told: a revision that does not tell it keeps it.
    """

    revised_at: datetime
    event_id: str
    session_id: SessionId | None = None
    open: bool = True
    read_at: datetime | None = None
    ship_by: datetime | None = None


class SeenOrders(Protocol):
    """Which revisions are in Kafka. Rows are written only after Kafka acknowledged them."""

    async def seen(self, keys: Collection[OrderKey]) -> Mapping[OrderKey, Seen]:
        """What is known of these orders, in one statement."""
        ...


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to poll a store, until it expires unrenewed. `number` rises with every lease of the store.

    `asked_by` is the API key that asked for this poll; None: it was due. `activity` is the store's changes per hour
    (None: not known yet), `costs` what a poll of it takes of each call budget.
    """

    store: Store
    owner: str
    number: int
    cursor: datetime | None
    failures: int
    claimed_at: datetime
    asked_by: str | None = None
    activity: float | None = None
    costs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NextPoll:
    """When a store is polled next, and why then: the rest of a sentence after "because"."""

    at: datetime
    because: str | None = None


@dataclass(frozen=True, slots=True)
class Habits:
    """A store's changes per hour, and what a poll of it takes of each call budget."""

    activity: float
    costs: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a store is read, for its seller."""

    cursor: datetime | None = None
    next_poll_at: datetime | None = None
    last_poll_at: datetime | None = None
    next_because: str | None = None


class Polls(Protocol):
    """The due-table, its leases, and the sessions of polls.

    Whatever takes a lease raises `LeaseLost` once somebody else holds the store, and then changes nothing. Processes'
    clocks may differ by less than a lease lasts; beyond that two may read one store, and fencing keeps it harmless.
    """

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[Lease]:
        """Lease stores that are due and free; linked ones only.

        First those that somebody asked for, then those never polled, then those that rested the longest for what they
        were to rest: after a downtime, all are late by the same factor.
        """
        ...

    async def renew(self, lease: Lease, *, until: datetime) -> None:
        """Keep the lease for longer."""
        ...

    async def give_back(self, lease: Lease, *, due: datetime, because: str | None = None) -> None:
        """End the lease without a result; the store is due again at `due`."""
        ...

    async def hurry(self, store_id: str, *, now: datetime, because: str) -> None:
        """Make a store due now that was to rest for longer: what it rested for has changed."""
        ...

    async def sharers(self, budgets: Collection[str]) -> Mapping[str, Sequence[Sharer]]:
        """Name the stores whose polls take from these budgets by themselves: linked, and synced automatically."""
        ...

    async def ask(self, store_id: str, *, by: str, now: datetime) -> None:
        """Make a store due now, even one whose automatic sync is off; `by` is the API key that asks."""
        ...

    async def cancel(self, store_id: str, *, now: datetime) -> None:
        """Take the lease from whoever polls the store, and end its open session as cancelled."""
        ...

    async def progress(self, store_ids: Collection[str]) -> Mapping[str, Progress]:
        """How far these stores are read."""
        ...

    async def interrupted(self, lease: Lease) -> Session | None:
        """The poll session of the store that has not ended."""
        ...

    async def begin(self, lease: Lease, session: Session, *, messages: Sequence[Message]) -> None:
        """Keep a new session."""
        ...

    async def record(
        self, lease: Lease, session: Session, *, seen: Mapping[OrderKey, Seen], messages: Sequence[Message]
    ) -> None:
        """Keep one more part of a session and what it saw. A part that is kept already changes nothing."""
        ...

    async def end(
        self,
        lease: Lease,
        session: Session,
        *,
        cursor: datetime | None,
        next_poll: NextPoll,
        failures: int,
        messages: Sequence[Message],
        habits: Habits | None = None,
    ) -> None:
        """Keep the session's end, move the cursor (never back), end the lease; None: its habits are as before."""
        ...


@dataclass(frozen=True, slots=True)
class SyncLease:
    """The right to go on with a sync, until it expires unrenewed. `number` rises with every lease of the sync."""

    sync: Sync
    store: Store
    owner: str
    number: int


class Syncs(Protocol):
    """The syncs that sellers asked for, and their leases.

    Whatever takes a lease raises `LeaseLost` once somebody else holds the sync, or its seller has paused or cancelled
    it, and then changes nothing.
    """

    async def add(self, syncs: Sequence[Sync]) -> None:
        """Keep new syncs, all or none; one whose id is known stays as it is."""
        ...

    async def get(self, sync_id: str) -> Sync | None:
        """One sync of any seller."""
        ...

    async def page(self, seller_id: str, *, store_id: str | None, after: str | None, limit: int) -> list[Sync]:
        """A seller's syncs, of one store or all, the newest first, those after `after`."""
        ...

    async def unfinished(self, store_ids: Collection[str]) -> Mapping[str, int]:
        """How many syncs of each store have not ended."""
        ...

    async def claim(
        self, *, owner: str, platforms: Collection[str], limit: int, now: datetime, until: datetime
    ) -> list[SyncLease]:
        """Lease of each store the oldest sync that has not ended and is not paused, when it is due and none is read.

        Stores that are not linked count too: their syncs have to be ended.
        """
        ...

    async def renew(self, lease: SyncLease, *, until: datetime) -> None:
        """Keep the lease for longer."""
        ...

    async def give_back(self, lease: SyncLease, *, due: datetime) -> None:
        """End the lease; the sync is due again at `due`."""
        ...

    async def begin(self, lease: SyncLease, sync: Sync, *, messages: Sequence[Message]) -> None:
        """Keep that the sync began; one that had begun already changes nothing."""
        ...

    async def record(
        self, lease: SyncLease, sync: Sync, *, seen: Mapping[OrderKey, Seen], messages: Sequence[Message]
    ) -> None:
        """Keep one more part of a sync and what it saw. A part that is kept already changes nothing."""
        ...

    async def rest(self, lease: SyncLease, sync: Sync) -> None:
        """Keep why and until when the sync waits, and end the lease."""
        ...

    async def end(self, lease: SyncLease, sync: Sync, *, messages: Sequence[Message]) -> None:
        """Keep the sync's end, and end the lease."""
        ...

    async def steer(self, sync_id: str, change: Callable[[Sync], tuple[Sync, Sequence[Message]]]) -> Sync | None:
        """Apply what the seller wants, alone; a change takes the lease from whoever holds it.

        Returns the sync after it, None when there is none.
        """
        ...

    async def forget(self, *, before: datetime) -> None:
        """Forget syncs that ended before `before`."""
        ...


class WebhookBooks(Protocol):
    """What is kept of webhooks after they were answered."""

    async def record(
        self, sessions: Sequence[Session], *, seen: Mapping[OrderKey, Seen], messages: Sequence[Message]
    ) -> None:
        """Keep sessions and what they saw; repeating it changes nothing."""
        ...

    async def end_abandoned(self, *, before: datetime, now: datetime) -> int:
        """End webhook sessions whose hour ended before `before` and whose process did not end them; how many."""
        ...

    async def forget_sessions(self, *, before: datetime) -> None:
        """Forget sessions that ended before `before`; the report has its own."""
        ...


class Outbox(Protocol):
    """What is to be told."""

    async def relay(self, publish: Callable[[Sequence[Message]], Awaitable[None]], *, limit: int) -> int:
        """Publish the oldest messages in order and forget them; how many. One process at a time relays.

        A message may be published twice (a crash in between), never dropped.
        """
        ...
