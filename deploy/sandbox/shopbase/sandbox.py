"""ShopBase's stand-in put together: its shops and apps, and the control API's hooks."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from itertools import count
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aiohttp import web

from deploy.sandbox.breaking import Ailment, Breakage
from deploy.sandbox.control import json_answer, read_body
from deploy.sandbox.deliveries import Deliveries
from deploy.sandbox.faults import faults_middleware
from deploy.sandbox.shopbase.announcing import POLICY, Announcer
from deploy.sandbox.shopbase.api import Platform, routes
from deploy.sandbox.shopbase.apps import DEFAULT_SCOPES, App, Registry
from deploy.sandbox.shopbase.breaking import break_subscriptions
from deploy.sandbox.shopbase.bucket import Bucket
from deploy.sandbox.shopbase.changing import Change, change_order
from deploy.sandbox.shopbase.endpoints import endpoints
from deploy.sandbox.shopbase.event_bodies import shop_body
from deploy.sandbox.shopbase.making import deal_scenarios, make_order
from deploy.sandbox.shopbase.money import RATES
from deploy.sandbox.shopbase.oauth import signed_url
from deploy.sandbox.shopbase.readings import Readings
from deploy.sandbox.shopbase.telling import order_truth
from deploy.sandbox.shopbase.world import STATUSES, Ids, Order, Shop
from deploy.sandbox.standin import ControlError, OrdersAsked, OrderTruth, StandIn

MAX_BODY = 2 * 1024 * 1024

#: The platform's one public app, known beforehand so that a service can be configured with it.
CLIENT_ID = "sandbox-shopbase-app"
CLIENT_SECRET = "sandbox-shopbase-secret"  # noqa: S105 - opens nothing but this stand-in

_HANDLE = re.compile(r"[a-z0-9][a-z0-9-]*")
_LINKS = ("authorization", "credentials")


class ShopbaseSandbox(StandIn):
    """One ShopBase: all its shops share one address and are told apart by the host that a request names."""

    slug = "shopbase"
    allowance: ClassVar[str] = "pages of 250, of a bucket of 30 calls that leaks 2 a second; subscribing spends it too"
    pushes = True
    parcels_a_minute: ClassVar[int | None] = 35
    ailments: ClassVar[tuple[Ailment, ...]] = ("missing", "wrong_address", "wrong_secret", "silent")

    def __init__(self) -> None:
        super().__init__()
        self.shops: dict[str, Shop] = {}
        self._deliveries = Deliveries(
            POLICY, books=self.books, faults=self.faults, on_exhausted=self._delete_subscription
        )
        readings = Readings()
        self._platform = Platform(
            shops=self.shops,
            registry=Registry({CLIENT_ID: App(CLIENT_ID, CLIENT_SECRET)}),
            clock=self.clock,
            books=self.books,
            faults=self.faults,
            ids=Ids(),
            announcer=Announcer(self._deliveries, readings=readings, silence=self.silence),
            readings=readings,
        )

    def app(self) -> web.Application:
        """The Admin API and OAuth pages of every shop."""
        app = web.Application(middlewares=[faults_middleware(self.faults, books=self.books)], client_max_size=MAX_BODY)
        app.router.add_routes(routes(self._platform, endpoints()))
        return app

    async def start(self) -> None:
        """Begin to deliver webhooks."""
        await self._deliveries.start()

    async def stop(self) -> None:
        """End deliveries."""
        await self._deliveries.stop()

    async def settle(self) -> None:
        """Wait until every webhook was accepted or given up."""
        await self._deliveries.settle()

    def settings(self) -> dict[str, str]:
        """The platform's address and its public app's credentials."""
        return {
            **super().settings(),
            "SHOPBASE_CLIENT_ID": CLIENT_ID,
            "SHOPBASE_CLIENT_SECRET": CLIENT_SECRET,
        }

    def create_store(self, body: dict[str, Any]) -> dict[str, Any]:
        """Open a shop with a private app; all fields are optional.

        Fields: `id` (the handle; the answer's `store` is the shop's domain, and either names it), `name`, `currency`,
        `timezone` (IANA), `country`, `scopes` (of the private app), `redirect_uris` (registered for the public app;
        until some are, it accepts any loopback address), `link_by` ("authorization" or "credentials"), `consent`
        ("grant" or "deny"), `api_made` (orders came in through an API), `services` (handles of external
        fulfillment services).
        """
        handle = str(body.get("id") or self._free_handle()).removesuffix(".onshopbase.com")
        if not _HANDLE.fullmatch(handle) or handle in self.shops:
            raise ControlError("id must be a free shop handle of small letters, digits and hyphens", status=409)
        if body.get("link_by", "authorization") not in _LINKS:
            raise ControlError(f"link_by must be one of {', '.join(_LINKS)}")
        shop = self._new_shop(handle, body)
        self.shops[handle] = shop
        self._platform.registry.apps[CLIENT_ID].redirect_uris |= set(map(str, body.get("redirect_uris") or ()))
        pasted = self._open_private_app(shop, scopes=body.get("scopes") or DEFAULT_SCOPES)
        by_hand = body.get("link_by") == "credentials"
        return {
            "platform": self.slug,
            "store": shop.domain,
            "shop": shop.domain,
            "shop_id": shop.id,
            "currency": shop.currency,
            "timezone": shop.zone.key,
            "api": self.base_url,
            "link": {"credentials": pasted} if by_hand else {"request": {"shop": shop.domain}},
            "app": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "scopes": list(DEFAULT_SCOPES)},
            "private_app": pasted,
        }

    def create_orders(self, store: str, asked: OrdersAsked) -> list[str]:
        """Create orders; a paid one is announced as created and paid."""
        shop = self._known_shop(store)
        try:
            scenarios = deal_scenarios(asked.count, state=asked.state, seed=asked.seed)
        except ValueError as error:
            raise ControlError(str(error)) from error
        rng = random.Random(asked.seed)
        end = self.clock.now() - asked.created_ago
        step = asked.created_over / max(1, asked.count)
        made: list[str] = []
        for place, scenario in enumerate(scenarios):
            at = end - asked.created_over + step * place
            order = make_order(scenario, shop=shop, at=at, rng=rng, ids=self._platform.ids)
            shop.add(order)
            made.append(str(order.id))
            if asked.webhooks and shop.subscriptions:
                self._announce_birth(order)
        self.books.count("orders_created", len(made))
        return made

    def change_order(self, store: str, order: str, change: dict[str, Any]) -> OrderTruth:
        """Change an order.

        Beyond the common actions: `pay` (`part`), `refund` (`amount` in minor units, of no line), `close`, `reopen`,
        `risk` (`on`), `chargeback` (`status`), `post_purchase` (`seconds`), `fulfil` (`lines`, `pending`: by somebody
        else), `note`.
        """
        found = self._known_order(store, order)
        platform = self._platform
        change_order(Change(found, change, now=self.clock.now(), ids=platform.ids, announcer=platform.announcer))
        return order_truth(found)

    def revoke(self, store: str) -> None:
        """The seller uninstalls every app: tokens die, app/uninstalled is sent, registrations go."""
        shop = self._known_shop(store)
        self._platform.registry.revoke(shop.domain)
        self._platform.announcer.event(shop, "app/uninstalled", shop_body(shop))
        shop.subscriptions.clear()

    def break_webhooks(self, store: str, asked: Breakage) -> list[str]:
        """Break webhooks; see `breaking.py`."""
        return break_subscriptions(self._known_shop(store), asked, self.silence)

    def truth(self, store: str | None) -> list[OrderTruth]:
        """What exists, deleted orders included."""
        shops = self.shops.values() if store is None else [self._known_shop(store)]
        for shop in shops:
            self._platform.end_upsells(shop)
        return [order_truth(order) for shop in shops for order in shop]

    def apply_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """`limits`, `time_scale`, and the readings of what the documents leave open."""
        platform = self._platform
        for name, value in settings.items():
            match name:
                case "limits":
                    platform.limited = bool(value)
                case "time_scale":
                    self._deliveries.time_scale = float(value)
                case _:
                    platform.readings.change(name, value)
        return {
            "limits": platform.limited,
            "time_scale": self._deliveries.time_scale,
            **platform.readings.as_dict(),
        }

    def control_routes(self) -> Iterable[web.RouteDef]:
        """ShopBase's own: a shop's status, consent, private app and registrations, an install request."""
        return (
            web.post("/stores/{store}/status", self._set_status),
            web.post("/stores/{store}/consent", self._set_consent),
            web.post("/stores/{store}/private-app", self._renew_private_app),
            web.post("/stores/{store}/install", self._install),
            web.get("/stores/{store}/subscriptions", self._list_subscriptions),
            web.get("/deliveries", self._count_deliveries),
        )

    async def _set_status(self, request: web.Request) -> web.Response:
        status = (await read_body(request)).get("status")
        if status not in STATUSES:
            raise ControlError(f"status must be one of {', '.join(STATUSES)}")
        self._known_shop(request.match_info["store"]).status = status
        return json_answer({"status": status})

    async def _set_consent(self, request: web.Request) -> web.Response:
        shop = self._known_shop(request.match_info["store"])
        shop.consents = _consents(await read_body(request))
        return json_answer({"consent": "grant" if shop.consents else "deny"})

    async def _renew_private_app(self, request: web.Request) -> web.Response:
        """The seller makes a private app again; what the one before had is worth nothing."""
        shop = self._known_shop(request.match_info["store"])
        scopes = (await read_body(request)).get("scopes") or DEFAULT_SCOPES
        return json_answer({"credentials": self._open_private_app(shop, scopes=scopes)}, status=201)

    async def _install(self, request: web.Request) -> web.Response:
        """The address that a seller's browser opens to install the app: `app_url` with shop, timestamp and hmac."""
        shop = self._known_shop(request.match_info["store"])
        app_url = str((await read_body(request)).get("app_url", ""))
        pairs = {"shop": shop.domain, "timestamp": str(int(self.clock.seconds()))}
        return json_answer({"url": signed_url(app_url, pairs, secret=CLIENT_SECRET)})

    async def _list_subscriptions(self, request: web.Request) -> web.Response:
        shop = self._known_shop(request.match_info["store"])
        return json_answer(
            {
                "subscriptions": [
                    {"id": str(known.id), "topic": known.topic, "address": known.address, "app": known.app}
                    for known in shop.subscriptions.values()
                ]
            }
        )

    async def _count_deliveries(self, _request: web.Request) -> web.Response:
        return json_answer({"pending": self._deliveries.pending})

    def _free_handle(self) -> str:
        return next(name for number in count(1) if (name := f"sandbox-{number}") not in self.shops)

    def _new_shop(self, handle: str, body: dict[str, Any]) -> Shop:
        currency = str(body.get("currency", "USD"))
        if currency not in RATES:
            raise ControlError(f"currency must be one of {', '.join(RATES)}")
        try:
            zone = ZoneInfo(str(body.get("timezone", "America/New_York")))
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ControlError("timezone must be an IANA name") from error
        return Shop(
            handle=handle,
            id=10_000_000 + len(self.shops),
            name=str(body.get("name", handle)),
            currency=currency,
            zone=zone,
            created_at=self.clock.now(),
            bucket=Bucket(self.clock.seconds),
            country=str(body.get("country", "US")),
            consents=_consents(body),
            api_made=bool(body.get("api_made", False)),
            services=frozenset(map(str, body.get("services") or ())),
        )

    def _open_private_app(self, shop: Shop, *, scopes: Iterable[str]) -> dict[str, str]:
        made = self._platform.registry.open_private_app(shop.domain, scopes=map(str, scopes))
        return {
            "shop": shop.domain,
            "api_key": made.api_key,
            "password": made.password,
            "shared_secret": made.shared_secret,
        }

    def _announce_birth(self, order: Order) -> None:
        announcer = self._platform.announcer
        announcer.transactions(order.transactions, order)
        for refund in order.refunds:
            announcer.refund(refund, order)
        paid = ("orders/paid",) if order.paid or order.financial == "refunded" else ()
        cancelled = ("orders/cancelled",) if order.cancelled_at is not None else ()
        announcer.order(order, "orders/create", *paid, *cancelled)

    def _known_shop(self, name: str) -> Shop:
        shop = self.shops.get(name.removesuffix(".onshopbase.com"))
        if shop is None:
            raise ControlError("no such store", status=404)
        return shop

    def _known_order(self, store: str, order: str) -> Order:
        shop = self._known_shop(store)
        number = int(order) if order.isdecimal() else -1
        found = shop.orders.get(number) or shop.deleted.get(number)
        if found is None:
            raise ControlError("no such order", status=404)
        return found

    def _delete_subscription(self, key: str) -> None:
        handle, _, number = key.rpartition("/")
        shop = self.shops.get(handle)
        if shop is not None and shop.subscriptions.pop(int(number), None) is not None:
            self.books.count("subscriptions_deleted")


def _consents(body: dict[str, Any]) -> bool:
    consent = body.get("consent", "grant")
    if consent not in {"grant", "deny"}:
        raise ControlError("consent must be grant or deny")
    return bool(consent == "grant")
