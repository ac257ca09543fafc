"""Makes the items of an order in Amazon's form: product, proceeds by kind, and the order's totals over them."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from typing import Any

from deploy.sandbox.amazon.markets import Market, money
from deploy.sandbox.catalog_of_goods import DOWNLOAD, GOODS, LEGACY, Good

_MANY_LINES = 60
_SHIPPING = 499
_TIP = 300
_PERCENT_OF_TAX = 8
_MESSAGES = (
    'Happy birthday, Zoë! It\'s "yours" & yours alone ❤',
    "山田さんへ おめでとう",
    "With love,\nNguyễn & the D'Arcys <3",
)
WORDS = ("Zoë & Max's <3", "Nguyễn 'Mai'", 'Say "hello"', "山田さんへ", "line one\nline two", "Été 2026 ☀")
#: The kinds of proceeds of an item. A discount is negative, so that they add up.
_KINDS = ("ITEM", "SHIPPING", "TAX", "DISCOUNT")
_PROMOTION = {"breakdowns": [{"promotionId": "PLM-AUTUMN-10"}]}
_POINTS = {"pointsCost": {"pointsGranted": {"pointsNumber": 20, "pointsMonetaryValue": money(20, "JPY")}}}
_NUMBERS = {good.sku: number for number, good in enumerate((*GOODS, LEGACY, DOWNLOAD), start=1)}


@dataclass(frozen=True, slots=True)
class _Sale:
    """Some units of one good in one market; the first of an order carries the shipping."""

    good: Good
    quantity: int
    market: Market
    first: bool
    reduced: bool


@dataclass(frozen=True, slots=True)
class Lines:
    """The items of an order, and what they add up to by kind, in the currency's smallest unit."""

    items: list[dict[str, Any]]
    sums: dict[str, int]


def make_items(scenario: str, *, number: int, market: Market, rng: random.Random) -> Lines:
    """The items of one order; `number` makes their ids unique."""
    goods = _goods(scenario, rng=rng)
    items, sums = [], dict.fromkeys(_KINDS, 0)
    for place, good in enumerate(goods):
        quantity = 3 if scenario == "partly_refunded" else rng.choice((1, 1, 1, 2, 3))
        sale = _Sale(good, quantity, market, first=place == 0, reduced=rng.randrange(12) == 0)
        item, parts = _sold(sale)
        made = item | {
            "orderItemId": str(10**13 + number * 1000 + place),
            "fulfillment": {"quantityFulfilled": 0, "quantityUnfulfilled": quantity},
        }
        if market.currency == "JPY" and rng.randrange(4) == 0:
            made["expense"] = _POINTS
        items.append(made)
        for kind, minor in zip(_KINDS, parts, strict=True):
            sums[kind] += minor
    _spoil(items[0], scenario, rng=rng)
    return Lines(items, sums)


def give(item: dict[str, Any], *, rng: random.Random) -> None:
    """The buyer sends this item as a gift, with a message."""
    gift = {"giftMessage": rng.choice(_MESSAGES), "giftWrapLevel": "Classic"}
    item["fulfillment"]["packing"] = {"giftOption": gift}


def totals(sums: dict[str, int], *, market: Market, tip: bool) -> dict[str, Any]:
    """The order's proceeds: what its items add up to, and a tip that belongs to none of them."""
    breakdowns: list[dict[str, Any]] = [
        {"type": kind, "subtotal": money(minor, market.currency)} for kind, minor in sums.items() if minor
    ]
    if tip:
        breakdowns.append({"type": "DELIVERY_TIP", "status": "PENDING", "subtotal": money(_TIP, market.currency)})
    total = sum(sums.values()) + (_TIP if tip else 0)
    return {"grandTotal": money(total, market.currency), "breakdowns": breakdowns}


def payments(total: dict[str, str], *, rng: random.Random) -> dict[str, Any]:
    """How the buyer paid; one in ten with a gift certificate and a card."""
    minor, currency = _minor(total), total["currencyCode"]
    if rng.randrange(10):
        return {"paymentExecutions": [{"paymentMethod": "CreditCard", "paymentAmount": total}]}
    parts = (("GiftCertificate", minor // 3), ("CreditCard", minor - minor // 3))
    return {
        "paymentExecutions": [{"paymentMethod": way, "paymentAmount": money(part, currency)} for way, part in parts]
    }


def _minor(amount: dict[str, str]) -> int:
    return int(amount["amount"].replace(".", ""))


def _goods(scenario: str, *, rng: random.Random) -> list[Good]:
    match scenario:
        case "unmatched_sku":
            return [LEGACY]
        case "many_lines":
            return [rng.choice(GOODS) for _ in range(_MANY_LINES)]
        case "partly_refunded" | "partly_shipped":
            return rng.sample(GOODS, k=2)
    return rng.sample(GOODS, k=rng.choice((1, 1, 1, 2, 2, 3)))


def _spoil(first: dict[str, Any], scenario: str, *, rng: random.Random) -> None:
    if scenario == "deleted_product":
        product = first["product"]
        first["product"] = {name: product[name] for name in ("asin", "title", "price")}
    elif scenario == "unmatched_sku" and rng.random() < 0.5:  # noqa: PLR2004 - the other half has a SKU nobody knows
        first["product"] = first["product"] | {"sellerSku": ""}


@functools.cache
def _sold(sale: _Sale) -> tuple[dict[str, Any], tuple[int, ...]]:
    """What every such sale repeats, shared, so that nothing within it is ever changed; and its amounts by kind."""
    currency = sale.market.currency
    goods = sale.good.price * sale.quantity
    discount = goods // 10 if sale.reduced else 0
    tax = (goods - discount) * _PERCENT_OF_TAX // 100
    parts = (goods, _SHIPPING if sale.first else 0, tax, -discount)
    breakdowns: list[dict[str, Any]] = [
        {"type": kind, "subtotal": money(minor, currency)} for kind, minor in zip(_KINDS, parts, strict=True) if minor
    ]
    for part in breakdowns:
        if part["type"] == "TAX":
            part["detailedBreakdowns"] = [{"subtype": "ITEM", "value": part["subtotal"]}]
    facilitator = "Amazon Services, Inc." if sale.market.region == "na" else "Amazon Services Europe S.a.r.L."
    item: dict[str, Any] = {
        "orderItemId": "",
        "quantityOrdered": sale.quantity,
        "product": _product(sale.good, currency),
        "proceeds": {"proceedsTotal": money(sum(parts), currency), "breakdowns": breakdowns},
        "tax": {"taxCollections": [{"model": "MARKETPLACE_FACILITATOR", "responsibleParty": facilitator}]},
    }
    return (item | {"promotion": _PROMOTION} if discount else item), parts


@functools.cache
def _product(good: Good, currency: str) -> dict[str, Any]:
    """What every sale of an offer repeats; shared by all its items, so nothing in it is ever changed."""
    return {
        "asin": f"B0{_NUMBERS[good.sku]:08d}",
        "title": f'{good.title} - {good.variant_title} | "Made for you" & maker\'s choice',
        "sellerSku": good.sku,
        "condition": {"conditionType": "NEW", "conditionSubtype": "NEW"},
        "price": {"unitPrice": money(good.price, currency)},
    }
