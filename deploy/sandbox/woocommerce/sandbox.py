"""WooCommerce stores as the control API sees them: opened with their differences, filled, changed, and told apart."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, ClassVar

import aiohttp
from aiohttp import web

from deploy.sandbox.breaking import Ailment, Breakage
from deploy.sandbox.control import json_answer, read_body
from deploy.sandbox.faults import faults_middleware
from deploy.sandbox.standin import ControlError, OrdersAsked, OrderTruth, StandIn
from deploy.sandbox.woocommerce.announcing import ANSWER_WITHIN, Announcer
from deploy.sandbox.woocommerce.breaking import break_hooks
from deploy.sandbox.woocommerce.changing import change_order, drafts_are_news
from deploy.sandbox.woocommerce.desk import Desk
from deploy.sandbox.woocommerce.edge import Edge
from deploy.sandbox.woocommerce.fulfillment_routes import fulfillment_routes
from deploy.sandbox.woocommerce.hook_routes import hook_routes
from deploy.sandbox.woocommerce.making import deal_scenarios, make_order
from deploy.sandbox.woocommerce.order_routes import OrderRoutes
from deploy.sandbox.woocommerce.orders import Order
from deploy.sandbox.woocommerce.routing import Backstage
from deploy.sandbox.woocommerce.site import PERMISSIONS, Options, Site
from deploy.sandbox.woocommerce.site_routes import site_routes
from deploy.sandbox.woocommerce.tracking_routes import tracking_routes
from deploy.sandbox.woocommerce.truth import order_truth

MAX_BODY = 4 * 1024 * 1024
_NAME = re.compile(r"[a-z0-9][a-z0-9-]*")
_SETTINGS = ("limits", "time_scale", "parallel", "refusal_status", "retry_after", "latency", "cron_delay")


class WooCommerceSandbox(StandIn):
    """Any number of stores, each an own server in reality and a folder of one address here."""

    slug: ClassVar[str] = "woocommerce"
    allowance: ClassVar[str] = "pages of 100, two calls at a time"
    pushes: ClassVar[bool] = True
    parcels_a_minute: ClassVar[int | None] = 90
    ailments: ClassVar[tuple[Ailment, ...]] = (
        "missing",
        "paused",
        "disabled",
        "wrong_address",
        "wrong_secret",
        "silent",
    )

    def __init__(self) -> None:
        super().__init__()
        self._stores: dict[str, Backstage] = {}
        table = [
            *OrderRoutes(self.faults).routes(),
            *hook_routes(),
            *fulfillment_routes(),
            *tracking_routes(),
            *site_routes(),
        ]
        self._edge = Edge(self._stores, table, self.books)
        self._time_scale = 1.0
        self._cron_delay = 0.0
        self._session: aiohttp.ClientSession | None = None

    def settings(self) -> dict[str, str]:
        """Nothing: a store is named when it is linked, and no app is registered anywhere."""
        return {}

    def app(self) -> web.Application:
        """Every store's pages and API."""
        application = web.Application(
            middlewares=[faults_middleware(self.faults, books=self.books)], client_max_size=MAX_BODY
        )
        application.router.add_routes(self._edge.routes())
        return application

    async def start(self) -> None:
        """Open the client that keys and webhooks are sent with."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_WITHIN)
        self._session = aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0))
        self._edge.session = self._session
        for behind in self._stores.values():
            behind.announcer.start(self._session)

    async def stop(self) -> None:
        """End every store's deliveries; what waits is lost."""
        for behind in self._stores.values():
            await behind.announcer.stop()
        if self._session is not None:
            await self._session.close()

    async def settle(self) -> None:
        """Wait until no store has anything left to tell."""
        for behind in self._stores.values():
            await behind.announcer.settle()

    def create_store(self, body: dict[str, Any]) -> dict[str, Any]:
        """Open a store.

        Body, all optional: `id` (its folder), `link_by` ("authorization" or "credentials"), `permissions` (of the
        key to paste), and every field of `Options`.
        """
        name = str(body.get("id") or f"store{len(self._stores) + 1}")
        if not _NAME.fullmatch(name) or name in self._stores:
            raise ControlError("id must be a free name of small letters, digits and hyphens", status=409)
        link_by = body.get("link_by", "authorization")
        if link_by not in ("authorization", "credentials"):
            raise ControlError("link_by must be authorization or credentials")
        if body.get("permissions", "read_write") not in PERMISSIONS:
            raise ControlError(f"permissions must be of {', '.join(PERMISSIONS)}")
        behind = self._open(name, body)
        return {
            "store": name,
            "store_url": behind.site.url,
            "options": asdict(behind.site.options),
            "link": self._link(behind.site, str(link_by), str(body.get("permissions", "read_write"))),
        }

    def create_orders(self, store: str, asked: OrdersAsked) -> list[str]:
        """Create orders; a checkout tells order.updated before order.created, the REST API the other way round."""
        behind = self._known(store)
        try:
            scenarios = deal_scenarios(asked.count, state=asked.state, seed=asked.seed)
        except ValueError as error:
            raise ControlError(str(error)) from error
        rng = random.Random(asked.seed)
        end = behind.site.now() - int(asked.created_ago.total_seconds())
        span = asked.created_over.total_seconds()
        made: list[Order] = []
        for place, scenario in enumerate(scenarios):
            created = int(end - span * (1 - (place + 1) / len(scenarios)))
            order = make_order(scenario, site=behind.site, created=created, now=end, rng=rng)
            behind.site.orders[order.id] = order
            made.append(order)
            if asked.webhooks:
                _tell_birth(behind, order)
        self.books.count("orders_created", len(made))
        return [str(order.id) for order in made]

    def change_order(self, store: str, order: str, change: dict[str, Any]) -> OrderTruth:
        """Change an order; WooCommerce's own actions are listed in `changing`."""
        behind = self._known(store)
        found = behind.site.orders.get(int(order)) if order.isdecimal() else None
        if found is None:
            raise ControlError("no such order", status=404)
        change_order(behind.desk, found, change)
        return order_truth(behind.site, found)

    def revoke(self, store: str) -> None:
        """The merchant deletes every key; webhooks stay, as they do."""
        self._known(store).site.keys.clear()

    def break_webhooks(self, store: str, asked: Breakage) -> list[str]:
        """Break webhooks; see `breaking.py`."""
        return break_hooks(self._known(store).site, asked, self.silence)

    def truth(self, store: str | None) -> list[OrderTruth]:
        """What exists, of one store or of all, what is in the trash or erased included."""
        sites = [behind.site for behind in (self._stores.values() if store is None else [self._known(store)])]
        return [order_truth(site, order) for site in sites for order in (*site.orders.values(), *site.gone)]

    def apply_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """`limits`, `time_scale`, `cron_delay` (seconds that webhooks wait), and what hosts allow and answer.

        That is `parallel` requests of a store at a time, `refusal_status` with or without `retry_after`, and
        `latency` seconds that each request takes.
        """
        if unknown := set(settings) - set(_SETTINGS):
            raise ControlError(f"unknown settings: {', '.join(sorted(unknown))}")
        wall = self._edge.firewall
        wall.on = bool(settings.get("limits", wall.on))
        wall.parallel = int(settings.get("parallel", wall.parallel))
        wall.status = int(settings.get("refusal_status", wall.status))
        wall.retry_after = settings.get("retry_after", wall.retry_after)
        wall.latency = float(settings.get("latency", wall.latency))
        self._time_scale = float(settings.get("time_scale", self._time_scale))
        self._cron_delay = float(settings.get("cron_delay", self._cron_delay))
        for behind in self._stores.values():
            behind.announcer.delay = self._cron_delay / self._time_scale
        return {
            "limits": wall.on,
            "time_scale": self._time_scale,
            "parallel": wall.parallel,
            "refusal_status": wall.status,
            "retry_after": wall.retry_after,
            "latency": wall.latency,
            "cron_delay": self._cron_delay,
        }

    def control_routes(self) -> Iterable[web.RouteDef]:
        """A store's webhooks with their failures, a visitor, other options, and a user who loses rights."""
        return (
            web.get("/stores/{store}/webhooks", self._webhooks),
            web.post("/stores/{store}/visit", self._visit),
            web.post("/stores/{store}/options", self._options),
            web.post("/stores/{store}/demote", self._demote),
            web.get("/deliveries", self._deliveries),
        )

    async def _webhooks(self, request: web.Request) -> web.Response:
        site = self._known(request.match_info["store"]).site
        names = ("id", "topic", "delivery_url", "status", "failures", "pending_ping")
        return json_answer(
            {"webhooks": [{name: getattr(hook, name) for name in names} for hook in site.hooks.values()]}
        )

    async def _visit(self, request: web.Request) -> web.Response:
        self._known(request.match_info["store"]).announcer.visit()
        return json_answer({"visited": request.match_info["store"]})

    async def _options(self, request: web.Request) -> web.Response:
        """Change options of a store, such as an update of WooCommerce, or a merchant who denies."""
        site = self._known(request.match_info["store"]).site
        try:
            site.options = Options.parse(asdict(site.options) | await read_body(request))
        except (ValueError, TypeError) as error:
            raise ControlError(str(error)) from error
        for order in site.orders.values():
            order.wire.clear()
        return json_answer(asdict(site.options))

    async def _demote(self, request: web.Request) -> web.Response:
        site = self._known(request.match_info["store"]).site
        site.demoted = bool((await read_body(request)).get("demoted", True))
        return json_answer({"demoted": site.demoted})

    async def _deliveries(self, _request: web.Request) -> web.Response:
        return json_answer({"pending": sum(behind.announcer.pending for behind in self._stores.values())})

    def _open(self, name: str, body: dict[str, Any]) -> Backstage:
        try:
            options = Options.parse(body)
        except (ValueError, TypeError) as error:
            raise ControlError(str(error)) from error
        site = Site(name, f"{self.base_url}/{name}", options, self.clock)
        announcer = Announcer(site, books=self.books, faults=self.faults, silence=self.silence)
        if self._session is not None:
            announcer.start(self._session)
        announcer.delay = self._cron_delay / self._time_scale
        behind = Backstage(site, Desk(site, self.books, announcer.tell), announcer)
        self._stores[name] = behind
        return behind

    def _link(self, site: Site, link_by: str, permissions: str) -> dict[str, Any]:
        if link_by == "authorization":
            return {"request": {"store_url": site.url}}
        key = site.new_key(permissions)
        return {
            "credentials": {
                "store_url": site.url,
                "consumer_key": key.consumer_key,
                "consumer_secret": key.consumer_secret,
            }
        }

    def _known(self, store: str) -> Backstage:
        behind = self._stores.get(store)
        if behind is None:
            raise ControlError("no such store", status=404)
        return behind


def _tell_birth(behind: Backstage, order: Order) -> None:
    if order.status == "checkout-draft":
        if drafts_are_news(behind.desk):
            behind.announcer.tell(order, "created")
        return
    events = ("created", "updated") if order.created_via == "rest-api" else ("updated", "created")
    for event in events:
        behind.announcer.tell(order, event)
