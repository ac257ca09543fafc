"""What the in-memory twin of the tables holds, and a transaction over it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from schemas.catalog import CatalogVariant
from schemas.decisions import Cause
from schemas.money import Money
from schemas.stores import StoreRecord
from services.eligibility.decisions import erased
from services.eligibility.dossier import Dossier, Judgement
from services.eligibility.erasures import Erased, PrivacyRequest, Tombstone, Tombstones
from services.eligibility.facts import Known, SellerSettings
from services.eligibility.payments import Claim, Purse, Settlement, allot, risen
from services.eligibility.ports import Needs, Numbered, StateChange, StoredMatch
from services.eligibility.waiting import Wait, WaitedFor

#: The twin's tombstones on orders take every revision, so that their time says nothing.
_WHENEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(slots=True)
class Tables:
    """What the tables hold."""

    dossiers: dict[str, Dossier] = field(default_factory=dict)
    erase_after: dict[str, datetime | None] = field(default_factory=dict)
    waits: dict[str, frozenset[Wait]] = field(default_factory=dict)
    requests: tuple[tuple[int, str, Cause], ...] = ()
    outbox: dict[int, tuple[Numbered, ...]] = field(default_factory=dict)
    published: dict[int, int] = field(default_factory=dict)
    settings: dict[str, SellerSettings] = field(default_factory=dict)
    stores: dict[str, StoreRecord] = field(default_factory=dict)
    matches: dict[str, StoredMatch] = field(default_factory=dict)
    catalog: dict[str, CatalogVariant] = field(default_factory=dict)
    balances: dict[Purse, int] = field(default_factory=dict)
    top_ups: dict[tuple[str, str], Money] = field(default_factory=dict)
    numbers: dict[int, int] = field(default_factory=dict)
    privacy: dict[str, PrivacyRequest] = field(default_factory=dict)
    erasures: dict[tuple[str, str], int] = field(default_factory=dict)
    erased_orders: dict[str, Tombstone] = field(default_factory=dict)
    erased_stores: dict[str, Tombstone] = field(default_factory=dict)
    erased_buyers: dict[tuple[bytes, str], Tombstone] = field(default_factory=dict)

    def snapshot(self) -> Tables:
        """Return a copy that later changes do not reach: the values are frozen, the dictionaries new."""
        return Tables(**{name: copy(getattr(self, name)) for name in self.__slots__})


class MemoryTransaction:
    """See `ports.Transaction`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self.payments = MemoryPayments(tables)

    async def dossiers(self, keys: Collection[str]) -> dict[str, Dossier]:
        """Return the dossiers of those orders that are known."""
        return {key: self._tables.dossiers[key] for key in keys if key in self._tables.dossiers}

    async def known(self, needs: Needs) -> Known:
        """Return the shared facts; a SKU that a match names is looked up too."""
        tables = self._tables
        matches = {stored.ref.key(): stored.match for stored in tables.matches.values()}
        matches = {ref: match for ref, match in matches.items() if ref in needs.refs}
        skus = needs.skus | {match.production_sku for match in matches.values()}
        stores = (tables.stores[store] for store in needs.stores if store in tables.stores)
        return Known(
            settings={seller: tables.settings[seller] for seller in needs.sellers if seller in tables.settings},
            import_since={store.store_id: store.import_since for store in stores},
            matches=matches,
            catalog={sku: tables.catalog[sku] for sku in skus if sku in tables.catalog},
        )

    async def tombstones(self, keys: Collection[str], stores: Collection[str], buyers: Collection[bytes]) -> Tombstones:
        """Return what was asked to be forgotten of these."""
        tables = self._tables
        return Tombstones(
            {key: tables.erased_orders[key] for key in keys if key in tables.erased_orders},
            {store: tables.erased_stores[store] for store in stores if store in tables.erased_stores},
            {place: tombstone for place, tombstone in tables.erased_buyers.items() if place[0] in buyers},
        )

    async def take_reassessments(self, shard: int, limit: int) -> dict[str, Cause]:
        """Take requests to judge again, oldest first."""
        taken = [each for each in self._tables.requests if each[0] == shard][:limit]
        left = list(self._tables.requests)
        for each in taken:
            left.remove(each)
        self._tables.requests = tuple(left)
        return {key: cause for _, key, cause in taken}

    async def touch(self, dossiers: Sequence[Dossier]) -> None:
        """Keep the standing of orders about which nothing is decided."""
        for dossier in dossiers:
            kept = self._tables.dossiers[dossier.order_key]
            self._tables.dossiers[dossier.order_key] = replace(
                kept, standing=dossier.standing, imported_at=dossier.imported_at
            )

    async def write(self, judgements: Sequence[Judgement]) -> None:
        """Keep the judgements, and put their messages into the outbox in this order; erase what is to be erased."""
        for judgement in judgements:
            key, shard = judgement.dossier.order_key, judgement.dossier.shard
            before = self._tables.dossiers.get(key)
            charged = before.charged if before else None
            charged = self.payments.charged.get(key, charged)
            self._tables.dossiers[key] = replace(judgement.dossier, charged=charged)
            self._tables.erase_after[key] = judgement.erase_after
            self._tables.waits[key] = judgement.waits
            for message in judgement.messages:
                number = self._tables.numbers[shard] = self._tables.numbers.get(shard, 0) + 1
                self._tables.outbox[shard] = (*self._tables.outbox.get(shard, ()), Numbered(number, message))
            if judgement.erased_by is not None:
                self._bury(Erased(key, judgement.erased_by, judgement.dossier.seller_id), before)

    async def erase(self, orders: Sequence[Erased]) -> None:
        """Erase what is kept of these orders' buyers, leave a tombstone on each, and count what was there."""
        for order in orders:
            before = self._tables.dossiers.get(order.order_key)
            if before is not None:
                self._tables.dossiers[order.order_key] = erased(before)
                self._tables.erase_after.pop(order.order_key, None)
            self._bury(order, before)

    def _bury(self, order: Erased, before: Dossier | None) -> None:
        tables, key = self._tables, order.order_key
        tables.erased_orders.setdefault(key, Tombstone(order.event_id, _WHENEVER))
        if before is None:
            return
        published = tables.published.get(before.shard, 0)
        tables.outbox[before.shard] = tuple(
            each
            for each in tables.outbox.get(before.shard, ())
            if not each.message.sealed or each.message.key != key or each.number > published
        )
        if before.sealed_event is not None:
            place = (order.event_id, order.seller_id)
            tables.erasures[place] = tables.erasures.get(place, 0) + 1

    async def put_words(self, dossiers: Sequence[Dossier], cause: Cause) -> None:
        """Keep what the seller said about these orders, and request their reassessment."""
        for dossier in dossiers:
            self._tables.dossiers[dossier.order_key] = replace(
                self._tables.dossiers[dossier.order_key],
                approval=dossier.approval,
                held_by_seller=dossier.held_by_seller,
                pay_asked=dossier.pay_asked,
                sealed_correction=dossier.sealed_correction,
                look=dossier.look,
            )
        request_again(self._tables, [dossier.order_key for dossier in dossiers], cause)

    async def put_states(self, changes: Sequence[StateChange], *, again: Collection[str]) -> None:
        """Keep what production answered, and request the reassessment of `again`."""
        for change in changes:
            dossier = self._tables.dossiers[change.order_key]
            if dossier.told is not None:
                told = replace(dossier.told, state=change.state, past_return=change.past_return)
                charged = self.payments.charged.get(change.order_key, dossier.charged)
                self._tables.dossiers[change.order_key] = replace(dossier, told=told, charged=charged)
            if change.erase_after is not None:
                self._tables.erase_after[change.order_key] = change.erase_after
        request_again(self._tables, again, "production")


class MemoryPayments:
    """See `ports.Payments`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        #: What this transaction charged, by order.
        self.charged: dict[str, Money] = {}
        #: Sellers whose balance this transaction raised.
        self.refunded: set[str] = set()

    async def settle(self, claims: Sequence[Claim]) -> Mapping[str, Settlement]:
        """Charge what the balances allow, in the order of the claims."""
        allotted = allot(claims, self._tables.balances)
        self.refunded |= risen(self._tables.balances, allotted.balances)
        self._tables.balances = allotted.balances
        self.charged |= {key: claim.cost for key, claim in allotted.charges.items()}
        return allotted.settlements


def wake(tables: Tables, fact: WaitedFor, refs: Iterable[str], cause: Cause) -> None:
    """Request that every order be judged again that waits for one of these facts."""
    wanted = {Wait(fact, ref) for ref in refs}
    if not wanted:
        return
    request_again(tables, sorted(key for key, waits in tables.waits.items() if waits & wanted), cause)


def request_again(tables: Tables, keys: Iterable[str], cause: Cause) -> None:
    """Request that these orders be judged again."""
    requests = tuple((tables.dossiers[key].shard, key, cause) for key in keys)
    tables.requests = (*tables.requests, *requests)
