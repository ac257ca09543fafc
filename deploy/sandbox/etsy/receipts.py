"""Makes receipts in Etsy's true form, one for each scenario, repeatable by seed."""

from __future__ import annotations

import functools
import html
import random
from dataclasses import dataclass
from typing import Any

from deploy.sandbox.catalog_of_goods import DOWNLOAD, GOODS, LEGACY, Good
from deploy.sandbox.etsy.ledger import Receipt
from deploy.sandbox.people import Address, make_address, make_buyer, make_invalid_address
from deploy.sandbox.scenarios import Scenario, deal

SIZE, COLOUR, CUSTOM, PERSONALIZATION = 100, 200, 513, 54
#: Etsy has no test orders, gift cards or changes of items, and one currency a shop: these become cases of its own.
_INSTEAD: dict[Scenario, str] = {
    "test": "shipped_elsewhere",
    "gift_card_only": "digital_only",
    "other_currency": "ready",
    "presentment_currency": "ready",
    "edited": "gift",
}
#: Scenarios of Etsy's own that a control request may name.
OWN_SCENARIOS = ("shipped_elsewhere", "gift", "physical_and_digital", "unpaid_open")
_MANY_LINES = 60
_SHORT_REGIONS = ("US", "CA", "AU")
_PERCENT_WITH_DOWNLOAD = 3
_WORDS = ("Zoë & Max's <3", "Nguyễn 'Mai'", 'Say "hello"', "山田さんへ", "line one\nline two", "Été 2026 ☀")
_QUESTIONS = ("Name for the back", "What's the date?", "Text & font")
_BUYER_NOTES = ("", "", "", "", "Please don't fold, thanks!", "It's for my mum's birthday & must be on time")


@dataclass(frozen=True, slots=True)
class ShopFacts:
    """What a receipt repeats of its shop."""

    user_id: int
    currency: str


def deal_scenarios(count: int, *, state: str, seed: int) -> list[str]:
    """`count` scenarios as they exist on Etsy; ValueError for a state that nobody knows."""
    if state in OWN_SCENARIOS:
        return [state] * count
    return [_INSTEAD.get(scenario, scenario) for scenario in deal(count, state=state, seed=seed)]


def make_receipt(
    scenario: str, *, receipt_id: int, shop: ShopFacts, created: int, now: int, rng: random.Random
) -> Receipt:
    """One receipt; `created` and `now` are Unix seconds, and its last change lies between them."""
    buyer = make_buyer(rng)
    valid = scenario != "invalid_address"
    address = make_address(rng, buyer) if valid else make_invalid_address(rng, buyer)
    updated = min(now, created + rng.randrange(1, 6))
    payload = _empty_receipt(receipt_id, shop, rng=rng, created=created, updated=updated)
    payload |= address_fields(address)
    payload["transactions"] = _transactions(scenario, payload, currency=shop.currency, rng=rng)
    payload |= _totals(payload["transactions"], currency=shop.currency, rng=rng)
    receipt = Receipt(payload, scenario, address_valid=valid)
    _SETTLE.get(scenario, _paid)(receipt)
    return receipt


def address_fields(address: Address) -> dict[str, Any]:
    """The address in Etsy's fields: no phone, no company, the region's short code only where people write one."""
    state = address.region if address.country in _SHORT_REGIONS else address.region_name
    lines = (
        address.name,
        address.line1,
        address.line2,
        f"{address.city}, {state} {address.zip}",
        address.country_name,
    )
    return {
        "name": html_escaped(address.name),
        "first_line": address.line1,
        "second_line": address.line2 or None,
        "city": address.city,
        "state": state or None,
        "zip": address.zip,
        "country_iso": address.country,
        "formatted_address": "\n".join(line for line in lines if line),
    }


def money(amount: int, currency: str) -> dict[str, Any]:
    """Etsy's Money; `amount` is in cents, and whole units where the currency has no smaller ones."""
    if currency == "JPY":
        return {"amount": amount, "divisor": 1, "currency_code": currency}
    return {"amount": amount, "divisor": 100, "currency_code": currency}


def html_escaped(text: str) -> str:
    """Text as live replies carry it: `&#39;` for an apostrophe, `&quot;` for a quotation mark."""
    return html.escape(text, quote=True).replace("&#x27;", "&#39;")


