"""Breaks a seller's subscriptions, or the one destination of all sellers: that is what eBay gives up on."""

from __future__ import annotations

import uuid

from deploy.sandbox.breaking import Breakage, Silence
from deploy.sandbox.ebay.subscribing import DISABLED, ENABLED, MARKED_DOWN, Destination, Subscription, Switchboard

_PROOF = "somebody-elses-verification-token-0000"


def break_subscriptions(switchboard: Switchboard, user_id: str, asked: Breakage, silence: Silence) -> list[str]:
    """Carry it out; answer the topics. eBay signs with a key of its own: no secret can be wrong."""
    if asked.ailment == "silent":
        silence.begin(user_id, asked)
    hit = [each for each in switchboard.subscriptions.values() if each.user_id == user_id and asked.hits(each.topic)]
    for each in hit:
        _break(switchboard, each, asked)
    return [each.topic for each in hit]


def _break(switchboard: Switchboard, each: Subscription, asked: Breakage) -> None:
    match asked.ailment:
        case "missing":
            del switchboard.subscriptions[each.subscription_id]
        case "paused":
            each.status = DISABLED
        case "disabled":
            switchboard.destinations[each.destination_id].status = MARKED_DOWN
        case "wrong_address":
            each.destination_id = _elsewhere(switchboard, asked.moved(_endpoint(switchboard, each))).destination_id


def _endpoint(switchboard: Switchboard, each: Subscription) -> str:
    return switchboard.destinations[each.destination_id].endpoint


def _elsewhere(switchboard: Switchboard, endpoint: str) -> Destination:
    for known in switchboard.destinations.values():
        if known.endpoint == endpoint:
            return known
    made = Destination(str(uuid.uuid4()), "elsewhere", ENABLED, endpoint, _PROOF)
    switchboard.destinations[made.destination_id] = made
    return made
