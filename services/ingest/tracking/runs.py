"""One run over an order's parcels: read what the platform has, tell it of what it lacks, believe what is read back.

What is about to be told is durable before the call. Whoever is killed between record and call, or call and record,
leaves a push that says "sent": its next holder reads first, and calls again only when the call certainly did nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

import structlog

from services.ingest.contract.connector import Connector
from services.ingest.contract.parcels import READ_FIRST, ParcelWriter, PushRefused, Shipping, ShownLater, UnreadWriter
from services.ingest.contract.stores import Access
from services.ingest.ports import Stores
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import Tokens
from services.ingest.tracking.deciding import (
    Rules,
    Write,
    after_refusal,
    before_reading,
    decide,
    lines_together,
    lines_told,
    parcel_of,
    under_same_number,
)
from services.ingest.tracking.ports import Block, Pushes, PushLease, PushStorage
from services.ingest.tracking.push import (
    NOT_SHOWN_YET,
    NOT_WANTED,
    PLATFORM_AWAY,
    RECONNECT,
    SENTENCES,
    UNSURE,
    Push,
    Stand,
)
from services.ingest.windows import backoff
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.metrics import Metrics

log = structlog.get_logger()

T = TypeVar("T")

#: A platform that takes none of a store's parcels is asked again by one of them.
_PROBED_EVERY = timedelta(days=1)
#: A call without an answer is looked for as soon as this, in seconds.
_FIRST_LOOK_SECONDS = 2.0
#: What was read so long ago may not hold any more.
_FRESH_FOR = timedelta(seconds=2)
TOLD_OTHERWISE = "{name} orders are told of by your webhook and the API."


class _Away(Exception):  # noqa: N818 - the fact
    """The platform, or what opens it, is not to be had now."""

    def __init__(self, error: TransientError) -> None:
        super().__init__(str(error))
        self.retry_after = error.retry_after
        #: The number is looked up later, and nothing is wrong.
        self.is_planned = isinstance(error, ShownLater)


@dataclass(slots=True)
class _Run:
    """An order's parcels under way."""

    lease: PushLease
    connector: Connector
    store: Store
    pushes: Pushes
    access: Access | None = None
    shipping: Shipping | None = None
    read_at: datetime | None = None

    @property
    def name(self) -> str:
        return self.connector.name


