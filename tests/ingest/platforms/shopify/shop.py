"""A Shopify store in memory: answers our own documents the way the Admin API would, for tests of what reads it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from schemas.ids import SellerId, StoreId
from services.ingest.contract.stores import Access, StoreRef
from services.ingest.platforms.shopify.connector import ShopifyConnector
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.kit.clock import ManualClock
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.twin_http import Asked, Reply, ScriptedHttp, answer
from tests.ingest.toolbox import toolbox

DOMAIN = "store.myshopify.com"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ACCESS = Access(
    StoreRef(StoreId("store-1"), SellerId("seller-1"), "shopify", DOMAIN, "USD"),
    {"kind": "custom", "shop": DOMAIN, "access_token": "shpat_canary", "webhook_secret": "hush"},
)


def node(number: int, *, lines: int = 1, **fields: Any) -> dict[str, Any]:
    """An order changed `number` seconds into the hour, with so many lines."""
    order: dict[str, Any] = json.loads(payload("shopify", "paid.graphql.json"))
    line = order["lineItems"]["nodes"][0]
    order["lineItems"] = [line | {"id": f"gid://shopify/LineItem/{number * 1000 + place}"} for place in range(lines)]
    changed = f"2026-11-23T08:{number // 60:02d}:{number % 60:02d}Z"
    return (
        order | {"id": f"gid://shopify/Order/{number}", "legacyResourceId": str(number), "updatedAt": changed} | fields
    )


@dataclass
class Shop:
    """What the store holds, and what it refuses to answer at once."""

    orders: list[dict[str, Any]] = field(default_factory=list)
    #: Pages that cost more are refused; an order costs this many points and each of its lines one.
    order_cost: int = 10
    subscriptions: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    #: Queries about holds, apart from all others: most orders here have several units, of which a part could be held.
    asked_holds: list[str] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)
    #: The states of an order's fulfilment orders, of which all that are on hold are so for the same reasons.
    parts: dict[str, list[str]] = field(default_factory=dict)
    #: Fulfilment orders are not this app's to see.
    denies_parts: bool = False
    #: Called before each answer, to change the store while it is read.
    meanwhile: Any = None
    #: Given the number of a page and its connection, says what is answered instead.
    spoil: Any = None
    #: What the app may do, and topics that it may not subscribe to.
    scopes: tuple[str, ...] = ("read_orders",)
    refused_topics: frozenset[str] = frozenset()
    pages: int = 0
    #: The largest page of a list, and what is counted where nothing is listed.
    most_listed: int = 250
    counted: int = 0
    precision: str = "EXACT"

    def answer(self, asked: Asked) -> HttpAnswer:
        operation = asked.json["query"].split()[1].split("(")[0]
        variables: dict[str, Any] = asked.json["variables"]
        if operation in {"HeldParts", "Holds"}:
            return self._held(operation, variables)
        self.asked.append((operation, variables))
        if self.meanwhile:
            self.meanwhile(operation)
        return self._listed(operation, variables) or self._answer(operation, variables)

    def _held(self, operation: str, variables: dict[str, Any]) -> HttpAnswer:
        self.asked_holds.append(operation)
        if self.denies_parts:
            return answer({"errors": [{"message": "no", "extensions": {"code": "ACCESS_DENIED"}}]})
        if operation == "HeldParts":
            return _data(nodes=[self._in_parts(gid, variables["parts"]) for gid in variables["ids"]])
        told = self._in_parts(variables["id"], 2, start=int(variables["after"] or 0))
        reasons = [{"reason": reason} for reason in self.holds]
        for number, part in enumerate(told["fulfillmentOrders"]["nodes"]):
            lines = [{"lineItem": {"title": f"Item {number}"}}]
            part |= {"fulfillmentHolds": reasons, "lineItems": {"nodes": lines, "pageInfo": {}}}
        return _data(order=told)

    def _listed(self, operation: str, variables: dict[str, Any]) -> HttpAnswer | None:
        match operation:
            case "FirstList" | "NextList":
                return self._list(operation, variables)
            case "CountOrders":
                return _data(ordersCount={"count": self.counted, "precision": self.precision})
            case "SomeOrders":
                found = [self._find(gid) for gid in variables["ids"]]
                return _data(nodes=[each and _shown(each, 0, variables["lines"]) for each in found])
            case "Oldest":
                granted = {"accessScopes": [{"handle": scope} for scope in self.scopes]}
                return _data(currentAppInstallation=granted, orders={"nodes": self.orders[:1]})
        return None

    def _answer(self, operation: str, variables: dict[str, Any]) -> HttpAnswer:
        match operation:
            case "FirstPage" | "NextPage":
                return self._page(operation, variables)
            case "OneOrder" | "MoreLines":
                found = self._find(variables["id"])
                start = int(variables.get("after") or 0)
                return _data(order=found and _shown(found, start, variables["lines"]))
            case "OrderOf":
                part = variables["id"].removeprefix("gid://shopify/FulfillmentOrder/9")
                found = self._find(f"gid://shopify/Order/{part}")
                return _data(fulfillmentOrder=found and {"orderId": found["id"]})
            case "Probe":
                granted = {"accessScopes": [{"handle": scope} for scope in self.scopes]}
                return _data(currentAppInstallation=granted, orders={"nodes": self.orders[:5]})
            case "Subscriptions":
                start = int(variables.get("after") or 0)
                known = list(self.subscriptions.values())
                info = {"hasNextPage": start + 2 < len(known), "endCursor": str(start + 2)}
                return _data(webhookSubscriptions={"nodes": known[start : start + 2], "pageInfo": info})
            case "Subscribe":
                return self._subscribe(variables["topic"], variables["uri"])
            case "Unsubscribe":
                self.subscriptions.pop(variables["id"], None)
                return _data(
                    webhookSubscriptionDelete={"deletedWebhookSubscriptionId": variables["id"], "userErrors": []}
                )
            case _:
                raise AssertionError(f"the store was asked for {operation}")

    def _in_parts(self, gid: str, most: int, *, start: int = 0) -> dict[str, Any]:
        shows_hold = (self._find(gid) or {}).get("displayFulfillmentStatus") == "ON_HOLD"
        states = self.parts.get(gid, ["ON_HOLD" if shows_hold else "OPEN"])
        info = {"hasNextPage": start + most < len(states), "endCursor": str(start + most)}
        nodes = [{"status": state} for state in states[start : start + most]]
        return {"id": gid, "fulfillmentOrders": {"nodes": nodes, "pageInfo": info}}

    def _page(self, operation: str, variables: dict[str, Any]) -> HttpAnswer:
        first, start = variables["orders"], int(variables["after"] or 0)
        cost = first * (self.order_cost + variables["lines"])
        if cost > 1000:
            return answer({"errors": [{"message": "too dear", "extensions": {"code": "MAX_COST_EXCEEDED"}}]})
        shown = [_shown(order, 0, variables["lines"]) for order in self.orders[start : start + first]]
        more = start + first < len(self.orders)
        info = {"hasNextPage": more, "endCursor": str(start + first) if shown else None}
        connection = {"nodes": shown, "pageInfo": info}
        self.pages += 1
        data: dict[str, Any] = {"orders": self.spoil(self.pages, connection) if self.spoil else connection}
        if operation == "FirstPage":
            data["ordersCount"] = {"count": len(self.orders), "precision": "EXACT"}
        return answer({"data": data, "extensions": {"cost": {"requestedQueryCost": cost}}})

    def _list(self, operation: str, variables: dict[str, Any]) -> HttpAnswer:
        first, start = variables["orders"], int(variables["after"] or 0)
        if first > self.most_listed:
            return answer({"errors": [{"message": "too dear", "extensions": {"code": "MAX_COST_EXCEEDED"}}]})
        shown = self.orders[start : start + first]
        info = {"hasNextPage": start + first < len(self.orders), "endCursor": str(start + first) if shown else None}
        connection = {"nodes": shown, "pageInfo": info}
        self.pages += 1
        data: dict[str, Any] = {"orders": self.spoil(self.pages, connection) if self.spoil else connection}
        if operation == "FirstList":
            data["ordersCount"] = {"count": len(self.orders), "precision": "EXACT"}
        return answer({"data": data})

    def _subscribe(self, topic: str, uri: str) -> HttpAnswer:
        if any((known["topic"], known["uri"]) == (topic, uri) for known in self.subscriptions.values()):
            errors = [{"field": ["uri"], "message": "Address for this topic has already been taken"}]
            return _data(webhookSubscriptionCreate={"webhookSubscription": None, "userErrors": errors})
        if topic in self.refused_topics:
            errors = [{"field": ["topic"], "message": "You cannot create a webhook subscription with this topic"}]
            return _data(webhookSubscriptionCreate={"webhookSubscription": None, "userErrors": errors})
        made = {"id": f"gid://shopify/WebhookSubscription/{1000 + len(self.asked)}", "topic": topic, "uri": uri}
        self.subscriptions[made["id"]] = made
        return _data(webhookSubscriptionCreate={"webhookSubscription": made, "userErrors": []})

    def _find(self, gid: str) -> dict[str, Any] | None:
        return next((order for order in self.orders if order["id"] == gid), None)


def connector(shop: Shop, reply: Reply | None = None) -> ShopifyConnector:
    return ShopifyConnector(
        ShopifySettings(_env_file=None),
        toolbox(ScriptedHttp(reply or shop.answer), ManualClock(NOW)),
    )


def _shown(order: dict[str, Any], start: int, lines: int) -> dict[str, Any]:
    every = order["lineItems"]
    info = {"hasNextPage": start + lines < len(every), "endCursor": str(start + lines)}
    return order | {"lineItems": {"nodes": every[start : start + lines], "pageInfo": info}}


def _data(**data: Any) -> HttpAnswer:
    return answer({"data": data})
