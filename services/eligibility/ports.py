"""What eligibility needs of the world: tables to judge in, a purse to be paid from, an outbox, a log to publish to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.catalog import CatalogVariant
from schemas.decisions import Cause
from schemas.money import Money
from schemas.stores import StoreRecord
from services.eligibility.dossier import Dossier, Judgement, OutboxMessage
from services.eligibility.erasures import Erased, PrivacyRequest, RequestState, Tombstones
from services.eligibility.facts import Known, Match, MatchRef, SellerSettings
from services.eligibility.payments import Claim, Settlement
from services.eligibility.released import ProductionState


@dataclass(frozen=True, slots=True)
class Needs:
    """Which shared facts a batch of orders is judged by."""

    sellers: frozenset[str]
    stores: frozenset[str]
    refs: frozenset[str]
    skus: frozenset[str]


@dataclass(frozen=True, slots=True)
class Located:
    """Where an order belongs and whose it is."""

    shard: int
    seller_id: str


@dataclass(frozen=True, slots=True)
class StoredMatch:
    """A match as the seller sees it."""

    match_id: str
    ref: MatchRef
    match: Match
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class StateChange:
    """What production answered about an order."""

    order_key: str
    state: ProductionState
    past_return: bool
    erase_after: datetime | None


class Payments(Protocol):
    """Pays production for orders, within the transaction that decides about them.

    `settle` answers every claim, in their order, and charges what it answers with `Paid`: never more than once for
    an order, however often it is claimed, and never beyond the balance. Called once a transaction at most: the balances
    that it looked at cannot change until that ends, so that an order that begins to wait for one misses no change.
    """

    async def settle(self, claims: Sequence[Claim]) -> Mapping[str, Settlement]:
        """Return what became of each claim, by order key."""
        ...


class Transaction(Protocol):
    """One transaction that alone judges the orders of its shards. All of it happens or nothing.

    Reads see everything that was committed before, and facts read by `known` do not change until it ends.
    """

    @property
    def payments(self) -> Payments:
        """The payments of this transaction."""
        ...

    async def dossiers(self, keys: Collection[str]) -> dict[str, Dossier]:
        """Return the dossiers of those orders that are known."""
        ...

    async def known(self, needs: Needs) -> Known:
        """Return the shared facts; a SKU that a match names is looked up too."""
        ...

    async def tombstones(self, keys: Collection[str], stores: Collection[str], buyers: Collection[bytes]) -> Tombstones:
        """Return what was asked to be forgotten of these; after `known`, from when on none is added."""
        ...

    async def take_reassessments(self, shard: int, limit: int) -> dict[str, Cause]:
        """Take requests to judge again, oldest first."""
        ...

    async def touch(self, dossiers: Sequence[Dossier]) -> None:
        """Keep the standing of orders about which nothing is decided."""
        ...

    async def write(self, judgements: Sequence[Judgement]) -> None:
        """Keep the judgements, and put their messages into the outbox in this order; erase what is to be erased."""
        ...

    async def erase(self, orders: Sequence[Erased]) -> None:
        """Erase what is kept of these orders' buyers, leave a tombstone on each, and count what was there."""
        ...

    async def put_words(self, dossiers: Sequence[Dossier], cause: Cause) -> None:
        """Keep what the seller said about these orders, and request their reassessment."""
        ...

    async def put_states(self, changes: Sequence[StateChange], *, again: Collection[str]) -> None:
        """Keep what production answered, and request the reassessment of `again`."""
        ...


