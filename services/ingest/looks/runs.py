"""One run over a store's questions: its orders are read as they are now, and each question is answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import structlog

from schemas.looks import LookProblem, LookWanted
from services.ingest.contract.connector import Connector
from services.ingest.looks.answering import Answers, answers_of, refusals_of
from services.ingest.looks.ports import LookLease, Looks
from services.ingest.patience import OutOfPatience, patiently
from services.ingest.ports import Stores, WebhookBooks
from services.ingest.stores.reading import ReadInTurn, StoreReading, is_believable, publish
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import Tokens
from services.ingest.windows import backoff
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError
from services.kit.kafka.publisher import Publisher
from services.kit.metrics import Metrics

log = structlog.get_logger()

#: Orders that are read before any is told of, where a platform gives fewer at once: together they show whether what it
#: says can be believed.
BATCH = 20
#: Batches after which a store lets others go first.
BATCHES_A_RUN = 5
#: Questions that are answered at once when the platform cannot be asked.
_REFUSED_AT_ONCE = 500
#: A platform that did not answer so often in a row is said not to answer; the first times pass unsaid.
SAID_AFTER = 3
#: When a platform is asked again whose answer is not believed.
_UNBELIEVED_SECONDS = 600.0


@dataclass(slots=True)
class _Run:
    """A store's questions under way; `failures` counts runs in a row without an answer."""

    lease: LookLease
    store: Store
    reading: StoreReading
    failures: int


@dataclass(frozen=True, slots=True)
class LookRunner:
    """Reads the orders that were asked about."""

    connectors: Mapping[str, Connector]
    stores: Stores
    looks: Looks
    books: WebhookBooks
    tokens: Tokens
    publisher: Publisher
    clock: Clock
    metrics: Metrics

    async def run(self, lease: LookLease) -> None:
        """Answer the leased store's questions as far as its platform lets us, and end the lease.

        Raises:
            LeaseLost: another process holds the store.
            TransientError: Postgres is away; the next holder goes on.
        """
        store = await self.stores.get(lease.store.store_id)
        if store is None or store.state != "linked":
            problem: LookProblem = "reconnect" if store is not None and store.state == "reconnect" else "unlinked"
            await self._refuse_all(lease, problem)
            await self.looks.leave(lease, due=self.clock.now())
            return
        reading = StoreReading(store, self.connectors[store.platform], self.tokens, self.clock, "poll")
        run = _Run(lease, store, reading, lease.failures)
        try:
            await self._read(run)
        except OutOfPatience as error:
            await self._rest(run, error)
        except AuthorizationError as error:
            await self._refused(lease, store, error)

    async def _read(self, run: _Run) -> None:
        for _ in range(BATCHES_A_RUN):
            wanted = await self.looks.next(run.lease, limit=max(run.reading.connector.ids_at_once, BATCH))
            if not wanted:
                break
            read = await self._found(run, [one.external_id for one in wanted])
            answered = [one for one in wanted if one.external_id in read.found]
            answers = answers_of(answered, read.found, store=run.store.ref, now=self.clock.now())
            await self._tell(run.lease, answered, answers)
            run.failures = 0
            if read.stopped is not None:
                raise read.stopped
        await self.looks.leave(run.lease, due=self.clock.now())

    async def _found(self, run: _Run, numbers: Sequence[str]) -> ReadInTurn:
        read = await run.reading.orders_in_turn(numbers)
        if not is_believable(read.gone, of=len(read.found)):
            raise OutOfPatience("it says that most orders are gone at once", retry_after=_UNBELIEVED_SECONDS)
        return read

    async def _tell(self, lease: LookLease, wanted: Sequence[LookWanted], answers: Answers) -> None:
        await patiently(
            lambda: publish(self.publisher, answers.messages, way="poll", metrics=self.metrics), clock=self.clock
        )
        if answers.seen:
            await self.books.record([], seen=answers.seen, messages=[])
        await self.looks.answered(lease, wanted)
        for said in answers.said:
            self.metrics.increment("syncorder_looks_answered_total", platform=lease.store.platform, outcome=said)

    async def _refuse_all(self, lease: LookLease, problem: LookProblem) -> None:
        while wanted := await self.looks.next(lease, limit=_REFUSED_AT_ONCE):
            await self._tell(lease, wanted, refusals_of(wanted, problem, now=self.clock.now()))

    async def _rest(self, run: _Run, error: OutOfPatience) -> None:
        """Come again later; who asks is told that it takes longer only when it does."""
        failures = run.failures + 1
        rest = backoff(failures, retry_after=error.retry_after)
        log.info("looks.rested", store_id=run.store.store_id, seconds=rest.total_seconds(), problem=str(error))
        if failures >= SAID_AFTER:
            await self._refuse_all(run.lease, "away")
        await self.looks.leave(run.lease, due=self.clock.now() + rest, failures=failures)

    async def _refused(self, lease: LookLease, store: Store, error: AuthorizationError) -> None:
        log.warning("store.refused", store_id=store.store_id, platform=store.platform, problem=str(error))
        problem = f"{self.connectors[store.platform].name} no longer accepts our access. Connect the store again."
        now = self.clock.now()
        await self.stores.change(store.store_id, lambda held: held.refused(problem, grant=store.grants, now=now))
        await self._refuse_all(lease, "reconnect")
        await self.looks.leave(lease, due=self.clock.now())
