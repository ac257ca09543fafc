"""A parcel is told once, whatever happens in between, and believed only when it is read back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

import pytest

from services.ingest.contract.parcels import READ_FIRST, KnownParcel, Parcel, PushRefused, Shipping
from services.ingest.contract.stores import Access
from services.ingest.ports import LeaseLost
from services.ingest.schedule import LEASE, Schedule
from services.ingest.tracking.ports import News, PushFilter, PushLease, PushStorage
from services.ingest.tracking.push import PushOrder
from services.ingest.tracking.runs import PushRunner
from services.ingest.tracking.shipping_news import after_update
from services.kit.limits import MemoryLimits
from tests.ingest.pushing import (
    BUDGET,
    NUMBER,
    Killed,
    Life,
    Mortal,
    PushBench,
    Told,
    TwinWriter,
    away,
    refused,
    scanned,
    shipped,
    voided,
)
from tests.ingest.pushing import replaced as label_replaced
from tests.ingest.workbench import SELLER, START, STORE

HOUR = timedelta(hours=1)


async def test_a_shipment_is_told_once_and_verified() -> None:
    bench = await PushBench().linked()
    bench.writer.orders["o1"] = Told(ship_by=START + HOUR)

    await bench.ship()
    await bench.work()

    push, told = await bench.push(), bench.writer.orders["o1"]
    assert (push.state, push.attempts, push.parcel_id, push.due_at) == ("verified", 1, "p-1", None)
    assert (told.mails, bench.writer.writes[0].carrier, bench.writer.writes[0].lines) == (1, "usps", {"line-1": 1})
    assert [(event.state, event.step) for event in bench.events()] == [("queued", 1), ("sent", 2), ("verified", 3)]
    assert bench.events()[-1].ship_by == START + HOUR
    assert bench.metrics.value("syncorder_pushes_total", platform="twin", state="verified") == 1


async def test_the_same_updates_again_change_nothing() -> None:
    bench = await PushBench().linked()
    await bench.ship()
    await bench.work()
    told = len(bench.events())

    await bench.hear(shipped(), shipped())
    await bench.work()

    assert (len(bench.events()), len(bench.writer.writes)) == (told, 1)


async def test_a_number_that_somebody_else_added_is_not_told_again() -> None:
    bench = await PushBench().linked()
    bench.writer.orders["o1"] = Told(standing="shipped", parcels=[KnownParcel(NUMBER)])

    await bench.ship()
    await bench.work()

    assert ((await bench.push()).state, bench.writer.writes) == ("verified", [])


async def test_a_call_that_took_effect_and_was_cut_off_is_not_made_again() -> None:
    bench = await PushBench().linked()
    bench.writer.cuts = [away()]

    await bench.ship()
    await bench.work_for(timedelta(minutes=5))

    assert (await bench.push()).state == "verified"
    assert (len(bench.writer.writes), bench.writer.orders["o1"].mails) == (1, 1)


async def test_a_call_without_effect_is_made_again_when_that_is_certain() -> None:
    bench = await PushBench().linked()
    bench.writer.faults = [away(), away()]

    await bench.ship()
    await bench.work_for(timedelta(minutes=5))

    waits = [later - sooner for sooner, later in zip(bench.writer.calls_at, bench.writer.calls_at[1:], strict=False)]
    assert (await bench.push()).state == "verified"
    assert waits[0] >= timedelta(minutes=1)
    assert bench.writer.orders["o1"].mails == 1


async def test_a_number_that_shows_late_is_waited_for() -> None:
    bench = await PushBench().linked()
    bench.writer.shown_after, bench.writer.proves_at_once = timedelta(minutes=20), False

    await bench.ship()
    await bench.work_for(3 * HOUR)

    push = await bench.push()
    assert (push.state, len(bench.writer.writes), push.due_at) == ("verified", 1, None)
    assert "accepted" in {event.state for event in bench.events()}


async def test_a_number_that_vanished_is_told_again_without_another_mail_and_at_last_left_to_the_seller() -> None:
    bench = await PushBench().linked()
    bench.writer.drops = 1
    await bench.ship("o1")
    await bench.work_for(timedelta(minutes=5))
    bench.writer.drops = 9

    await bench.ship("o2", shipment_id="s2")
    await bench.work_for(timedelta(minutes=10))

    first, second = await bench.push("s1"), await bench.push("s2")
    assert (first.state, first.writes, bench.writer.orders["o1"].mails) == ("verified", 2, 1)
    assert (second.state, second.code, second.writes) == ("needs_attention", "VANISHED", 3)
    assert bench.writer.orders["o2"].mails == 1


@pytest.mark.parametrize("cut", [False, True])
async def test_whoever_is_killed_at_any_moment_leaves_one_parcel_and_one_mail(*, cut: bool) -> None:
    moments = 0
    for at in range(1, 40):
        bench = await PushBench().linked()
        bench.writer.cuts = [away()] if cut else []
        await bench.ship()
        life = Life(at)
        runner = PushRunner(
            bench.connectors,
            bench.stores,
            cast(PushStorage, Mortal(bench.pushes, life)),
            bench.tokens,
            bench.clock,
            bench.metrics,
        )
        bench.platform.parcels = cast(TwinWriter, Mortal(bench.writer, life))
        lease = await bench.claim_push()
        assert lease is not None
        with suppress(Killed):
            await runner.run(lease)
        bench.platform.parcels = bench.writer
        bench.clock.advance((LEASE + timedelta(seconds=1)).total_seconds())

        await bench.work_for(timedelta(minutes=10))

        told = bench.writer.orders["o1"]
        assert (at, (await bench.push()).state, len(told.parcels), told.mails) == (at, "verified", 1, 1)
        moments = life.moments
        if at > moments:
            break
    assert moments > 8


async def test_of_two_processes_only_one_tells_an_order_and_whoever_lost_it_does_nothing_more() -> None:
    bench = await PushBench().linked()
    await bench.ship("o1")
    await bench.hear(shipped("o1", shipment_id="s2", tracking="1Z999AA10123456784"))
    first = await bench.claim_push("process-1")
    assert first is not None

    second = await bench.claim_push("process-2")
    bench.clock.advance(LEASE.total_seconds() + 1)
    third = await bench.claim_push("process-2")
    assert third is not None
    await bench.push_runner.run(third)
    with pytest.raises(LeaseLost):
        await bench.push_runner.run(first)

    assert second is None
    assert [parcel.number for parcel in bench.writer.writes] == [1, 2]


async def test_several_parcels_of_an_order_are_told_in_turn_by_the_units_in_each() -> None:
    bench = await PushBench().linked()
    await bench.ship("o1", lines={"line-1": 2})
    bench.writer.orders["o1"].standing = "shipped"
    bench.writer.orders["o1"].parcels.append(KnownParcel(NUMBER))
    await bench.work()

    await bench.hear(shipped("o1", shipment_id="s2", tracking="1Z999AA10123456784", lines={"line-1": 1, "line-2": 3}))
    await bench.work()

    second = await bench.push("s2")
    assert (second.state, second.number, dict(bench.writer.writes[-1].lines)) == (
        "verified",
        2,
        {"line-1": 1, "line-2": 3},
    )


async def test_a_refused_access_waits_for_the_seller_and_goes_on_by_itself() -> None:
    bench = await PushBench().linked()
    bench.writer.token = "other"
    await bench.ship()

    await bench.work_for(HOUR)
    waiting, state = await bench.push(), bench.store.state
    bench.writer.token = bench.platform.accepted
    await bench.stores.change(STORE, lambda held: replace(held, state="linked", problem=None, grants=2))
    await bench.work()

    assert (waiting.state, waiting.code, state) == ("queued", "RECONNECT", "reconnect")
    assert ((await bench.push()).state, (await bench.push()).code) == ("verified", None)


async def test_a_refusal_of_the_whole_store_costs_one_call_until_somebody_did_something() -> None:
    bench = await PushBench().linked()
    bench.writer.faults = [refused(store_wide=True), refused(store_wide=True)]
    for number in ("o1", "o2", "o3"):
        await bench.ship(number, shipment_id=number)

    await bench.work()
    calls = len(bench.writer.writes)
    codes = [(await bench.push(number)).code for number in ("o1", "o2", "o3")]
    await bench.work_for(timedelta(hours=25))
    probed = len(bench.writer.writes)
    retried = await bench.pushes.retry_all(PushFilter(SELLER, code="RIGHT_MISSING"), now=bench.clock.now())
    await bench.work()

    states = [(await bench.push(number)).state for number in ("o1", "o2", "o3")]
    assert (calls, codes, probed, retried) == (1, ["RIGHT_MISSING"] * 3, 2, 3)
    assert states == ["verified"] * 3


async def test_a_store_that_was_linked_anew_goes_on_at_once() -> None:
    bench = await PushBench().linked()
    bench.writer.faults = [refused(store_wide=True)]
    for number in ("o1", "o2"):
        await bench.ship(number, shipment_id=number)
    await bench.work()

    await bench.stores.change(STORE, lambda held: replace(held, grants=2))
    await bench.work()

    assert [(await bench.push(number)).state for number in ("o1", "o2")] == ["verified"] * 2


async def test_a_parcel_waits_for_its_first_scan_where_the_seller_wants_that() -> None:
    bench = await PushBench().linked(hold_until_scanned=True)
    await bench.ship()
    await bench.work()
    held = await bench.push()

    await bench.hear(scanned())
    await bench.work()

    assert (held.state, held.code, held.attempts) == ("queued", "WAITS_FOR_SCAN", 0)
    assert (await bench.push()).state == "verified"


async def test_a_voided_label_is_not_told_or_the_seller_is_told_that_it_was() -> None:
    bench = await PushBench().linked()
    await bench.ship("o1", shipment_id="s1")
    await bench.hear(voided("o1", "s1"))
    await bench.work()
    await bench.ship("o2", shipment_id="s2")
    await bench.work()

    await bench.hear(voided("o2", "s2"))
    await bench.work()

    assert ((await bench.push("s1")).code, bench.writer.orders["o1"].mails) == ("VOIDED", 0)
    assert ((await bench.push("s2")).state, (await bench.push("s2")).code) == (
        "needs_attention",
        "VOIDED_AFTER_TELLING",
    )


async def test_another_label_takes_the_place_of_the_told_one() -> None:
    bench = await PushBench().linked()
    bench.writer.proves_at_once = False
    await bench.ship()
    await bench.work()

    await bench.hear(label_replaced())
    await bench.work_for(3 * HOUR)

    numbers = [parcel.tracking_number for parcel in bench.writer.orders["o1"].parcels]
    assert numbers == ["9400111899223197428506"]
    assert [parcel.replaces for parcel in bench.writer.writes] == [None, NUMBER]
    assert ((await bench.push("s2")).state, (await bench.push("s1")).due_at) == ("verified", None)


async def test_another_label_before_the_first_was_told_is_told_alone() -> None:
    bench = await PushBench().linked()
    await bench.ship()

    await bench.hear(label_replaced())
    await bench.work()

    assert ((await bench.push("s1")).code, [parcel.replaces for parcel in bench.writer.writes]) == ("REPLACED", [None])


async def test_a_platform_that_is_away_is_asked_ever_less_and_then_told() -> None:
    bench = await PushBench().linked()
    bench.writer.read_faults = [away() for _ in range(8)]

    await bench.ship()
    await bench.work_for(HOUR)

    assert ((await bench.push()).state, bench.writer.reads) == ("verified", 10)
    assert sum(event.code == "PLATFORM_AWAY" for event in bench.events()) == 1


async def test_a_platform_without_tracking_numbers_is_told_nothing() -> None:
    bench = await PushBench().linked()
    bench.platform.parcels = None

    await bench.ship()
    await bench.work()

    assert ((await bench.push()).state, (await bench.push()).code) == ("off", "NOT_WANTED")


async def test_of_five_thousand_the_nearest_deadlines_go_first_and_no_call_is_over_budget() -> None:
    bench, count = await PushBench().linked(), 5_000
    bench.writer.limits = MemoryLimits(bench.clock)
    # Not in the order of deadlines.
    deadlines = {f"o{place}": START + timedelta(minutes=place * 7919 % count) for place in range(count)}
    for number, deadline in deadlines.items():
        await _waiting(bench, number, deadline)
    schedule = Schedule(
        bench.push_runner.run,
        bench.pushes,
        owner="process-1",
        platforms=["twin"],
        at_once=12,
        clock=bench.clock,
        metrics=bench.metrics,
        what="push",
    )

    await _run_for(schedule, bench, seconds=30)

    told = [deadlines[parcel.order_external_id] for parcel in bench.writer.writes]
    calls = [(at - START).total_seconds() for at in bench.writer.calls_at]
    crowded = [
        (first, last)
        for first in range(len(calls))
        for last in range(first, len(calls))
        if last - first + 1 > BUDGET.capacity + BUDGET.rate * (calls[last] - calls[first])
    ]
    assert len(told) > 60
    assert told == sorted(deadlines.values())[: len(told)]
    assert crowded == []


async def _waiting(bench: PushBench, number: str, deadline: datetime) -> None:
    bench.writer.orders[number] = Told()
    update = shipped(number, shipment_id=number)
    order = PushOrder(update.order_key, number, STORE, SELLER, "twin", deadline)
    await bench.pushes.take([News(order, lambda pushes: after_update(pushes, update, order, now=START))], now=START)


async def _run_for(schedule: Schedule[PushLease], bench: PushBench, *, seconds: int) -> None:
    stop = asyncio.Event()
    running = asyncio.create_task(schedule.run(stop))
    for _ in range(seconds * 2):
        for _ in range(60):
            await asyncio.sleep(0)
        bench.clock.advance(0.5)
    stop.set()
    await running


class Unread(TwinWriter):
    """A platform whose orders need not be read before they are told."""

    async def unread(self, access: Access, parcel: Parcel) -> Shipping | None:
        """Any order."""
        del access, parcel
        return Shipping("open")


async def _unread() -> PushBench:
    bench = await PushBench().linked()
    bench.writer = Unread(bench.clock)
    bench.platform.parcels = bench.writer
    return bench


async def test_where_an_order_need_not_be_read_it_is_read_back_only() -> None:
    bench = await _unread()

    await bench.ship()
    await bench.work()

    assert ((await bench.push()).state, len(bench.writer.writes), bench.writer.reads) == ("verified", 1, 1)


async def test_a_refusal_of_what_was_told_unread_has_the_order_read_at_once() -> None:
    bench = await _unread()
    bench.writer.faults = [PushRefused("wait", "Read it first.", code=READ_FIRST)]
    bench.writer.orders["o1"] = Told(standing="cancelled")

    await bench.ship()
    await bench.work()

    push = await bench.push()
    assert (push.state, push.code) == ("needs_attention", "ORDER_CANCELLED")
    assert (len(bench.writer.writes), bench.writer.reads) == (1, 1)


async def test_what_may_have_been_told_unread_is_read_before_it_is_told_again() -> None:
    bench = await _unread()
    bench.writer.cuts = [away()]

    await bench.ship()
    await bench.work_for(timedelta(minutes=5))

    assert ((await bench.push()).state, len(bench.writer.writes)) == ("verified", 1)


async def _one_number() -> PushBench:
    bench = await PushBench().linked()
    bench.writer.orders["o1"] = Told()
    await bench.hear(shipped("o1", lines={"7": 1}), shipped("o1", shipment_id="s2", lines={"7": 1, "8": 2}))
    return bench


async def test_shipments_under_one_number_are_one_parcel_of_all_their_units() -> None:
    bench = await _one_number()

    await bench.work()

    assert [parcel.lines for parcel in bench.writer.writes] == [{"7": 2, "8": 2}]
    assert {(await bench.push(name)).state for name in ("s1", "s2")} == {"verified"}
    assert bench.writer.orders["o1"].mails == 1


async def test_a_shipment_under_a_number_that_may_be_there_waits_until_that_is_known() -> None:
    bench = await _one_number()
    bench.writer.cuts = [away()]
    bench.writer.shown_after = timedelta(seconds=20)

    await bench.work_for(timedelta(minutes=5))

    assert len(bench.writer.writes) == 1
    assert {(await bench.push(name)).state for name in ("s1", "s2")} == {"verified"}
