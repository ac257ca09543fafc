"""What is typed comes back as it was, and becomes an order whose wrong fields are found again."""

from __future__ import annotations

import pytest

from schemas.money import Money
from services.reporting.dashboard.order_form import Line, OrderForm, copied, totals
from services.reporting.dashboard.order_form_told import CopyTold, ProductTold

FIELDS = {
    "store_id": "st-1",
    "reference": "H-1",
    "currency": "USD",
    "gift_message": "Hello",
    "ship_to.name": "Buyer 0042",
    "ship_to.country": "US",
    "items.0.sku": "TEE",
    "items.0.title": "Tee",
    "items.0.quantity": "2",
    "items.0.unit_price": "19.99",
    "items.0.personalization.0.name": "Name",
    "items.0.personalization.0.value": "RIVERA",
    "items.0.designs.0.area": "back",
    "items.0.designs.0.url": "https://files.example.com/a.png",
    "items.1.sku": "MUG",
    "items.1.title": "Mug",
    "items.1.quantity": "many",
}


def form(**changes: str) -> OrderForm:
    return OrderForm.read({**FIELDS, **changes}, form_id="form-0001")


def product(sku: str = "TEE", cents: int = 799) -> ProductTold:
    return ProductTold(
        sku=sku,
        product_name=sku.title(),
        options=(),
        cost=Money(amount=cents, currency="USD"),
        available=True,
        needs_artwork=True,
        areas=(),
        picture_url=None,
    )


def test_all_that_is_typed_comes_back_right_or_wrong() -> None:
    assert form().fields() == FIELDS
    assert OrderForm.read(form().fields(), form_id="form-0001") == form()


def test_what_is_no_field_of_the_form_is_left_out() -> None:
    assert form(**{"do": "give", "form_token": "x", "items.0.other": "x", "ship_to.planet": "x"}).fields() == FIELDS


def test_an_order_keeps_what_is_no_number_so_that_ingest_can_say_so() -> None:
    order = form(test="1", unpaid="1").order()

    assert (order["store_id"], order["paid"], order["test"]) == ("st-1", False, True)
    assert order["ship_to"] == {"name": "Buyer 0042", "country": "US"}
    assert order["items"] == [
        {
            "sku": "TEE",
            "title": "Tee",
            "quantity": 2,
            "unit_price": "19.99",
            "personalization": [{"name": "Name", "value": "RIVERA"}],
            "designs": [{"area": "back", "url": "https://files.example.com/a.png"}],
        },
        {"sku": "MUG", "title": "Mug", "quantity": "many", "personalization": [], "designs": []},
    ]


@pytest.mark.parametrize(
    ("area", "url", "kept"),
    [
        ("front", "", ()),
        ("", "", ()),
        ("back", "", (("back", ""),)),
        ("front", "https://x.example.com/a", (("front", "https://x.example.com/a"),)),
    ],
)
def test_a_pair_that_the_form_only_proposed_is_none(area: str, url: str, kept: tuple[tuple[str, str], ...]) -> None:
    changes = {"items.1.designs.0.area": area, "items.1.designs.0.url": url}

    assert form(**changes).lines[1].designs == kept


def test_lines_move_up_where_one_goes() -> None:
    assert [line.sku for line in form().without_line(0).lines] == ["MUG"]
    assert "items.0.sku" in form().without_line(0).fields()
    assert [line.sku for line in form(**{"items.0.sku": " "}).lines] == ["MUG"]


def test_the_same_content_of_a_form_has_one_key_and_another_has_another() -> None:
    assert form().idempotency_key() == form().idempotency_key()
    assert form().idempotency_key() != form(reference="H-2").idempotency_key()
    assert form().idempotency_key() != OrderForm.read(FIELDS, form_id="form-0002").idempotency_key()


def test_totals_count_what_has_a_price() -> None:
    priced = form(**{"items.1.quantity": "3", "items.1.unit_price": "10", "shipping_price": "4.90"})

    sums = totals(priced, {"TEE": product(), "MUG": product("MUG", 500)})
    without = totals(form(), {"TEE": product()})

    assert (sums.pieces, sums.cost, sums.total) == (
        5,
        Money.parse("30.98", "USD"),
        Money.parse("74.88", "USD"),
    )
    assert (without.pieces, without.cost, without.total) == (2, None, None)
    assert totals(OrderForm("form-0001"), {}).total is None


@pytest.mark.parametrize("price", ["x", "1.999", "-"])
def test_a_price_that_is_none_adds_up_to_nothing(price: str) -> None:
    assert totals(form(**{"items.1.unit_price": price, "items.1.quantity": "1"}), {}).total is None


def test_an_earlier_order_fills_the_form_as_far_as_it_tells() -> None:
    item = {
        "sku": "TEE",
        "title": "Tee",
        "quantity": 2,
        "unit_price": {"amount": 1999, "currency": "EUR"},
        "personalization": [{"name": "Name", "value": "RIVERA"}],
        "designs": [],
    }
    rest = {"email": None, "shipping_service": "express", "gift_message": None, "note": None}
    whole = CopyTold.model_validate(
        {"order_key": "direct:st-1:H-0", "items": [item], "ship_to": {"name": "Buyer", "region": None}, **rest}
    )
    begun = OrderForm("form-0001", texts={"reference": "H-2", "currency": "USD"}, address={"country": "US"})

    filled = copied(whole, begun)

    assert filled.lines == (Line("TEE", "Tee", "2", "19.99", (("Name", "RIVERA"),), ()),)
    assert filled.address == {"country": "US", "name": "Buyer"}
    assert (filled.text("reference"), filled.text("currency")) == ("H-2", "EUR")
    assert (filled.text("shipping_service"), filled.text("copied_from")) == ("express", "direct:st-1:H-0")


def test_nothing_that_was_typed_shows_in_a_repr() -> None:
    assert "Buyer" not in repr(form())
    assert "RIVERA" not in repr(form())