def _empty_receipt(
    receipt_id: int, shop: ShopFacts, *, rng: random.Random, created: int, updated: int
) -> dict[str, Any]:
    return {
        "receipt_id": receipt_id,
        "receipt_type": 0,
        "seller_user_id": shop.user_id,
        "seller_email": None,
        "buyer_user_id": 500_000_000 + rng.randrange(100_000_000),
        "buyer_email": None,
        "status": "Paid",
        "payment_method": "cc",
        "payment_email": None,
        "message_from_seller": None,
        "message_from_buyer": html_escaped(rng.choice(_BUYER_NOTES)),
        "message_from_payment": None,
        "is_paid": True,
        "is_shipped": False,
        "create_timestamp": created,
        "created_timestamp": created,
        "update_timestamp": updated,
        "updated_timestamp": updated,
        "is_gift": False,
        "gift_message": "",
        "gift_sender": "",
        "shipments": [],
        "refunds": [],
    }


def _transactions(scenario: str, receipt: dict[str, Any], *, currency: str, rng: random.Random) -> list[dict[str, Any]]:
    goods = _goods(scenario, rng=rng)
    lines = [_transaction(good, receipt, place=place, currency=currency, rng=rng) for place, good in enumerate(goods)]
    first = lines[0]
    if scenario == "personalized":
        first["variations"] = [*first["variations"], *_personalization(rng)]
    elif scenario == "deleted_product":
        first |= {"listing_id": None, "product_id": None, "sku": "", "listing_image_id": None, "product_data": []}
    elif scenario == "unmatched_sku" and rng.random() < 0.5:  # noqa: PLR2004 - the other half has a SKU nobody knows
        first["sku"] = ""
    return lines


def _goods(scenario: str, *, rng: random.Random) -> list[Good]:
    match scenario:
        case "digital_only":
            return [DOWNLOAD]
        case "unmatched_sku":
            return [LEGACY]
        case "many_lines":
            return [rng.choice(GOODS) for _ in range(_MANY_LINES)]
        case "physical_and_digital":
            return [rng.choice(GOODS), DOWNLOAD]
    goods = rng.sample(GOODS, k=rng.choice((1, 1, 1, 2, 2, 3)))
    if scenario == "ready" and rng.randrange(100) < _PERCENT_WITH_DOWNLOAD:
        goods.append(DOWNLOAD)
    return goods


def _transaction(
    good: Good, receipt: dict[str, Any], *, place: int, currency: str, rng: random.Random
) -> dict[str, Any]:
    digital = good is DOWNLOAD
    return _listing(good, currency) | {
        "transaction_id": receipt["receipt_id"] * 100 + place,
        "seller_user_id": receipt["seller_user_id"],
        "buyer_user_id": receipt["buyer_user_id"],
        "create_timestamp": receipt["created_timestamp"],
        "created_timestamp": receipt["created_timestamp"],
        "paid_timestamp": receipt["updated_timestamp"],
        "shipped_timestamp": None,
        "quantity": 1 if digital else rng.choice((1, 1, 1, 2, 3)),
        "receipt_id": receipt["receipt_id"],
        "expected_ship_date": None if digital else receipt["created_timestamp"] + 3 * 86_400,
    }


@functools.cache
def _listing(good: Good, currency: str) -> dict[str, Any]:
    """What every sale of a listing repeats; shared by all its transactions, so nothing in it is ever changed."""
    number = _NUMBERS[good.sku]
    digital = good is DOWNLOAD
    return {
        "title": html_escaped(f'{good.title} - "Made for you" & maker\'s choice'),
        "description": html_escaped(f"{good.title}, made to order. Don't bleach."),
        "listing_image_id": 4_000_000_000 + number,
        "is_digital": digital,
        "file_data": "pattern.pdf" if digital else "",
        "listing_id": 1_200_000_000 + number,
        "transaction_type": "listing",
        "product_id": 9_000_000_000 + number,
        "sku": good.sku,
        "price": money(good.price, currency),
        "shipping_cost": money(0, currency),
        "variations": [_variation(name, value) for name, value in good.options],
        "product_data": [_product_data(name, value) for name, value in good.options],
        "shipping_profile_id": None if digital else 77_000_000_001,
        "min_processing_days": None if digital else 1,
        "max_processing_days": None if digital else 3,
        "shipping_method": None if digital else "standard",
        "shipping_upgrade": None,
        "buyer_coupon": 0,
        "shop_coupon": 0,
    }


def _variation(name: str, value: str) -> dict[str, Any]:
    return {
        "property_id": _property(name),
        "value_id": _value_id(value),
        "formatted_name": html_escaped(name),
        "formatted_value": html_escaped(value),
        "question_id": None,
    }


def _product_data(name: str, value: str) -> dict[str, Any]:
    return {
        "property_id": _property(name),
        "property_name": name,
        "scale_id": None,
        "scale_name": None,
        "value_ids": [_value_id(value)],
        "values": [value],
    }


