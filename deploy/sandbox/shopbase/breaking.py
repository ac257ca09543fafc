"""Breaks a shop's webhooks. A registration has no state of being paused or disabled."""

from __future__ import annotations

from deploy.sandbox.breaking import Breakage, Silence
from deploy.sandbox.shopbase.world import Shop


def break_subscriptions(shop: Shop, asked: Breakage, silence: Silence) -> list[str]:
    """Carry it out; answer the topics."""
    hit = [known for known in shop.subscriptions.values() if asked.hits(known.topic)]
    match asked.ailment:
        case "missing":
            for known in hit:
                del shop.subscriptions[known.id]
        case "wrong_address":
            for known in hit:
                known.address = asked.moved(known.address)
        case "wrong_secret":
            for known in hit:
                known.secret = asked.wrong_secret()
        case "silent":
            silence.begin(shop.handle, asked)
    return [known.topic for known in hit]
