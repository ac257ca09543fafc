"""Makes orders in eBay's true form, one for each scenario, repeatable by seed."""

from __future__ import annotations

import random
import string
from dataclasses import dataclass
from typing import Any

from deploy.sandbox.ebay.amounts import Purse
from deploy.sandbox.ebay.ledger import Order, moment
from deploy.sandbox.ebay.lines import WORDS, Sale, Sums, make_lines
from deploy.sandbox.ebay.settling import INTERNATIONAL, settle
from deploy.sandbox.ebay.shipto import contact, hub_instruction, instruction
from deploy.sandbox.people import Address, make_address, make_buyer, make_invalid_address

#: Marketplaces whose currency is known; one order is in one of them, a seller sells on all.
CURRENCIES = {
    "EBAY_US": "USD",
    "EBAY_GB": "GBP",
    "EBAY_DE": "EUR",
    "EBAY_FR": "EUR",
    "EBAY_IT": "EUR",
    "EBAY_ES": "EUR",
    "EBAY_CA": "CAD",
    "EBAY_AU": "AUD",
    "EBAY_JP": "JPY",
}
_ABROAD = ("EBAY_GB", "EBAY_DE", "EBAY_IT", "EBAY_AU", "EBAY_JP")
#: Marketplaces that ask their buyers for a tax number.
_TAX_NUMBERS = {"EBAY_IT": ("CODICE_FISCALE", "IT"), "EBAY_ES": ("NIF", "ES")}
_FEE_PERCENT = 13
_NOTES = (None, None, None, None, "Please don't fold, thanks!", "It's for my mum's birthday & must be on time")
_HUBS = frozenset({"global_shipping", "international_shipping", "authenticity"})
_NO_ADDRESS = frozenset({"digital_only", "gift_card_only", "fulfilled_by_ebay", "pickup"})
_LETTERS = string.ascii_letters + string.digits
_PERCENT_TO_HUBS = 3


@dataclass(frozen=True, slots=True)
class SellerFacts:
    """What an order repeats of its seller; `opaque_buyers` hides the names of buyers in the US."""

    username: str
    marketplace: str
    currency: str
    opaque_buyers: bool


