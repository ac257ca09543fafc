"""A ShopBase shop in memory: lists, counts and subscribes as the Admin API does, for tests of what calls it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from schemas.ids import SellerId, StoreId
from services.ingest.contract.connector import Tools
from services.ingest.contract.stores import Access, StoreRef
from services.ingest.platforms.shopbase.connector import ShopbaseConnector
from services.ingest.platforms.shopbase.settings import ShopbaseSettings
from services.kit.clock import ManualClock
from services.kit.http.client import HttpAnswer
from services.kit.limits import Available, Limit
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.twin_http import Asked, Reply, ScriptedHttp, answer

DOMAIN = "store.onshopbase.com"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOUR_AGO = NOW - timedelta(hours=1)
TOKEN = {
    "kind": "public",
    "shop": DOMAIN,
    "access_token": "canary",
    "scope": "read_orders,write_orders",
    "shop_id": "7",
}
KEYS = {"kind": "private", "shop": DOMAIN, "api_key": "key", "password": "canary", "shared_secret": "hush"}
STORE = StoreRef(StoreId("store-1"), SellerId("seller-1"), "shopbase", DOMAIN, "USD")
ACCESS, PRIVATE_ACCESS = Access(STORE, TOKEN), Access(STORE, KEYS)
SHOP = {"id": 7, "name": "A store", "currency": "USD", "iana_timezone": "America/New_York", "onshopbase_domain": DOMAIN}
#: What an order needs; tests read thousands.
_NEEDED = ("name", "created_at", "total_price", "currency", "financial_status")
_ORDER: dict[str, Any] = {name: json.loads(payload("shopbase", "paid.json"))[name] for name in _NEEDED}
_EVER = {"updated_at_min": "1970-01-01T00:00:00Z", "updated_at_max": "2100-01-01T00:00:00Z"}
#: What a list that heard nothing takes itself to be asked for.
_UNASKED: dict[str, Any] = {"order_status": "any", "limit": 50} | _EVER


class NotedLimits:
    """Lets everything through, and notes what was learnt."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Limit]] = []
        self.learnt: list[tuple[str, Limit, float | None]] = []
        self.closed: list[tuple[str, float]] = []

    async def take(
        self, name: str, cost: float = 1.0, *, limit: Limit, patience: float = 5.0, leave: float = 0.0
    ) -> None:
        self.taken.append((name, limit))

    async def available(self, name: str) -> Available | None:
        return None

    async def learn(self, name: str, *, limit: Limit, available: float | None = None, refund: float = 0.0) -> None:
        self.learnt.append((name, limit, available))

    async def close(self, name: str, *, seconds: float) -> None:
        self.closed.append((name, seconds))


