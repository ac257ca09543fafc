"""The eBay sandbox as the control API sees it: sellers, orders, their changes, and the end of accounts."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable
from typing import Any, ClassVar

from aiohttp import web

from deploy.sandbox.breaking import Ailment, Breakage
from deploy.sandbox.control import json_answer, read_body
from deploy.sandbox.ebay.announcing import REVOKE_REASONS, Announcer
from deploy.sandbox.ebay.api import Doors
from deploy.sandbox.ebay.breaking import break_subscriptions
from deploy.sandbox.ebay.changing import change_order
from deploy.sandbox.ebay.fulfillment_api import FulfillmentApi
from deploy.sandbox.ebay.ledger import Order
from deploy.sandbox.ebay.notification_api import NotificationApi
from deploy.sandbox.ebay.oauth_pages import OAuthPages
from deploy.sandbox.ebay.orders import CURRENCIES, SellerFacts, make_order
from deploy.sandbox.ebay.publishing import Publisher
from deploy.sandbox.ebay.quotas import PER_DAY
from deploy.sandbox.ebay.scenarios import deal_scenarios
from deploy.sandbox.ebay.signing import SigningKey
from deploy.sandbox.ebay.subscribing import Switchboard
from deploy.sandbox.ebay.tokens import SCOPES, App
from deploy.sandbox.ebay.truth import truth_of
from deploy.sandbox.ebay.world import Seller, World
from deploy.sandbox.faults import faults_middleware
from deploy.sandbox.standin import ControlError, OrdersAsked, OrderTruth, StandIn


class EbaySandbox(StandIn):
    """One eBay with any number of sellers, and one app with one RuName."""

    slug: ClassVar[str] = "ebay"
    allowance: ClassVar[str] = "1,000 orders are 5 pages of 200; the limit is 100,000 calls a day, none a second"
    #: Of new orders only.
    pushes: ClassVar[bool] = True
    ailments: ClassVar[tuple[Ailment, ...]] = ("missing", "paused", "disabled", "wrong_address", "silent")

    def __init__(self) -> None:
        super().__init__()
        app = App(
            client_id=f"SyncOrd-SyncOrde-SBX-{secrets.token_hex(8)}",
            client_secret=f"SBX-{secrets.token_hex(16)}",
            runame=f"Sync_Order-SyncOrd-SyncOr-{secrets.token_hex(4)}",
            verification_token=secrets.token_hex(24),
        )
        self._world = World(self.clock, self.books, app, base_url=lambda: self.base_url)
        self._switchboard = Switchboard()
        self._publisher = Publisher(
            books=self.books,
            faults=self.faults,
            now_ms=self._world.now_ms,
            spaced=lambda: self._world.knobs.spaced_bodies,
        )
        self._announcer = Announcer(self._world, self._switchboard, self._publisher, self.silence)
        self._last_order = 0

    def settings(self) -> dict[str, str]:
        """The address, the keyset, the RuName, and the token that the app's endpoint answers challenges with."""
        app = self._world.app
        return super().settings() | {
            "EBAY_CLIENT_ID": app.client_id,
            "EBAY_CLIENT_SECRET": app.client_secret,
            "EBAY_RUNAME": app.runame,
            "EBAY_VERIFICATION_TOKEN": app.verification_token,
            # Without an address for alerts eBay makes no destination.
            "EBAY_ALERT_EMAIL": "alerts@example.com",
        }

    def app(self) -> web.Application:
        """All hosts of eBay's on one address."""
        application = web.Application(middlewares=[faults_middleware(self.faults, books=self.books)])
        doors = Doors(self._world)
        application.router.add_routes(OAuthPages(self._world).routes())
        application.router.add_routes(FulfillmentApi(doors, self._switchboard, self.faults).routes())
        notification = NotificationApi(doors, self._switchboard, self._publisher, self._announcer)
        application.router.add_routes(notification.routes())
        return application

    async def start(self) -> None:
        """Begin to deliver notifications."""
        await self._publisher.start()

    async def stop(self) -> None:
        """End the deliveries."""
        await self._publisher.stop()

    def create_store(self, body: dict[str, Any]) -> dict[str, Any]:
        """A new seller.

        Body, all optional: `id` (the user id), `name` (the username), `marketplace`, `currency` (the marketplace's
        own by default), `suspended` (may record no shipment), `redirect_uris` (the first becomes the RuName's accept
        address), `tokens` (answer tokens at once, as if the seller had consented).
        """
        if uris := body.get("redirect_uris"):
            self._world.accept_url = str(uris[0])
        seller = self._new_seller(body)
        # Whoever opened an account is the one who is signed in, until told otherwise.
        self._world.session_of = None
        answer: dict[str, Any] = {
            "store": seller.user_id,
            "username": seller.username,
            "marketplace": seller.marketplace,
            "currency": seller.currency,
            "scopes": " ".join(sorted(SCOPES)),
            "link": {"request": {}},
        }
        if body.get("tokens"):
            answer["tokens"] = self._world.tokens.grant(seller.user_id)
            self.books.count("tokens_issued")
        return answer

    def create_orders(self, store: str, asked: OrdersAsked) -> list[str]:
        """Create orders; those whose checkout is complete are confirmed, line by line."""
        seller = self._seller(store)
        try:
            scenarios = deal_scenarios(asked.count, state=asked.state, seed=asked.seed)
        except ValueError as error:
            raise ControlError(str(error)) from error
        rng = random.Random(asked.seed)
        now_ms = self._world.now_ms()
        end = now_ms - int(asked.created_ago.total_seconds() * 1000)
        span = asked.created_over.total_seconds() * 1000
        knobs = self._world.knobs
        facts = SellerFacts(seller.username, seller.marketplace, seller.currency, knobs.opaque_buyers)
        orders: list[Order] = []
        for place, scenario in enumerate(scenarios):
            self._last_order += 1
            created_ms = int(end - span * (1 - (place + 1) / asked.count))
            orders.append(
                make_order(scenario, number=self._last_order, seller=facts, created_ms=created_ms, now_ms=end, rng=rng)
            )
        self._publish(seller, orders, told=asked.webhooks)
        return [order.order_id for order in orders]

    def change_order(self, store: str, order: str, change: dict[str, Any]) -> OrderTruth:
        """Carry out a change; eBay's own are `cancel_request`, `cancel_reject`, `hold`, `note`, `ship` and `touch`."""
        seller = self._seller(store)
        found = seller.ledger.get(order)
        if found is None:
            raise ControlError("no such order", status=404)
        if change_order(self._world, seller, found, change):
            self._announcer.order_confirmed(seller, found)
        return truth_of(seller, found, now_ms=self._world.now_ms())

    def revoke(self, store: str) -> None:
        """The seller takes the consent back."""
        self._end_consent(self._seller(store), reason="REVOKED_BY_USER")

    def break_webhooks(self, store: str, asked: Breakage) -> list[str]:
        """Break subscriptions; see `breaking.py`."""
        return break_subscriptions(self._switchboard, self._seller(store).user_id, asked, self.silence)

    def truth(self, store: str | None) -> list[OrderTruth]:
        """All orders whose checkout is complete; what was never paid for is no order yet."""
        sellers = self._world.sellers.values() if store is None else [self._seller(store)]
        now_ms = self._world.now_ms()
        return [
            truth_of(seller, order, now_ms=now_ms)
            for seller in sellers
            for order in (*seller.ledger, *seller.deleted)
            if order.listed
        ]

    def apply_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """`limits`, `time_scale`, `per_day` (quotas by name), and everything in `world.Knobs`."""
        knobs, quotas = self._world.knobs, self._world.quotas
        known = {"limits", "time_scale", "per_day", *knobs.as_dict()}
        if unknown := set(settings) - known:
            raise ControlError(f"unknown settings: {', '.join(sorted(unknown))}")
        knobs.apply(settings)
        if "limits" in settings:
            quotas.limited = bool(settings["limits"])
        if "time_scale" in settings:
            self._publisher.time_scale = float(settings["time_scale"])
        if unknown := set(settings.get("per_day", {})) - set(PER_DAY):
            raise ControlError(f"unknown quotas: {', '.join(sorted(unknown))}")
        quotas.per_day.update(settings.get("per_day", {}))
        in_force = {"limits": quotas.limited, "time_scale": self._publisher.time_scale, "per_day": quotas.per_day}
        return in_force | knobs.as_dict()

    def control_routes(self) -> Iterable[web.RouteDef]:
        """The browser's session, the ends of tokens, consents and accounts, keys, and the state of notifications."""
        return (
            web.post("/signed-in", self._sign_in),
            web.post("/stores/{store}/expire-access", self._expire_access),
            web.post("/stores/{store}/revocation", self._revoke_for),
            web.post("/account-deletions", self._delete_account),
            web.post("/keys", self._new_key),
            web.get("/notifications", self._notifications),
        )

    async def _sign_in(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        self._world.session_of = self._seller(str(body["store"])).user_id if body.get("store") else None
        return json_answer({"store": self._world.session_of})

    async def _expire_access(self, request: web.Request) -> web.Response:
        seller = self._seller(request.match_info["store"])
        self._world.tokens.expire_access(seller.user_id)
        return json_answer({"expired": seller.user_id})

    async def _revoke_for(self, request: web.Request) -> web.Response:
        """A consent ends for a `reason`: a changed password, or eBay's or the app's own will."""
        reason = (await read_body(request)).get("reason", "PASSWORD_CHANGE")
        if reason not in REVOKE_REASONS:
            raise ControlError(f"reason must be one of {', '.join(REVOKE_REASONS)}")
        seller = self._seller(request.match_info["store"])
        self._end_consent(seller, reason=reason)
        return json_answer({"revoked": seller.user_id, "reason": reason})

    async def _delete_account(self, request: web.Request) -> web.Response:
        """`store` for the seller's account, with `order` for that of the order's buyer."""
        body = await read_body(request)
        seller = self._seller(str(body.get("store")))
        if "order" not in body:
            self._world.tokens.revoke(seller.user_id)
            self._announcer.account_deleted(seller.username, seller.user_id, seller.eias_token)
            return json_answer({"username": seller.username, "userId": seller.user_id})
        order = seller.ledger.get(str(body["order"]))
        if order is None:
            raise ControlError("no such order", status=404)
        username = order.payload["buyer"]["username"]
        self._announcer.account_deleted(username, order.buyer_id, f"nY+{order.buyer_id}==")
        return json_answer({"username": username, "userId": order.buyer_id})

    async def _new_key(self, _request: web.Request) -> web.Response:
        self._publisher.keys.append(SigningKey())
        return json_answer({"kid": self._publisher.keys[-1].kid}, status=201)

    async def _notifications(self, _request: web.Request) -> web.Response:
        subscriptions = self._switchboard.subscriptions.values()
        return json_answer(
            {
                "alert_email": self._switchboard.alert_email,
                "destinations": [each.told() for each in self._switchboard.destinations.values()],
                "subscriptions": [each.told() | {"store": each.user_id} for each in subscriptions],
            }
        )

    def _end_consent(self, seller: Seller, *, reason: str) -> None:
        self._world.tokens.revoke(seller.user_id)
        self._announcer.access_revoked(seller, reason=reason)

    def _publish(self, seller: Seller, orders: list[Order], *, told: bool) -> None:
        for order in orders:
            seller.ledger.add(order)
            if told and order.listed:
                self._announcer.order_confirmed(seller, order)
        self.books.count("orders_created", len(orders))

    def _new_seller(self, body: dict[str, Any]) -> Seller:
        opened = len(self._world.sellers) + 1
        marketplace = str(body.get("marketplace") or "EBAY_US")
        currency = str(body.get("currency") or CURRENCIES.get(marketplace, ""))
        if not currency:
            raise ControlError("needs currency, or one of these as marketplace: " + ", ".join(CURRENCIES))
        seller = Seller(
            user_id=str(body.get("id") or f"Sb{opened:05d}{secrets.token_hex(2)}"),
            username=str(body.get("name") or f"sandbox_seller_{opened}"),
            marketplace=marketplace,
            currency=currency,
            opened=opened,
            suspended=bool(body.get("suspended")),
        )
        if self._world.seller(seller.user_id) or self._world.seller(seller.username):
            raise ControlError("this seller exists", status=409)
        self._world.sellers[seller.user_id] = seller
        return seller

    def _seller(self, store: str) -> Seller:
        seller = self._world.seller(store)
        if seller is None:
            raise ControlError("no such store", status=404)
        return seller
