"""The Amazon sandbox as the control API sees it: sellers, orders, their changes, the app, and what was announced."""

from __future__ import annotations

import random
import secrets
import string
import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, ClassVar

from aiohttp import web

from deploy.sandbox.amazon.announcing import Announcer
from deploy.sandbox.amazon.breaking import break_subscriptions
from deploy.sandbox.amazon.changing import change_order
from deploy.sandbox.amazon.consent import ConsentPages
from deploy.sandbox.amazon.lwa import Lwa
from deploy.sandbox.amazon.making import SellerFacts, deal_scenarios, make_order
from deploy.sandbox.amazon.markets import REGIONS, USUAL, Market, Region, find_market
from deploy.sandbox.amazon.notifications_api import NotificationsApi
from deploy.sandbox.amazon.orders import ROLES
from deploy.sandbox.amazon.orders_api import OrdersApi
from deploy.sandbox.amazon.refusals import errors_answer, not_found
from deploy.sandbox.amazon.subscribing import Subscriptions
from deploy.sandbox.amazon.truth import truth_of
from deploy.sandbox.amazon.usage import PLANS, Usage
from deploy.sandbox.amazon.world import Amazon, Behaviour, Seller
from deploy.sandbox.breaking import Ailment, Breakage
from deploy.sandbox.control import json_answer, read_body
from deploy.sandbox.faults import faults_middleware
from deploy.sandbox.standin import ControlError, OrdersAsked, OrderTruth, StandIn

_ID_LETTERS = string.ascii_uppercase + string.digits
_OTHER_SETTINGS = frozenset(
    {"limits", "time_scale", "rates", "refresh_rotates", "yearly_renewal", "sqs_endpoint", "queue_url"}
)