class Repository(Protocol):
    """The tables of orders and of the facts about them.

    What changes a shared fact also requests the reassessment of every order that waits for it, in one transaction: no
    order is judged by the old fact afterwards without being judged again.
    """

    def judging(self, shards: Collection[int]) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction over these shards; it commits at the block's end, unless that raises."""
        ...

    async def locate(self, keys: Collection[str]) -> dict[str, Located]:
        """Return where those orders that are known belong."""
        ...

    async def dossiers(self, keys: Collection[str]) -> dict[str, Dossier]:
        """Return the dossiers of those orders that are known, as they stand now."""
        ...

    async def put_variants(self, variants: Sequence[CatalogVariant], gone: Sequence[str] = ()) -> None:
        """Keep the catalog's newest word on each SKU."""
        ...

    async def put_stores(self, stores: Sequence[StoreRecord]) -> None:
        """Keep the newest word on each store; one that is linked is looked at again where it could not be before."""
        ...

    async def seller_of_store(self, store_id: str) -> str | None:
        """Return whose a store is, if it is known."""
        ...

    async def put_match(self, ref: MatchRef, match: Match, *, now: datetime) -> StoredMatch:
        """Keep a match in place of an earlier one of the same ref."""
        ...

    async def forget_match(self, seller_id: str, match_id: str) -> bool:
        """Drop a match; False when the seller has none such."""
        ...

    async def matches(
        self, seller_id: str, *, after: str = "", store_id: str | None = None, limit: int = 100
    ) -> list[StoredMatch]:
        """Return a seller's matches in the order of their ids."""
        ...

    async def settings(self, seller_id: str) -> SellerSettings:
        """Return a seller's settings."""
        ...

    async def change_settings(self, seller_id: str, changes: Mapping[str, bool]) -> SellerSettings:
        """Change what is named of a seller's settings and return them whole; changes at once are both kept."""
        ...

    async def balances(self, seller_id: str) -> list[Money]:
        """Return a seller's balances, one a currency."""
        ...

    async def top_up(self, seller_id: str, amount: Money, *, reference: str, now: datetime) -> Money:
        """Add to the balance, once for a reference; return the amount that the reference stands for."""
        ...

    async def wake_seller(self, seller_id: str, *, store_id: str | None = None, reason: str | None = None) -> int:
        """Request the reassessment of a seller's held orders; return how many."""
        ...

    async def held(
        self, seller_id: str, *, store_id: str | None, reason: str | None, after: str, limit: int
    ) -> list[str]:
        """Return keys of a seller's held orders in their order."""
        ...

    async def ask_looks_again(self, shards: Collection[int], *, now: datetime) -> datetime | None:
        """Request the reassessment of orders of these shards whose last look has had no answer in time.

        Returns since when the order waits that waits longest for its look; None when none does.
        """
        ...

    async def requested(self, shards: Collection[int]) -> list[int]:
        """Return which of the shards have requests to judge again."""
        ...


@dataclass(frozen=True, slots=True)
class Affected:
    """An order that a privacy request is about, of whose buyer something is kept."""

    order_key: str
    shard: int
    seller_id: str


class PrivacyRequests(Protocol):
    """What buyers asked by way of their platforms.

    A request is kept with its tombstones, and no judgement that began before is still to come then: from that moment
    on nothing of what it names is kept anew.
    """

    async def keep(self, requests: Sequence[PrivacyRequest]) -> int:
        """Keep those that are new; return how many were. The same event again changes nothing."""
        ...

    async def to_erase(self, limit: int) -> list[PrivacyRequest]:
        """Return erasures that are not done, oldest first."""
        ...

    async def affected(self, request: PrivacyRequest, *, after: str, limit: int) -> list[Affected]:
        """Return orders that it is about and of whose buyers something is kept, by key, after a key."""
        ...

    async def close(self, event_id: str, state: RequestState, *, now: datetime) -> None:
        """Note that an open request is done."""
        ...

    async def of_seller(
        self, seller_id: str, *, before: int, state: RequestState | None, limit: int
    ) -> list[tuple[PrivacyRequest, int]]:
        """Return requests that concern a seller, newest first, each with how many of their orders were erased."""
        ...

    async def find(self, seller_id: str, event_id: str) -> tuple[PrivacyRequest, int] | None:
        """Return one of them."""
        ...


@dataclass(frozen=True, slots=True)
class Numbered:
    """An outbox message with its number in its shard."""

    number: int
    message: OutboxMessage


class Outbox(Protocol):
    """What is to be published. Numbers of a shard become visible in their order and without holes."""

    async def installation(self) -> str:
        """Return the name of this database among all that publish to one Kafka."""
        ...

    async def read(self, shard: int, *, after: int, limit: int) -> list[Numbered]:
        """Return the messages that follow number `after`."""
        ...

    async def published(self, shard: int) -> int:
        """Return a number up to which the shard was surely published."""
        ...

    async def note_published(self, shard: int, number: int) -> None:
        """Keep such a number; a lower one than before changes nothing."""
        ...


class ShardLog(Protocol):
    """The right to publish one shard, taken by opening it: who opens it later has it, and fences who had it.

    `publish` appends messages and keeps `number` as the position, both or neither.
    """

    async def position(self) -> int | None:
        """Return the last number kept by whoever had the shard before; None when there is none.

        For right after opening: after a publish of one's own the answer may still be an earlier one.
        """
        ...

    async def publish(self, messages: Sequence[OutboxMessage], *, number: int) -> None:
        """Publish all and keep `number`.

        Raises:
            ShardFenced: somebody else has the shard.
            TransientError: it is not known whether it happened; only another opening tells.
        """
        ...

    async def close(self) -> None:
        """Give up whatever is open."""
        ...


class LogOpener(Protocol):
    """Opens a shard's log: completes or undoes what its last owner left, and fences that owner."""

    async def __call__(self, shard: int) -> ShardLog:
        """Return the opened log. Raises `TransientError` when Kafka is away."""
        ...


class ShardFenced(Exception):  # noqa: N818 - the protocol's own word
    """Another process took the shard over; leave it."""


#: Called with shards that have something to do now.
Wake = Callable[[Collection[int]], None]