def make_order(
    scenario: str, *, number: int, seller: SellerFacts, created_ms: int, now_ms: int, rng: random.Random
) -> Order:
    """One order; times are Unix milliseconds, and its last change lies between the two."""
    buyer = make_buyer(rng)
    valid = scenario != "invalid_address"
    address = make_address(rng, buyer) if valid else make_invalid_address(rng, buyer)
    marketplace, currency = _where(scenario, seller, rng=rng)
    other = "GBP" if currency != "GBP" else "USD"
    purse = Purse(currency, shown_in=other if scenario == "presentment_currency" else None)
    created_ms = created_ms // 1000 * 1000
    modified_ms = max(created_ms, min(now_ms // 1000 * 1000, created_ms + rng.randrange(1, 6) * 1000))
    taxed = marketplace == "EBAY_US" and address.country == "US"
    sale = Sale(number, marketplace, purse, created_ms, taxed)
    lines, sums = make_lines(scenario, sale, rng=rng)
    user_id = "".join(rng.choices(_LETTERS, k=11))
    payload = _head(number, seller, created_ms=created_ms, modified_ms=modified_ms)
    payload["buyer"] = _buyer(address, user_id=user_id, opaque=seller.opaque_buyers, rng=rng)
    payload["lineItems"] = lines
    payload["fulfillmentStartInstructions"] = [_instruction(scenario, address, created_ms=created_ms, rng=rng)]
    if scenario == "ready" and "ebaySupportedFulfillment" in payload["fulfillmentStartInstructions"][0]:
        payload["program"] = INTERNATIONAL
    remitted = _sum_up(payload, sums, purse=purse, paid_at=modified_ms)
    _take_note(scenario, payload, rng=rng)
    order = Order(payload, scenario, created_ms, modified_ms, buyer_id=user_id, remitted=remitted)
    order.address_valid = valid and scenario not in _NO_ADDRESS
    order.digital = scenario in ("digital_only", "gift_card_only")
    if marketplace in _TAX_NUMBERS:
        kind, country = _TAX_NUMBERS[marketplace]
        order.tax_identifier = {"taxpayerId": "XX00000000", "taxIdentifierType": kind, "issuingCountry": country}
    settle(order, purse=purse)
    return order


def _where(scenario: str, seller: SellerFacts, *, rng: random.Random) -> tuple[str, str]:
    if scenario != "other_currency":
        return seller.marketplace, seller.currency
    abroad = [place for place in _ABROAD if CURRENCIES[place] != seller.currency]
    marketplace = rng.choice(abroad)
    return marketplace, CURRENCIES[marketplace]


def _head(number: int, seller: SellerFacts, *, created_ms: int, modified_ms: int) -> dict[str, Any]:
    # Ids follow no order: a stride that shares no factor with the range visits each number once.
    digits = f"{(number * 6_700_417 + 1_478_665_872) % 10**10:010d}"
    return {
        "orderId": f"13-{digits[:5]}-{digits[5:]}",
        "legacyOrderId": f"13-{digits[:5]}-{digits[5:]}",
        "creationDate": moment(created_ms),
        "lastModifiedDate": moment(modified_ms),
        "orderFulfillmentStatus": "NOT_STARTED",
        "orderPaymentStatus": "PAID",
        "sellerId": seller.username,
        "cancelStatus": {"cancelState": "NONE_REQUESTED", "cancelRequests": []},
        "fulfillmentHrefs": [],
        "salesRecordReference": str(number),
    }


def _buyer(address: Address, *, user_id: str, opaque: bool, rng: random.Random) -> dict[str, Any]:
    """Who bought; where they live is another place than where the parcel goes."""
    hidden = opaque and address.country == "US"
    home = make_address(rng, make_buyer(rng), country="US")
    tax = {"city": home.city, "stateOrProvince": home.region, "postalCode": home.zip, "countryCode": home.country}
    return {
        "username": user_id if hidden else f"buyer_{user_id[:6].lower()}",
        "taxAddress": tax,
        "buyerRegistrationAddress": contact(home, alias=user_id.lower()),
    }


def _instruction(scenario: str, address: Address, *, created_ms: int, rng: random.Random) -> dict[str, Any]:
    if scenario in _HUBS or (scenario == "ready" and rng.randrange(100) < _PERCENT_TO_HUBS):
        return hub_instruction(address, created_ms=created_ms)
    return instruction(scenario, address, created_ms=created_ms)


def _sum_up(payload: dict[str, Any], sums: Sums, *, purse: Purse, paid_at: int) -> dict[str, Any] | None:
    """Fill in the summaries; what changes in them when the remitted tax is told too."""
    total = sums.items - sums.discount + sums.delivery
    pricing = {
        "priceSubtotal": purse.amount(sums.items),
        "deliveryCost": purse.amount(sums.delivery),
        "total": purse.amount(total),
    }
    if sums.discount:
        pricing["priceDiscount"] = purse.amount(-sums.discount)
    fee = total * _FEE_PERCENT // 100
    payload |= {
        "pricingSummary": pricing,
        "paymentSummary": {
            "totalDueSeller": purse.amount(total - fee),
            "refunds": [],
            "payments": [
                {
                    "paymentMethod": "EBAY",
                    "paymentReferenceId": str(6_000_000_000 + int(payload["salesRecordReference"])),
                    "paymentDate": moment(paid_at),
                    "amount": purse.amount(total - fee),
                    "paymentStatus": "PAID",
                }
            ],
        },
        "totalFeeBasisAmount": purse.amount(total + sums.tax),
        "totalMarketplaceFee": purse.amount(fee),
    }
    if not sums.tax:
        return None
    payload["ebayCollectAndRemitTax"] = True
    return {"tax": purse.amount(sums.tax), "total": purse.amount(total + sums.tax)}


def _take_note(scenario: str, payload: dict[str, Any], *, rng: random.Random) -> None:
    """What buyers write at checkout is of the whole order, and the only place for their own words."""
    first = payload["lineItems"][0]
    told = any(aspect["name"] == "Personalization" for aspect in first.get("variationAspects", ()))
    note = rng.choice(WORDS) if scenario == "personalized" and not told else rng.choice(_NOTES)
    if note is not None:
        payload["buyerCheckoutNotes"] = note
