"""Breaks a shop's subscriptions. Shopify deletes what fails: nothing is paused or disabled."""

from __future__ import annotations

from deploy.sandbox.breaking import Breakage, Silence
from deploy.sandbox.shopify.world import Store


def break_subscriptions(store: Store, asked: Breakage, silence: Silence) -> list[str]:
    """Carry it out; answer the topics."""
    hit = [known for known in store.subscriptions.values() if asked.hits(known.topic)]
    match asked.ailment:
        case "missing":
            for known in hit:
                del store.subscriptions[known.id]
        case "wrong_address":
            for known in hit:
                known.uri = asked.moved(known.uri)
        case "wrong_secret":
            for known in hit:
                known.secret = asked.wrong_secret()
        case "silent":
            silence.begin(store.handle, asked)
    return [known.topic for known in hit]
