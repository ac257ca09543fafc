"""Webhooks to the whole app: each store that one is about is told, and privacy requests reach whoever holds data."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from schemas.privacy import PrivacyRequested
from services.ingest.contract.webhooks import Delivery
from services.kit.http.problems import Problem
from tests.ingest.twin_platform import webhook
from tests.ingest.workbench import STORE, Workbench

SHOP = f"shop-of-{STORE}"


async def take(bench: Workbench, topic: str, external_id: str = "", shop: str = SHOP) -> str:
    headers, body = webhook(topic, external_id, shop)
    return await bench.webhooks.take_for_app("twin", Delivery(headers, body))


async def asked(bench: Workbench) -> list[PrivacyRequested]:
    await bench.relay.drain()
    return [
        PrivacyRequested.model_validate_json(message.value)
        for message in bench.publisher.published
        if message.topic == "privacy.requests"
    ]


async def test_the_store_that_it_is_about_gets_its_order() -> None:
    bench = Workbench()
    await bench.add_store()
    await bench.add_store("other")
    bench.platform.put("o1")

    assert await take(bench, "order", "o1") == "published"
    assert [event.order.store_id for event in bench.told] == [STORE]


async def test_a_store_that_nobody_linked_is_no_error() -> None:
    bench = Workbench()

    assert await take(bench, "order", "o1") == "unknown_store"
    assert bench.told == []


async def test_one_that_is_not_genuine_is_refused() -> None:
    bench = Workbench()
    await bench.add_store()
    headers, body = webhook("closed", shop=SHOP)

    with pytest.raises(Problem) as refused:
        await bench.webhooks.take_for_app("twin", Delivery(headers, body + b" "))

    assert refused.value.status == 401
    assert bench.store.state == "linked"


async def test_whose_news_did_not_verify_is_known_once_and_nothing_follows_from_it() -> None:
    bench = Workbench()
    await bench.add_store()
    polls = dict(bench.memory.polls)

    with capture_logs() as logs:
        for shop in (SHOP, SHOP, "shop-of-nobody"):
            headers, body = webhook("order", "o1", shop)
            with pytest.raises(Problem):
                await bench.webhooks.take_for_app("twin", Delivery(headers, body + b" "))
        refused = [(entry["platform"], entry["store_id"]) for entry in logs if entry["event"] == "webhook.refused"]

    assert refused == [("twin", STORE)]
    assert bench.told == []
    assert bench.memory.polls == polls


async def test_a_removed_app_closes_the_store() -> None:
    bench = Workbench()
    await bench.add_store()

    assert await take(bench, "closed") == "closed"
    assert (bench.store.state, bench.store.problem) == ("reconnect", "You removed the app.")


async def test_a_buyer_to_be_forgotten_in_one_store_is_told_with_the_keys_of_the_orders() -> None:
    bench = Workbench()
    await bench.add_store()

    assert await take(bench, "forget-buyer", "o1") == "privacy"

    [request] = await asked(bench)
    assert (request.kind, request.store_id, request.order_keys) == ("erase_buyer", STORE, (f"twin:{STORE}:o1",))


async def test_a_buyer_to_be_forgotten_everywhere_is_told_once_for_the_platform() -> None:
    bench = Workbench()
    await bench.add_store()

    assert await take(bench, "forget-everywhere", "buyer-7") == "privacy"

    [request] = await asked(bench)
    assert (request.store_id, request.platform, request.buyer_ids) == (None, "twin", ("buyer-7",))


async def test_the_data_of_a_store_that_was_unlinked_can_still_be_forgotten_but_its_orders_are_not_taken() -> None:
    bench = Workbench()
    store = await bench.add_store()
    await bench.linking.unlink(store)
    bench.platform.put("o1")

    assert await take(bench, "order", "o1") == "unlinked"
    assert await take(bench, "forget-store") == "privacy"
    assert [(request.kind, request.store_id) for request in await asked(bench)] == [("erase_store", STORE)]
    assert bench.told == []


async def test_a_request_told_twice_has_one_id() -> None:
    bench = Workbench()
    await bench.add_store()

    for _ in range(2):
        await take(bench, "forget-store")

    assert len({request.event_id for request in await asked(bench)}) == 1


async def test_a_store_that_syncs_only_when_asked_still_hears_that_its_buyer_wants_to_be_forgotten() -> None:
    bench = Workbench()
    await bench.add_store(auto_sync=False)
    bench.platform.put("o1")

    assert await take(bench, "order", "o1") == "sync_off"
    assert await take(bench, "forget-buyer", "o1") == "privacy"


def test_a_greeting_is_answered_without_a_signature() -> None:
    bench = Workbench()

    greeting = bench.webhooks.greet("twin", Delivery({}, b"", query={"challenge": "are you there?"}))

    assert greeting is not None
    assert greeting.body == b"are you there?"
    assert bench.webhooks.greet("twin", Delivery({}, b"")) is None
