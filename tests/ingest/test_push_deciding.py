"""What is done next about a parcel follows from what the platform has, and never calls twice for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from schemas.ids import SellerId, order_key
from schemas.stores import StoreSettings
from services.ingest.contract.parcels import KnownParcel, Shipping
from services.ingest.tracking.deciding import (
    MOST_UNANSWERED,
    Rules,
    Write,
    after_refusal,
    before_reading,
    decide,
    lines_told,
)
from services.ingest.tracking.push import Push, PushOrder, Stand
from services.kit.clock import ManualClock
from tests.ingest.pushing import NUMBER, TwinWriter, refused
from tests.ingest.workbench import START, STORE

ORDER = PushOrder(order_key("twin", STORE, "o1"), "o1", STORE, SellerId("seller-1"), "twin")
PUSH = Push(
    push_id="push-1",
    order=ORDER,
    shipment_id="s1",
    number=1,
    tracking_number=NUMBER,
    carrier="usps",
    carrier_name="USPS",
    tracking_url="https://track.example.com/1",
    shipped_at=START,
    lines={"line-1": 1},
    created_at=START,
    changed_at=START,
    due_at=START,
)
SENT = replace(PUSH, state="sent", attempts=1, sent_at=START)
TAKEN = replace(PUSH, state="accepted", attempts=1, writes=1, sent_at=START, written_at=START)
VERIFIED = replace(TAKEN, state="verified", verified_at=START)
OTHER = KnownParcel("1Z999AA10123456784")
THERE = Shipping("shipped", (KnownParcel("9400-1118 9922 3197 4284 90", "p-1"),))
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


def rules(
    *,
    at_once: bool = True,
    replaces: bool = True,
    adds_units: bool = True,
    told: Mapping[str, int] | None = None,
    siblings: tuple[str, ...] = (),
    settings: Mapping[str, bool] | None = None,
) -> Rules:
    writer = TwinWriter(ManualClock(START), proves_at_once=at_once, replaces=replaces, adds_units=adds_units)
    return Rules("Twin", StoreSettings(**(settings or {})), writer, siblings, told=told or {})


def shape(verdict: Write | Stand) -> tuple[Any, ...]:
    """A verdict as the tables below say it: write, or state, code and seconds until it is looked at again."""
    if isinstance(verdict, Write):
        return ("write",)
    return (
        verdict.state,
        verdict.code,
        None if verdict.due_at is None else int((verdict.due_at - START).total_seconds()),
    )


@pytest.mark.parametrize(
    ("push", "shipping", "expected"),
    [
        (PUSH, Shipping("open"), ("write",)),
        (PUSH, Shipping("open", (OTHER,)), ("write",)),
        (PUSH, THERE, ("verified", None, None)),
        (PUSH, None, ("needs_attention", "ORDER_GONE", None)),
        (PUSH, Shipping("cancelled"), ("needs_attention", "ORDER_CANCELLED", None)),
        (PUSH, Shipping("cancelled", THERE.parcels), ("verified", None, None)),
        (PUSH, Shipping("exempt"), ("off", "NOT_WANTED", None)),
        (PUSH, Shipping("on_hold"), ("queued", "ON_HOLD", 900)),
        (PUSH, Shipping("on_hold", until=START + HOUR), ("queued", "ON_HOLD", 3600)),
        (PUSH, Shipping("on_hold", until=START - HOUR), ("queued", "ON_HOLD", 30)),
        (PUSH, Shipping("shipped", (OTHER,)), ("refused", "SHIPPED_BY_HAND", None)),
        (PUSH, Shipping("shipped"), ("refused", "SHIPPED_BY_HAND", None)),
        (SENT, Shipping("open"), ("sent", "UNSURE", 60)),
        (SENT, THERE, ("verified", None, None)),
        (replace(SENT, unanswered=5), Shipping("open"), ("sent", "UNSURE", 240)),
        (replace(SENT, unanswered=MOST_UNANSWERED), Shipping("open"), ("needs_attention", "NO_ANSWER", None)),
        (TAKEN, Shipping("open"), ("accepted", "NOT_SHOWN_YET", 2)),
        (VERIFIED, None, ("verified", None, None)),
    ],
)
def test_the_verdict_follows_from_what_the_platform_has(
    push: Push, shipping: Shipping | None, expected: tuple[Any, ...]
) -> None:
    verdict = decide(push, shipping, rules(), now=START)

    assert shape(verdict) == expected


@pytest.mark.parametrize(
    ("push", "after", "at_once", "expected"),
    [
        (SENT, MINUTE, True, ("write",)),
        (replace(SENT, unanswered=5), MINUTE, True, ("sent", "UNSURE", 240)),
        (replace(SENT, unanswered=5), 4 * MINUTE, True, ("write",)),
        (TAKEN, 3 * SECOND, True, ("accepted", "NOT_SHOWN_YET", 5)),
        (TAKEN, MINUTE, True, ("write",)),
        (TAKEN, MINUTE, False, ("accepted", "NOT_SHOWN_YET", 120)),
        (TAKEN, HOUR, False, ("accepted", "NOT_SHOWN_YET", 5400)),
        (TAKEN, 2 * HOUR, False, ("write",)),
        (replace(TAKEN, writes=2), MINUTE, True, ("write",)),
        (replace(TAKEN, writes=3), MINUTE, True, ("needs_attention", "VANISHED", None)),
        (VERIFIED, HOUR, False, ("write",)),
        (replace(VERIFIED, writes=3), HOUR, False, ("needs_attention", "VANISHED", None)),
    ],
)
def test_a_number_that_is_not_there_is_waited_for_before_it_is_told_again(
    push: Push, after: timedelta, *, at_once: bool, expected: tuple[Any, ...]
) -> None:
    verdict = decide(push, Shipping("open"), rules(at_once=at_once), now=START + after)

    assert shape(verdict) == expected


def test_where_acceptance_is_no_proof_it_is_read_once_more_an_hour_later() -> None:
    first = decide(TAKEN, THERE, rules(at_once=False), now=START)
    second = decide(VERIFIED, THERE, rules(at_once=False), now=START + HOUR)

    assert (shape(first), shape(second)) == (("verified", None, 3600), ("verified", None, None))


def test_a_completed_order_takes_further_parcels_where_it_was_we_who_completed_it() -> None:
    shipping = Shipping("shipped", (OTHER,))

    ours = decide(PUSH, shipping, rules(siblings=("1z999aa10123456784",)), now=START)
    lost = decide(replace(TAKEN, written_at=START - MINUTE), Shipping("shipped"), rules(), now=START)

    assert (shape(ours), shape(lost)) == (("write",), ("write",))


@pytest.mark.parametrize(("replaces", "expected"), [(True, OTHER.tracking_number), (False, None)])
def test_another_label_replaces_the_number_where_the_platform_can(*, replaces: bool, expected: str | None) -> None:
    push = replace(PUSH, replaces=OTHER.tracking_number)

    verdict = decide(push, Shipping("shipped", (OTHER,)), rules(replaces=replaces), now=START)

    assert isinstance(verdict, Write)
    assert verdict.parcel.replaces == expected


def test_a_number_that_the_platform_never_had_is_not_replaced() -> None:
    verdict = decide(replace(PUSH, replaces="1Z"), Shipping("open"), rules(), now=START)

    assert isinstance(verdict, Write)
    assert verdict.parcel.replaces is None


@pytest.mark.parametrize(("notify", "writes", "expected"), [(True, 0, True), (False, 0, False), (True, 1, False)])
def test_the_buyer_is_written_to_as_the_seller_chose_and_never_again(
    *, notify: bool, writes: int, expected: bool
) -> None:
    push = replace(TAKEN, state="queued", writes=writes)

    verdict = decide(push, Shipping("open"), rules(settings={"notify_buyer": notify}), now=START)

    assert isinstance(verdict, Write)
    assert verdict.parcel.notify_buyer is expected


@pytest.mark.parametrize(
    ("push", "settings", "expected"),
    [
        (PUSH, {}, None),
        (PUSH, {"sync_tracking": False}, ("off", "SWITCHED_OFF", None)),
        (SENT, {"sync_tracking": False}, None),
        (PUSH, {"hold_until_scanned": True}, ("queued", "WAITS_FOR_SCAN", 3600)),
        (replace(PUSH, scanned_at=START), {"hold_until_scanned": True}, None),
        (replace(PUSH, replaces="1Z"), {"replace_tracking": False}, ("needs_attention", "REPLACE_BY_HAND", None)),
    ],
)
def test_what_the_seller_chose_is_settled_without_a_call(
    push: Push, settings: dict[str, bool], expected: tuple[Any, ...] | None
) -> None:
    stand = before_reading(push, rules(settings=settings), now=START)

    assert (shape(stand) if stand else None) == expected


@pytest.mark.parametrize(
    ("remedy", "failures", "expected"),
    [
        ("wait", 0, ("queued", "CODE", 30)),
        ("wait", 3, ("queued", "CODE", 240)),
        ("wait", 40, ("queued", "CODE", 3600)),
        ("seller", 0, ("needs_attention", "CODE", None)),
        ("final", 0, ("refused", "CODE", None)),
    ],
)
def test_refusals_are_sorted_by_who_can_help(remedy: str, failures: int, expected: tuple[Any, ...]) -> None:
    stand = after_refusal(replace(PUSH, failures=failures), refused(remedy, code="CODE"), now=START)

    assert (shape(stand), stand.problem) == (expected, "Grant the right.")


@pytest.mark.parametrize(
    ("told", "left", "expected"),
    [
        ({"7": 1}, {"8": 1}, {"8": 1}),
        ({"7": 1}, {}, None),  # what was left is another's, or was given back
        ({"7": 1, "8": 1}, {"8": 4}, None),
        (None, {"8": 1}, None),
    ],
)
def test_what_is_missing_of_a_parcel_whose_number_is_there_is_told_without_a_mail(
    told: dict[str, int] | None, left: dict[str, int], expected: dict[str, int] | None
) -> None:
    push = replace(SENT, lines={"7": 1, "8": 1}, sent_at=START - 2 * MINUTE)
    shipping = Shipping("open", (KnownParcel(push.tracking_number, lines=told),), left=left)

    verdict = decide(push, shipping, rules(), now=START)

    if expected is None:
        assert shape(verdict)[0] == "verified"
    else:
        assert isinstance(verdict, Write)
        assert (verdict.parcel.lines, verdict.parcel.notify_buyer) == (expected, False)


@pytest.mark.parametrize(
    ("told", "there", "left", "adds_units", "expected"),
    [
        ({"7": 1}, {"7": 1}, {"7": 1, "8": 2}, True, {"7": 1, "8": 2}),
        ({"7": 1}, {"7": 1}, {"8": 1}, True, {"8": 1}),
        ({"7": 1}, {"7": 1}, {"7": 1, "8": 2}, False, "UNITS_LEFT"),
        ({"7": 1}, {"7": 1}, {}, False, None),  # marked as shipped by hand since
        ({"7": 1}, {"7": 2, "8": 2}, {"7": 1}, False, None),
        ({"7": 1}, {}, {"7": 1, "8": 2}, False, None),  # the platform does not say what is in it
    ],
)
def test_further_units_under_a_number_told_earlier_are_told_or_asked_for(
    told: dict[str, int],
    there: dict[str, int],
    left: dict[str, int],
    expected: dict[str, int] | str | None,
    *,
    adds_units: bool,
) -> None:
    push = replace(PUSH, push_id="push-2", lines={"7": 1, "8": 2})
    shipping = Shipping("open", (KnownParcel(push.tracking_number, lines=there),), left=left)

    verdict = decide(push, shipping, rules(adds_units=adds_units, told=told), now=START)

    if isinstance(verdict, Write):
        assert (verdict.parcel.lines, verdict.parcel.notify_buyer) == (expected, False)
    else:
        assert shape(verdict) == (("needs_attention", expected, None) if expected else ("verified", None, None))


def test_further_units_that_do_not_show_yet_are_waited_for() -> None:
    push = replace(TAKEN, lines={"8": 2}, written_at=START - SECOND)
    shipping = Shipping("open", (KnownParcel(push.tracking_number, lines={"7": 1}),), left={"8": 2})

    assert shape(decide(push, shipping, rules(told={"7": 1}), now=START)) == ("accepted", "NOT_SHOWN_YET", 1)


def test_what_was_told_under_a_number_is_of_others_that_left() -> None:
    others = [
        replace(VERIFIED, push_id="a", lines={"7": 1}),
        replace(TAKEN, push_id="b", lines={"7": 1, "8": 1}, tracking_number=NUMBER.lower() + " "),
        replace(VERIFIED, push_id="voided", lines={"7": 5}, voided_at=START),
        replace(VERIFIED, push_id="another", lines={"7": 5}, tracking_number="1Z999AA10123456784"),
        replace(PUSH, push_id="untold", lines={"7": 5}),
    ]

    assert lines_told(PUSH, [PUSH, *others]) == {"7": 2, "8": 1}
