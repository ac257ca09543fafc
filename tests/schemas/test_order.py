"""A revision has one identity, whichever way it reached us."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from schemas.ids import fact_id, order_key, split_order_key
from schemas.order import OrderRevised, Payload, fingerprint, order_revised
from tests.schemas.orders import NOON, order_item, raw_order


def test_the_same_revision_by_webhook_and_by_poll_is_one_event() -> None:
    polled = raw_order(way="poll", risk="accept", holds=())
    pushed = raw_order(
        way="webhook", fetched_at=NOON + timedelta(seconds=3), payload=Payload(form="rest", body='{"id":1}')
    )

    assert order_revised(polled).event_id == order_revised(pushed).event_id


def test_another_content_at_the_same_second_is_another_event() -> None:
    one, two = raw_order(), raw_order(items=(order_item(quantity_to_make=0),))

    assert order_revised(one).event_id != order_revised(two).event_id


@pytest.mark.parametrize("objection", [{"risk": "cancel"}, {"holds": ("INCORRECT_ADDRESS",)}])
def test_an_objection_of_the_platform_is_content(objection: dict[str, object]) -> None:
    assert fingerprint(raw_order(**objection)) != fingerprint(raw_order())


def test_an_event_survives_the_wire() -> None:
    event = order_revised(raw_order())

    assert OrderRevised.model_validate_json(event.to_bytes()) == event


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValidationError):
        raw_order(placed_at=NOON.replace(tzinfo=None))


def test_an_error_does_not_show_the_buyer() -> None:
    with pytest.raises(ValidationError) as refused:
        raw_order(ship_to={"name": ["Buyer 0042"]})

    assert "Buyer" not in str(refused.value)


def test_an_order_key_is_taken_apart_as_it_was_built() -> None:
    key = order_key("etsy", "st-1", "a:b")

    assert split_order_key(key) == ("etsy", "st-1", "a:b")


@pytest.mark.parametrize("parts", [("", "s", "1"), ("etsy", "s:1", "1"), ("etsy", "s", "")])
def test_an_ambiguous_order_key_is_refused(parts: tuple[str, str, str]) -> None:
    with pytest.raises(ValueError, match="order key"):
        order_key(*parts)


def test_a_fact_id_depends_on_where_its_parts_end() -> None:
    assert fact_id("a", "bc") != fact_id("ab", "c")
