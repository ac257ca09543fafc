"""Makes orders in Amazon's true form, one for each scenario, repeatable by seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from deploy.sandbox.amazon.addressing import address_fields, delivery_address
from deploy.sandbox.amazon.lines import make_items, payments, totals
from deploy.sandbox.amazon.markets import Market
from deploy.sandbox.amazon.orders import Order, iso
from deploy.sandbox.amazon.states import SETTLE, Making
from deploy.sandbox.people import PLACES, Address, Buyer, make_buyer
from deploy.sandbox.scenarios import Scenario, deal

DAY = 86_400_000
#: Amazon has no test orders, gift cards, downloads or additions to an order in a seller's list: these become cases of
#: its own. A refund shows nowhere in an order; only what was never shipped can be seen to be gone, as a cancellation.
_INSTEAD: dict[Scenario, str] = {
    "test": "fulfilled_by_amazon",
    "gift_card_only": "unfulfillable",
    "digital_only": "shipped_elsewhere",
    "presentment_currency": "business",
    "edited": "gift",
    "refunded": "cancelled",
    "unpaid_authorized": "pending_availability",
}
#: Scenarios of Amazon's own that a control request may name.
OWN_SCENARIOS = (
    "pending_availability",
    "partly_shipped",
    "shipped_elsewhere",
    "fulfilled_by_amazon",
    "unfulfillable",
    "cancel_requested",
    "business",
    "gift",
    "replacement",
    "ship_plus",
    "label_bought",
    "transparency",
    "ioss",
)


@dataclass(frozen=True, slots=True)
class SellerFacts:
    """What an order repeats of its seller; orders come from the first marketplace unless the scenario says else."""

    markets: tuple[Market, ...]


def deal_scenarios(count: int, *, state: str, seed: int) -> list[str]:
    """`count` scenarios as they exist on Amazon; ValueError for a state that nobody knows."""
    if state in OWN_SCENARIOS:
        return [state] * count
    return [_INSTEAD.get(scenario, scenario) for scenario in deal(count, state=state, seed=seed)]


def make_order(scenario: str, *, number: int, seller: SellerFacts, created: int, now: int, rng: random.Random) -> Order:
    """One order; its last change lies between `created` and `now`, and every second one has whole seconds."""
    whole = number % 2 == 0
    if whole:
        created = created // 1000 * 1000
    making = Making(number, _market(scenario, seller, rng), created, now, rng)
    buyer = make_buyer(rng)
    invalid = scenario == "invalid_address"
    address = delivery_address(making.market, buyer, invalid=invalid, rng=rng)
    order = Order(
        _payload(scenario, making, buyer, address),
        scenario,
        making.market,
        address,
        created,
        updated=created,
        whole_seconds=whole,
        address_valid=not invalid,
    )
    if scenario in SETTLE:
        SETTLE[scenario](order, making)
    order.touched(max(created, min(now, created + rng.randrange(1000, 6000))))
    return order


def _market(scenario: str, seller: SellerFacts, rng: random.Random) -> Market:
    home = seller.markets[0]
    if scenario != "other_currency":
        return home
    others = [market for market in seller.markets if market.currency != home.currency]
    known = [market for market in others if market.country in PLACES]
    return rng.choice(known or others or [home])


def _payload(scenario: str, making: Making, buyer: Buyer, address: Address) -> dict[str, Any]:
    market, rng, number = making.market, making.rng, making.number
    lines = make_items(scenario, number=number, market=market, rng=rng)
    proceeds = totals(lines.sums, market=market, tip=rng.randrange(100) == 0)
    payload: dict[str, Any] = {
        "orderId": f"{100 + number % 900:03d}-{number * 7919 % 10**7:07d}-{number % 10**7:07d}",
        "createdTime": iso(making.created),
        "lastUpdatedTime": "",
        "programs": [],
        "salesChannel": {"channelName": "AMAZON", "marketplaceId": market.id, "marketplaceName": market.name},
        "buyer": {"buyerName": buyer.name, "buyerEmail": f"b{number:06d}@marketplace.example.com"},
        "recipient": {"deliveryAddress": address_fields(address)},
        "proceeds": proceeds,
        "payment": payments(proceeds["grandTotal"], rng=rng),
        "tax": {"taxInvoicing": {"invoiceStatus": "NOT_REQUIRED"}},
        "fulfillment": _fulfillment(making),
        "orderItems": lines.items,
    }
    if rng.randrange(10) == 0:
        payload["orderAliases"] = [{"aliasId": f"SELLER-{number}", "aliasType": "SELLER_ORDER_ID"}]
    return payload


def _fulfillment(making: Making) -> dict[str, Any]:
    created = making.created // 1000 * 1000
    return {
        "fulfillmentStatus": "UNSHIPPED",
        "fulfilledBy": "MERCHANT",
        "fulfillmentServiceLevel": "EXPEDITED" if making.rng.randrange(8) == 0 else "STANDARD",
        "shipByWindow": {"earliestDateTime": iso(created), "latestDateTime": iso(created + 3 * DAY)},
        "deliverByWindow": {"earliestDateTime": iso(created + 4 * DAY), "latestDateTime": iso(created + 9 * DAY)},
        # Newer than the published model: whoever reads must not mind a name that they do not know.
        "promiseCalculationInputs": {"cutoffTime": "14:00"},
    }
