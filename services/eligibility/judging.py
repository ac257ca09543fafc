"""Judges orders in batches, each batch in one transaction: what is new is decided, paid and put into the outbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from schemas.decisions import Cause
from schemas.ids import OrderKey
from schemas.looks import OrderLooked
from schemas.order import OrderGone, OrderRevised, RawOrderEvent
from services.eligibility.decisions import Case, claim_of, conclude, look_first, propose
from services.eligibility.dossier import Dossier, Judgement, Look
from services.eligibility.erasures import Erased, Subject
from services.eligibility.facts import Facts, Known, refs_of
from services.eligibility.looks import LOOKS, heard
from services.eligibility.matching import items_to_make
from services.eligibility.payments import Settlement
from services.eligibility.ports import Needs, Repository, Transaction, Wake
from services.eligibility.proposals import Proposal
from services.eligibility.revisions import Merged, Standing, merge, vanish
from services.eligibility.sealing import Sealer
from services.kit.clock import Clock
from services.kit.metrics import Metrics
from services.kit.trace import Trace, begin


@dataclass(frozen=True, slots=True)
class Arrival:
    """A revision as it came: parsed, its bytes, the shard that its partition is, and its trace."""

    event: RawOrderEvent
    raw: bytes
    shard: int
    trace: Trace

    @property
    def order_key(self) -> OrderKey:
        """The order that it is about."""
        return self.event.order.key if isinstance(self.event, OrderRevised) else self.event.order_key


class Judge:
    """Judges revisions as they arrive, and orders again as facts arrive."""

    def __init__(
        self,
        repository: Repository,
        *,
        sealer: Sealer,
        clock: Clock,
        metrics: Metrics,
        keep_for: timedelta,
        wake_relays: Wake,
        look_after: timedelta | None = None,
    ) -> None:
        self._repository = repository
        self._sealer = sealer
        self._clock = clock
        self._metrics = metrics
        self._keep_for = keep_for
        self._wake_relays = wake_relays
        #: How old a reading may be of an order that is released; None: as old as it likes.
        self._look_after = look_after

    async def judge_arrivals(self, arrivals: Sequence[Arrival]) -> None:
        """Judge a batch of revisions; ones that are known, or older than what is known, change nothing."""
        shards = {arrival.shard for arrival in arrivals}
        async with self._repository.judging(shards) as transaction:
            dossiers = await transaction.dossiers({arrival.order_key for arrival in arrivals})
            cases, touched = self._merge_all(arrivals, dossiers)
            if touched:
                await transaction.touch(touched)
            await self._judge(transaction, cases)
        if cases:
            self._wake_relays(shards)

    async def judge_again(self, shard: int, *, limit: int) -> int:
        """Judge orders of the shard again that a fact asked for; return how many requests were taken."""
        async with self._repository.judging({shard}) as transaction:
            causes = await transaction.take_reassessments(shard, limit)
            dossiers = await transaction.dossiers(causes.keys()) if causes else {}
            await self._judge(transaction, self.cases_again(dossiers, causes))
        if causes:
            self._wake_relays({shard})
        return len(causes)

    async def erase(self, shard: int, keys: Sequence[str]) -> None:
        """Judge orders of the shard again of which some were asked to be forgotten; those are erased with it."""
        async with self._repository.judging({shard}) as transaction:
            dossiers = await transaction.dossiers(keys)
            await self._judge(transaction, self.cases_again(dossiers, dict.fromkeys(keys, "rules")))
        self._wake_relays({shard})

    async def erase_unjudged(self, shard: int, order: Erased) -> None:
        """Erase an order that cannot be judged as it is."""
        async with self._repository.judging({shard}) as transaction:
            await transaction.erase([order])

    async def drop_request(self, shard: int) -> None:
        """Take the oldest request of a shard without judging: the order as it is cannot be judged."""
        async with self._repository.judging({shard}) as transaction:
            await transaction.take_reassessments(shard, 1)

    def cases_again(self, dossiers: Mapping[str, Dossier], causes: Mapping[str, Cause]) -> list[Case]:
        """Return the cases of known orders, in the order of `causes`; erased ones have nothing left to judge."""
        cases = []
        for key, cause in causes.items():
            dossier = dossiers.get(key)
            event = self._sealer.open_event(dossier) if dossier else None
            if dossier is not None and event is not None:
                cases.append(self._case(event, dossier, cause, look_before=dossier.look))
        return cases

    def _merge_all(
        self, arrivals: Iterable[Arrival], dossiers: Mapping[str, Dossier]
    ) -> tuple[list[Case], list[Dossier]]:
        by_key: dict[str, list[Arrival]] = {}
        for arrival in arrivals:
            by_key.setdefault(arrival.order_key, []).append(arrival)
        cases: list[Case] = []
        touched: list[Dossier] = []
        for key, group in by_key.items():
            self._merge_one(group, dossiers.get(key), cases, touched)
        return cases, touched

    def _merge_one(
        self, group: list[Arrival], dossier: Dossier | None, cases: list[Case], touched: list[Dossier]
    ) -> None:
        standing = dossier.standing if dossier else None
        newest, told, changed = None, None, False
        answers = [arrival.event for arrival in group if isinstance(arrival.event, OrderLooked)]
        for arrival in group:
            merged = _merged(standing, arrival.event)
            if merged is None:
                continue
            standing = merged.standing
            if merged.is_new and isinstance(arrival.event, OrderRevised):
                newest, told = arrival, arrival.event
            changed = changed or merged.changed
        if standing is None:
            return
        sealed = self._sealer.seal_event(newest.order_key, newest.raw) if newest else None
        trace = newest.trace if newest else dossier.trace if dossier else None
        buyers = self._buyers(told) if told else ()
        # A platform that forgets a buyer names them no more; what an earlier revision told still finds the order.
        buyer = buyers[0] if buyers else dossier.buyer if dossier else None
        after = _after(dossier, group, standing, sealed, trace=trace, buyer=buyer)
        look = dossier.look if dossier else None
        looked = dossier is not None and dossier.told is None and _is_looked_at(dossier, answers, standing)
        if looked:
            after = replace(after, look=heard(look, answers, standing))
        event = told or (self._sealer.open_event(after) if changed or looked else None)
        if (changed or looked) and event is not None:
            cases.append(self._case(event, after, "revision" if changed else "look", look_before=look))
        elif after != dossier:
            touched.append(after)

    def _case(self, event: OrderRevised, dossier: Dossier, cause: Cause, *, look_before: Look | None) -> Case:
        correction = self._sealer.open_correction(dossier)
        facts = Facts(_NOTHING, dossier.approval, dossier.held_by_seller, correction)
        return Case(event, dossier.standing.applied_to(event.order), dossier, facts, cause, look_before)

    async def _judge(self, transaction: Transaction, cases: Sequence[Case]) -> None:
        if not cases:
            return
        known = await transaction.known(needs_of(cases))
        cases = with_known(cases, known, await self.erased(transaction, cases))
        now = self._clock.now()
        proposals = [look_first(case, propose(case), now=now, after=self._look_after) for case in cases]
        settlements = await settle(transaction, cases, proposals)
        judgements = [self._conclude(*each, settlements, now=now) for each in zip(cases, proposals, strict=True)]
        await transaction.write(judgements)
        self._count(judgements)

    async def erased(self, transaction: Transaction, cases: Sequence[Case]) -> Mapping[str, str]:
        """Return which of the orders were asked to be forgotten, each with the request."""
        subjects = [self._subject(case) for case in cases]
        buyers = {buyer for subject in subjects for buyer in subject.buyers}
        keys, stores = [each.order_key for each in subjects], {each.store_id for each in subjects}
        tombstones = await transaction.tombstones(keys, stores, buyers)
        if not tombstones:
            return {}
        found = {subject.order_key: tombstones.erased_by(subject) for subject in subjects}
        return {key: event_id for key, event_id in found.items() if event_id is not None}

    def _subject(self, case: Case) -> Subject:
        kept = (case.dossier.buyer,) if case.dossier.buyer else ()
        buyers = tuple({*kept, *self._buyers(case.event)})
        return Subject(case.order.key, case.order.store_id, case.order.placed_at, buyers)

    def _buyers(self, event: OrderRevised) -> tuple[bytes, ...]:
        return self._sealer.buyers(event.order.platform, event.order.buyer_id)

    def _count(self, judgements: Sequence[Judgement]) -> None:
        outcomes = Counter((each.dossier.decided.outcome, each.cause) for each in judgements if each.dossier.decided)
        for (outcome, cause), count in outcomes.items():
            self._metrics.increment("syncorder_orders_judged_total", count, outcome=outcome, cause=cause)
        asked = sum(message.topic == LOOKS for each in judgements if each.looked for message in each.messages)
        if asked:
            self._metrics.increment("syncorder_looks_asked_total", asked)

    def _conclude(
        self, case: Case, proposal: Proposal, settlements: Mapping[str, Settlement], *, now: datetime
    ) -> Judgement:
        settlement = settlements.get(case.order.key)
        return conclude(
            case,
            proposal,
            settlement,
            seal=self._sealer.seal_message,
            now=now,
            keep_for=self._keep_for,
            trace=(case.dossier.trace.child() if case.dossier.trace else begin()).text(),
        )


def needs_of(cases: Iterable[Case]) -> Needs:
    """Return which shared facts the cases are judged by."""
    sellers, stores, refs, skus = set[str](), set[str](), set[str](), set[str]()
    for case in cases:
        order = case.order
        sellers.add(order.seller_id)
        stores.add(order.store_id)
        for item in items_to_make(order):
            refs.update(ref.key() for ref in refs_of(order, item))
            if item.sku:
                skus.add(item.sku)
    return Needs(frozenset(sellers), frozenset(stores), frozenset(refs), frozenset(skus))


def with_known(cases: Iterable[Case], known: Known, erased: Mapping[str, str]) -> list[Case]:
    """Return the cases with the shared facts, and what has them erased, added to their own."""
    # Built anew rather than by `replace`, which costs ten times as much and is asked for every order.
    return [
        Case(
            case.event,
            case.order,
            case.dossier,
            Facts(
                known,
                case.facts.approval,
                case.facts.held_by_seller,
                case.facts.correction,
                erased.get(case.order.key),
            ),
            case.cause,
            case.look_before,
        )
        for case in cases
    ]


async def settle(
    transaction: Transaction, cases: Sequence[Case], proposals: Sequence[Proposal]
) -> Mapping[str, Settlement]:
    """Have the proposals that cost something paid, in their order."""
    claims = [claim_of(case, proposal) for case, proposal in zip(cases, proposals, strict=True)]
    costly = [claim for claim in claims if claim is not None]
    return await transaction.payments.settle(costly) if costly else {}


_NOTHING = Known()


def _merged(standing: Standing | None, event: RawOrderEvent) -> Merged | None:
    """What an event makes of what is known; None of one that says nothing of it, or of an order which never came."""
    if isinstance(event, OrderRevised):
        return merge(standing, event)
    return vanish(standing, event) if standing is not None and isinstance(event, OrderGone) else None


def _is_looked_at(dossier: Dossier, answers: Sequence[OrderLooked], standing: Standing) -> bool:
    """Whether an answer came, or an order that waits for one was read again in any other way."""
    waits = dossier.look is not None and dossier.look.since is not None
    return bool(answers) or (waits and standing.content.fetched_at > dossier.standing.content.fetched_at)


def _after(
    dossier: Dossier | None,
    group: Sequence[Arrival],
    standing: Standing,
    sealed: bytes | None,
    *,
    trace: Trace | None,
    buyer: bytes | None,
) -> Dossier:
    orders = [arrival.event.order for arrival in group if isinstance(arrival.event, OrderRevised)]
    read_at = [order.fetched_at for order in orders]
    if dossier is not None:
        imported_at = min([dossier.imported_at, *read_at])
        sealed = sealed or dossier.sealed_event
        return replace(
            dossier, standing=standing, imported_at=imported_at, sealed_event=sealed, trace=trace, buyer=buyer
        )
    order, imported_at = orders[0], min(read_at)
    return Dossier(
        order_key=order.key,
        shard=group[0].shard,
        seller_id=order.seller_id,
        store_id=order.store_id,
        imported_at=imported_at,
        standing=standing,
        sealed_event=sealed,
        trace=trace,
        buyer=buyer,
    )
