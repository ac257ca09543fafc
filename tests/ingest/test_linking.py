"""Linking: by credentials, by authorization, again after the access was lost; and letting go."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from schemas.stores import Capability, StoreRecord, StoreSettings
from services.ingest.contract.stores import LinkingRefused
from services.ingest.ports import LeaseLost
from services.ingest.stores.linking import NewStore, read_callback
from services.ingest.stores.store import Store
from services.kit.errors import TransientError
from tests.ingest.workbench import START, Workbench


def new_store(name: str = "") -> NewStore:
    return NewStore("seller-1", "twin", name, None, StoreSettings())


async def by_credentials(bench: Workbench, shop: str = "shop-1") -> Store:
    return await bench.linking.link_with_credentials(new_store(), {"shop": shop, "token": bench.platform.accepted})


async def authorized(bench: Workbench, store: Store, shop: str = "shop-1") -> str:
    """The state that the platform will bring back."""
    started = await bench.linking.start(store, {"shop": shop})
    return parse_qs(urlsplit(started.url).query)["state"][0]


async def announced(bench: Workbench) -> list[StoreRecord]:
    await bench.relay.drain()
    return [
        StoreRecord.model_validate_json(message.value)
        for message in bench.publisher.published
        if message.topic == "stores"
    ]


async def test_credentials_link_a_store_at_once() -> None:
    bench = Workbench()

    store = await by_credentials(bench)

    assert (store.state, store.name, store.external_id) == ("linked", "Shop shop-1", "shop-1")
    assert store.subscriptions == ("orders",)
    assert bench.platform.subscribed == [f"https://sync.example/webhooks/twin/{store.store_id}"]
    assert await bench.claim() is not None


async def test_an_order_placed_in_the_second_of_linking_is_imported() -> None:
    bench = Workbench()
    bench.clock.advance(0.4)
    await by_credentials(bench)
    bench.clock.advance(0.5)
    bench.platform.put("o1")
    bench.clock.advance(5)

    await bench.poll()

    assert [event.order.external_id for event in bench.told] == ["o1"]


async def test_credentials_that_the_platform_refuses_link_nothing() -> None:
    bench = Workbench()

    with pytest.raises(LinkingRefused):
        await bench.linking.link_with_credentials(new_store(), {"shop": "shop-1", "token": "wrong"})

    assert bench.memory.stores == {}


async def test_a_linked_store_and_its_seller_are_announced_without_secrets() -> None:
    bench = Workbench()

    store = await by_credentials(bench)
    records = await announced(bench)

    assert [record.state for record in records] == ["linked", "linked"]
    assert records[-1].capabilities == (Capability(name="addresses", allowed=True),)
    assert records[-1].store_id == store.store_id
    assert {message.topic for message in bench.publisher.published} == {"sellers", "stores"}
    assert all(b"token-1" not in message.value for message in bench.publisher.published)


async def test_an_authorization_links_the_pending_store() -> None:
    bench = Workbench()
    pending = await bench.linking.add_pending(new_store("My shop"))
    state = await authorized(bench, pending)

    store = await bench.linking.complete("twin", {"state": state, "code": "good"})

    assert (store.store_id, store.state, store.name) == (pending.store_id, "linked", "My shop")


async def test_a_state_is_long_and_works_once_and_only_on_its_platform() -> None:
    bench = Workbench()
    state = await authorized(bench, await bench.linking.add_pending(new_store()))
    await bench.linking.complete("twin", {"state": state, "code": "good"})

    with pytest.raises(LinkingRefused, match="used before"):
        await bench.linking.complete("twin", {"state": state, "code": "good"})

    assert len(state) >= 32


@pytest.mark.parametrize("callback", [{}, {"state": ""}, {"state": "forged", "code": "good"}])
async def test_a_state_that_is_not_ours_links_nothing(callback: dict[str, str]) -> None:
    bench = Workbench()
    await authorized(bench, await bench.linking.add_pending(new_store()))

    with pytest.raises(LinkingRefused):
        await bench.linking.complete("twin", callback)


async def test_an_authorization_expires_after_a_quarter_of_an_hour() -> None:
    bench = Workbench()
    state = await authorized(bench, await bench.linking.add_pending(new_store()))
    bench.clock.advance(timedelta(minutes=15).total_seconds())

    with pytest.raises(LinkingRefused):
        await bench.linking.complete("twin", {"state": state, "code": "good"})


async def test_a_seller_who_says_no_leaves_the_store_pending() -> None:
    bench = Workbench()
    pending = await bench.linking.add_pending(new_store())
    state = await authorized(bench, pending)

    with pytest.raises(LinkingRefused, match="said no"):
        await bench.linking.complete("twin", {"state": state, "error": "denied"})

    assert bench.memory.stores[pending.store_id].state == "pending"
    assert await announced(bench) == []


async def test_linking_a_known_shop_again_links_the_store_that_it_is() -> None:
    bench = Workbench()
    known = await by_credentials(bench)
    pending = await bench.linking.add_pending(new_store())
    state = await authorized(bench, pending)

    store = await bench.linking.complete("twin", {"state": state, "code": "good"})

    assert store.store_id == known.store_id
    assert list(bench.memory.stores) == [known.store_id]


async def test_connecting_again_keeps_history_and_cursor() -> None:
    bench = Workbench()
    known = await by_credentials(bench)
    bench.clock.advance(30)
    await bench.poll()
    cursor = bench.memory.polls[known.store_id].cursor
    bench.memory.polls[known.store_id].next_poll_at = START + timedelta(hours=7)
    await bench.stores.change(known.store_id, lambda held: held.refused("gone", grant=1, now=bench.clock.now()))
    bench.clock.advance(60)

    state = await authorized(bench, bench.memory.stores[known.store_id])
    store = await bench.linking.complete("twin", {"state": state, "code": "good"})

    assert (store.state, store.problem, store.linked_at) == ("linked", None, START)
    assert bench.memory.polls[known.store_id].cursor == cursor
    assert await bench.claim() is not None


async def test_connecting_again_with_another_shop_is_refused() -> None:
    bench = Workbench()
    known = await by_credentials(bench)
    state = await authorized(bench, known, shop="shop-2")

    with pytest.raises(LinkingRefused, match="another store"):
        await bench.linking.complete("twin", {"state": state, "code": "good"})

    assert bench.memory.stores[known.store_id].external_id == "shop-1"


async def test_unlinking_unsubscribes_erases_the_secrets_and_keeps_the_store() -> None:
    bench = Workbench()
    store = await by_credentials(bench)

    unlinked = await bench.linking.unlink(store)

    assert (unlinked.state, unlinked.external_id) == ("unlinked", "shop-1")
    assert bench.platform.unsubscribed == 1
    assert bench.memory.secrets == {}
    assert [record.state for record in await announced(bench)][-1] == "unlinked"
    assert await bench.claim() is None


async def test_unlinking_stops_a_poll_under_way() -> None:
    bench = Workbench()
    store = await by_credentials(bench)
    bench.clock.advance(30)
    bench.platform.put("o1", at=START)
    lease = await bench.claim()
    assert lease is not None
    bench.platform.pause = 0.001
    polling = asyncio.create_task(bench.poller.poll(lease))
    await asyncio.sleep(0)

    await bench.linking.unlink(store)

    with pytest.raises(LeaseLost):
        await polling
    assert bench.memory.polls[store.store_id].cursor is None


async def test_unlinking_succeeds_while_the_platform_is_away() -> None:
    bench = Workbench()
    store = await by_credentials(bench)
    bench.platform.faults["unsubscribe"] = [TransientError("down")]

    unlinked = await bench.linking.unlink(store)

    assert unlinked.state == "unlinked"


async def test_an_unlinked_store_can_be_linked_again() -> None:
    bench = Workbench()
    store = await bench.linking.unlink(await by_credentials(bench))

    again = await by_credentials(bench)

    assert (again.store_id, again.state) == (store.store_id, "linked")


async def test_what_a_store_may_do_is_known_when_it_is_linked_and_asked_again_after_a_day() -> None:
    bench = Workbench()
    store = await by_credentials(bench)
    bench.platform.shows_addresses = False

    for seconds in (3600, 24 * 3600):
        bench.clock.advance(seconds)
        await bench.poll()

    assert store.capabilities == (Capability(name="addresses", allowed=True),)
    assert bench.memory.stores[store.store_id].capabilities == (Capability(name="addresses", allowed=False),)
    assert bench.platform.probes == 2


async def test_what_a_probe_could_not_find_out_stays_as_it_was_known() -> None:
    bench = Workbench()
    store = await by_credentials(bench)
    bench.platform.shows_addresses = None
    bench.clock.advance(25 * 3600)

    await bench.poll()

    assert bench.memory.stores[store.store_id].capabilities == store.capabilities


async def test_a_store_is_linked_though_its_probe_fails() -> None:
    bench = Workbench()
    bench.platform.faults["probe"] = [TransientError("throttled")]

    store = await by_credentials(bench)

    assert (store.state, store.capabilities, store.probed_at) == ("linked", (), None)


async def test_a_refusal_of_the_access_before_does_not_undo_a_reconnection() -> None:
    bench = Workbench()
    old = await by_credentials(bench)
    new = await by_credentials(bench)

    await bench.stores.change(old.store_id, lambda held: held.refused("gone", grant=old.grants, now=START))
    kept = bench.memory.stores[old.store_id].state
    await bench.stores.change(new.store_id, lambda held: held.refused("gone", grant=new.grants, now=START))

    assert (kept, bench.memory.stores[new.store_id].state) == ("linked", "reconnect")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null"])
def test_what_is_posted_to_the_callback_must_be_an_object(body: bytes) -> None:
    with pytest.raises(LinkingRefused):
        read_callback(body)


def test_numbers_in_a_posted_callback_become_text() -> None:
    assert read_callback(b'{"key_id": 1, "user_id": "abc"}') == {"key_id": "1", "user_id": "abc"}
