"""The AsyncAPI document of the topics, for those who read or write them without our code."""

import json
from collections.abc import Iterable
from typing import Any

from faststream.asgi import AsgiFastStream
from faststream.kafka import KafkaBroker
from faststream.specification import AsyncAPI

from schemas.topics import Topic

_DESCRIPTION = (
    "Messages are JSON. The key of each topic is told in its description; messages of one key keep their order. "
    "Read `orders.production` with isolation.level=read_committed."
)


def document(topics: Iterable[Topic]) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document: one channel and one message a topic."""
    # No connection is made: FastStream only needs something to hang its publishers on.
    broker = KafkaBroker("kafka:9092")
    for topic in topics:
        broker.publisher(topic.name, title=topic.name, description=_description(topic), schema=topic.message)
    specification = AsyncAPI(broker, title="Sync Order: topics", version="1", description=_DESCRIPTION)
    application = AsgiFastStream(broker, specification=specification)
    written: dict[str, Any] = json.loads(application.schema.to_specification().to_json())
    return written


def _description(topic: Topic) -> str:
    kept = f"kept {topic.retention.days} days" if topic.retention else "kept for ever"
    return f"Keyed by {topic.key}; {'compacted' if topic.compacted else kept}."
