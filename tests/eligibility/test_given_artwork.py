"""Artwork, label and tax that come with an order reach production, and a change of them before it begins does too."""

from __future__ import annotations

from schemas.order import Design
from services.eligibility.assess import Eligible, assess
from services.eligibility.proposals import Amend
from services.eligibility.released import Told, digests, propose_after_release
from services.eligibility.rules import RESOLVABLE, objections
from tests.eligibility.workbench import SKU, dollars, facts, variant
from tests.schemas.orders import order_item, raw_order

OURS = Design(area="front", url="https://files.example.com/ours.png")
NEWER = Design(area="front", url="https://files.example.com/newer.png")


def test_an_orders_own_artwork_goes_before_the_catalogs_and_makes_up_for_none() -> None:
    order = raw_order(items=(order_item(designs=(OURS,)),))
    bare = facts(catalog={SKU: variant(designs=())})

    made, made_of_bare = assess(order, facts()), assess(order, bare)

    assert isinstance(made, Eligible)
    assert isinstance(made_of_bare, Eligible)
    assert made.production_order.items[0].designs == made_of_bare.production_order.items[0].designs == (OURS,)
    assert [reason.code for reason in objections(RESOLVABLE, raw_order(), bare)] == ["ARTWORK_MISSING"]


def test_the_sellers_label_and_the_buyers_tax_come_along() -> None:
    order = raw_order(shipping_label_url="https://files.example.com/label.pdf", tax_value=dollars("2.00"))

    made = assess(order, facts())

    assert isinstance(made, Eligible)
    assert made.production_order.shipping_label_url == "https://files.example.com/label.pdf"
    assert made.production_order.tax_value == dollars("2.00")


def test_production_is_told_of_newer_artwork_and_of_a_newer_label() -> None:
    before = raw_order(items=(order_item(designs=(OURS,)),))
    told = Told(1, *digests(before, facts()))

    newer_design = propose_after_release(
        raw_order(items=(order_item(designs=(NEWER,)),)), facts(), told, standing_reasons=()
    )
    newer_label = propose_after_release(
        before.model_copy(update={"shipping_label_url": "https://files.example.com/l.pdf"}),
        facts(),
        told,
        standing_reasons=(),
    )
    same = propose_after_release(before, facts(), told, standing_reasons=())

    assert isinstance(newer_design, Amend)
    assert isinstance(newer_label, Amend)
    assert not isinstance(same, Amend)


def test_orders_without_them_are_written_as_they_were_before() -> None:
    text = raw_order().model_dump_json()

    assert not [name for name in ("designs", "shipping_label_url", "tax_value") if f'"{name}"' in text]
