from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from schemas.order import order_revised
from services.eligibility.production import Answer
from services.eligibility.subscriber import STORE_WAIT_SECONDS, Reading, Topics
from services.kit.errors import UnreadableMessage
from services.kit.kafka.records import Record
from tests.eligibility.workbench import SKU, Bench, store, variant
from tests.schemas.orders import raw_order


def reading(bench: Bench, answers: list[Answer] | None = None) -> Reading:
    async def take(taken: object) -> None:
        (answers if answers is not None else []).extend(taken)  # type: ignore[arg-type] # answers, by contract

    return Reading(Topics(), judge=bench.judge, repository=bench.repository, take_answers=take, clock=bench.clock)


def record(topic: str, value: bytes, key: str = "k", partition: int = 0) -> Record:
    return Record(topic, partition, 0, key, value, {}, 0)


def raw(value: bytes, partition: int = 0) -> Record:
    return record("orders.raw", value, partition=partition)


async def test_orders_are_judged_in_the_shard_of_their_partition(bench: Bench) -> None:
    await reading(bench).handle_orders([raw(order_revised(raw_order()).to_bytes(), partition=3)])

    assert (await bench.dossier()).shard == 3


async def test_an_unreadable_order_names_the_path_and_not_the_value(bench: Bench) -> None:
    event = orjson.loads(order_revised(raw_order()).to_bytes())
    event["order"]["items"][0]["quantity"] = "Ann Lee"

    with pytest.raises(UnreadableMessage) as caught:
        await reading(bench).handle_orders([raw(orjson.dumps(event))])

    assert caught.value.path == "order.items.0.quantity"
    assert "Ann" not in str(caught.value)


async def test_a_message_of_another_type_is_unreadable(bench: Bench) -> None:
    with pytest.raises(UnreadableMessage) as caught:
        await reading(bench).handle_orders([raw(b'{"type":"order.lost"}')])

    assert caught.value.path == "message"


async def test_unknown_fields_are_ignored(bench: Bench) -> None:
    event = orjson.loads(order_revised(raw_order()).to_bytes()) | {"later": 1}

    await reading(bench).handle_orders([raw(orjson.dumps(event))])

    assert await bench.commands() == ["order.released"]


async def test_an_answer_about_an_unknown_order_is_unreadable(bench: Bench) -> None:
    with pytest.raises(UnreadableMessage):
        await bench.production_says("accepted")


async def test_facts_are_kept_and_a_tombstone_forgets_a_variant(bench: Bench) -> None:
    await reading(bench).handle_facts(
        [
            record("catalog.variants", variant(sku="MUG").model_dump_json().encode(), key="MUG"),
            record("catalog.variants", b"", key=SKU),
        ]
    )

    await bench.arrive(raw_order())
    assert await bench.reasons() == ["ITEM_NOT_MATCHED"]


async def test_the_first_orders_of_a_store_wait_for_the_store(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.repository.put_variants([variant()])
    handling = asyncio.create_task(reading(bench).handle_orders([raw(order_revised(raw_order()).to_bytes())]))
    await asyncio.sleep(0)

    await reading(bench).handle_facts([record("stores", store().model_dump_json().encode())])
    bench.clock.advance(1)
    await handling

    assert await bench.reasons() == ["PRODUCTION_NOT_PAID"]


async def test_a_store_that_is_never_heard_of_does_not_stop_the_others(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    handling = asyncio.create_task(reading(bench).handle_orders([raw(order_revised(raw_order()).to_bytes())]))

    while not handling.done():
        await asyncio.sleep(0)
        bench.clock.advance(STORE_WAIT_SECONDS / 10)

    assert "PLACED_BEFORE_LINKING" in await bench.reasons()
