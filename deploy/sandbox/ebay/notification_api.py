"""The Notification API over HTTP, and the Analytics API that tells what is left of the day's quotas."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from deploy.sandbox.ebay.announcing import Announcer
from deploy.sandbox.ebay.api import Call, Doors, created, json_answer, json_body
from deploy.sandbox.ebay.ledger import moment
from deploy.sandbox.ebay.publishing import Publisher
from deploy.sandbox.ebay.quotas import DAY
from deploy.sandbox.ebay.refusals import unacceptable
from deploy.sandbox.ebay.subscribing import DISABLED, TOPICS, Destination, Switchboard, topic_told
from deploy.sandbox.ebay.tokens import PUBLIC, SUBSCRIBE, SUBSCRIBE_READ

BASE = "/commerce/notification/v1"
_APP = frozenset({PUBLIC})
_READ = frozenset({PUBLIC, SUBSCRIBE, SUBSCRIBE_READ})
_WRITE = frozenset({PUBLIC, SUBSCRIBE})
_DEFAULT_PAGE, _MIN_PAGE, _MAX_PAGE = 20, 10, 100
#: Quotas by the context and name of the API, in lower case; the last is how it is written.
_APIS = {
    ("sell", "fulfillment"): ("fulfillment", "Fulfillment", "v1"),
    ("commerce", "notification"): ("notification", "Notification", "v1"),
    ("commerce", "identity"): ("identity", "Identity", "v1"),
    ("developer", "analytics"): ("analytics", "Analytics", "v1_beta"),
}


class NotificationApi:
    """The routes of one world."""

    def __init__(self, doors: Doors, switchboard: Switchboard, publisher: Publisher, announcer: Announcer) -> None:
        self._doors = doors
        self._switchboard = switchboard
        self._publisher = publisher
        self._announcer = announcer

    def routes(self) -> list[web.RouteDef]:
        """Every endpoint that this stand-in has of both APIs."""
        of_app: dict[str, Any] = {"quota": "notification", "caller": "app", "scopes": _APP}
        reading: dict[str, Any] = {"quota": "notification", "caller": "either", "scopes": _READ}
        writing: dict[str, Any] = {"quota": "notification", "caller": "either", "scopes": _WRITE}
        analytics: dict[str, Any] = {"quota": "analytics", "scopes": _READ}
        subscription = "/subscription/{subscription_id}"
        served = [
            ("GET", "/config", self._config, of_app),
            ("PUT", "/config", self._configure, of_app),
            ("GET", "/destination", self._destinations, of_app),
            ("POST", "/destination", self._add_destination, of_app),
            ("GET", "/destination/{destination_id}", self._destination, of_app),
            ("PUT", "/destination/{destination_id}", self._change_destination, of_app),
            ("DELETE", "/destination/{destination_id}", self._drop_destination, of_app),
            ("GET", "/public_key/{kid}", self._public_key, of_app),
            ("GET", "/topic", self._topics, of_app),
            ("GET", "/topic/{topic_id}", self._topic, of_app),
            ("GET", "/subscription", self._subscriptions, reading),
            ("POST", "/subscription", self._subscribe, writing),
            ("GET", subscription, self._subscription, reading),
            ("PUT", subscription, self._change_subscription, writing),
            ("DELETE", subscription, self._unsubscribe, writing),
            ("POST", subscription + "/enable", self._enable, writing),
            ("POST", subscription + "/disable", self._disable, writing),
            ("POST", subscription + "/test", self._test, writing),
            ("POST", subscription + "/filter", self._filter, writing),
        ]
        limits = "/developer/analytics/v1_beta/{limits:rate_limit|user_rate_limit}"
        return [
            *(self._doors.route(method, BASE + path, answer, **door) for method, path, answer, door in served),
            self._doors.route("GET", limits + "/", self._rate_limits, caller="either", **analytics),
            self._doors.route("GET", limits, self._rate_limits, caller="either", **analytics),
        ]

    async def _config(self, _call: Call) -> web.Response:
        if self._switchboard.alert_email is None:
            raise unacceptable(195026)
        return json_answer({"alertEmail": self._switchboard.alert_email})

    async def _configure(self, call: Call) -> web.Response:
        self._switchboard.configure(await json_body(call.request))
        return web.Response(status=204)

    async def _destinations(self, call: Call) -> web.Response:
        return _page(call, "destinations", [each.told() for each in self._switchboard.destinations.values()])

    async def _add_destination(self, call: Call) -> web.Response:
        destination = await self._challenged(call)
        return created(f"{call.world.base_url()}{BASE}/destination/{destination.destination_id}")

    async def _destination(self, call: Call) -> web.Response:
        return json_answer(self._switchboard.destination(call.request.match_info["destination_id"]).told())

    async def _change_destination(self, call: Call) -> web.Response:
        """Also the way to bring a destination back that was marked down."""
        await self._challenged(call, known=call.request.match_info["destination_id"])
        return web.Response(status=204)

    async def _challenged(self, call: Call, *, known: str | None = None) -> Destination:
        """The destination, kept under its id once its endpoint has proved itself."""
        if known is not None:
            self._switchboard.destination(known)
        body = await json_body(call.request)
        drafted = self._switchboard.draft(body, require_https=call.world.knobs.require_https, known=known)
        if not await self._publisher.challenge(drafted):
            raise unacceptable(195020)
        self._switchboard.destinations[drafted.destination_id] = drafted
        return drafted

    async def _drop_destination(self, call: Call) -> web.Response:
        self._switchboard.drop_destination(call.request.match_info["destination_id"])
        return web.Response(status=204)

    async def _public_key(self, call: Call) -> web.Response:
        wanted = call.request.match_info["kid"]
        found = next((key for key in self._publisher.keys if key.kid == wanted), None)
        if found is None:
            raise unacceptable(195001)
        return json_answer(found.public_answer())

    async def _topics(self, call: Call) -> web.Response:
        return _page(call, "topics", [topic_told(topic) for topic in TOPICS.values()])

    async def _topic(self, call: Call) -> web.Response:
        topic = TOPICS.get(call.request.match_info["topic_id"])
        if topic is None:
            raise unacceptable(195002)
        return json_answer(topic_told(topic))

    async def _subscriptions(self, call: Call) -> web.Response:
        """Whoever calls sees their own: a seller the seller's, the app the app's."""
        owner = call.access.grant.seller
        own = [each.told() for each in self._switchboard.subscriptions.values() if each.user_id == owner]
        return _page(call, "subscriptions", own)

    async def _subscribe(self, call: Call) -> web.Response:
        body = await json_body(call.request)
        subscription = self._switchboard.subscribe(body, call.access, now_ms=call.world.now_ms())
        return created(f"{call.world.base_url()}{BASE}/subscription/{subscription.subscription_id}")

    async def _subscription(self, call: Call) -> web.Response:
        return json_answer(self._own(call).told())

    async def _change_subscription(self, call: Call) -> web.Response:
        self._switchboard.change(self._own(call), await json_body(call.request))
        return web.Response(status=204)

    async def _unsubscribe(self, call: Call) -> web.Response:
        del self._switchboard.subscriptions[self._own(call).subscription_id]
        return web.Response(status=204)

    async def _enable(self, call: Call) -> web.Response:
        self._switchboard.enable(self._own(call))
        return web.Response(status=204)

    async def _disable(self, call: Call) -> web.Response:
        self._own(call).status = DISABLED
        return web.Response(status=204)

    async def _test(self, call: Call) -> web.Response:
        subscription = self._own(call)
        self._announcer.test(subscription, self._switchboard.destination(subscription.destination_id))
        return web.Response(status=202)

    async def _filter(self, call: Call) -> web.Response:
        self._own(call)
        raise unacceptable(195032)

    def _own(self, call: Call) -> Any:
        return self._switchboard.own(call.access, call.request.match_info["subscription_id"])

    async def _rate_limits(self, call: Call) -> web.Response:
        """What is left today; 204 when nothing is of the API that was asked for."""
        if (call.request.match_info["limits"] == "rate_limit") != (call.access.grant.seller is None):
            return json_answer({"rateLimits": []})
        context = call.request.query.get("api_context", "").lower()
        name = call.request.query.get("api_name", "").lower()
        found = [
            _rate_limit(call, key[0], *told)
            for key, told in _APIS.items()
            if context in ("", key[0]) and name in ("", key[1])
        ]
        return json_answer({"rateLimits": found}) if found else web.Response(status=204)


def _rate_limit(call: Call, context: str, quota: str, name: str, version: str) -> dict[str, Any]:
    quotas = call.world.quotas
    rate = {
        "limit": quotas.per_day[quota],
        "remaining": quotas.remaining(quota),
        "reset": moment(int(quotas.ends_at * 1000)),
        "timeWindow": DAY,
    }
    resource = {"name": f"{context}.{quota}", "rates": [rate]}
    return {"apiContext": context, "apiName": name, "apiVersion": version, "resources": [resource]}


def _page(call: Call, name: str, rows: list[dict[str, Any]]) -> web.Response:
    """A page by continuation token, which is the place of its first row."""
    limit, token = (
        call.request.query.get("limit", str(_DEFAULT_PAGE)),
        call.request.query.get("continuation_token", "0"),
    )
    if not limit.isdecimal() or not _MIN_PAGE <= int(limit) <= _MAX_PAGE:
        raise unacceptable(195004)
    if not token.isdecimal():
        raise unacceptable(195005)
    start, end = int(token), int(token) + int(limit)
    path = f"{call.world.base_url()}{call.request.path}?limit={limit}"
    told: dict[str, Any] = {"href": path, "limit": int(limit), "total": len(rows), name: rows[start:end]}
    if end < len(rows):
        told["next"] = f"{path}&continuation_token={end}"
    return json_answer(told)
