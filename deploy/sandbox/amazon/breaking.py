"""Breaks a seller's subscriptions: gone, or to another queue; Amazon has no other states of them."""

from __future__ import annotations

import uuid
from dataclasses import replace

from deploy.sandbox.amazon.subscribing import Destination, Subscription, Subscriptions
from deploy.sandbox.breaking import Breakage, Silence

_ELSEWHERE = "arn:aws:sqs:us-east-2:444455556666:elsewhere"


def break_subscriptions(held: Subscriptions, seller_id: str, asked: Breakage, silence: Silence) -> list[str]:
    """Carry it out; answer the types of notifications. `address` is the other queue's ARN."""
    hit = [each for each in held.subscriptions.values() if each.seller_id == seller_id and asked.hits(each.kind)]
    match asked.ailment:
        case "missing":
            for each in hit:
                del held.subscriptions[each.subscription_id]
        case "wrong_address":
            for each in hit:
                destination = _elsewhere(held, each, asked.address or _ELSEWHERE)
                held.subscriptions[each.subscription_id] = replace(each, destination_id=destination.destination_id)
        case "silent":
            silence.begin(seller_id, asked)
    return [each.kind for each in hit]


def _elsewhere(held: Subscriptions, each: Subscription, arn: str) -> Destination:
    for known in held.destinations_of(each.client_id):
        if known.arn == arn:
            return known
    made = Destination(str(uuid.uuid4()), each.client_id, "elsewhere", {"sqs": {"arn": arn}})
    held.destinations[made.destination_id] = made
    return made