@dataclass(frozen=True, slots=True)
class PushRunner:
    """Tells platforms of parcels."""

    connectors: Mapping[str, Connector]
    stores: Stores
    pushes: PushStorage
    tokens: Tokens
    clock: Clock
    metrics: Metrics

    async def run(self, lease: PushLease) -> None:
        """Go on with every parcel of the leased order that has something to do, and end the lease.

        Raises:
            LeaseLost: another process holds the order.
            TransientError: Postgres is away; the next holder goes on.
        """
        # The store came with the lease, just now.
        run = _Run(
            lease, self.connectors[lease.store.platform], lease.store, await self.pushes.of_order(lease.order_key)
        )
        for push in sorted(run.pushes.values(), key=lambda push: push.number):
            if push.is_due(now=self.clock.now(), grants=lease.store.grants):
                await self._go_on(run, push)
        await self.pushes.leave(lease)

    async def _go_on(self, run: _Run, push: Push) -> None:
        writer = run.connector.parcels
        if writer is None:
            problem = TOLD_OTHERWISE.format(name=run.name)
            await self._stands(run, push, Stand("off", NOT_WANTED, problem))
            return
        siblings = {other.tracking_number for other in run.pushes.values() if other is not push and other.is_told}
        lines = lines_together(push, run.pushes.values())
        told = lines_told(push, run.pushes.values())
        rules = Rules(run.name, run.store.settings, writer, siblings, lines, told)
        stand = await self._without_asking(run, push, rules)
        if stand is not None:
            await self._stands(run, push, stand)
            return
        try:
            await self._ask_and_tell(run, push, rules)
        except _Away as away:
            await self._waits(run, push, away)
        except AuthorizationError as error:
            await self._refused_access(run, push, error)

    async def _without_asking(self, run: _Run, push: Push, rules: Rules) -> Stand | None:
        if run.store.state != "linked":
            return _reconnect(run, push)
        stand = before_reading(push, rules, now=self.clock.now())
        if stand is not None:
            return stand
        if push.is_told:
            return None
        under_way = under_same_number(push, run.pushes.values())
        if under_way is not None:
            soon = self.clock.now() + timedelta(seconds=_FIRST_LOOK_SECONDS)
            return rules.stand("queued", UNSURE, due_at=max(under_way.due_at or soon, soon))
        block = await self.pushes.blocked(run.store, now=self.clock.now())
        if block is None:
            return None
        return Stand(push.state, block.code, block.problem, block.probe_at, after_grant=block.grants)

    async def _ask_and_tell(self, run: _Run, push: Push, rules: Rules) -> None:
        shipping = await self._unread(run, push, rules) or await self._read(run, rules.writer)
        verdict = decide(push, shipping, rules, now=self.clock.now())
        if isinstance(verdict, Stand):
            await self._stands(run, push, verdict, shipping=shipping)
        elif shipping is not None:
            await self._tell(run, push, verdict, shipping, rules)

    async def _unread(self, run: _Run, push: Push, rules: Rules) -> Shipping | None:
        """What a parcel may be written against unread: one that was never told, of an order that was not read now."""
        writer = rules.writer
        if push.is_told or push.code == READ_FIRST or run.read_at or not isinstance(writer, UnreadWriter):
            return None
        parcel = parcel_of(push, rules)
        return await self._call(run, lambda access: writer.unread(access, parcel))

    async def _tell(self, run: _Run, push: Push, write: Write, shipping: Shipping, rules: Rules) -> None:
        """Call the platform once, when the call is on record."""
        now, before = self.clock.now(), push
        push = await self._change(run, push, lambda held: held.sending(now=now))
        if push.state != "sent":
            return
        run.read_at = None
        try:
            parcel_id = await self._call(run, lambda access: rules.writer.write(access, write.parcel, shipping))
        except PushRefused as refusal:
            self._count(run, "refused")
            await self._refused(run, push, refusal)
            return
        except _Away as away:
            self._count(run, "unanswered")
            await self._unheard(run, push, away)
            return
        except AuthorizationError:
            await self._change(run, push, lambda held: held.not_called(before))
            raise
        self._count(run, "taken")
        await self._read_back(run, push.taken(parcel_id, now=self.clock.now()), rules)

    async def _read_back(self, run: _Run, taken: Push, rules: Rules) -> None:
        """Keep that the platform took the call, and what it has now."""
        taken_at = self.clock.now()
        try:
            shipping = await self._read(run, rules.writer)
        except (_Away, AuthorizationError):
            # It is looked up by the next run.
            await self._change(run, taken, lambda held: held.taken(taken.parcel_id, now=taken_at))
            raise
        stand = decide(taken, shipping, rules, now=self.clock.now())
        if isinstance(stand, Write):
            raise TypeError("a parcel that was taken just now is waited for")
        await self._stands(
            run, taken, stand, shipping=shipping, before=lambda held: held.taken(taken.parcel_id, now=taken_at)
        )
        await self.pushes.lift(run.store.store_id, now=self.clock.now())

    async def _stands(
        self,
        run: _Run,
        push: Push,
        stand: Stand,
        *,
        shipping: Shipping | None = None,
        before: Callable[[Push], Push] = lambda held: held,
    ) -> None:
        now, ship_by = self.clock.now(), shipping.ship_by if shipping else None
        await self._change(run, push, lambda held: before(held).stands(stand, now=now, ship_by=ship_by))

    async def _refused(self, run: _Run, push: Push, refusal: PushRefused) -> None:
        now = self.clock.now()
        stand = after_refusal(push, refusal, now=now)
        if refusal.store_wide:
            block = Block(run.store.store_id, refusal.code, refusal.sentence, run.store.grants, now + _PROBED_EVERY)
            await self.pushes.block(block)
            stand = Stand(stand.state, stand.code, stand.problem, block.probe_at, after_grant=block.grants)
        await self._change(run, push, lambda held: held.failed(stand))

    async def _unheard(self, run: _Run, push: Push, away: _Away) -> None:
        due_at = self.clock.now() + timedelta(seconds=max(away.retry_after or 0, _FIRST_LOOK_SECONDS))
        stand = Stand("sent", UNSURE, SENTENCES[UNSURE].format(name=run.name), due_at)
        await self._change(run, push, lambda held: held.unheard(stand))

    async def _waits(self, run: _Run, push: Push, away: _Away) -> None:
        held = run.pushes[push.push_id]
        due_at = self.clock.now() + backoff(held.failures + 1, retry_after=away.retry_after)
        code = PLATFORM_AWAY
        if away.is_planned and held.is_told:
            code = UNSURE if held.state == "sent" else NOT_SHOWN_YET
            due_at = self.clock.now() + timedelta(seconds=away.retry_after or 0)
        problem = SENTENCES[code].format(name=run.name, problem=str(away))
        await self._change(run, push, lambda held: held.failed(Stand(held.state, code, problem, due_at)), at_once=False)

    async def _refused_access(self, run: _Run, push: Push, error: AuthorizationError) -> None:
        store, now = run.store, self.clock.now()
        log.warning("store.refused", store_id=store.store_id, platform=store.platform, problem=str(error))
        problem = SENTENCES[RECONNECT].format(name=run.name)
        await self.stores.change(store.store_id, lambda held: held.refused(problem, grant=store.grants, now=now))
        run.store = await self.stores.get(store.store_id) or store
        held = run.pushes[push.push_id]
        stand = _reconnect(run, held, grants=store.grants)
        await self._change(run, push, lambda held: held.failed(stand))

    async def _read(self, run: _Run, writer: ParcelWriter) -> Shipping | None:
        """What the platform has of the order, read just now."""
        now = self.clock.now()
        if run.read_at is None or now - run.read_at > _FRESH_FOR:
            number = next(iter(run.pushes.values())).order.external_id
            run.shipping = await self._call(run, lambda access: writer.read(access, number))
            run.read_at = self.clock.now()
        return run.shipping

    async def _call(self, run: _Run, call: Callable[[Access], Awaitable[T]]) -> T:
        """Call the platform, with renewed access where it refused ours: then it did nothing else."""
        try:
            if run.access is None or run.connector.refresh_due(run.access.secrets, now=self.clock.now()):
                run.access = await self.tokens.fresh(run.connector, run.store)
            try:
                return await call(run.access)
            except AuthorizationError:
                run.access = await self.tokens.after_refusal(run.connector, run.access)
                return await call(run.access)
        except TransientError as error:
            raise _Away(error) from error

    async def _change(self, run: _Run, push: Push, change: Callable[[Push], Push], *, at_once: bool = True) -> Push:
        """Keep a change of the push as it is now, and what is to be told of it."""
        before = run.pushes[push.push_id]
        run.pushes = await self.pushes.change(
            run.lease, lambda pushes: [change(pushes[push.push_id])], now=self.clock.now()
        )
        after = run.pushes[push.push_id]
        self._note(run, before, after, quiet=not at_once)
        return after

    def _note(self, run: _Run, before: Push, after: Push, *, quiet: bool) -> None:
        if before.state == after.state or quiet:
            return
        platform = run.store.platform
        self.metrics.increment("syncorder_pushes_total", platform=platform, state=after.state)
        if after.state == "verified" and after.verified_at is not None:
            seconds = (after.verified_at - after.created_at).total_seconds()
            self.metrics.observe("syncorder_push_seconds", max(seconds, 0.0), platform=platform)
        log.info("push.changed", push_id=after.push_id, platform=platform, state=after.state, code=after.code)

    def _count(self, run: _Run, outcome: str) -> None:
        self.metrics.increment("syncorder_push_calls_total", platform=run.store.platform, outcome=outcome)


def _reconnect(run: _Run, push: Push, *, grants: int | None = None) -> Stand:
    state = push.state if push.is_told else "queued"
    problem = SENTENCES[RECONNECT].format(name=run.name)
    return Stand(state, RECONNECT, problem, after_grant=run.store.grants if grants is None else grants)
