"""A reader of the last release can read what today's writers write."""

import copy
import json
from typing import Any

import pytest

from schemas.compatibility import breaks
from schemas.generate import RELEASED, main, schema_of
from schemas.order import RawOrder
from schemas.sessions import SESSION_EVENT
from schemas.topics import ORDERS_DECISIONS, TOPICS, Topic


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_old_readers_can_read_new_messages(topic: Topic) -> None:
    reader = json.loads((RELEASED / f"{topic.name}.json").read_text())

    assert breaks(reader, schema_of(topic)) == []


def test_the_generated_files_are_up_to_date() -> None:
    assert main(["--check"]) == 0


def _writer() -> dict[str, Any]:
    return copy.deepcopy(RawOrder.model_json_schema(mode="serialization"))


def test_a_field_that_is_gone_breaks_old_readers() -> None:
    writer = _writer()
    del writer["properties"]["total"]
    writer["required"].remove("total")

    [problem] = breaks(RawOrder.model_json_schema(), writer)

    assert problem.startswith(".total: readers need it")


def test_a_field_that_may_now_be_null_breaks_old_readers() -> None:
    writer = _writer()
    writer["properties"]["external_id"] = {"anyOf": [{"type": "string"}, {"type": "null"}]}

    assert breaks(RawOrder.model_json_schema(), writer) == [".external_id: was string, is null"]


def test_a_value_that_readers_do_not_know_breaks_them() -> None:
    writer = _writer()
    writer["properties"]["payment"]["enum"].append("disputed")

    assert breaks(RawOrder.model_json_schema(), writer) == [".payment: values that readers do not know: disputed"]


def test_a_change_deep_inside_a_list_is_found() -> None:
    writer = _writer()
    writer["$defs"]["OrderItem"]["properties"]["quantity"]["type"] = "string"

    assert breaks(RawOrder.model_json_schema(), writer) == [".items[].quantity: was integer, is string"]


def test_a_kind_of_message_that_readers_do_not_know_breaks_them() -> None:
    reader = SESSION_EVENT.json_schema()
    reader["oneOf"].pop()

    assert breaks(reader, SESSION_EVENT.json_schema(mode="serialization")) == [": a form no reader knows"]


def test_a_new_field_is_harmless() -> None:
    writer = schema_of(ORDERS_DECISIONS)
    writer["properties"]["news"] = {"type": "string"}  # type: ignore[index]
    writer["required"].append("news")  # type: ignore[attr-defined]

    assert breaks(schema_of(ORDERS_DECISIONS, side="reader"), writer) == []
