"""Tells an app what privacy law asks of it: a buyer's data, a buyer's end, a shop's end two days after it left.

Source: shopify.dev/docs/apps/build/compliance/privacy-law-compliance.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from deploy.sandbox.shopify.announcing import Announcer
from deploy.sandbox.shopify.apps import App, Tokens
from deploy.sandbox.shopify.event_bodies import privacy_body
from deploy.sandbox.shopify.world import Order, Store
from deploy.sandbox.standin import ControlError

TOPICS = ("customers/data_request", "customers/redact", "shop/redact")
#: Seconds from an uninstallation to the request to erase the shop.
REDACT_AFTER = 48 * 3600.0


class Compliance:
    """The one address that the public app gave for these topics; empty, and nothing is told."""

    def __init__(self, announcer: Announcer, *, tokens: Tokens) -> None:
        self.address = ""
        self.redact_after = REDACT_AFTER
        self._announcer = announcer
        self._tokens = tokens
        self._timers: set[asyncio.TimerHandle] = set()

    def ask(self, store: Store, app: App, topic: str, orders: Sequence[Order], *, request_id: int) -> None:
        """Send a topic; ControlError when there is no such topic, or nowhere to send it."""
        if topic not in TOPICS:
            raise ControlError(f"topic must be one of {', '.join(TOPICS)}")
        if not self.address:
            raise ControlError("the setting compliance_url says where the app takes privacy topics", status=409)
        body = privacy_body(store, topic, list(orders), request_id=request_id)
        self._announcer.compliance(store, app, topic, body, address=self.address)

    def uninstalled(self, store: Store, app: App, *, time_scale: float) -> None:
        """Ask for the shop's end when its time has come, unless the app is installed again by then."""
        if not self.address:
            return

        def ask() -> None:
            self._timers.discard(timer)
            is_back = any(access.shop == store.domain for access in self._tokens.accesses.values())
            if not is_back and self.address:
                self.ask(store, app, "shop/redact", (), request_id=0)

        timer = asyncio.get_running_loop().call_later(self.redact_after / time_scale, ask)
        self._timers.add(timer)

    def stop(self) -> None:
        """Forget what was still to be asked."""
        for timer in self._timers:
            timer.cancel()
