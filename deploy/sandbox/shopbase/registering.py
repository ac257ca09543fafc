"""Webhook registrations over the Admin API; nothing keeps an app from registering the same one twice."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from deploy.sandbox.shopbase.announcing import ORDER_RESOURCES, TOPICS, address_objection
from deploy.sandbox.shopbase.api import Call, Endpoint
from deploy.sandbox.shopbase.event_bodies import webhook_body
from deploy.sandbox.shopbase.query import DEFAULT_LIMIT, MAX_LIMIT, bounds_of, number_of, within
from deploy.sandbox.shopbase.refusals import RefusalError, json_response
from deploy.sandbox.shopbase.world import Subscription
from deploy.sandbox.shopbase.zeros import Form, form_for

_ONE = r"/webhooks/{webhook_id:\d+}.json"


def register_endpoints() -> list[Endpoint]:
    """The endpoints of webhook registrations; an app sees its own only."""
    return [
        ("GET", "/webhooks.json", None, _list),
        ("POST", "/webhooks.json", None, _create),
        ("GET", _ONE, None, _one),
        ("PUT", _ONE, None, _update),
        ("DELETE", _ONE, None, _delete),
    ]


async def _list(call: Call) -> web.Response:
    query = call.request.query
    since = number_of(query, "since_id", default=0, low=0)
    limit = min(number_of(query, "limit", default=DEFAULT_LIMIT, low=1), MAX_LIMIT)
    created, updated = bounds_of(query, "created_at"), bounds_of(query, "updated_at")
    found = [
        known
        for known in call.shop.subscriptions.values()
        if known.app == call.caller.key
        and known.id > since
        and query.get("topic", known.topic) == known.topic
        and query.get("address", known.address) == known.address
        and within(known.created_at, created)
        and within(known.updated_at, updated)
    ]
    form = _form(call)
    return json_response({"webhooks": form.rows([webhook_body(known, call.shop, form) for known in found[:limit]])})


async def _one(call: Call) -> web.Response:
    return _answer(call, _known(call))


async def _create(call: Call) -> web.Response:
    asked = await call.body("webhook")
    topic, address = str(asked.get("topic", "")), str(asked.get("address", ""))
    _check(call, topic, address, str(asked.get("format") or "json"))
    now = call.platform.clock.now()
    made = Subscription(
        id=call.platform.ids.next(),
        app=call.caller.key,
        secret=call.caller.secret,
        topic=topic,
        address=address,
        created_at=now.replace(microsecond=0),
        updated_at=now.replace(microsecond=0),
        fields=_texts(asked, "fields"),
        metafield_namespaces=_texts(asked, "metafield_namespaces"),
    )
    call.shop.subscriptions[made.id] = made
    return _answer(call, made)


async def _update(call: Call) -> web.Response:
    known, asked = _known(call), await call.body("webhook")
    topic, address = str(asked.get("topic", known.topic)), str(asked.get("address", known.address))
    _check(call, topic, address, str(asked.get("format") or "json"))
    known.topic, known.address = topic, address
    if "fields" in asked:
        known.fields = _texts(asked, "fields")
    known.updated_at = call.platform.clock.now().replace(microsecond=0)
    return _answer(call, known)


async def _delete(call: Call) -> web.Response:
    del call.shop.subscriptions[_known(call).id]
    return json_response({})


def _check(call: Call, topic: str, address: str, form: str) -> None:
    if topic not in TOPICS:
        raise RefusalError(422, {"topic": ["is not known"]})
    objection = address_objection(address, require_https=call.platform.readings.require_https)
    if objection is not None:
        raise RefusalError(422, {"address": [objection]})
    if form.lower() != "json":
        raise RefusalError(422, {"format": ["must be json"]})
    if topic.partition("/")[0] in ORDER_RESOURCES and not call.caller.may("read_orders"):
        raise RefusalError(403, "[API] This action requires merchant approval for read_orders scope.")


def _known(call: Call) -> Subscription:
    known = call.shop.subscriptions.get(int(call.request.match_info["webhook_id"]))
    if known is None or known.app != call.caller.key:
        raise RefusalError(404, "Not Found")
    return known


def _texts(asked: Mapping[str, object], name: str) -> tuple[str, ...]:
    given = asked.get(name)
    return tuple(map(str, given)) if isinstance(given, list) else ()


def _answer(call: Call, known: Subscription) -> web.Response:
    return json_response({"webhook": webhook_body(known, call.shop, _form(call))})


def _form(call: Call) -> Form:
    return form_for(call.shop.id, zero_values=call.platform.readings.zero_values)
