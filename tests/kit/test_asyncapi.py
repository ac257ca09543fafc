"""Every topic stands in the AsyncAPI document, with its message."""

from schemas.topics import TOPICS
from services.kit.kafka.asyncapi import document


def test_every_topic_is_a_channel_with_a_message() -> None:
    channels = document(TOPICS)["channels"]

    assert {channel["address"] for channel in channels.values()} == {topic.name for topic in TOPICS}
    assert all(channel["messages"] for channel in channels.values())


def test_production_commands_are_described_in_full() -> None:
    schemas = document(TOPICS)["components"]["schemas"]

    assert {"ProductionReleased", "ProductionAmended", "ProductionCancelled"} <= schemas.keys()
