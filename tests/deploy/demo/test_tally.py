"""The tally finds every way in which numbers can fail to add up."""

from typing import Any

import pytest

from deploy.demo.tally import Pushed, Reported, factory_differences, tally_platform


def _true(external_id: str, scenario: str = "ready", *, makeable: bool = True) -> dict[str, Any]:
    return {"id": external_id, "scenario": scenario, "makeable": makeable}


def _shown(external_id: str, outcome: str = "eligible", *reasons: str, shipped: bool = True) -> Reported:
    released = outcome == "eligible"
    return Reported(external_id, outcome, frozenset(reasons), released=released, shipped=released and shipped)


def _book(**changes: Any) -> dict[str, Any]:
    totals = dict.fromkeys(("duplicate_events", "duplicate_releases", "holes", "unreadable"), 0)
    return {"totals": totals | changes.pop("totals", {}), "orders": changes}


def test_what_is_released_and_what_is_held_as_expected_adds_up() -> None:
    tally = tally_platform(
        [_true("1"), _true("2", "unpaid_pending", makeable=False)],
        [_shown("1"), _shown("2", "held", "PAYMENT_PENDING")],
    )

    assert tally.differences == ()
    assert tally.as_json() == {
        "on_platform": 2,
        "imported": 2,
        "held": {"PAYMENT_PENDING": 1},
        "rejected": {},
        "released": 1,
        "shipped": 1,
        "tracking_verified": 0,
        "tracking_seconds_p95": None,
    }


@pytest.mark.parametrize(
    ("there", "state", "problem"),
    [
        (["9400-12"], "verified", None),
        ([], "off NOT_WANTED", None),
        ([], "verified", "1: 940012 is there 0 times and should be once (verified)"),
        (["940012", "940012"], "verified", "1: 940012 is there 2 times and should be once (verified)"),
        ([], "needs_attention VANISHED", "1: 940012 is there 0 times and should be once (needs_attention VANISHED)"),
    ],
)
def test_a_number_that_the_platform_does_not_have_once_is_told(
    there: list[str], state: str, problem: str | None
) -> None:
    order = _true("1") | {"shipments": [{"tracking_number": number} for number in there]}

    word, _, code = state.partition(" ")

    tally = tally_platform([order], [_shown("1")], [Pushed("1", "940012", word, code or None)])

    assert tally.differences == (() if problem is None else (problem,))
    assert tally.tracking_verified == (problem is None)


def test_of_the_times_until_numbers_were_there_all_but_the_slowest_are_shorter_than_the_one_told() -> None:
    parcels = [Pushed(str(number), "1", "verified", None, float(number)) for number in range(1, 101)]

    assert tally_platform([], [], parcels).tracking_seconds_p95 == 95.0


def test_a_shipped_order_without_a_parcel_is_told() -> None:
    assert tally_platform([_true("1")], [_shown("1")], []).differences == ("1: shipped, and no parcel is known",)


def test_an_order_that_never_arrived_is_told() -> None:
    assert tally_platform([_true("1")], []).differences == ("1 (ready) is on the platform and not in the report",)


def test_an_order_that_no_platform_knows_is_told() -> None:
    assert tally_platform([], [_shown("1")]).differences == ("1 is in the report and not on the platform",)


def test_an_order_released_that_must_not_be_is_told() -> None:
    [told, _] = tally_platform([_true("1", "cancelled", makeable=False)], [_shown("1")]).differences

    assert told == "1 (cancelled) should be kept back and is eligible"


def test_a_release_that_never_came_back_is_told() -> None:
    [told] = tally_platform([_true("1")], [_shown("1", shipped=False)]).differences

    assert told == "1 (ready) was released and not shipped"


def test_an_order_held_for_another_reason_is_told() -> None:
    order = _true("1", "invalid_address", makeable=False)

    [told] = tally_platform([order], [_shown("1", "held", "NOT_APPROVED")]).differences

    assert told == "1 (invalid_address) is held for ['NOT_APPROVED']"


def test_a_factory_that_made_exactly_what_was_wanted_adds_up() -> None:
    assert factory_differences(_book(a={"units_made": 3}), {"a": 3}) == []


def test_units_and_duplicates_at_the_factory_are_told() -> None:
    told = factory_differences(_book(totals={"duplicate_releases": 2}, a={"units_made": 2}), {"a": 1, "b": 1})

    assert told == [
        "the factory counts 2 duplicate releases",
        "a: 2 units made, 1 wanted",
        "b: 0 units made, 1 wanted",
    ]
