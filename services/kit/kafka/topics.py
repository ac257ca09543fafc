"""Topics exist as they are declared: missing ones are created, and a wrong partition count is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from schemas.topics import Topic
from services.kit.errors import SettingsError, TransientError
from services.kit.kafka.cluster import Address, cluster_at

log = structlog.get_logger()

DEAD_LETTER_SUFFIX = ".dlq"
#: Dead letters hold what their source held, buyers' data included, so they live no longer than that may.
DEAD_LETTER_RETENTION = timedelta(days=7)
#: An order's verbatim payload travels along; 2 MB of it come in by HTTP, and JSON in JSON grows.
MAX_MESSAGE_BYTES = 4 * 1024 * 1024

_ADMIN_TIMEOUT_SECONDS = 10


async def ensure_topics(kafka: Address, topics: Iterable[Topic], *, partitions: int, replicas: int = 1) -> list[str]:
    """Create the topics, and a dead-letter topic of one partition for each, that do not exist; return their names.

    Raises:
        SettingsError: a topic exists with another number of partitions than declared. Changing that number would
            move keys between partitions, and with them the order of what happened.
        TransientError: Kafka is away.
    """
    declared = list(topics)
    wanted = {topic.name: topic.partitions or partitions for topic in declared}
    async with _administration(kafka) as admin:
        existing = await _partition_counts(admin)
        _refuse_other_counts(wanted, existing)
        missing = [new for new in _new_topics(declared, wanted, replicas) if new.name not in existing]
        if missing:
            await _create(admin, missing)
    return [new.name for new in missing]


async def partition_counts(kafka: Address) -> dict[str, int]:
    """How many partitions each topic has; `TransientError` when Kafka is away."""
    async with _administration(kafka) as admin:
        return await _partition_counts(admin)


@asynccontextmanager
async def _administration(kafka: Address) -> AsyncIterator[AIOKafkaAdminClient]:
    admin = AIOKafkaAdminClient(**cluster_at(kafka).options(), request_timeout_ms=_ADMIN_TIMEOUT_SECONDS * 1000)
    try:
        async with asyncio.timeout(_ADMIN_TIMEOUT_SECONDS):
            await admin.start()
            yield admin
    except (KafkaError, TimeoutError, OSError) as error:
        raise TransientError(f"kafka: topics could not be checked: {type(error).__name__}") from error
    finally:
        await admin.close()


def _new_topics(topics: list[Topic], wanted: dict[str, int], replicas: int) -> list[NewTopic]:
    return [
        *(NewTopic(topic.name, wanted[topic.name], replicas, topic_configs=_configs(topic)) for topic in topics),
        *(
            NewTopic(topic.name + DEAD_LETTER_SUFFIX, 1, replicas, topic_configs=_kept_for(DEAD_LETTER_RETENTION))
            for topic in topics
        ),
    ]


def _configs(topic: Topic) -> dict[str, str]:
    if topic.compacted:
        return {**_kept_for(None), "cleanup.policy": "compact"}
    return _kept_for(topic.retention)


def _kept_for(retention: timedelta | None) -> dict[str, str]:
    configs = {
        "max.message.bytes": str(MAX_MESSAGE_BYTES),
        # Batches stay as the publisher compressed them; the broker spends nothing on repacking.
        "compression.type": "producer",
        "retention.ms": str(int(retention.total_seconds() * 1000)) if retention else "-1",
    }
    if retention:
        # Only closed segments are deleted, so a segment must close well within the promised time.
        configs["segment.ms"] = str(int(retention.total_seconds() * 1000 / 7))
    return configs


async def _partition_counts(admin: AIOKafkaAdminClient) -> dict[str, int]:
    names = await admin.list_topics()
    described = await admin.describe_topics(names) if names else []
    return {topic["topic"]: len(topic["partitions"]) for topic in described}


def _refuse_other_counts(wanted: dict[str, int], existing: dict[str, int]) -> None:
    for name, count in wanted.items():
        if existing.get(name, count) != count:
            raise SettingsError(
                f"Topic {name} has {existing[name]} partitions and TOPIC_PARTITIONS wants {count};"
                " keep the number that it was created with."
            )


async def _create(admin: AIOKafkaAdminClient, missing: list[NewTopic]) -> None:
    answer = await admin.create_topics(missing)
    for name, code, *_ in answer.topic_errors:
        problem = for_code(code)
        # Another process may start at the same moment.
        if code and problem is not TopicAlreadyExistsError:
            raise problem(name)
    log.info("topics.created", topics=[new.name for new in missing])