def _property(name: str) -> int:
    return {"Size": SIZE, "Color": COLOUR}.get(name, CUSTOM)


def _value_id(value: str) -> int:
    return 50_000_000_000 + sum(map(ord, value))


def _personalization(rng: random.Random) -> list[dict[str, Any]]:
    """Up to three answers, all under property 54; a file upload's value is an address."""
    answers = [(question, rng.choice(_WORDS)) for question in _QUESTIONS[: rng.choice((1, 1, 2))]]
    if rng.random() < 0.4:  # noqa: PLR2004 - some sellers ask for a picture
        answers.append(("Your photo", f"https://i.etsystatic.com/uploads/{rng.randrange(10**9)}.png"))
    return [
        {
            "property_id": PERSONALIZATION,
            "value_id": None,
            "formatted_name": html_escaped(question),
            "formatted_value": html_escaped(answer),
            "question_id": 8_800_000 + place,
        }
        for place, (question, answer) in enumerate(answers)
    ]


def _totals(lines: list[dict[str, Any]], *, currency: str, rng: random.Random) -> dict[str, Any]:
    """Grandtotal = total_price - discount + tax + shipping, subtotal = total_price - discount."""
    total = sum(line["price"]["amount"] * line["quantity"] for line in lines)
    physical = any(not line["is_digital"] for line in lines)
    discount = total // 10 if rng.randrange(10) == 0 else 0
    shipping = 499 if physical else 0
    tax = (total - discount) * 8 // 100
    return {
        "grandtotal": money(total - discount + tax + shipping, currency),
        "subtotal": money(total - discount, currency),
        "total_price": money(total, currency),
        "total_shipping_cost": money(shipping, currency),
        "total_tax_cost": money(tax, currency),
        "total_vat_cost": money(0, currency),
        "discount_amt": money(discount, currency),
        "gift_wrap_price": money(0, currency),
    }


def _paid(_receipt: Receipt) -> None:
    """The state that a receipt is made in."""


def _unpaid(receipt: Receipt, *, status: str = "Payment Processing") -> None:
    receipt.payload |= {"is_paid": False, "status": status}
    for line in receipt.payload["transactions"]:
        line["paid_timestamp"] = None


def _unpaid_open(receipt: Receipt) -> None:
    _unpaid(receipt, status="Open")


def _canceled(receipt: Receipt) -> None:
    receipt.is_canceled = True
    receipt.payload["status"] = "Canceled"


def _refunded(receipt: Receipt) -> None:
    total = receipt.payload["grandtotal"]
    receipt.payload["status"] = "Fully Refunded"
    receipt.payload["refunds"] = [refund_entry(total, at=receipt.updated)]


def _partly_refunded(receipt: Receipt) -> None:
    total = receipt.payload["grandtotal"]
    receipt.payload["status"] = "Partially Refunded"
    receipt.payload["refunds"] = [refund_entry(total | {"amount": total["amount"] // 10}, at=receipt.updated)]


def refund_entry(amount: dict[str, Any], *, at: int) -> dict[str, Any]:
    """One refund; Etsy does not say which item it is for."""
    return {
        "amount": amount,
        "created_timestamp": at,
        "reason": "Something else",
        "note_from_issuer": None,
        "status": "success",
    }


def _gift(receipt: Receipt) -> None:
    receipt.payload |= {
        "is_gift": True,
        "gift_message": html_escaped('Happy birthday, Zoë! It\'s "yours" & yours alone ❤'),
        "gift_sender": html_escaped("D'Arcy & family"),
    }


def _shipped_elsewhere(receipt: Receipt) -> None:
    receipt.shipped_elsewhere = True
    receipt.payload |= {"is_shipped": True, "status": "Completed"}
    receipt.payload["shipments"].append(
        {
            "receipt_shipping_id": receipt.receipt_id + 600_000_000_000,
            "shipment_notification_timestamp": receipt.updated,
            "carrier_name": "usps",
            "tracking_code": f"94001000{receipt.receipt_id:012d}",
        }
    )
    for line in receipt.payload["transactions"]:
        line["shipped_timestamp"] = receipt.updated


_SETTLE = {
    "unpaid_pending": _unpaid,
    "unpaid_authorized": _unpaid_open,
    "unpaid_open": _unpaid_open,
    "cancelled": _canceled,
    "refunded": _refunded,
    "partly_refunded": _partly_refunded,
    "gift": _gift,
    "shipped_elsewhere": _shipped_elsewhere,
}
_NUMBERS = {good.sku: number for number, good in enumerate((*GOODS, LEGACY, DOWNLOAD), start=1)}
