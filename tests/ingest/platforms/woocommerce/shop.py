"""A WooCommerce store in memory: lists orders as the REST API does, for tests of what reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from schemas.ids import SellerId, StoreId
from services.ingest.contract.connector import Tools
from services.ingest.contract.stores import Access, StoreRef
from services.ingest.platforms.woocommerce.connector import WooCommerceConnector
from services.kit.clock import ManualClock
from services.kit.http.client import HttpAnswer
from services.kit.limits import MemoryLimits
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.twin_http import Asked, Reply, ScriptedHttp, answer

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOUR_AGO = int((NOW - timedelta(hours=1)).timestamp())
URL = "https://store.example.com"
KEY, SECRET = "ck_" + "a" * 40, "cs_" + "b" * 40
SECRETS = {
    "store_url": URL,
    "permalinks": "pretty",
    "consumer_key": KEY,
    "consumer_secret": SECRET,
    "auth": "header",
    "home": URL,
    "webhook_secret": "a-secret",
}
ACCESS = Access(StoreRef(StoreId("store-1"), SellerId("seller-1"), "woocommerce", "store.example.com", "USD"), SECRETS)
INDEX: dict[str, Any] = {
    "name": "Ada&#039;s Store",
    "url": URL,
    "home": URL,
    "gmt_offset": "1",
    "timezone_string": "Europe/Berlin",
    "namespaces": ["wp/v2", "wc/v3"],
    "routes": {"/wc/v3/orders": {}},
}
_ORDER: dict[str, Any] = json.loads(payload("woocommerce", "processing.json"))


def access(**secrets: str) -> Access:
    return Access(ACCESS.store, SECRETS | secrets)


def error(code: str, status: int) -> HttpAnswer:
    return answer({"code": code, "message": "Words.", "data": {"status": status}}, status=status)


def asked_of(asked: Asked) -> tuple[str, dict[str, str]]:
    """The API's path and the query, whatever the form of the address."""
    parts = urlsplit(asked.url)
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    return query.pop("rest_route", "") or parts.path.partition("/wp-json")[2], query


@dataclass
class Shop:
    """Orders by id with the second of their last change, after `HOUR_AGO`."""

    seconds: dict[int, int] = field(default_factory=dict)
    trash: dict[int, int] = field(default_factory=dict)
    #: Fields that an order shows instead of the usual ones.
    fields: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: Orders in a status that only a plugin knew: no list shows them.
    hidden: frozenset[int] = frozenset()
    refunds: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    #: Stores before 5.8 ignore the filter by change time; some refuse to sort by it, some do as if.
    filters: bool = True
    sorts: bool = True
    refuses_to_sort: bool = False
    counts: bool = True
    #: Some versions refuse what lies past the end of a list, others show nothing.
    refuses_past_end: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    queries: list[dict[str, str]] = field(default_factory=list)
    #: Called before each list with its number, to change the shop while it is read.
    meanwhile: Callable[[int], None] = lambda _number: None

    def answer(self, asked: Asked) -> HttpAnswer:
        path, query = asked_of(asked)
        assert asked.method == "GET", "reading writes nothing"
        if path == "/wc/v3/orders":
            self.queries.append(query)
            self.meanwhile(len(self.queries))
            return self._list(query)
        number = int(path.split("/")[4])
        if path.endswith("/refunds"):
            size, page = int(query["per_page"]), int(query["page"])
            rows = self.refunds.get(number, [])[size * (page - 1) : size * page]
            return answer(rows, headers=self.headers)
        if number not in self.seconds:
            return error("woocommerce_rest_shop_order_invalid_id", 404)
        return answer(self.order(number, self.seconds[number]), headers=self.headers)

    @property
    def windows(self) -> list[dict[str, str]]:
        """The queries of lists but for the trash's."""
        return [query for query in self.queries if "status" not in query]

    def _list(self, query: dict[str, str]) -> HttpAnswer:
        assert 1 <= int(query.get("per_page", 10)) <= 100
        if query.get("orderby") == "modified" and self.refuses_to_sort:
            return error("rest_invalid_param", 400)
        shelf = self.trash if query.get("status") == "trash" else self.seconds
        found = [(second, number) for number, second in shelf.items() if self._matches(number, second, query)]
        by_time = query.get("orderby") == "modified" and self.sorts
        found.sort(key=lambda row: row if by_time else row[1])
        offset = int(query.get("offset", 0))
        if self.refuses_past_end and offset and offset >= len(found):
            return error("rest_post_invalid_page_number", 400)
        shown = [
            self.order(number, second) for second, number in found[offset : offset + int(query.get("per_page", 10))]
        ]
        # Past the end a store with order tables says that there is nothing at all.
        total = len(found) if shown or not found else 0
        return answer(shown, headers=self.headers | ({"X-WP-Total": str(total)} if self.counts else {}))

    def _matches(self, number: int, second: int, query: dict[str, str]) -> bool:
        if number in self.hidden:
            return False
        if "include" in query and str(number) not in query["include"].split(","):
            return False
        if not self.filters:
            return True
        if "modified_after" in query:
            # Bare UTC is UTC only with the flag, and with Z it is shifted even so.
            assert query["dates_are_gmt"] == "true"
            assert not query["modified_after"].endswith("Z")
        return all(
            _holds(name, HOUR_AGO + second, query[name])
            for name in ("modified_after", "modified_before")
            if name in query
        )

    def order(self, number: int, second: int) -> dict[str, Any]:
        changed = datetime.fromtimestamp(HOUR_AGO + second, tz=UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return _ORDER | {"id": number, "date_modified_gmt": changed} | self.fields.get(number, {})


def _holds(name: str, changed: int, bound: str) -> bool:
    """Both bounds are exclusive."""
    at = datetime.fromisoformat(bound).replace(tzinfo=UTC).timestamp()
    return changed > at if name == "modified_after" else changed < at


def connector(*replies: Reply) -> tuple[WooCommerceConnector, ScriptedHttp]:
    http, clock = ScriptedHttp(*(replies or (answer({}),))), ManualClock(NOW)
    return WooCommerceConnector(Tools(http, clock, MemoryLimits(clock))), http


def reader(shop: Shop) -> WooCommerceConnector:
    return connector(shop.answer)[0]
