"""Which scenarios exist on eBay, and what stands for those that do not."""

from __future__ import annotations

from deploy.sandbox.scenarios import Scenario, deal

#: eBay has no test orders and no changes of items, and its buyers reserve no money: these become cases of its own.
_INSTEAD: dict[Scenario, str] = {"test": "cancel_requested", "edited": "adjusted"}
#: Scenarios of eBay's own that a control request may name.
OWN_SCENARIOS = (
    "unpaid_checkout",  # bought, checkout not completed: in no list until it is paid
    "payment_failed",
    "payment_hold",  # paid; the payout is held, which stops nothing
    "cancel_requested",  # the buyer asks to cancel
    "adjusted",  # the price was changed after the purchase
    "global_shipping",  # shipped to a hub; each line needs a shipment of its own
    "international_shipping",  # shipped to a hub
    "authenticity",  # shipped to an authenticator
    "fulfilled_by_ebay",  # nobody else may ship it
    "ebay_label",  # the label comes from eBay
    "pickup",  # the buyer fetches it
    "policy_hold",  # the title is withheld
    "linked_lines",  # names lines of other orders
    "gift_card_and_goods",
    "partly_shipped",  # one line was shipped without this app
    "shipped_elsewhere",  # all of it was
    "partly_refunded_line",  # one whole line was paid back
)
#: Scenarios in which nobody waits for the seller to make something.
NOT_OURS = frozenset({"fulfilled_by_ebay", "pickup"})


def deal_scenarios(count: int, *, state: str, seed: int) -> list[str]:
    """`count` scenarios as they exist on eBay; ValueError for a state that nobody knows."""
    if state in OWN_SCENARIOS:
        return [state] * count
    return [_INSTEAD.get(scenario, scenario) for scenario in deal(count, state=state, seed=seed)]
