"""How every field is read: orders' parts, what stands around them, and the fields that take arguments."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from deploy.sandbox.shopify.fulfilling import cancel_fulfillment, create_fulfillment, update_tracking
from deploy.sandbox.shopify.listing import count_orders, list_orders, may_see
from deploy.sandbox.shopify.naming import gid, number_of
from deploy.sandbox.shopify.paging import BadRequestError, Connection, Edge, page_of_list
from deploy.sandbox.shopify.projection import Call, Readers
from deploy.sandbox.shopify.reading_orders import (
    ORDER_READERS,
    LineOf,
    Owned,
    Plain,
    ShippingLineOf,
    at_time,
    id_text,
    kind_of,
    same,
)
from deploy.sandbox.shopify.requesting import FULFILLMENT_ORDER_SCOPES, Request
from deploy.sandbox.shopify.subscribing import (
    create_subscription,
    delete_subscription,
    list_subscriptions,
    update_subscription,
)
from deploy.sandbox.shopify.world import Fulfillment, FulfillmentOrder, Order, Store, Subscription

Called = Mapping[str, Callable[[Any, Mapping[str, Any], Any], Any]]

_IDENT = attrgetter("id")
#: The longest list that a query may be given.
MOST_IDS = 250

_CONNECTIONS = (
    "OrderConnection",
    "LineItemConnection",
    "ShippingLineConnection",
    "FulfillmentOrderConnection",
    "FulfillmentOrderLineItemConnection",
    "FulfillmentLineItemConnection",
    "WebhookSubscriptionConnection",
)
_CONNECTION: Plain = {
    "nodes": attrgetter("nodes"),
    "edges": lambda page: [Edge(node, page.cursor(node)) for node in page.nodes],
    "pageInfo": lambda page: page,
}
_EDGE: Plain = {"node": attrgetter("node"), "cursor": attrgetter("cursor")}


def _payload(name: str) -> Plain:
    """A mutation's answer: its result, and what was refused."""
    return {name: lambda done: done[0], "userErrors": lambda done: done[1]}


