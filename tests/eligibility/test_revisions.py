from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.order import OrderGone, OrderRevised, RawOrder, order_gone, order_revised
from services.eligibility.revisions import Standing, merge, vanish
from tests.schemas.orders import NOON, raw_order

SECOND = timedelta(seconds=1)


def revision(at: int, fetched: int = 0, **changes: Any) -> OrderRevised:
    return order_revised(raw_order(revised_at=NOON + at * SECOND, fetched_at=NOON + fetched * SECOND, **changes))


def gone(at: int) -> OrderGone:
    order = raw_order()
    return order_gone(
        order.key,
        seller_id=order.seller_id,
        store_id=order.store_id,
        platform=order.platform,
        external_id=order.external_id,
        after=NOON,
        noticed_at=NOON + at * SECOND,
    )


def merged(first: OrderRevised, *events: OrderRevised | OrderGone) -> Standing:
    standing = merge(None, first).standing
    for event in events:
        known = merge(standing, event) if isinstance(event, OrderRevised) else vanish(standing, event)
        standing = known.standing
    return standing


def test_a_newer_revision_wins() -> None:
    old, new = revision(1), revision(2, payment="pending")

    assert merged(old, new).content.event_id == new.event_id
    assert merged(new, old).content.event_id == new.event_id


def test_on_a_tie_the_later_reading_wins() -> None:
    first, later = revision(1, fetched=1), revision(1, fetched=2, payment="pending")

    assert merged(later, first).content.event_id == later.event_id


def test_the_same_event_again_is_no_news() -> None:
    event = revision(1)
    standing = merged(event)

    again = merge(standing, event)

    assert not again.is_new
    assert not again.changed
    assert not again.moved


def test_a_later_reading_of_the_same_content_only_moves_the_stamp() -> None:
    again = merge(merged(revision(1, fetched=1)), revision(1, fetched=5))

    assert not again.is_new
    assert not again.changed
    assert again.moved


def test_what_a_form_does_not_tell_keeps_what_an_earlier_one_told() -> None:
    standing = merged(revision(1, risk="investigate", holds=("FRAUD",)), revision(2, risk=None, holds=None))

    order = standing.applied_to(raw_order())

    assert (order.risk, order.holds) == ("investigate", ("FRAUD",))


def test_a_late_revision_fills_in_only_what_no_newer_one_said() -> None:
    late = merge(merged(revision(2, risk=None)), revision(1, risk="cancel", payment="pending"))

    assert late.changed
    assert not late.is_new
    assert late.standing.risk == "cancel"
    assert not merge(late.standing, revision(1, fetched=-1, risk="accept")).changed


def test_an_order_that_is_gone_is_deleted_until_a_newer_revision_brings_it_back() -> None:
    lost = merged(revision(1), gone(3))

    assert lost.applied_to(raw_order()).deleted
    assert merged(revision(1), gone(3), revision(2)).applied_to(raw_order()).deleted
    assert not merged(revision(1), gone(3), revision(4)).applied_to(raw_order()).deleted
    assert not vanish(lost, gone(3)).changed


EVENTS = st.builds(
    revision,
    at=st.integers(0, 3),
    fetched=st.integers(0, 3),
    risk=st.sampled_from([None, "accept", "investigate", "cancel"]),
    holds=st.sampled_from([None, (), ("A",)]),
    payment=st.sampled_from(["paid", "pending", "refunded"]),
)


@given(st.data())
def test_any_order_of_arrival_with_repetitions_ends_in_the_same_state(data: st.DataObject) -> None:
    events = data.draw(st.lists(EVENTS, min_size=1, max_size=6))
    losses = [gone(at) for at in data.draw(st.lists(st.integers(0, 3), max_size=2))]
    first, *shuffled = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=4))))

    one = merged(*events, *losses)
    mixed: list[OrderRevised | OrderGone] = [*shuffled, *losses]
    other = merged(first, *data.draw(st.permutations(mixed)))

    assert _told(one, events) == _told(other, events)


def _told(standing: Standing, events: list[OrderRevised]) -> tuple[RawOrder, Any, Any, bool]:
    valid = next(event.order for event in events if event.event_id == standing.content.event_id)
    return valid.model_copy(update={"fetched_at": NOON}), standing.risk, standing.holds, standing.is_gone
