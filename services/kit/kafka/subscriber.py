"""Batches of records reach their handler at least once, in the order of each partition, whatever restarts.

FastStream consumes, with its own acknowledgement off: a position is committed only after the handler returned, and only
for the records it was given. What FastStream 0.7 leaves open is done here: waiting for the running handler when
partitions move, repeating without a hot loop, dead letters, and noticing a consumer that hangs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import GenericAlias
from typing import Any

import structlog
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512
from faststream.specification import AsyncAPI

from services.kit.clock import Clock
from services.kit.kafka.cluster import Address, Cluster, cluster_at
from services.kit.kafka.consuming import Consuming
from services.kit.kafka.dead_letters import DeadLetters
from services.kit.kafka.records import Partition, Record
from services.kit.kafka.subscription import OnPartitions, Subscription
from services.kit.metrics import Metrics

__all__ = ["KafkaSubscriber", "OnPartitions", "Partition", "Record", "Subscription", "asyncapi"]

log = structlog.get_logger()


_RECONNECT_SECONDS = 2.0
_WATCH_EVERY_SECONDS = 5.0
#: FastStream sleeps this long again after an empty poll, so it is also the wait of an idle topic's next record.
_POLL_MS = 20
_STOP_SECONDS = 15.0
#: The broker answers a fetch when so much waits, or after so long: a thin stream comes in batches, not one by one,
#: which spares the broker, Postgres and the handler most of their work; a thick one does not wait at all.
_FETCH_MIN_BYTES = 64 * 1024
_FETCH_MAX_WAIT_MS = 200
_A_DAY_MS = 24 * 3600 * 1000


class KafkaSubscriber:
    """The subscriptions of one process."""

    def __init__(
        self, kafka: Address, client_id: str, *, clock: Clock, metrics: Metrics, dead_letters: DeadLetters
    ) -> None:
        self._clock = clock
        self._metrics = metrics
        self._dead_letters = dead_letters
        self._client_id = client_id
        cluster = cluster_at(kafka)
        self.broker = KafkaBroker(
            cluster.bootstrap,
            client_id=client_id,
            security=_security(cluster),
            ack_policy=AckPolicy.MANUAL,
            apply_types=False,
            consumer_only=True,
            allow_auto_create_topics=False,
            graceful_timeout=_STOP_SECONDS,
            request_timeout_ms=15_000,
            metadata_max_age_ms=60_000,
            logger=None,
        )
        self._consuming: list[Consuming] = []
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def add(self, subscription: Subscription) -> None:
        """Take on a subscription; before `start`."""
        consuming = Consuming(subscription, clock=self._clock, metrics=self._metrics, dead_letters=self._dead_letters)
        subscriber = self.broker.subscriber(
            *subscription.topics,
            batch=True,
            group_id=subscription.group,
            auto_offset_reset="earliest",
            isolation_level=subscription.isolation,
            max_records=subscription.max_records,
            batch_timeout_ms=_POLL_MS,
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=10_000,
            heartbeat_interval_ms=1_000,
            # A handler that repeats a batch for an hour still owns its partitions; `liveness` watches instead.
            max_poll_interval_ms=_A_DAY_MS,
            fetch_max_bytes=16 * 1024 * 1024,
            fetch_min_bytes=_FETCH_MIN_BYTES,
            fetch_max_wait_ms=_FETCH_MAX_WAIT_MS,
            listener=consuming.listener,
            parser=consuming.parse,
            decoder=consuming.decode,
            ack_policy=AckPolicy.MANUAL,
            title=subscription.group,
        )
        consuming.bind(subscriber)
        subscriber(_described(consuming, subscription))
        self._consuming.append(consuming)

    async def start(self) -> None:
        """Begin consuming; when Kafka is away, go on trying until it is there."""
        if not await self._connect():
            self._tasks.append(asyncio.create_task(self._keep_connecting()))
        self._tasks.append(asyncio.create_task(self._watch()))

    async def stop(self) -> None:
        """Finish the running handlers, commit what they did, and leave the groups."""
        self._stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await asyncio.gather(*(consuming.finish(_STOP_SECONDS) for consuming in self._consuming))
        await self._disconnect()

    def liveness(self) -> list[str]:
        """What stands still, in words for an operator; empty when nothing does."""
        return [problem for consuming in self._consuming if (problem := consuming.problem()) is not None]

    async def check(self) -> str | None:
        """None when every subscription has a connection, for a readiness check."""
        waiting = [consuming.group for consuming in self._consuming if not consuming.is_connected]
        return f"not connected to kafka: {', '.join(waiting)}" if waiting else None

    async def _connect(self) -> bool:
        try:
            await self.broker.start()
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("kafka.unreachable", client_id=self._client_id, problem=type(error).__name__)
            await self._disconnect()
            return False
        return True

    async def _disconnect(self) -> None:
        try:
            await self.broker.stop()
        except (KafkaError, OSError, TimeoutError) as error:
            log.warning("consumer.abandoned", client_id=self._client_id, problem=type(error).__name__)

    async def _keep_connecting(self) -> None:
        while not self._stopping.is_set():
            await self._clock.sleep(_RECONNECT_SECONDS)
            if await self._connect():
                log.info("kafka.reached", client_id=self._client_id)
                return

    async def _watch(self) -> None:
        while not self._stopping.is_set():
            await self._clock.sleep(_WATCH_EVERY_SECONDS)
            await asyncio.gather(*(consuming.measure() for consuming in self._consuming))
            if any(consuming.hangs() for consuming in self._consuming):
                await self._reconnect()

    async def _reconnect(self) -> None:
        log.error("consumer.restarted", client_id=self._client_id)
        await asyncio.gather(*(consuming.finish(_STOP_SECONDS) for consuming in self._consuming))
        await self._disconnect()
        for consuming in self._consuming:
            consuming.begin_again()
        if not await self._connect():
            await self._keep_connecting()


def _security(cluster: Cluster) -> BaseSecurity | None:
    """The cluster's security in the form that FastStream takes."""
    sasl, with_tls = cluster.sasl, cluster.tls is not None
    if sasl is None:
        return BaseSecurity(cluster.tls, with_tls) if with_tls else None
    login = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}[sasl.mechanism]
    return login(sasl.username, sasl.password, cluster.tls, with_tls)


def _described(consuming: Consuming, subscription: Subscription) -> Callable[[Any], Awaitable[None]]:
    """The handler in the form that FastStream reads: AsyncAPI takes the messages' model from its annotation."""

    async def handle(batch: Any) -> None:
        await consuming.handle(batch)

    handle.__name__ = subscription.group
    handle.__annotations__ = {"batch": GenericAlias(list, (subscription.payload,)), "return": None}
    return handle


def asyncapi(subscriber: KafkaSubscriber, *, title: str = "Sync Order", version: str = "1") -> dict[str, Any]:
    """The AsyncAPI document of what the subscriber reads."""
    document: dict[str, Any] = (
        AsyncAPI(subscriber.broker, title=title, version=version).to_specification().to_jsonable()
    )
    return document