def _minutes(store: Store) -> int:
    offset = store.created_at.astimezone(store.zone).utcoffset()
    return int(offset.total_seconds() // 60) if offset else 0


_PLAIN: Mapping[str, Plain] = {
    **ORDER_READERS,
    "QueryRoot": {"shop": attrgetter("store"), "currentAppInstallation": attrgetter("access")},
    "Location": {
        "id": kind_of("Location"),
        "legacyResourceId": id_text,
        "name": attrgetter("name"),
        "isActive": same(value=True),
    },
    "Shop": {
        "id": kind_of("Shop"),
        "name": attrgetter("name"),
        "email": lambda store: f"owner@{store.handle}.example.com",
        "myshopifyDomain": attrgetter("domain"),
        "url": lambda store: f"https://{store.domain}",
        "currencyCode": attrgetter("currency"),
        "enabledPresentmentCurrencies": lambda store: sorted({store.currency, "EUR", "GBP", "JPY"}),
        "ianaTimezone": lambda store: store.zone.key,
        "timezoneAbbreviation": lambda store: store.created_at.astimezone(store.zone).tzname(),
        "timezoneOffset": lambda store: store.created_at.astimezone(store.zone).strftime("%z"),
        "timezoneOffsetMinutes": _minutes,
        "createdAt": at_time("created_at"),
        "setupRequired": same(value=False),
    },
    "AppInstallation": {
        "id": lambda access: gid("AppInstallation", access.number),
        "app": lambda access: access,
        "accessScopes": attrgetter("scopes"),
    },
    "App": {
        "id": lambda access: gid("App", access.number),
        "apiKey": lambda access: access.app.client_id,
        "handle": lambda access: access.app.client_id,
        "title": lambda access: access.app.title,
        "webhookApiVersion": lambda access: access.app.webhook_version,
    },
    "AccessScope": {"handle": lambda scope: scope, "description": lambda scope: scope.replace("_", " ")},
    "Count": {"count": lambda found: found[0], "precision": lambda found: found[1]},
    "PageInfo": {
        "hasNextPage": attrgetter("has_next"),
        "hasPreviousPage": attrgetter("has_previous"),
        "startCursor": lambda page: page.cursor(page.nodes[0]) if page.nodes else None,
        "endCursor": lambda page: page.cursor(page.nodes[-1]) if page.nodes else None,
    },
    "UserError": {"field": attrgetter("field"), "message": attrgetter("message")},
    "ApiVersion": {
        "handle": lambda version: version,
        "displayName": lambda version: version,
        "supported": same(value=True),
    },
    "WebhookHttpEndpoint": {"callbackUrl": attrgetter("uri")},
    "WebhookSubscription": {
        "id": kind_of("WebhookSubscription"),
        "legacyResourceId": id_text,
        "topic": attrgetter("topic"),
        "uri": attrgetter("uri"),
        "callbackUrl": attrgetter("uri"),
        "endpoint": lambda subscription: subscription,
        "format": same("JSON"),
        "filter": same(None),
        "name": attrgetter("name"),
        "includeFields": lambda subscription: list(subscription.include_fields),
        "metafieldNamespaces": lambda _subscription: [],
        "createdAt": at_time("created_at"),
        "updatedAt": at_time("updated_at"),
    },
    **dict.fromkeys(_CONNECTIONS, _CONNECTION),
    **dict.fromkeys((name.replace("Connection", "Edge") for name in _CONNECTIONS), _EDGE),
    **dict.fromkeys(
        ("FulfillmentCreatePayload", "FulfillmentTrackingInfoUpdatePayload", "FulfillmentCancelPayload"),
        _payload("fulfillment"),
    ),
    **dict.fromkeys(
        ("WebhookSubscriptionCreatePayload", "WebhookSubscriptionUpdatePayload"), _payload("webhookSubscription")
    ),
    "WebhookSubscriptionDeletePayload": _payload("deletedWebhookSubscriptionId"),
}


def _lines(order: Order, arguments: Mapping[str, Any], _call: Call) -> Connection:
    return page_of_list([LineOf(order, line) for line in order.lines], arguments, ident=_IDENT)


def _shipping_lines(order: Order, arguments: Mapping[str, Any], _call: Call) -> Connection:
    return page_of_list([ShippingLineOf(order)] if order.address else [], arguments, ident=_IDENT)


def _fulfillment_orders(order: Order, arguments: Mapping[str, Any], call: Call) -> Connection:
    call.context.needs(FULFILLMENT_ORDER_SCOPES, "order", "fulfillmentOrders")
    return page_of_list(order.fulfillment_orders, arguments, ident=_IDENT)


def _fulfillments(order: Order, arguments: Mapping[str, Any], _call: Call) -> list[Fulfillment]:
    return order.fulfillments[: arguments.get("first")]


def _parts(part: FulfillmentOrder | Fulfillment, arguments: Mapping[str, Any], _call: Call) -> Connection:
    return page_of_list([Owned(part.order, line) for line in part.lines], arguments, ident=_IDENT)


def _tracking(sent: Fulfillment, arguments: Mapping[str, Any], _call: Call) -> list[Any]:
    return sent.tracking[: arguments.get("first")]


def _discounted_total(line: LineOf, _arguments: Mapping[str, Any], _call: Call) -> Any:
    return line.order.bag(line.part.price * line.part.quantity)


def _find(request: Request, text: str) -> Any:
    """The object that a global id names, None if this app cannot see one."""
    store = request.store
    tables: dict[str, Mapping[int, Any]] = {
        "Order": store.orders,
        "FulfillmentOrder": store.fulfillment_orders,
        "Fulfillment": store.fulfillments,
        "WebhookSubscription": store.subscriptions,
        "Shop": {store.id: store},
    }
    kind = text.removeprefix("gid://shopify/").partition("/")[0]
    number = number_of(text, kind)
    found = tables.get(kind, {}).get(number) if number is not None else None
    return None if isinstance(found, Order) and not may_see(found, request) else found


def _by_id(kind: type[Any]) -> Callable[[Any, Mapping[str, Any], Call], Any]:
    def find(request: Request, arguments: Mapping[str, Any], _call: Call) -> Any:
        found = _find(request, arguments["id"])
        return found if isinstance(found, kind) else None

    return find


def _nodes(request: Request, arguments: Mapping[str, Any], _call: Call) -> list[Any]:
    """Each object in the place of its id, null for what is not there (any more) or is another shop's."""
    idents = arguments["ids"]
    if len(idents) > MOST_IDS:
        raise BadRequestError(
            f"The input array size of {len(idents)} is greater than the maximum allowed of {MOST_IDS}."
        )
    return [_find(request, ident) for ident in idents]


def _root(act: Callable[[Mapping[str, Any], Request], Any]) -> Callable[[Any, Mapping[str, Any], Call], Any]:
    return lambda request, arguments, _call: act(arguments, request)


_CALLED: Mapping[str, Called] = {
    "QueryRoot": {
        "orders": _root(list_orders),
        "ordersCount": _root(count_orders),
        "order": _by_id(Order),
        "fulfillmentOrder": _by_id(FulfillmentOrder),
        "fulfillment": _by_id(Fulfillment),
        "webhookSubscription": _by_id(Subscription),
        "node": lambda request, arguments, _call: _find(request, arguments["id"]),
        "nodes": _nodes,
        "webhookSubscriptions": _root(list_subscriptions),
    },
    "Mutation": {
        "fulfillmentCreate": _root(create_fulfillment),
        "fulfillmentTrackingInfoUpdate": _root(update_tracking),
        "fulfillmentCancel": _root(cancel_fulfillment),
        "webhookSubscriptionCreate": _root(create_subscription),
        "webhookSubscriptionUpdate": _root(update_subscription),
        "webhookSubscriptionDelete": _root(delete_subscription),
    },
    "Order": {
        "lineItems": _lines,
        "shippingLines": _shipping_lines,
        "fulfillmentOrders": _fulfillment_orders,
        "fulfillments": _fulfillments,
    },
    "FulfillmentOrder": {"lineItems": _parts},
    "Fulfillment": {"fulfillmentLineItems": _parts, "trackingInfo": _tracking},
    "LineItem": {"discountedTotalSet": _discounted_total},
    "WebhookSubscription": {
        "apiVersion": lambda _subscription, _arguments, call: call.context.access.app.webhook_version
    },
}

#: Protected customer data of level 2: name, address, phone and e-mail.
_PROTECTED = (
    ("Order", "email"),
    ("Order", "phone"),
    ("Order", "shippingAddress"),
    ("Order", "billingAddress"),
    ("Order", "customer"),
)
_TYPES: dict[type[Any], str] = {
    Order: "Order",
    FulfillmentOrder: "FulfillmentOrder",
    Fulfillment: "Fulfillment",
    Store: "Shop",
}


def _type_of(source: Any, abstract: str) -> str:
    if abstract == "WebhookSubscriptionEndpoint":
        return "WebhookHttpEndpoint"
    return _TYPES.get(type(source), "WebhookSubscription")


READERS = Readers(plain=_PLAIN, called=_CALLED, type_of=_type_of, protected=_PROTECTED)
