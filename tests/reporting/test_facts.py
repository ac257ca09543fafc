"""A record is a fact, or is refused by the path of its fault and without its content."""

from __future__ import annotations

import pytest

from services.kit.errors import UnreadableMessage
from services.reporting.facts import SOURCES, Reader
from tests.reporting.facts import decided

TOPIC = "orders.decisions"


def test_a_record_becomes_its_fact() -> None:
    located = Reader().read(TOPIC, 3, 14, decided().to_bytes())

    assert (located.place, located.offset, located.fact) == ((TOPIC, 3), 14, decided())


def test_a_tombstone_is_no_fact() -> None:
    assert Reader().read("stores", 0, 1, b"").fact is None


def test_a_missing_field_is_named() -> None:
    value = decided().model_dump_json(exclude={"summary": {"placed_at"}}).encode()

    with pytest.raises(UnreadableMessage) as refused:
        Reader().read(TOPIC, 0, 0, value)

    assert refused.value.path == "summary.placed_at"


def test_what_cannot_be_read_is_not_repeated() -> None:
    value = decided().to_bytes().replace(b"#1001", b'Jane Doe"')

    with pytest.raises(UnreadableMessage) as refused:
        Reader().read(TOPIC, 0, 0, value)

    assert "Jane" not in str(refused.value)


def test_every_source_is_kept_and_free_of_personal_data() -> None:
    assert {topic.name for topic in SOURCES}.isdisjoint({"orders.raw", "orders.production"})
    assert all(topic.compacted or topic.retention is None for topic in SOURCES)
