"""Webhooks that stopped coming are looked at when something speaks against them, and told when they were mended."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from schemas.sessions import OrderOutcome, SessionFinished
from schemas.stores import StoreSettings
from services.ingest.contract.webhooks import Delivery, Mended
from services.ingest.ports import LeaseLost
from services.ingest.webhooks.health import doubt, healed, silence_is_unlikely, unheard
from services.ingest.webhooks.ports import Healing, PushHealth
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.problems import Problem
from tests.ingest.twin_platform import webhook
from tests.ingest.workbench import START, STORE, Workbench, linked_store

MINUTE = timedelta(minutes=1)
SUBSCRIBED = replace(linked_store(subscribed_to="https://sync.example"), subscriptions=("orders",))


@pytest.mark.parametrize(
    ("changes_per_hour", "hours", "unlikely"),
    [
        # e^-7 is less than one in a thousand, e^-6.9 is not.
        (7.0, 1.0, True),
        (6.9, 1.0, False),
        (60.0, 0.12, True),
        (60.0, 0.1, False),
        (0.5, 13.0, False),
        (0.5, 14.0, True),
        (0.0, 10_000.0, False),
    ],
)
def test_silence_is_unlikely_by_how_often_the_store_changes(
    changes_per_hour: float, hours: float, *, unlikely: bool
) -> None:
    now = START + timedelta(hours=hours)

    assert silence_is_unlikely(changes_per_hour=changes_per_hour, since=START, now=now) is unlikely


@pytest.mark.parametrize(
    ("health", "after", "expected"),
    [
        (PushHealth(), 5, None),
        (PushHealth(), 10, "silent"),
        (PushHealth(heard_at=START + 5 * MINUTE), 10, None),
        (PushHealth(heard_at=START + 5 * MINUTE), 15, "silent"),
        (PushHealth(checked_at=START + 5 * MINUTE), 10, None),
        (PushHealth(refused_at=START + MINUTE), 5, "refused"),
        # Looked at since.
        (PushHealth(refused_at=START + MINUTE, checked_at=START + 2 * MINUTE), 5, None),
        # A poll was faster than the webhooks; they have not come since, or they have, or they may still come.
        (PushHealth(awaited_at=START + 3 * MINUTE), 5, "missed"),
        (PushHealth(awaited_at=START + 3 * MINUTE, heard_at=START + 4 * MINUTE), 5, None),
        (PushHealth(awaited_at=START + 4 * MINUTE, heard_at=START + 3 * MINUTE), 5, None),
        # Doubted in vain a moment ago; and three times in a row.
        (PushHealth(doubted_at=START + 2 * MINUTE, fruitless=1), 20, None),
        (PushHealth(doubted_at=START + 2 * MINUTE, fruitless=1), 23, "silent"),
        (PushHealth(doubted_at=START, fruitless=3), 59, None),
        # But webhooks came since.
        (PushHealth(doubted_at=START, fruitless=3, heard_at=START + MINUTE), 59, "silent"),
        (PushHealth(doubted_at=START, fruitless=90), 60, "silent"),
    ],
)
def test_what_speaks_against_webhooks(health: PushHealth, after: int, expected: str | None) -> None:
    assert doubt(SUBSCRIBED, health, changes_per_hour=60.0, now=START + after * MINUTE) == expected


def test_nothing_speaks_against_what_the_platform_does_not_push_or_nobody_knows() -> None:
    broken, now = PushHealth(refused_at=START + MINUTE), START + timedelta(days=1)

    assert doubt(replace(SUBSCRIBED, subscriptions=()), broken, changes_per_hour=60.0, now=now) is None
    assert doubt(SUBSCRIBED, PushHealth(), changes_per_hour=None, now=now) is None


def outcome(result: str, *, at: datetime, placed: datetime | None = None) -> OrderOutcome:
    facts = {"external_id": "1", "result": result, "revised_at": at, "placed_at": placed or at}
    return OrderOutcome.model_validate(facts)


@pytest.mark.parametrize(
    ("found", "changes_too", "expected"),
    [
        (outcome("new", at=START + MINUTE), True, [START + MINUTE]),
        (outcome("updated", at=START + MINUTE), True, [START + MINUTE]),
        (outcome("existing", at=START + MINUTE), True, []),
        # From before the last look: nothing new to learn of.
        (outcome("new", at=START - MINUTE), True, []),
        # A platform that tells of new orders only.
        (outcome("updated", at=START + MINUTE), False, []),
        (outcome("new", at=START + MINUTE, placed=START - MINUTE), False, []),
        (outcome("new", at=START + 2 * MINUTE, placed=START + MINUTE), False, [START + MINUTE]),
    ],
)
def test_which_orders_a_webhook_should_have_told(
    found: OrderOutcome, *, changes_too: bool, expected: list[datetime]
) -> None:
    assert unheard([found], store=SUBSCRIBED, health=PushHealth(), pushes_changes=changes_too) == expected
    assert unheard([found], store=linked_store(), health=PushHealth(), pushes_changes=changes_too) == []


def healing(*found: Mended, right_at: datetime | None = START - 3 * MINUTE, came: int = 0) -> Healing:
    return Healing(found, START, START - timedelta(hours=1), right_at, came)


@pytest.mark.parametrize(
    ("mended", "expected"),
    [
        (
            healing(Mended("orders/create", "missing"), came=3),
            (
                "Webhooks for orders/create had been removed on Twin (they were last seen right at 11:57 UTC); they"
                " were set up again, and everything changed since 11:00 UTC was read again: 3 orders came this way."
            ),
        ),
        (
            healing(Mended("a", "paused"), Mended("b", "paused"), Mended("c", "wrong_address"), right_at=None),
            (
                "Webhooks for a and b had been paused on Twin, those for c went to another address; they were set up"
                " again, and everything changed since 11:00 UTC was read again: nothing had been missed."
            ),
        ),
        (
            healing(*(Mended(topic, "wrong_secret") for topic in "abcd"), right_at=START - timedelta(days=1), came=1),
            (
                "Webhooks for a, b and 2 more topics had to get their secret anew, because what came had a wrong"
                " signature (they were last seen right at 2026-11-19 12:00 UTC); they were set up again, and"
                " everything changed since 11:00 UTC was read again: 1 order came this way."
            ),
        ),
    ],
)
def test_the_seller_is_told_what_was_broken_and_what_came(mended: Healing, expected: str) -> None:
    assert healed(mended, platform="Twin", now=START) == expected


async def pushed_store(bench: Workbench) -> None:
    """A store whose platform pushes, read to now."""
    store = await bench.add_store()
    bench.memory.stores[STORE] = replace(store, subscriptions=("orders",))
    await bench.polls.ask(STORE, by="key-1", now=bench.clock.now())
    await bench.poll()
    bench.clock.advance(1)


async def forge(bench: Workbench) -> None:
    with pytest.raises(Problem) as refused:
        await bench.webhooks.take("twin", STORE, Delivery({"x-signature": "forged"}, b"{}"))
    assert refused.value.status == 401


async def poll_again(bench: Workbench) -> None:
    """The poll that reads what changed until the webhooks were mended."""
    bench.clock.advance((bench.platform.pace.settle + timedelta(seconds=5)).total_seconds())
    await bench.poll()


async def polls_asked(bench: Workbench) -> bool:
    return bench.memory.polls[STORE].asked_at is not None


async def healings(bench: Workbench) -> list[str]:
    events = await bench.sessions()
    return [event.healed for event in events if isinstance(event, SessionFinished) and event.healed]


async def test_a_flood_of_forged_deliveries_causes_one_look_in_ten_minutes() -> None:
    bench = Workbench()
    await pushed_store(bench)
    looks = []
    for _ in range(3):
        for _ in range(500):
            await forge(bench)
            bench.clock.advance(1)
            if await polls_asked(bench):
                await bench.poll()
        looks.append(len(bench.platform.subscribed))
        bench.clock.advance(100)

    assert looks == [1, 2, 3]
    assert bench.platform.anew == [True] * 3
    assert bench.memory.sessions[next(reversed(bench.memory.sessions))].started_by == "schedule"


async def test_old_deliveries_that_come_again_do_not_rewrite_a_secret_that_verifies() -> None:
    bench = Workbench()
    await pushed_store(bench)
    for hours in (0, 1, 5):
        bench.clock.advance(timedelta(hours=hours).total_seconds())
        bench.platform.ailing = "wrong_secret"
        await forge(bench)
        await bench.poll()
        bench.clock.advance(1)
        bench.webhook_health.hear(STORE)
        bench.platform.ailing = None

    assert bench.platform.anew == [True, False, True]


async def test_a_second_process_does_not_double_what_forged_deliveries_cause() -> None:
    bench = Workbench()
    await pushed_store(bench)
    other = Workbench()
    other.memory.__dict__.update(bench.memory.__dict__)
    other.clock.advance(1)

    await forge(bench)
    first = bench.memory.webhook_health[STORE].refused_at
    other.clock.advance(60)
    await forge(other)

    assert bench.memory.webhook_health[STORE].refused_at == first


@pytest.mark.parametrize("change", ["off", "reconnect", "not_pushed"])
async def test_forged_deliveries_to_a_store_that_is_not_watched_cause_nothing(change: str) -> None:
    bench = Workbench()
    await pushed_store(bench)
    changes = {
        "off": {"settings": StoreSettings(auto_sync=False)},
        "reconnect": {"state": "reconnect"},
        "not_pushed": {"subscriptions": ()},
    }
    bench.memory.stores[STORE] = replace(bench.store, **changes[change])  # type: ignore[arg-type]

    await forge(bench)

    assert not await polls_asked(bench)


async def test_an_order_that_no_webhook_told_is_reason_to_look_in_the_same_poll_and_to_poll_again_at_once() -> None:
    bench = Workbench()
    await pushed_store(bench)
    bench.platform.put("missed")
    bench.platform.ailing = "disabled"
    bench.clock.advance(300)
    await bench.polls.ask(STORE, by="key-1", now=bench.clock.now())

    await bench.poll()
    bench.platform.put("changed meanwhile", at=bench.clock.now())
    assert await healings(bench) == []
    await poll_again(bench)

    [told] = await healings(bench)
    assert "had been switched off by Twin" in told
    assert told.endswith("2 orders came this way.")
    assert bench.metrics.value("syncorder_webhooks_mended_total", platform="twin", ailment="disabled") == 1


@pytest.mark.parametrize("comes", [True, False])
async def test_an_order_that_a_poll_found_at_once_is_awaited_for_two_minutes(*, comes: bool) -> None:
    bench = Workbench()
    await pushed_store(bench)
    bench.platform.put("fast")
    looks = []
    for _ in range(13):
        bench.clock.advance(10)
        await bench.polls.ask(STORE, by="key-1", now=bench.clock.now())
        await bench.poll()
        if comes:
            headers, body = webhook("order", "fast")
            await bench.webhooks.take("twin", STORE, Delivery(headers, body))
        looks.append(len(bench.platform.subscribed))

    assert looks == ([0] * 13 if comes else [0] * 12 + [1])


async def test_an_order_that_a_webhook_told_is_no_reason_to_look() -> None:
    bench = Workbench()
    await pushed_store(bench)
    bench.platform.put("told")
    headers, body = webhook("order", "told")
    await bench.webhooks.take("twin", STORE, Delivery(headers, body))
    await bench.books.flush()
    bench.clock.advance(300)
    await bench.polls.ask(STORE, by="key-1", now=bench.clock.now())

    await bench.poll()

    assert bench.platform.subscribed == []
    assert bench.memory.webhook_health[STORE].heard_at == START + timedelta(seconds=1)


async def test_doubts_that_come_to_nothing_become_rare() -> None:
    bench = Workbench()
    await pushed_store(bench)
    for number in range(72):
        bench.platform.put(f"o{number}")
        bench.clock.advance(300)
        await bench.polls.ask(STORE, by="key-1", now=bench.clock.now())
        await bench.poll()

    # Six hours: the hourly looks, and the doubts after 0, 20, 60 minutes and then hourly.
    assert len(bench.platform.subscribed) <= 14
    assert await healings(bench) == []


@pytest.mark.parametrize("fault", [AuthorizationError("scope"), TransientError("away")])
async def test_a_refused_subscription_is_asked_for_again_after_an_hour_and_one_that_may_pass_soon(
    fault: AuthorizationError | TransientError,
) -> None:
    bench = Workbench()
    await pushed_store(bench)
    bench.platform.faults["subscribe"] = [fault] * 1000
    bench.clock.advance(3600)
    asked = 1000
    for _ in range(60):
        await bench.polls.ask(STORE, by="key-1", now=bench.clock.now())
        await bench.poll()
        bench.clock.advance(60)

    asked -= len(bench.platform.faults["subscribe"])
    assert asked == (1 if isinstance(fault, AuthorizationError) else 60)
    assert bench.store.state == "linked"
    assert bench.store.push_problem


async def test_a_look_before_a_kill_is_told_by_whoever_goes_on_with_the_session() -> None:
    bench = Workbench()
    await pushed_store(bench)
    bench.clock.advance(3600)
    bench.platform.ailing = "missing"
    bench.platform.put("o1", at=bench.clock.now() - 10 * MINUTE)
    lease = await bench.claim()
    assert lease is not None
    bench.platform.faults["read_page"] = [LeaseLost("killed")]
    with pytest.raises(LeaseLost):
        await bench.in_time(bench.poller.poll(lease))
    bench.clock.advance(60)

    await bench.poll()
    bench.clock.advance(60)
    await bench.poll()

    [told] = await healings(bench)
    assert told.endswith("1 order came this way.")
    assert len(bench.platform.subscribed) == 1


async def test_what_was_never_subscribed_was_not_broken() -> None:
    bench = Workbench()
    await bench.add_store()
    bench.clock.advance(3600)
    bench.platform.ailing = "missing"

    await bench.poll()

    assert bench.store.subscriptions == ("orders",)
    assert await healings(bench) == []
    assert bench.metrics.value("syncorder_webhooks_mended_total", platform="twin", ailment="missing") == 0


async def test_webhooks_that_are_mended_by_silence_are_last_seen_right_when_the_last_of_them_came() -> None:
    bench = Workbench()
    await pushed_store(bench)
    bench.clock.advance(60)
    bench.webhook_health.hear(STORE)
    bench.memory.polls[STORE].activity = 120.0
    bench.platform.ailing = "missing"
    bench.clock.advance(600)
    await bench.polls.ask(STORE, by="key-1", now=bench.clock.now())

    await bench.poll()
    await poll_again(bench)

    [told] = await healings(bench)
    assert "(they were last seen right at 12:01 UTC)" in told


async def test_a_secret_is_proven_right_only_by_what_came_and_verified() -> None:
    bench = Workbench()
    await pushed_store(bench)
    bench.webhook_health.hear(STORE)
    bench.clock.advance(600)
    await forge(bench)
    bench.platform.ailing = "wrong_secret"

    await bench.poll()
    await poll_again(bench)

    [told] = await healings(bench)
    assert "(they were last seen right at 12:00 UTC)" in told


@pytest.mark.parametrize(("pushes_changes", "looks"), [(True, 1), (False, 0)])
async def test_silence_says_nothing_where_only_new_orders_are_pushed(*, pushes_changes: bool, looks: int) -> None:
    bench = Workbench()
    await pushed_store(bench)
    bench.platform.pushes_changes = pushes_changes
    bench.memory.polls[STORE].activity = 120.0
    bench.clock.advance(600)
    await bench.polls.ask(STORE, by="key-1", now=bench.clock.now())

    await bench.poll()

    assert len(bench.platform.subscribed) == looks


async def test_it_is_told_once_though_the_process_that_tells_it_is_killed() -> None:
    bench = Workbench()
    await pushed_store(bench)
    bench.clock.advance(3600)
    bench.platform.ailing = "missing"
    await bench.poll()
    bench.clock.advance(30)
    lease = await bench.claim()
    assert lease is not None
    end, bench.polls.end = bench.polls.end, killed  # type: ignore[method-assign]
    with pytest.raises(LeaseLost):
        await bench.in_time(bench.poller.poll(lease))
    bench.polls.end = end  # type: ignore[method-assign]
    for _ in range(3):
        bench.clock.advance(3600)
        await bench.poll()

    assert len(await healings(bench)) == 1


async def killed(*_: object, **__: object) -> None:
    raise LeaseLost("killed")


async def test_a_platform_that_can_push_nothing_is_asked_once_until_the_store_is_linked_again() -> None:
    bench = Workbench()
    bench.platform.pushes = False
    await bench.add_store()
    await bench.stores.change(STORE, lambda held: replace(held, subscribed_at=None, subscribed_to=None))
    looks = []

    for day in range(1, 5):
        if day == 3:
            await bench.stores.change(STORE, lambda held: replace(held, grants=held.grants + 1))
        bench.clock.advance(86_400)
        await bench.poll()
        looks.append(len(bench.platform.subscribed))

    assert looks == [1, 1, 2, 2]
