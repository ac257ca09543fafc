"""Shopify's stand-in put together: its shops and apps, and the control API's hooks."""

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
from deploy.sandbox.scenarios import deal
from deploy.sandbox.shopify.announcing import POLICY, Announcer
from deploy.sandbox.shopify.apps import App, Tokens
from deploy.sandbox.shopify.breaking import break_subscriptions
from deploy.sandbox.shopify.changing import Change, change_order
from deploy.sandbox.shopify.compliance import Compliance
from deploy.sandbox.shopify.cost import RESTORE_RATES
from deploy.sandbox.shopify.edge import STATUSES, VERSIONS, Edge, in_own_words, path_and_operation
from deploy.sandbox.shopify.event_bodies import shop_body
from deploy.sandbox.shopify.making import make_order
from deploy.sandbox.shopify.money import RATES
from deploy.sandbox.shopify.oauth import visit
from deploy.sandbox.shopify.serving import Server
from deploy.sandbox.shopify.telling import order_truth
from deploy.sandbox.shopify.world import Ids, Location, Order, Store
from deploy.sandbox.standin import ControlError, OrdersAsked, OrderTruth, StandIn

MAX_BODY = 2 * 1024 * 1024

#: The platform's one public app, known beforehand so that a service can be configured with it.
DEFAULT_CLIENT_ID = "sandbox-client-id"
DEFAULT_CLIENT_SECRET = "sandbox-client-secret"  # noqa: S105 - opens nothing but this stand-in

_HANDLE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-_]*")


