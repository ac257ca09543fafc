"""Makes the lines of an order as eBay tells them: costs of all units together, the variation's SKU, and no more."""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from typing import Any

from deploy.sandbox.catalog_of_goods import DOWNLOAD, GIFT_CARD, GOODS, LEGACY, Good
from deploy.sandbox.ebay.amounts import Purse, price_in
from deploy.sandbox.ebay.ledger import day_after

WORDS = ("Zoë & Max's <3", "Nguyễn 'Mai'", 'Say "hello" &amp; smile', "山田さんへ", "line one\nline two", "Été 2026 ☀")
_MANY_LINES = 40
_DISCOUNT_PERCENT = 10
_TAX_PERCENT = 8
_SHIPPING = 499
_NUMBERS = {good.sku: number for number, good in enumerate((*GOODS, LEGACY, DOWNLOAD, GIFT_CARD), start=1)}
_MANY_PARTS = frozenset({"global_shipping", "partly_shipped", "partly_refunded_line"})


@dataclass(frozen=True, slots=True)
class Sale:
    """What all lines of one order have in common; `created_ms` is Unix milliseconds."""

    number: int
    marketplace: str
    purse: Purse
    created_ms: int
    taxed: bool


@dataclass(slots=True)
class Sums:
    """What the lines add up to, in minor units."""

    items: int = 0
    discount: int = 0
    delivery: int = 0
    tax: int = 0


def goods_of(scenario: str, *, rng: random.Random) -> list[Good]:
    """What is sold."""
    match scenario:
        case "digital_only":
            return [DOWNLOAD]
        case "gift_card_only":
            return [GIFT_CARD]
        case "gift_card_and_goods":
            return [rng.choice(GOODS), GIFT_CARD]
        case "unmatched_sku":
            return [LEGACY]
        case "many_lines":
            return [rng.choice(GOODS) for _ in range(_MANY_LINES)]
        case _ if scenario in _MANY_PARTS:
            return rng.sample(GOODS, k=2)
    return rng.sample(GOODS, k=rng.choice((1, 1, 1, 2, 2, 3)))


def make_lines(scenario: str, sale: Sale, *, rng: random.Random) -> tuple[list[dict[str, Any]], Sums]:
    """The lines, and their sums."""
    sums = Sums()
    discounted = rng.randrange(_DISCOUNT_PERCENT) == 0
    lines = [
        _line(good, sale, place=place, discounted=discounted, sums=sums, rng=rng)
        for place, good in enumerate(goods_of(scenario, rng=rng))
    ]
    _spoil(scenario, lines, rng=rng)
    return lines, sums


def is_gift_card(line: dict[str, Any]) -> bool:
    """Whether a line is a digital gift card."""
    return "giftDetails" in line


def _line(good: Good, sale: Sale, *, place: int, discounted: bool, sums: Sums, rng: random.Random) -> dict[str, Any]:
    purse = sale.purse
    digital = good in (DOWNLOAD, GIFT_CARD)
    quantity = 1 if digital else rng.choice((1, 1, 1, 2, 3))
    cost = price_in(good.price, purse.currency) * quantity
    discount = cost // 10 if discounted else 0
    delivery = 0 if digital or place else price_in(_SHIPPING, purse.currency)
    tax = (cost - discount) * _TAX_PERCENT // 100 if sale.taxed else 0
    line = _listing(good, sale.marketplace) | {
        "lineItemId": str(10_000_000_000_000 + sale.number * 100 + place),
        "lineItemCost": purse.amount(cost),
        "quantity": quantity,
        "total": purse.amount(cost - discount + delivery),
        "deliveryCost": {"shippingCost": purse.amount(delivery)},
        "appliedPromotions": [],
        "taxes": [],
        "refunds": [],
        "lineItemFulfillmentInstructions": _promise(sale.created_ms),
    }
    if discounted:
        line["discountedLineItemCost"] = purse.amount(cost - discount)
        line["appliedPromotions"] = [
            {"discountAmount": purse.amount(discount), "promotionId": "5012345010", "description": "10% off"}
        ]
    if tax:
        line["ebayCollectAndRemitTaxes"] = [
            {"taxType": "STATE_SALES_TAX", "amount": purse.amount(tax), "collectionMethod": "NET"}
        ]
    if good is GIFT_CARD:
        line["giftDetails"] = {
            "message": "Happy birthday, Zoë & Max!",
            "recipientEmail": "recipient@example.com",
            "senderName": "Buyer 0007",
        }
    sums.items += cost
    sums.discount += discount
    sums.delivery += delivery
    sums.tax += tax
    return line


@functools.cache
def _listing(good: Good, marketplace: str) -> dict[str, Any]:
    """What every sale of a listing repeats; shared by all its lines, so nothing in it is ever changed."""
    number = _NUMBERS[good.sku]
    listing: dict[str, Any] = {
        "legacyItemId": str(280_000_000_000 + number),
        "title": f'{good.title} - "Made for you" & maker\'s choice',
        "soldFormat": "FIXED_PRICE",
        "listingMarketplaceId": marketplace,
        "purchaseMarketplaceId": marketplace,
        "lineItemFulfillmentStatus": "NOT_STARTED",
        "itemLocation": {"location": "Austin, Texas", "countryCode": "US", "postalCode": "787**"},
        "properties": {"buyerProtection": True},
    }
    if good.sku:
        listing["sku"] = good.sku
    if good not in (DOWNLOAD, GIFT_CARD):
        listing["legacyVariationId"] = str(580_000_000_000 + number)
        listing["variationAspects"] = [{"name": name, "value": value} for name, value in good.options]
    return listing


def _promise(created_ms: int) -> dict[str, Any]:
    return {
        "minEstimatedDeliveryDate": day_after(created_ms, days=5),
        "maxEstimatedDeliveryDate": day_after(created_ms, days=9),
        "shipByDate": day_after(created_ms, days=3),
        "guaranteedDelivery": False,
    }


def _spoil(scenario: str, lines: list[dict[str, Any]], *, rng: random.Random) -> None:
    """Change the first line to what the scenario is an example of."""
    first = lines[0]
    match scenario:
        case "personalized" if rng.random() < 0.5:  # noqa: PLR2004 - the other half writes a note at checkout
            aspect = {"name": "Personalization", "value": rng.choice(WORDS)}
            first["variationAspects"] = [*first["variationAspects"], aspect]
        case "deleted_product":
            del first["sku"], first["legacyVariationId"], first["variationAspects"]
            first["title"] = first["legacyItemId"]
        case "policy_hold":
            # The item's number in place of the title: a rule of eBay's, the item itself is to be made as ever.
            first["title"] = first["legacyItemId"]
        case "unmatched_sku" if rng.random() < 0.5:  # noqa: PLR2004 - the other half has a SKU nobody knows
            del first["sku"]
        case "linked_lines":
            first["linkedOrderLineItems"] = [
                {"orderId": "27-99999-00001", "lineItemId": "99999000000001", "title": "Tire", "sellerId": "tire_shop"}
            ]
        case "ready" if rng.randrange(20) == 0:
            first["soldFormat"] = "AUCTION"
