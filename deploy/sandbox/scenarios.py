"""Scenarios: what each made-up order is an example of, and how many of each a mixed thousand holds."""

from __future__ import annotations

import random
from typing import Literal, get_args

Scenario = Literal[
    "ready",  # paid, deliverable, every SKU in the catalog
    "personalized",  # ready, with the buyer's own words: HTML entities, unicode, line breaks
    "other_currency",  # ready, in a currency that is not US dollars
    "presentment_currency",  # ready, shown to the buyer in another currency than the store's
    "edited",  # ready, an item was added after the purchase
    "many_lines",  # ready, more lines than one page of a platform's answer holds
    "partly_refunded",  # ready, fewer units are left than were bought
    "unpaid_pending",  # the buyer has not paid yet
    "unpaid_authorized",  # the money is reserved, not captured
    "cancelled",  # paid and cancelled
    "refunded",  # every unit was refunded
    "test",  # a test order of the seller
    "gift_card_only",  # nothing to make
    "digital_only",  # nothing to make
    "deleted_product",  # the line's product, variant and SKU are gone
    "invalid_address",  # cannot be delivered
    "unmatched_sku",  # a SKU that the catalog does not know, or none
]
SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)

#: Scenarios whose orders can be made as they are.
MAKEABLE: frozenset[Scenario] = frozenset(
    {
        "ready",
        "personalized",
        "other_currency",
        "presentment_currency",
        "edited",
        "many_lines",
        "partly_refunded",
    }
)

#: How many of a thousand mixed orders are an example of what.
SHARES: dict[Scenario, int] = {
    "ready": 780,
    "personalized": 40,
    "other_currency": 30,
    "presentment_currency": 20,
    "edited": 20,
    "many_lines": 4,
    "partly_refunded": 16,
    "unpaid_pending": 16,
    "unpaid_authorized": 10,
    "cancelled": 14,
    "refunded": 4,
    "test": 6,
    "gift_card_only": 6,
    "digital_only": 6,
    "deleted_product": 8,
    "invalid_address": 10,
    "unmatched_sku": 10,
}
#: Other words for a scenario that control requests may use.
ALIASES: dict[str, Scenario] = {"paid": "ready", "unpaid": "unpaid_pending", "pending": "unpaid_pending"}


def deal(count: int, *, state: str, seed: int) -> list[Scenario]:
    """`count` scenarios: of the one that `state` names, or mixed by `SHARES` and shuffled by `seed`.

    A multiple of a thousand mixed orders has exactly the shares; ValueError for an unknown state.
    """
    if state == "mixed":
        deck = [scenario for scenario, share in SHARES.items() for _ in range(share)]
        random.Random(seed).shuffle(deck)
        return [deck[place % len(deck)] for place in range(count)]
    scenario = ALIASES.get(state, state)
    for known in SCENARIOS:
        if known == scenario:
            return [known] * count
    raise ValueError(f"state must be mixed, {', '.join(ALIASES)} or one of {', '.join(SCENARIOS)}")