class AmazonSandbox(StandIn):
    """One Amazon of all regions, with any number of sellers and one application."""

    slug: ClassVar[str] = "amazon"
    allowance: ClassVar[str] = (
        "1,000 orders are 10 searches of 100, and one that probes; 20 are free at once, then one in 179 s"
    )
    calls_at_once: ClassVar[int | None] = 20
    parcels_a_minute: ClassVar[int | None] = 30
    lag: ClassVar[timedelta] = timedelta(minutes=2)
    ailments: ClassVar[tuple[Ailment, ...]] = ("missing", "wrong_address", "silent")

    def __init__(self) -> None:
        super().__init__()
        lwa, subscriptions = Lwa(self.clock.seconds), Subscriptions()
        self._announcer = Announcer(
            subscriptions,
            self.books,
            self.faults,
            self.silence,
            now=self.clock.now,
            application_of=lambda client_id: lwa.apps[client_id].application_id,
        )
        usage = Usage(self.clock.seconds)
        self._amazon = Amazon(self.clock, self.books, self._announcer.announce, lwa, usage)
        self._application = lwa.new_app()
        self._number = 0
        self._time_scale = 1.0

    def settings(self) -> dict[str, str]:
        """The address, and the application's ids and secret."""
        return super().settings() | {
            "AMAZON_APPLICATION_ID": self._application.application_id,
            "AMAZON_CLIENT_ID": self._application.client_id,
            "AMAZON_CLIENT_SECRET": self._application.secret,
        }

    def app(self) -> web.Application:
        """Seller Central's consent page, LWA and the Selling Partner API of all regions on one address."""
        application = web.Application(middlewares=[faults_middleware(self.faults, books=self.books)])
        application.router.add_routes(ConsentPages(self._amazon).routes())
        application.router.add_routes(OrdersApi(self._amazon, self.faults).routes())
        application.router.add_routes(NotificationsApi(self._amazon, self._announcer).routes())
        application.router.add_route("*", "/{rest:.*}", _unknown)
        application.on_response_prepare.append(_number_response)
        return application

    async def start(self) -> None:
        """Begin to hand notifications to a queue, where one is set."""
        await self._announcer.start()

    async def stop(self) -> None:
        """End that."""
        await self._announcer.stop()

    def create_store(self, body: dict[str, Any]) -> dict[str, Any]:
        """A new seller, who meets the next consent page unless a newer one has not agreed either.

        Body, all optional: `id` (the seller id), `region` (na, eu, fe), `marketplaces` (codes or ids, the first is
        where most orders come from), `role` (full, address, buyer, none), `confirms` (whether the app may confirm
        shipments), `redirect_uris` (added to the
        application's registered ones), `link_by` (authorization, or credentials of a self-authorized app).
        """
        link_by = body.get("link_by", "authorization")
        if link_by not in ("authorization", "credentials"):
            raise ControlError("link_by must be authorization or credentials")
        self._application.register(list(body.get("redirect_uris", ())))
        seller = self._open(body)
        markets = [market.id for market in seller.markets]
        answer: dict[str, Any] = {
            "store": seller.seller_id,
            "region": seller.region,
            "marketplaces": markets,
            "currency": seller.markets[0].currency,
            "role": seller.role,
            "link": {"request": {"region": seller.region, "marketplace": seller.markets[0].code}},
        }
        if link_by == "credentials":
            token = self._amazon.lwa.authorize_self(self._application, seller_id=seller.seller_id)
            answer["link"] = {
                "credentials": {
                    "seller_id": seller.seller_id,
                    "refresh_token": token,
                    "region": seller.region,
                    "marketplaces": ",".join(markets),
                }
            }
        return answer

    def create_orders(self, store: str, asked: OrdersAsked) -> list[str]:
        """Create orders; subscribers are told unless the request says otherwise."""
        seller = self._seller(store)
        try:
            scenarios = deal_scenarios(asked.count, state=asked.state, seed=asked.seed)
        except ValueError as error:
            raise ControlError(str(error)) from error
        rng, facts = random.Random(asked.seed), SellerFacts(seller.markets)
        span = asked.created_over.total_seconds() * 1000
        end = self._amazon.now() - int(asked.created_ago.total_seconds() * 1000)
        orders = []
        for place, scenario in enumerate(scenarios):
            self._number += 1
            created = int(end - span * (1 - (place + 1) / asked.count))
            orders.append(make_order(scenario, number=self._number, seller=facts, created=created, now=end, rng=rng))
        self._amazon.publish(seller, orders, tell=asked.webhooks)
        return [order.order_id for order in orders]

    def change_order(self, store: str, order: str, change: dict[str, Any]) -> OrderTruth:
        """Carry out a change; Amazon's own are `request_cancel`, `ship` (by other means), `lose`, `deliver`."""
        seller = self._seller(store)
        found = self._amazon.settled(seller).get(order)
        if found is None:
            raise ControlError("no such order", status=404)
        change_order(self._amazon, seller, found, change)
        return truth_of(seller, found)

    def revoke(self, store: str) -> None:
        """The seller disables the application in Seller Central."""
        self._amazon.lwa.revoke(self._seller(store).seller_id)

    def break_webhooks(self, store: str, asked: Breakage) -> list[str]:
        """Break subscriptions; see `breaking.py`."""
        return break_subscriptions(self._announcer.subscriptions, self._seller(store).seller_id, asked, self.silence)

    def truth(self, store: str | None) -> list[OrderTruth]:
        """All orders, of one seller or of all."""
        sellers = self._amazon.sellers.values() if store is None else [self._seller(store)]
        return [
            truth_of(seller, order)
            for seller in sellers
            for order in (*self._amazon.settled(seller), *seller.ledger.deleted)
        ]

    def apply_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """`limits`, `time_scale`, and Amazon's own; see `world.Behaviour` and the README."""
        if unknown := set(settings) - Behaviour.names() - _OTHER_SETTINGS:
            raise ControlError(f"unknown settings: {', '.join(sorted(unknown))}")
        amazon = self._amazon
        try:
            amazon.behaviour.change({name: value for name, value in settings.items() if name in Behaviour.names()})
            self._time_scale = float(settings.get("time_scale", self._time_scale))
            for operation, (rate, burst) in settings.get("rates", {}).items():
                if operation not in PLANS:
                    raise ControlError(f"no such operation: {operation}")
                amazon.usage.plans[operation] = (float(rate), int(burst))
        except (ValueError, TypeError) as error:
            raise ControlError(str(error)) from error
        amazon.usage.limited = bool(settings.get("limits", amazon.usage.limited))
        amazon.lwa.rotates = bool(settings.get("refresh_rotates", amazon.lwa.rotates))
        amazon.lwa.yearly = bool(settings.get("yearly_renewal", amazon.lwa.yearly))
        self._announcer.endpoint = str(settings.get("sqs_endpoint", self._announcer.endpoint))
        self._announcer.queue_url = str(settings.get("queue_url", self._announcer.queue_url))
        return self._settings_in_force()

    def control_routes(self) -> Iterable[web.RouteDef]:
        """The notifications that were sent, the browser's session, the application, and the end of an hour."""
        return (
            web.get("/notifications", self._told),
            web.get("/app", self._show_app),
            web.post("/app", self._change_app),
            web.post("/signed-in", self._sign_in),
            web.post("/stores/{store}/expire-access", self._expire_access),
            web.post("/stores/{store}/self-authorize", self._self_authorize),
        )

    async def _told(self, _request: web.Request) -> web.Response:
        told = [{"queue": each.arn, "body": each.body} for each in self._announcer.told]
        return json_answer({"notifications": told})

    async def _show_app(self, _request: web.Request) -> web.Response:
        return json_answer(self._app_payload())

    async def _change_app(self, request: web.Request) -> web.Response:
        """Register redirect addresses; `rotate_secret` replaces the client secret."""
        body = await read_body(request)
        self._application.register(list(body.get("redirect_uris", ())))
        if body.get("rotate_secret"):
            self._amazon.lwa.rotate_secret(self._application)
        return json_answer(self._app_payload())

    async def _sign_in(self, request: web.Request) -> web.Response:
        body = await read_body(request)
        self._amazon.session_of = self._seller(str(body["store"])).seller_id if body.get("store") else None
        return json_answer({"store": self._amazon.session_of})

    async def _expire_access(self, request: web.Request) -> web.Response:
        seller = self._seller(request.match_info["store"])
        self._amazon.lwa.expire_access(seller.seller_id)
        return json_answer({"expired": seller.seller_id})

    async def _self_authorize(self, request: web.Request) -> web.Response:
        """A new refresh token for a seller, as Seller Central gives it."""
        seller = self._seller(request.match_info["store"])
        token = self._amazon.lwa.authorize_self(self._application, seller_id=seller.seller_id)
        return json_answer({"seller_id": seller.seller_id, "refresh_token": token})

    def _settings_in_force(self) -> dict[str, Any]:
        amazon = self._amazon
        return {name: getattr(amazon.behaviour, name) for name in sorted(Behaviour.names())} | {
            "limits": amazon.usage.limited,
            "time_scale": self._time_scale,
            "rates": {operation: list(plan) for operation, plan in amazon.usage.plans.items()},
            "refresh_rotates": amazon.lwa.rotates,
            "yearly_renewal": amazon.lwa.yearly,
            "sqs_endpoint": self._announcer.endpoint,
            "queue_url": self._announcer.queue_url,
        }

    def _app_payload(self) -> dict[str, Any]:
        app = self._application
        return {
            "application_id": app.application_id,
            "client_id": app.client_id,
            "client_secret": app.secret,
            "redirect_uris": app.redirect_uris,
        }

    def _open(self, body: dict[str, Any]) -> Seller:
        seller_id = str(body.get("id") or "A" + "".join(secrets.choice(_ID_LETTERS) for _ in range(13)))
        region, role = str(body.get("region", "na")), str(body.get("role", "full"))
        if region not in REGIONS or role not in ROLES:
            raise ControlError(f"region must be of {', '.join(REGIONS)}, role of {', '.join(ROLES)}")
        if seller_id in self._amazon.sellers:
            raise ControlError("this seller exists", status=409)
        seller = Seller(seller_id, region, _markets(body.get("marketplaces"), region), role)
        seller.confirms = bool(body.get("confirms", True))
        self._amazon.sellers[seller_id] = seller
        return seller

    def _seller(self, store: str) -> Seller:
        if store not in self._amazon.sellers:
            raise ControlError("no such store", status=404)
        return self._amazon.sellers[store]


def _markets(asked: str | list[str] | None, region: Region) -> tuple[Market, ...]:
    names = asked.split(",") if isinstance(asked, str) else asked or USUAL[region]
    try:
        markets = tuple(find_market(name) for name in names)
    except KeyError as error:
        raise ControlError(f"no such marketplace: {error.args[0]}") from error
    if any(market.region != region for market in markets):
        raise ControlError("all marketplaces must be of the region")
    return markets


async def _unknown(_request: web.Request) -> web.Response:
    return errors_answer(not_found())


async def _number_response(_request: web.Request, response: web.StreamResponse) -> None:
    """Every answer has an id to name it by."""
    response.headers["x-amzn-RequestId"] = str(uuid.uuid4())
