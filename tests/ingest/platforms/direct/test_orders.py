"""Orders as sellers give them: what is refused and how it is told, and what raw order becomes of the rest."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.money import Money
from schemas.order import Design, NameValue, order_revised
from services.ingest.platforms.direct.orders import DirectOrder, timely, to_raw_order
from services.ingest.platforms.direct.problems import FieldProblem, problems_of
from tests.ingest.platforms.direct.given import NOW, STORE, address, given, item


def problems(order: Any) -> list[tuple[str, str]]:
    """The path and remedy of everything that is wrong."""
    with pytest.raises(ValidationError) as caught:
        DirectOrder.model_validate_json(json.dumps(order))
    return [(problem.path, problem.remedy) for problem in problems_of(caught.value)]


def test_all_that_production_takes_comes_along() -> None:
    order = DirectOrder.model_validate(
        given(
            "W-7",
            currency="eur",
            email="buyer@example.com",
            ship_to=address(company="Example Ltd", line2="Unit 2", phone="+1 555 0100", country="uk"),
            items=[
                item(
                    line_id="a",
                    title="Tee",
                    options=[{"name": "Colour", "value": "Black"}, {"name": "Size", "value": "M"}],
                    personalization=[{"name": "Back", "value": "RIVERA\n10"}],
                    designs=[{"area": "front", "url": "https://files.example.com/front.png"}],
                ),
                {"product_id": "p-1", "variant_id": "v-1", "quantity": 1},
            ],
            shipping_service="express",
            shipping_label_url="https://files.example.com/label.pdf",
            shipping_price="4.50",
            tax_value="1.00",
            ioss_number="IM0000000000",
            tax_number="T-1",
            gift_message="Happy birthday",
            note="Soon",
            placed_at="2026-11-19T10:00:00+07:00",
        )
    )

    raw = to_raw_order(order, STORE, revised_at=NOW, way="import")

    assert (raw.key, raw.external_id, raw.display_name, raw.way) == ("direct:st-1:W-7", "W-7", "W-7", "import")
    assert raw.placed_at.isoformat() == "2026-11-19T03:00:00+00:00"
    assert raw.ship_to is not None
    assert (raw.ship_to.company, raw.ship_to.line2, raw.ship_to.country) == ("Example Ltd", "Unit 2", "GB")
    assert (raw.email, raw.phone, raw.note, raw.is_gift) == ("buyer@example.com", "+1 555 0100", "Soon", True)
    assert raw.total == Money(amount=2 * 1999 + 450 + 100, currency="EUR")
    assert (raw.shipping_service, raw.ioss_number, raw.tax_number) == ("express", "IM0000000000", "T-1")
    assert raw.shipping_label_url == "https://files.example.com/label.pdf"
    assert raw.tax_value == Money(amount=100, currency="EUR")
    tee, listing = raw.items
    assert (tee.external_id, tee.title, tee.variant_title, tee.quantity_to_make) == ("a", "Tee", "Black / M", 2)
    assert tee.designs == (Design(area="front", url="https://files.example.com/front.png"),)
    assert tee.personalization == (NameValue(name="Back", value="RIVERA\n10"),)
    assert (listing.external_id, listing.variant_id, listing.product_id) == ("2", "v-1", "p-1")
    assert (listing.title, listing.unit_price.amount) == ("v-1", 0)


def test_the_same_order_given_in_two_ways_is_the_same_fact() -> None:
    order = DirectOrder.model_validate(given())

    by_api, by_file = (to_raw_order(order, STORE, revised_at=NOW, way=way) for way in ("api", "import"))

    assert order_revised(by_api).event_id == order_revised(by_file).event_id


def test_blanks_and_nulls_count_as_absent_and_texts_lose_the_blanks_around_them() -> None:
    order = DirectOrder.model_validate(
        given(" W-1 ", note="  ", gift_message=None, currency="", ship_to=address(line2=" ", city=" Springfield "))
    )

    assert order == DirectOrder.model_validate(given("W-1"))


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"reference": ""}, [("reference", "Give it.")]),
        ({"reference": "a\nb"}, [("reference", "Give a reference of one line.")]),
        ({"reference": ".."}, [("reference", "Give a number or a word.")]),
        ({"reference": "x" * 101}, [("reference", "Shorten it to 100 characters.")]),
        ({"note": "\x00"}, [("note", "Remove them: only what can be seen may stand there.")]),
        ({"currency": "DOGE"}, [("currency", "Give an ISO 4217 code, like USD.")]),
        ({"items": []}, [("items", "Give at least 1.")]),
        ({"items": [{"quantity": 1}]}, [("items.0", "Give a sku, or the product_id or variant_id of a listing.")]),
        ({"items": [item(quantity=0)]}, [("items.0.quantity", "Give 1 or more.")]),
        ({"items": [item(quantity=10**6)]}, [("items.0.quantity", "Give 10000 or less.")]),
        ({"items": [item(quantity=1.5)]}, [("items.0.quantity", "Give a whole number.")]),
        ({"items": [item(unit_price=19.99)]}, [("items.0.unit_price", 'Give it as a text, like "12.50".')]),
        (
            {"items": [item(unit_price="-1")]},
            [("items.0.unit_price", 'Give it in major units, like "12.50", without signs.')],
        ),
        ({"currency": "JPY"}, [("items.0.unit_price", "Give at most 0 decimals.")]),
        ({"total": "12.505"}, [("total", "Give at most 2 decimals.")]),
        (
            {"items": [item(line_id="2"), item()]},
            [("items.1.line_id", "Give every line one of its own, or none.")],
        ),
        (
            {"items": [item(designs=[{"area": "front", "url": "http://files.example.com/a.png"}])]},
            [("items.0.designs.0.url", "Give a whole https:// address.")],
        ),
        (
            {"shipping_label_url": "https://user:word@example.com/"},
            [("shipping_label_url", "Give a whole https:// address.")],
        ),
        (
            {"placed_at": "tomorrow"},
            [("placed_at", "Give a date and time with its time zone, like 2026-11-20T12:00:00Z.")],
        ),
        ({"paid": "maybe"}, [("paid", "Give true or false.")]),
        ({"colour": "red"}, [("colour", "Leave it out, or check how it is spelled.")]),
        ({"ship_to": None}, [("ship_to", "Give it.")]),
    ],
)
def test_what_cannot_be_meant_is_refused_with_where_and_what_to_do(
    wrong: dict[str, Any], told: list[tuple[str, str]]
) -> None:
    assert problems(given(**wrong)) == told


def test_an_order_of_tomorrow_is_a_slip_and_one_of_a_later_time_zone_is_not() -> None:
    def placed(after: timedelta) -> FieldProblem | None:
        return timely(DirectOrder.model_validate(given(placed_at=NOW + after)), now=NOW)

    late = placed(timedelta(days=2))

    assert placed(timedelta(hours=14)) is None
    assert late is not None
    assert late.sentence.startswith("placed_at: It lies in the future. Give when")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
)


@given_any(order=_JSON, field=st.sampled_from(sorted(DirectOrder.model_fields)))
@settings(max_examples=150, deadline=1000)
def test_whatever_is_given_is_an_order_or_problems_with_remedies(order: Any, field: str) -> None:
    for candidate in (order, given(**{field: order})):
        told: tuple[FieldProblem, ...] = ()
        try:
            read = DirectOrder.model_validate(candidate)
            to_raw_order(read, STORE, revised_at=NOW).model_dump_json().encode()
        except ValidationError as error:
            told = problems_of(error)
        assert all(problem.problem and problem.remedy for problem in told)
