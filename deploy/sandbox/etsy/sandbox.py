"""The Etsy sandbox as the control API sees it: shops, receipts, their changes, and the app's webhook endpoint."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable
from typing import Any, ClassVar

from aiohttp import web

from deploy.sandbox.breaking import Ailment, Breakage
from deploy.sandbox.control import json_answer, read_body
from deploy.sandbox.deliveries import Deliveries, Delivery, DeliveryPolicy
from deploy.sandbox.etsy import webhooks
from deploy.sandbox.etsy.api import Api, in_own_words
from deploy.sandbox.etsy.changes import change_receipt
from deploy.sandbox.etsy.ledger import Receipt
from deploy.sandbox.etsy.receipts import ShopFacts, deal_scenarios, make_receipt
from deploy.sandbox.etsy.shop import Marketplace, Shop
from deploy.sandbox.etsy.tokens import App
from deploy.sandbox.etsy.truth import truth_of
from deploy.sandbox.faults import faults_middleware
from deploy.sandbox.standin import ControlError, OrdersAsked, OrderTruth, StandIn

#: What a client of ours asks for.
SCOPES = frozenset({"transactions_r", "transactions_w", "shops_r"})
_POLICY = DeliveryPolicy(
    connect_timeout=webhooks.ANSWER_WITHIN,
    total_timeout=webhooks.ANSWER_WITHIN,
    retry_waits=webhooks.RETRY_DELAYS,
)


class EtsySandbox(StandIn):
    """One Etsy with any number of shops and apps; a first app exists from the start."""

    slug: ClassVar[str] = "etsy"
    ailments: ClassVar[tuple[Ailment, ...]] = ("silent",)
    allowance: ClassVar[str] = "1,000 orders are 10 pages of 100, at 7 of the 10 calls a second that all shops share"

    def __init__(self) -> None:
        super().__init__()
        self._market = Marketplace(self.clock, self.books, self._announce)
        self._deliveries = Deliveries(_POLICY, books=self.books, faults=self.faults)
        self._endpoint: webhooks.Endpoint | None = None
        self._forms = {name: forms[0] for name, forms in webhooks.FORMS.items()}
        self._next_receipt = 3_100_000_000
        self._app = self._new_app()

    def settings(self) -> dict[str, str]:
        """The address and the first app's key and secret."""
        return super().settings() | {
            "ETSY_KEYSTRING": self._app.keystring,
            "ETSY_SHARED_SECRET": self._app.shared_secret,
        }

    def app(self) -> web.Application:
        """The Open API and the consent page on one address."""
        application = web.Application(middlewares=[in_own_words, faults_middleware(self.faults, books=self.books)])
        application.router.add_routes(Api(self._market, self.faults).routes())
        return application

    async def start(self) -> None:
        """Begin to deliver webhooks."""
        await self._deliveries.start()

    async def stop(self) -> None:
        """End the deliveries."""
        await self._deliveries.stop()

    def create_store(self, body: dict[str, Any]) -> dict[str, Any]:
        """Open a shop of a new user.

        Body, all optional: `id`, `name`, `currency`, `country`, `restricted` (no addresses, no tracking),
        `redirect_uris` (added to the app's registered ones), `own_app` (a new app instead of the shared one),
        `tokens` (answer tokens at once, as if the seller had connected).
        """
        app = self._new_app() if body.get("own_app") else self._app
        app.redirect_uris.update(body.get("redirect_uris", ()))
        shop = self._open_shop(body)
        answer = {
            "store": str(shop.shop_id),
            "shop_id": shop.shop_id,
            "user_id": shop.user_id,
            "shop_name": shop.shop_name,
            "currency": shop.currency,
            "country": shop.country,
            "restricted": shop.restricted,
            "app": _app_payload(app),
            "connect_url": f"{self.base_url}/oauth/connect",
            "token_url": f"{self.base_url}/v3/public/oauth/token",
            "scopes": " ".join(sorted(SCOPES)),
            "link": {"request": {}},
        }
        # Whoever opened the shop is the one who is signed in at the consent page.
        self._market.session_of = shop.shop_id
        if body.get("tokens"):
            answer["tokens"] = self._market.tokens.grant(app.keystring, user_id=shop.user_id, scopes=SCOPES)
            self.books.count("tokens_issued")
        return answer

    def create_orders(self, store: str, asked: OrdersAsked) -> list[str]:
        """Create receipts; those that are paid announce `order.paid` when an endpoint is set up."""
        shop = self._shop(store)
        try:
            scenarios = deal_scenarios(asked.count, state=asked.state, seed=asked.seed)
        except ValueError as error:
            raise ControlError(str(error)) from error
        rng = random.Random(asked.seed)
        span = asked.created_over.total_seconds()
        end = self._market.now() - int(asked.created_ago.total_seconds())
        facts = ShopFacts(shop.user_id, shop.currency)
        receipts = []
        for place, scenario in enumerate(scenarios):
            self._next_receipt += 1
            created = int(end - span * (1 - (place + 1) / asked.count))
            receipts.append(
                make_receipt(scenario, receipt_id=self._next_receipt, shop=facts, created=created, now=end, rng=rng)
            )
        self._publish(shop, receipts, webhooks_on=asked.webhooks)
        return [str(receipt.receipt_id) for receipt in receipts]

    def change_order(self, store: str, order: str, change: dict[str, Any]) -> OrderTruth:
        """Carry out a change; Etsy's own actions are `ship` (by the seller's hand), `deliver` and `message`."""
        shop = self._shop(store)
        receipt = shop.ledger.get(int(order)) if order.isdecimal() else None
        if receipt is None:
            raise ControlError("no such receipt", status=404)
        change_receipt(self._market, shop, receipt, change)
        return truth_of(shop, receipt)

    def revoke(self, store: str) -> None:
        """The seller removes the app in their account."""
        self._market.tokens.revoke(self._shop(store).user_id)

    def break_webhooks(self, store: str, asked: Breakage) -> list[str]:
        """Lose a shop's events: the endpoint is the whole app's, and is changed in the portal."""
        self.silence.begin(str(self._shop(store).shop_id), asked)
        events = self._endpoint.events if self._endpoint is not None else ()
        return [event for event in events if asked.hits(event)]

    def truth(self, store: str | None) -> list[OrderTruth]:
        """All receipts, of one shop or of all."""
        shops = self._market.shops.values() if store is None else [self._shop(store)]
        return [truth_of(shop, receipt) for shop in shops for receipt in (*shop.ledger, *shop.deleted)]

    def apply_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """`limits`, `time_scale`, `per_second` and `per_day` of every app's budget, and the readings below.

        What no document settles, the chosen one first: `signature` (list, bare, several), `shop_id` (text, number) and
        `host` (api, openapi) of webhooks; `refresh_survives` (false, true: a used refresh token goes on working);
        `quiet_changes` (false, true: cancels, refunds and new addresses leave update_timestamp as it was);
        `loses_numbers` (false, true: a receipt is shipped and its number forgotten).
        """
        known = {"limits", "time_scale", "per_second", "per_day", "refresh_survives", "quiet_changes", "loses_numbers"}
        if unknown := set(settings) - known - set(webhooks.FORMS):
            raise ControlError(f"unknown settings: {', '.join(sorted(unknown))}")
        for name, forms in webhooks.FORMS.items():
            if settings.get(name, forms[0]) not in forms:
                raise ControlError(f"{name} must be one of {', '.join(forms)}")
        self._forms |= {name: settings[name] for name in webhooks.FORMS if name in settings}
        self._market.tokens.refresh_survives = bool(
            settings.get("refresh_survives", self._market.tokens.refresh_survives)
        )
        self._market.quiet_changes = bool(settings.get("quiet_changes", self._market.quiet_changes))
        self._market.loses_numbers = bool(settings.get("loses_numbers", self._market.loses_numbers))
        if "limits" in settings:
            self._market.limit(on=bool(settings["limits"]))
        if "time_scale" in settings:
            self._deliveries.time_scale = float(settings["time_scale"])
        for quota in self._market.quotas.values():
            quota.per_second = int(settings.get("per_second", quota.per_second))
            quota.per_day = int(settings.get("per_day", quota.per_day))
        quota = self._market.quotas[self._app.keystring]
        return {
            "limits": self._market.limited,
            "time_scale": self._deliveries.time_scale,
            "per_second": quota.per_second,
            "per_day": quota.per_day,
            "refresh_survives": self._market.tokens.refresh_survives,
            "quiet_changes": self._market.quiet_changes,
            "loses_numbers": self._market.loses_numbers,
            **self._forms,
        }

    def control_routes(self) -> Iterable[web.RouteDef]:
        """The webhook portal, the browser's session, and the end of an hour for tokens."""
        return (
            web.post("/webhook-endpoint", self._set_endpoint),
            web.delete("/webhook-endpoint", self._drop_endpoint),
            web.get("/app", self._show_app),
            web.post("/app", self._change_app),
            web.post("/signed-in", self._sign_in),
            web.post("/stores/{store}/expire-access", self._expire_access),
        )

    async def _set_endpoint(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        secret = body.get("secret") or webhooks.new_secret()
        events = frozenset(body.get("events") or webhooks.EVENTS)
        if not isinstance(body.get("url"), str) or not webhooks.is_secret(secret):
            raise ControlError("needs url, and a secret of the form whsec_<base64> or none")
        if not events <= set(webhooks.EVENTS):
            raise ControlError(f"events must be of {', '.join(webhooks.EVENTS)}")
        self._endpoint = webhooks.Endpoint(body["url"], secret, events)
        return json_answer({"url": body["url"], "secret": secret, "events": sorted(events)}, status=201)

    async def _drop_endpoint(self, _request: web.Request) -> web.Response:
        self._endpoint = None
        return json_answer({"url": None})

    async def _show_app(self, _request: web.Request) -> web.Response:
        return json_answer(_app_payload(self._app))

    async def _change_app(self, request: web.Request) -> web.Response:
        """Register redirect addresses of the shared app."""
        body = await read_body(request)
        self._app.redirect_uris.update(body.get("redirect_uris", ()))
        return json_answer(_app_payload(self._app))

    async def _sign_in(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        self._market.session_of = self._shop(str(body["store"])).shop_id if body.get("store") else None
        return json_answer({"store": body.get("store")})

    async def _expire_access(self, request: web.Request) -> web.Response:
        shop = self._shop(request.match_info["store"])
        self._market.tokens.expire_access(shop.user_id)
        return json_answer({"expired": str(shop.shop_id)})

    def _announce(self, shop: Shop, receipt: Receipt, event: str) -> None:
        endpoint = self._endpoint
        if endpoint is None or event not in endpoint.events or self.silence.covers(str(shop.shop_id), event):
            return
        body = webhooks.event_body(event, shop_id=shop.shop_id, receipt_id=receipt.receipt_id, forms=self._forms)
        headers = webhooks.SignedHeaders(endpoint, body, now=self.clock.seconds, form=self._forms["signature"])
        self._deliveries.send(
            Delivery(subscription=endpoint.url, topic=event, url=endpoint.url, headers=headers, body=body)
        )

    def _publish(self, shop: Shop, receipts: list[Receipt], *, webhooks_on: bool) -> None:
        for receipt in receipts:
            shop.ledger.add(receipt)
            if webhooks_on and receipt.payload["is_paid"]:
                self._announce(shop, receipt, "order.paid")
        self.books.count("orders_created", len(receipts))

    def _open_shop(self, body: dict[str, Any]) -> Shop:
        opened = len(self._market.shops) + 1
        shop_id = int(body.get("id") or 40_000_000 + opened)
        if shop_id in self._market.shops:
            raise ControlError("this shop exists", status=409)
        shop = Shop(
            shop_id,
            user_id=shop_id + 700_000_000,
            shop_name=str(body.get("name") or f"SandboxShop{opened}"),
            currency=str(body.get("currency") or "USD"),
            country=str(body.get("country") or "US"),
            restricted=bool(body.get("restricted")),
            created=self._market.now(),
            opened=opened,
        )
        self._market.shops[shop_id] = shop
        return shop

    def _shop(self, store: str) -> Shop:
        shop = self._market.shops.get(int(store)) if store.isdecimal() else None
        if shop is None:
            raise ControlError("no such store", status=404)
        return shop

    def _new_app(self) -> App:
        number = len(self._market.tokens.apps) + 1
        app = App(1_000_000 + number, secrets.token_hex(12), secrets.token_hex(5))
        self._market.register(app)
        return app


def _app_payload(app: App) -> dict[str, Any]:
    return {
        "keystring": app.keystring,
        "shared_secret": app.shared_secret,
        "redirect_uris": sorted(app.redirect_uris),
    }
