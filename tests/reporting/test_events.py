"""Changes reach whom they concern; nobody's slowness costs the others."""

from __future__ import annotations

import asyncio

import pytest

from services.kit.http.problems import Problem
from services.reporting.adapters.memory import MemoryProjections
from services.reporting.events import MOST_LISTENERS, QUEUE_LENGTH, Hub, written
from services.reporting.ports import ANYTHING, Change
from tests.reporting.facts import SELLER, decided, key, located


def _change(number: int, *, seller: str = SELLER) -> Change:
    return Change(change_id=f"c{number}", seller_id=seller, orders=(key(number),))


@pytest.fixture
def hub() -> Hub:
    return Hub(MemoryProjections())


async def test_a_listener_hears_its_own_seller_only(hub: Hub) -> None:
    listener = hub.join(SELLER)

    hub.hand_on(_change(1, seller="seller-2"))
    hub.hand_on(_change(2))

    assert (await listener.next()).change_id == "c2"


async def test_a_listener_goes_on_after_the_last_event_it_saw(hub: Hub) -> None:
    for number in range(1, 4):
        hub.hand_on(_change(number))

    listener = hub.join(SELLER, last_id="c1")

    assert [(await listener.next()).change_id for _ in range(2)] == ["c2", "c3"]


async def test_what_happens_between_reading_and_listening_is_heard(hub: Hub) -> None:
    seen = hub.latest
    hub.hand_on(_change(1))

    listener = hub.join(SELLER, last_id=seen)

    assert (await listener.next()).change_id == "c1"


async def test_changes_missed_between_reading_and_listening_have_it_read_anew(hub: Hub) -> None:
    hub.hand_on(_change(1))
    seen = hub.latest
    hub.hand_on(ANYTHING)

    listener = hub.join(SELLER, last_id=seen)

    assert await listener.next() == ANYTHING


async def test_a_forgotten_event_has_the_listener_read_anew(hub: Hub) -> None:
    hub.hand_on(_change(1))

    listener = hub.join(SELLER, last_id="of another life")

    assert await listener.next() == ANYTHING


async def test_a_slow_listener_is_told_to_read_anew(hub: Hub) -> None:
    listener = hub.join(SELLER)

    for number in range(QUEUE_LENGTH + 1):
        hub.hand_on(_change(number))

    assert await listener.next() == ANYTHING


async def test_too_many_listeners_are_refused_until_one_leaves(hub: Hub) -> None:
    listeners = [hub.join(SELLER) for _ in range(MOST_LISTENERS)]

    with pytest.raises(Problem) as refused:
        hub.join(SELLER)
    hub.leave(listeners[0])

    assert refused.value.status == 503
    assert hub.join(SELLER) is not None


async def test_a_commit_is_handed_on() -> None:
    projections = MemoryProjections()
    hub = Hub(projections)
    listener = hub.join(SELLER)
    running = asyncio.create_task(hub.run())
    assert await listener.next() == ANYTHING

    await projections.apply(located(decided()))

    assert (await listener.next()).orders == (key(),)
    running.cancel()


def test_an_event_names_what_changed() -> None:
    event = written(Change(change_id="c1", seller_id=SELLER, sessions=("s1",), orders=(key(),)))

    assert event == b'id: c1\nevent: changed\ndata: {"sessions":["s1"],"orders":["etsy:store-1:1001"],"audits":[]}\n\n'


def test_more_than_can_be_named_is_read_anew() -> None:
    assert written(ANYTHING) == b"event: resync\ndata: {}\n\n"
