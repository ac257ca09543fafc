"""What the factory answers, when, and that reading everything again answers nothing twice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.factory.answers import Answer
from deploy.sandbox.factory.floor import Floor, Pace
from deploy.sandbox.factory.goods import catalog, variant_of
from tests.deploy.sandbox.factory.orders import KEY, amended, cancelled, released

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
SCHEMAS = Path(__file__).parents[4] / "schemas" / "json"


def kinds(answers: Iterable[Answer]) -> list[str]:
    return [one.event["type"].removeprefix("production.") for one in answers]


def run(floor: Floor, *commands: dict[str, Any], until: datetime = NOW) -> list[Answer]:
    """Give the floor these commands, then let everything happen at its time until then."""
    answers = [one for command in commands for one in floor.take(command, now=NOW)]
    while (at := floor.next_due()) is not None and at <= until:
        answers += floor.due(at)
    return answers


def validator(topic: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{topic}.json").read_text()))


def test_an_order_is_accepted_made_and_shipped_whole() -> None:
    floor = Floor()

    answers = run(floor, released(quantity=3))

    assert kinds(answers) == ["accepted", "in_production", "shipped"]
    assert answers[-1].event["shipment"]["items"] == [{"item_id": "1", "quantity": 3}]
    assert {one.key for one in answers} == {KEY}
    assert floor.book.entry(KEY).units_made == 3


def test_the_pace_lies_between_the_steps() -> None:
    floor = Floor(pace=Pace(seconds=10))

    at_once = run(floor, released())
    after_ten = floor.due(NOW + timedelta(seconds=10))
    after_twenty = floor.due(NOW + timedelta(seconds=20))

    assert kinds(at_once) == ["accepted"]
    assert kinds(after_ten) == ["in_production"]
    assert kinds(after_twenty) == ["shipped"]


def test_a_cancellation_in_time_is_obeyed() -> None:
    floor = Floor(pace=Pace(seconds=10))

    answers = run(floor, released(), cancelled(), until=NOW + timedelta(minutes=1))

    assert kinds(answers) == ["accepted", "cancelled"]
    assert floor.book.entry(KEY).units_made == 0


def test_a_cancellation_too_late_is_refused() -> None:
    floor = Floor()
    run(floor, released())

    answers = run(floor, cancelled())

    assert kinds(answers) == ["cancel_refused"]
    assert floor.book.entry(KEY).state == "shipped"


def test_an_amendment_in_time_replaces_the_order() -> None:
    floor = Floor(pace=Pace(seconds=10))

    answers = run(floor, released(quantity=2), amended(quantity=5), until=NOW + timedelta(minutes=1))

    assert kinds(answers) == ["accepted", "in_production", "shipped"]
    assert floor.book.entry(KEY).units_made == 5


def test_an_amendment_too_late_changes_nothing() -> None:
    floor = Floor()
    run(floor, released(quantity=2))

    answers = run(floor, amended(quantity=5))

    assert answers == []
    assert (floor.book.entry(KEY).units_made, floor.book.entry(KEY).late) == (2, 1)


def test_a_held_order_goes_on_when_it_is_amended() -> None:
    floor = Floor(pace=Pace(hold_share=1.0))
    held = run(floor, released())

    answers = run(floor, amended())

    assert kinds(held) == ["accepted", "on_hold"]
    assert kinds(answers) == ["in_production", "shipped"]


def test_a_held_order_goes_on_when_it_is_resumed() -> None:
    floor = Floor(pace=Pace(hold_share=1.0))
    run(floor, released())

    resumed = floor.resume(now=NOW)

    assert resumed == 1
    assert kinds(run(floor)) == ["in_production", "shipped"]


def test_the_hold_share_is_about_that_share() -> None:
    floor = Floor(pace=Pace(hold_share=0.25))

    run(floor, *(released(f"etsy:st-1:{number}") for number in range(1000)))

    assert 200 < floor.book.totals()["on_hold"] < 300


def test_a_repeated_event_is_counted_and_makes_nothing() -> None:
    floor = Floor()
    run(floor, released(quantity=2))

    answers = run(floor, released(quantity=2))

    assert answers == []
    assert (floor.book.duplicate_events, floor.book.entry(KEY).units_made) == (1, 2)


def test_a_second_release_under_another_id_is_counted_and_makes_nothing() -> None:
    floor = Floor()
    run(floor, released(quantity=2))

    answers = run(floor, released(quantity=2) | {"event_id": "another"})

    assert answers == []
    assert (floor.book.duplicate_releases, floor.book.entry(KEY).units_made) == (1, 2)


@pytest.mark.parametrize("commands", [[amended()], [cancelled()], [released(), amended(revision=3)]])
def test_a_revision_that_does_not_follow_is_a_hole(commands: list[dict[str, Any]]) -> None:
    floor = Floor(pace=Pace(seconds=10))

    run(floor, *commands)

    assert floor.book.holes == 1


def test_a_command_of_another_form_is_refused() -> None:
    with pytest.raises(KeyError):
        Floor().take({"event_id": "e", "type": "production.unheard_of"}, now=NOW)


STORIES = st.lists(
    st.sampled_from(
        [
            [released("etsy:s:1"), amended("etsy:s:1"), cancelled("etsy:s:1", revision=3)],
            [released("etsy:s:2"), cancelled("etsy:s:2")],
            [released("etsy:s:3"), amended("etsy:s:3")],
            [released("etsy:s:4")],
        ]
    ),
    unique_by=lambda story: str(story[0]["order_key"]),
)


@given(stories=STORIES, crash=st.integers(0, 12), pace=st.sampled_from([0, 5]), after=st.sampled_from([0, 5]))
def test_a_restart_answers_what_is_missing_and_nothing_twice(
    stories: list[list[dict[str, Any]]], crash: int, pace: int, after: int
) -> None:
    commands = [command for story in stories for command in story]
    first = Floor(pace=Pace(seconds=pace))
    sent = run(first, *commands[:crash], until=NOW + timedelta(seconds=7))

    second = Floor(pace=Pace(seconds=after), answered={one.event_id for one in sent})
    sent += run(second, *commands, until=NOW + timedelta(minutes=1))

    ids = [one.event_id for one in sent]
    ends = {one.key: kind for one, kind in zip(sent, kinds(sent), strict=True) if kind in ("shipped", "cancelled")}
    assert len(ids) == len(set(ids))
    assert set(ends) == {command["order_key"] for command in commands}
    assert sum(kind in ("shipped", "cancelled") for kind in kinds(sent)) == len(ends)
    assert second.book.holes == 0


@pytest.mark.parametrize("pace", [Pace(), Pace(seconds=10), Pace(hold_share=1.0)])
@pytest.mark.parametrize("country", ["US", "DE"])
def test_answers_have_the_agreed_shape(pace: Pace, country: str) -> None:
    answers = run(Floor(pace=pace), released(country=country), cancelled())

    for one in answers:
        validator("production.updates").validate(one.event)
    assert len(answers) >= 2


@pytest.mark.parametrize("command", [released(), amended(), cancelled()])
def test_the_commands_of_these_tests_have_the_agreed_shape(command: dict[str, Any]) -> None:
    validator("orders.production").validate(command)


def test_the_catalog_has_the_agreed_shape() -> None:
    variants = [*catalog(), variant_of("LEGACY-001", changed_at="2026-11-20T09:00:00Z")]

    for variant in variants:
        validator("catalog.variants").validate(variant)
    assert len({variant["sku"] for variant in variants}) == 13