@dataclass
class Shop:
    """Orders by id with the second of their last change, after `HOUR_AGO`."""

    seconds: dict[int, float] = field(default_factory=dict)
    #: Fields that an order shows instead of the usual ones.
    fields: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: Orders that no list shows yet.
    unlisted: frozenset[int] = frozenset()
    #: Whether lists hear what is asked for only as the Swagger draws it, in a body.
    hears_bodies_only: bool = False
    #: Nothing of the shop is found.
    is_lost: bool = False
    #: In which order the list comes; it is not documented.
    sort: Callable[[int, float], Any] = lambda number, _second: -number
    #: Called before each list with its number, to change the shop while it is read.
    meanwhile: Callable[[int], None] = lambda _number: None
    #: Answers to lists, by number, instead of the true ones.
    instead: dict[int, HttpAnswer] = field(default_factory=dict)
    webhooks: dict[int, dict[str, Any]] = field(default_factory=dict)
    queries: list[dict[str, str]] = field(default_factory=list)
    counts: int = 0
    #: Parcels of every order, by their ids; fields and methods for which none is taken.
    fulfillments: dict[int, dict[str, Any]] = field(default_factory=dict)
    refuses: frozenset[str] = frozenset()
    asked: list[Asked] = field(default_factory=list)

    def answer(self, asked: Asked) -> HttpAnswer:
        self.asked.append(asked)
        if self.is_lost:
            return answer({"error": "Not Found"}, status=404)
        address = urlsplit(asked.url)
        query = dict(parse_qsl(address.query))
        if self.hears_bodies_only:
            query = {name: str(value) for name, value in (asked.json or _UNASKED).items()}
        match address.path.removeprefix("/admin/").removesuffix(".json").split("/"):
            case ["orders"]:
                return self._list(query)
            case ["orders", "count"]:
                self.counts += 1
                return answer({"count": len(self._found(query))})
            case ["orders", number]:
                known = int(number) in self.seconds
                return answer({"order": self._order(int(number))}) if known else answer({"error": "gone"}, status=404)
            case ["orders", _, "fulfillments", *number]:
                return self._fulfillments(asked, query, number)
            case ["shop"]:
                return answer(SHOP)
            case ["webhooks", *number]:
                return self._webhooks(asked, query, number)
        raise AssertionError(f"the shop was asked for {asked.url}")

    def _list(self, query: dict[str, str]) -> HttpAnswer:
        self.queries.append(query)
        self.meanwhile(len(self.queries))
        if (instead := self.instead.get(len(self.queries))) is not None:
            return instead
        found = sorted(self._found(query), key=lambda number: self.sort(number, self.seconds[number]))
        limit, page = int(query["limit"]), int(query.get("page", 1))
        assert limit <= 250
        if limit * page > 100_000:
            return answer({"error": "too deep"}, status=429, headers={"x-sb-shop-api-call-limit": "3/30"})
        shown = [self._order(number) for number in found[limit * (page - 1) : limit * page]]
        return answer({"orders": shown or None})

    def _found(self, query: Mapping[str, str]) -> list[int]:
        # Without it only open orders would come, or all: it is not documented.
        assert query["order_status"] == "any"
        if "ids" in query:
            asked = set(query["ids"].split(","))
            return [number for number in self.seconds if str(number) in asked and number not in self.unlisted]
        name = "created_at" if "created_at_min" in query else "updated_at"
        first, last = (datetime.fromisoformat(query[f"{name}_{end}"]) for end in ("min", "max"))
        assert first.tzinfo is not None
        return [number for number, second in self.seconds.items() if first <= _at(second) <= last]

    def _order(self, number: int) -> dict[str, Any]:
        # Parts of a second are kept, and not shown.
        changed = _at(self.seconds[number]).replace(microsecond=0).isoformat()
        return _ORDER | {"id": number, "updated_at": changed, "line_items": None} | self.fields.get(number, {})

    def _fulfillments(self, asked: Asked, query: Mapping[str, str], number: list[str]) -> HttpAnswer:
        if asked.method == "GET":
            assert int(query["limit"]) <= 250
            return answer({"fulfillments": list(self.fulfillments.values()) or None})
        made = asked.json["fulfillment"]
        if self.refuses & made.keys() or self.refuses & {asked.method}:
            return answer({"errors": {"base": ["refused"]}}, status=422)
        key = int(number[0]) if number else 100 + len(self.asked)
        self.fulfillments[key] = self.fulfillments.get(key, {"id": key, "status": "success"}) | made
        return answer(self.fulfillments[key] if asked.method == "POST" else {"fulfillment": self.fulfillments[key]})

    def _webhooks(self, asked: Asked, query: Mapping[str, str], number: list[str]) -> HttpAnswer:
        match asked.method:
            case "GET":
                since, limit = int(query["since_id"]), int(query["limit"])
                found = [known for key, known in sorted(self.webhooks.items()) if key > since]
                return answer({"webhooks": found[:limit] or None})
            case "POST":
                made = asked.json["webhook"] | {"id": 100 + len(self.asked)}
                self.webhooks[made["id"]] = made
                return answer({"webhook": made}, status=201)
            case _:
                known = self.webhooks.pop(int(number[0]), None)
                return answer({}, status=200 if known else 404)


def connector(*replies: Reply, **settings: Any) -> tuple[ShopbaseConnector, ScriptedHttp, NotedLimits]:
    given = {"shopbase_client_id": "client", "shopbase_client_secret": "secret"} | settings
    http, limits = ScriptedHttp(*(replies or (answer({}),))), NotedLimits()
    tools = Tools(http, ManualClock(NOW), limits)
    return ShopbaseConnector(ShopbaseSettings(_env_file=None, **given), tools), http, limits


def reader(shop: Shop) -> ShopbaseConnector:
    return connector(shop.answer)[0]


def _at(second: float) -> datetime:
    return HOUR_AGO + timedelta(seconds=second)
