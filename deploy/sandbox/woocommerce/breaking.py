"""Breaks a store's webhooks: by its own settings' page, or by giving up on them."""

from __future__ import annotations

from deploy.sandbox.breaking import Breakage, Silence
from deploy.sandbox.woocommerce.site import Hook, Site


def break_hooks(site: Site, asked: Breakage, silence: Silence) -> list[str]:
    """Carry it out; answer the topics."""
    hit = [hook for hook in site.hooks.values() if asked.hits(hook.topic)]
    if asked.ailment == "silent":
        silence.begin(site.name, asked)
    for hook in hit:
        _break(site, hook, asked)
    return [hook.topic for hook in hit]


def _break(site: Site, hook: Hook, asked: Breakage) -> None:
    match asked.ailment:
        case "missing":
            del site.hooks[hook.id]
        case "paused" | "disabled":
            hook.status = asked.ailment
        case "wrong_address":
            hook.delivery_url = asked.moved(hook.delivery_url)
        case "wrong_secret":
            hook.secret = asked.wrong_secret()
