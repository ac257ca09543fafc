"""The report does not depend on the order, or the number of times, its facts arrive."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.reporting.facts import Fact
from services.reporting.projections import Changes, reduce_facts
from tests.reporting.facts import (
    FACTS,
    SESSION,
    at,
    decided,
    key,
    outcome,
    progressed,
    pushed,
    shipment,
    summary,
    update,
)


@given(st.lists(st.sampled_from(FACTS), max_size=12).flatmap(lambda extra: st.permutations([*FACTS, *extra])))
def test_any_order_and_any_repetition_give_the_same_rows(facts: Sequence[Fact]) -> None:
    assert reduce_facts(facts) == reduce_facts(FACTS)


@given(st.permutations(FACTS), st.lists(st.integers(0, len(FACTS)), max_size=4))
def test_any_cut_into_batches_gives_the_same_rows(facts: Sequence[Fact], cuts: Sequence[int]) -> None:
    kept = Changes()
    edges = [0, *sorted(cuts), len(facts)]

    for begin, end in itertools.pairwise(edges):
        kept.merge(reduce_facts(facts[begin:end]))

    assert kept == reduce_facts(FACTS)


def test_a_tombstone_changes_nothing() -> None:
    assert reduce_facts([None]) == Changes()


def test_an_import_told_by_session_and_by_decision_is_one_entry() -> None:
    changes = reduce_facts([progressed(outcome()), decided()])

    imported = [entry for entry in changes.timeline.values() if entry.kind == "imported"]

    assert [entry.at for entry in imported] == [at(1)]


def test_how_an_order_came_is_told_whoever_tells_first() -> None:
    changes = reduce_facts([progressed(outcome(), minute=0, way="form"), decided()])

    imported = [entry for entry in changes.timeline.values() if entry.kind == "imported"]

    assert [(entry.at, entry.data["way"]) for entry in imported] == [(at(0), "form")]


def test_a_revision_told_by_session_and_by_decision_is_one_entry() -> None:
    told = progressed(outcome(1, "updated", revised_at=at(3)), minute=4)
    judged = decided(number=2, minute=5, summary=summary(key(), revised_at=at(3)))

    changes = reduce_facts([told, judged])

    revised = [entry for entry in changes.timeline.values() if entry.kind == "revised"]
    assert [(entry.at, entry.data["session_id"]) for entry in revised] == [(at(4), SESSION)]


def test_an_order_that_was_there_already_adds_nothing_to_it() -> None:
    changes = reduce_facts([progressed(outcome(1, "existing"), outcome(2, "failed", problem="no id"))])

    assert changes.orders == {}
    assert changes.timeline == {}


@pytest.mark.parametrize("result", ["new", "updated", "existing"])
def test_a_failure_does_not_hide_behind_another_result(result: str) -> None:
    changes = reduce_facts([progressed(outcome(1, "failed", problem="no id"), outcome(1, result))])

    [kept] = changes.session_orders.values()

    assert kept.outcome.result == "failed"


def test_no_row_holds_more_than_the_facts_without_personal_data() -> None:
    changes = reduce_facts(FACTS)

    known = {"session_id", "way", "revised_at", "number", "cause", "outcome", "reasons", "rules_version", "cost"}
    known |= {"problem", "reason", "shipment_id", "carrier", "service", "tracking_number", "tracking_url", "items"}
    known |= {"push_id", "code", "replaced_shipment_id"}

    assert {name for entry in changes.timeline.values() for name in entry.data} <= known


def test_of_a_parcel_the_highest_step_stands_whenever_it_came() -> None:
    changes = reduce_facts([pushed("verified", step=4), pushed("sent", step=2, minute=20)])

    [parcel] = changes.parcels.values()

    assert (parcel.step, parcel.state) == (4, "verified")


def test_a_parcel_that_waits_for_the_same_thing_again_is_told_of_once() -> None:
    waits: dict[str, Any] = {"code": "PLATFORM_AWAY", "problem": "It is tried again by itself."}

    changes = reduce_facts([pushed("queued", step=step, minute=step, **waits) for step in (3, 1, 2)])

    [entry] = changes.timeline.values()
    assert (entry.kind, entry.at) == ("tracking_queued", at(1))


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ([update("shipped")], "shipped"),
        ([update("delivered")], "imported"),
        ([update("shipped"), update("scanned")], "shipped"),
        ([update("shipped"), update("delivered")], "delivered"),
        ([update("delivered"), update("shipped"), update("shipped", shipment=shipment("second"))], "shipped"),
        ([update("shipped"), update("label_voided")], "shipped"),
        ([update("shipped"), update("label_replaced"), update("delivered")], "shipped"),
        ([update("shipped"), update("label_replaced"), update("delivered", shipment_id=f"again-{key()}")], "delivered"),
    ],
)
def test_an_order_is_delivered_once_all_that_still_travels_arrived(facts: list[Fact], state: str) -> None:
    assert reduce_facts(facts).orders[key()].state == state