class ShopifySandbox(StandIn):
    """One Shopify: all its shops share one address and are told apart by the host that a request names."""

    slug = "shopify"
    allowance: ClassVar[str] = (
        "an order costs 19 points; a standard plan has 2,000, regains 100 a second: (19,000 - 2,000) / 100 = 170 s; "
        "90 s would leave 11 points an order, fewer than the objects that are read of it"
    )
    thousand_orders_take: ClassVar[float] = 170.0
    pushes = True
    ailments: ClassVar[tuple[Ailment, ...]] = ("missing", "wrong_address", "wrong_secret", "silent")
    signs_as_app: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self.tokens = Tokens()
        self.stores: dict[str, Store] = {}
        self._ids = Ids()
        self._deliveries = Deliveries(
            POLICY, books=self.books, faults=self.faults, on_exhausted=self._delete_subscription
        )
        self._announcer = Announcer(self._deliveries, apps=self.tokens.apps, clock=self.clock, silence=self.silence)
        self._edge = Edge(
            stores=self.stores,
            tokens=self.tokens,
            server=Server(self.books),
            clock=self.clock,
            books=self.books,
            ids=self._ids,
            announcer=self._announcer,
            faults=self.faults,
        )
        self._compliance = Compliance(self._announcer, tokens=self.tokens)
        self.tokens.apps[DEFAULT_CLIENT_ID] = App(DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, "Public app")

    def app(self) -> web.Application:
        """The Admin API and OAuth pages of every shop."""
        spoilt = faults_middleware(self.faults, books=self.books, path_of=path_and_operation)
        app = web.Application(middlewares=[in_own_words, spoilt], client_max_size=MAX_BODY)
        app.router.add_routes(self._edge.routes())
        return app

    async def start(self) -> None:
        """Begin to deliver webhooks."""
        await self._deliveries.start()

    async def stop(self) -> None:
        """End deliveries."""
        self._compliance.stop()
        await self._deliveries.stop()

    async def settle(self) -> None:
        """Wait until every webhook was accepted or given up."""
        await self._deliveries.settle()

    def settings(self) -> dict[str, str]:
        """The platform's address and its public app's credentials."""
        app = self.tokens.apps[DEFAULT_CLIENT_ID]
        return {
            **super().settings(),
            "SHOPIFY_CLIENT_ID": app.client_id,
            "SHOPIFY_CLIENT_SECRET": app.client_secret,
        }

    def create_store(self, body: dict[str, Any]) -> dict[str, Any]:
        """Open a shop, with a custom app of its own; all fields are optional.

        Fields: `id` (the handle; the answer's `store` is the shop's domain, and either names it), `name`,
        `currency`, `timezone` (IANA), `plan` (standard, advanced, plus, enterprise), `scopes` (of the custom
        app), `country`, `redirect_uris` (registered for the public app; until some are, it accepts any
        loopback address), `link_by` ("authorization" or "token").
        """
        handle = str(body.get("id") or self._free_handle())
        if not _HANDLE.fullmatch(handle) or handle in self.stores:
            raise ControlError("id must be a free shop handle of letters, digits and hyphens", status=409)
        link_by = body.get("link_by", "authorization")
        if link_by not in {"authorization", "token"}:
            raise ControlError("link_by must be authorization or token")
        store = self._new_store(handle, body)
        self.stores[handle] = store
        custom = App(
            client_id=f"custom-{handle}",
            client_secret=f"custom-{handle}-secret",
            title=f"{store.name}'s own app",
            owner=store.domain,
            must_expire=False,
        )
        custom.scopes = tuple(body.get("scopes") or custom.scopes)
        self.tokens.apps[custom.client_id] = custom
        token = self.tokens.grant(custom, shop=store.domain, scopes=custom.scopes)
        public = self.tokens.apps[DEFAULT_CLIENT_ID]
        if body.get("redirect_uris"):
            public.redirect_uris = (*(public.redirect_uris or ()), *map(str, body["redirect_uris"]))
        return self._store_answer(store, custom, token, by_token=link_by == "token")

    def _free_handle(self) -> str:
        return next(name for number in count(1) if (name := f"sandbox-{number}") not in self.stores)

    def _new_store(self, handle: str, body: dict[str, Any]) -> Store:
        currency, plan = str(body.get("currency", "USD")), str(body.get("plan", "standard"))
        if currency not in RATES or plan not in RESTORE_RATES:
            raise ControlError(f"currency: {', '.join(RATES)}; plan: {', '.join(RESTORE_RATES)}")
        try:
            zone = ZoneInfo(str(body.get("timezone", "America/New_York")))
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ControlError("timezone must be an IANA name") from error
        return Store(
            handle=handle,
            id=self._ids.next(),
            name=str(body.get("name", handle)),
            currency=currency,
            zone=zone,
            plan=plan,
            location=Location(self._ids.next(), "Shop location", str(body.get("country", "US"))),
            created_at=self.clock.now(),
            country=str(body.get("country", "US")),
        )

    def _store_answer(self, store: Store, custom: App, token: str, *, by_token: bool) -> dict[str, Any]:
        public = self.tokens.apps[DEFAULT_CLIENT_ID]
        pasted = {"shop": store.domain, "access_token": token, "webhook_secret": custom.client_secret}
        return {
            "platform": self.slug,
            "store": store.domain,
            "domain": store.domain,
            "currency": store.currency,
            "timezone": store.zone.key,
            "api": self.base_url,
            "link": {"credentials": pasted} if by_token else {"request": {"shop": store.domain}},
            "app": {
                "client_id": public.client_id,
                "client_secret": public.client_secret,
                "scopes": list(public.scopes),
                "authorize_url": f"{self.base_url}/admin/oauth/authorize?shop={store.domain}",
            },
            "custom_app": {
                "client_id": custom.client_id,
                "client_secret": custom.client_secret,
                "scopes": list(custom.scopes),
                "access_token": token,
            },
        }

    def create_orders(self, store: str, asked: OrdersAsked) -> list[str]:
        """Create orders; a paid one is announced as created and paid, as the platform does."""
        shop = self._known_store(store)
        try:
            scenarios = deal(asked.count, state=asked.state, seed=asked.seed)
        except ValueError as error:
            raise ControlError(str(error)) from error
        rng = random.Random(asked.seed)
        now = self.clock.now() - asked.created_ago
        step = asked.created_over / max(1, asked.count)
        ids: list[str] = []
        for place, scenario in enumerate(scenarios):
            at = now - asked.created_over + step * place if asked.created_over else now
            order = make_order(scenario, store=shop, at=at, rng=rng, ids=self._ids)
            shop.add(order)
            ids.append(str(order.id))
            if asked.webhooks:
                self._announcer.order_events(order, *_birth_topics(order))
        self.books.count("orders_created", len(ids))
        return ids

    def orders_of(self, store: str) -> list[Order]:
        """The orders that the store has now, oldest first."""
        return list(self._known_store(store).orders.values())

    def change_order(self, store: str, order: str, change: dict[str, Any]) -> OrderTruth:
        """Change an order; beyond the common actions those of `changing.py`."""
        found = self._known_order(store, order)
        change_order(Change(found, change, now=self.clock.now(), ids=self._ids, announcer=self._announcer))
        return order_truth(found)

    def revoke(self, store: str) -> None:
        """The seller uninstalls every app: tokens die, app/uninstalled is sent, subscriptions go.

        Two days later, unless it was installed again, the public app is told to erase the shop's data.
        """
        shop = self._known_store(store)
        self.tokens.revoke(shop.domain)
        self._announcer.event(shop, "APP_UNINSTALLED", shop_body(shop))
        shop.subscriptions.clear()
        self._compliance.uninstalled(shop, self.tokens.apps[DEFAULT_CLIENT_ID], time_scale=self._deliveries.time_scale)

    def break_webhooks(self, store: str, asked: Breakage) -> list[str]:
        """Break subscriptions; see `breaking.py`."""
        return break_subscriptions(self._known_store(store), asked, self.silence)

    def truth(self, store: str | None) -> list[OrderTruth]:
        """What exists, deleted orders included."""
        shops = self.stores.values() if store is None else [self._known_store(store)]
        return [order_truth(order) for shop in shops for order in (*shop.orders.values(), *shop.deleted.values())]

    def apply_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """`limits`, `time_scale`, and Shopify's own.

        `search_lag` (seconds that searches are behind), `bucket_seconds` (of restoring that fill a bucket of points),
        `compliance_url` (where the public app takes the privacy topics; "" nowhere), `redact_after` (seconds from an
        uninstallation to shop/redact, divided by `time_scale`).
        """
        known = {"limits", "time_scale", "search_lag", "bucket_seconds", "compliance_url", "redact_after"}
        if unknown := set(settings) - known:
            raise ControlError(f"unknown settings: {', '.join(sorted(unknown))}")
        server, compliance = self._edge.server, self._compliance
        server.bucket_seconds = float(settings.get("bucket_seconds", server.bucket_seconds))
        compliance.address = str(settings.get("compliance_url", compliance.address))
        compliance.redact_after = float(settings.get("redact_after", compliance.redact_after))
        self._edge.server.limited = bool(settings.get("limits", self._edge.server.limited))
        self._deliveries.time_scale = float(settings.get("time_scale", self._deliveries.time_scale))
        self._edge.search_lag = float(settings.get("search_lag", self._edge.search_lag))
        return {
            "limits": self._edge.server.limited,
            "time_scale": self._deliveries.time_scale,
            "search_lag": self._edge.search_lag,
            "bucket_seconds": server.bucket_seconds,
            "compliance_url": compliance.address,
            "redact_after": compliance.redact_after,
        }

    def control_routes(self) -> Iterable[web.RouteDef]:
        """Shopify's own: apps, a shop's status, its subscriptions, and waiting webhooks."""
        return (
            web.post("/apps", self._create_app),
            web.post("/stores/{store}/status", self._set_status),
            web.post("/stores/{store}/token", self._grant_token),
            web.post("/stores/{store}/privacy", self._ask_privacy),
            web.get("/stores/{store}/install", self._install),
            web.get("/stores/{store}/subscriptions", self._list_subscriptions),
            web.get("/deliveries", self._count_deliveries),
        )

    async def _create_app(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        try:
            app = App(
                client_id=str(body["client_id"]),
                client_secret=str(body["client_secret"]),
                title=str(body.get("title", "App")),
                redirect_uris=tuple(body["redirect_uris"]) if body.get("redirect_uris") else None,
                must_expire=bool(body.get("must_expire", True)),
                sees_buyers=bool(body.get("sees_buyers", True)),
                webhook_version=str(body.get("webhook_version", VERSIONS[-1])),
            )
        except KeyError as error:
            raise ControlError("client_id and client_secret are needed") from error
        app.scopes = tuple(body.get("scopes") or app.scopes)
        self.tokens.apps[app.client_id] = app
        return json_answer({"client_id": app.client_id, "scopes": list(app.scopes)}, status=201)

    async def _set_status(self, request: web.Request) -> web.Response:
        status = (await read_body(request)).get("status")
        if status not in STATUSES:
            raise ControlError(f"status must be one of {', '.join(STATUSES)}")
        self._known_store(request.match_info["store"]).status = status
        return json_answer({"status": status})

    async def _grant_token(self, request: web.Request) -> web.Response:
        """The seller installs the shop's own app again."""
        store = self._known_store(request.match_info["store"])
        app = self.tokens.apps[f"custom-{store.handle}"]
        token = self.tokens.grant(app, shop=store.domain, scopes=app.scopes)
        return json_answer({"access_token": token}, status=201)

    async def _ask_privacy(self, request: web.Request) -> web.Response:
        """A buyer, or Shopify itself, asks for data or for its end: `topic`, and `order_ids` of the buyer's orders."""
        store = self._known_store(request.match_info["store"])
        body = await read_body(request)
        orders = [self._known_order(store.handle, str(number)) for number in body.get("order_ids", ())]
        app = self.tokens.apps[DEFAULT_CLIENT_ID]
        self._compliance.ask(store, app, str(body.get("topic")), orders, request_id=self._ids.next())
        return json_answer({"topic": body.get("topic"), "to": self._compliance.address}, status=202)

    async def _install(self, request: web.Request) -> web.Response:
        """The signed query with which a seller's browser comes from Shopify's app store."""
        store = self._known_store(request.match_info["store"])
        query = visit(self.tokens.apps[DEFAULT_CLIENT_ID], store, clock=self.clock)
        return json_answer({"query": query})

    async def _list_subscriptions(self, request: web.Request) -> web.Response:
        store = self._known_store(request.match_info["store"])
        return json_answer(
            {
                "subscriptions": [
                    {"id": str(known.id), "topic": known.topic, "uri": known.uri, "app": known.app}
                    for known in store.subscriptions.values()
                ]
            }
        )

    async def _count_deliveries(self, _request: web.Request) -> web.Response:
        return json_answer({"pending": self._deliveries.pending})

    def _known_store(self, handle: str) -> Store:
        store = self.stores.get(handle.removesuffix(".myshopify.com"))
        if store is None:
            raise ControlError("no such store", status=404)
        return store

    def _known_order(self, store: str, order: str) -> Order:
        shop = self._known_store(store)
        number = int(order) if order.isdecimal() else -1
        found = shop.orders.get(number) or shop.deleted.get(number)
        if found is None:
            raise ControlError("no such order", status=404)
        return found

    def _delete_subscription(self, key: str) -> None:
        handle, _, number = key.rpartition("/")
        store = self.stores.get(handle)
        if store is not None and store.subscriptions.pop(int(number), None) is not None:
            self.books.count("subscriptions_deleted")


def _birth_topics(order: Order) -> tuple[str, ...]:
    paid = order.financial in {"PAID", "PARTIALLY_REFUNDED", "REFUNDED"}
    cancelled = ("ORDERS_CANCELLED",) if order.cancelled_at else ()
    return ("ORDERS_CREATE", *(("ORDERS_PAID",) if paid else ()), *cancelled)
