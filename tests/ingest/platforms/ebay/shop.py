"""An eBay account in memory: lists orders as the Fulfillment API does, for tests of what reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from schemas.ids import SellerId, StoreId
from services.ingest.contract.connector import Tools
from services.ingest.contract.stores import Access, StoreRef
from services.ingest.platforms.ebay.connector import EbayConnector
from services.ingest.platforms.ebay.linking import SCOPES
from services.ingest.platforms.ebay.settings import EbaySettings
from services.kit.clock import ManualClock
from services.kit.http.client import HttpAnswer
from services.kit.limits import MemoryLimits
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.twin_http import Asked, Reply, ScriptedHttp, answer

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOUR_AGO = NOW - timedelta(hours=1)
VERIFICATION_TOKEN = "v" * 40
ACCESS = Access(
    StoreRef(StoreId("store-1"), SellerId("seller-1"), "ebay", "AbCdEfGhIjK", "USD"),
    {
        "access_token": "user-token",
        "refresh_token": "refresh-token",
        "expires_at": (NOW + timedelta(hours=2)).isoformat(),
        "scopes": " ".join(SCOPES),
        "user_id": "AbCdEfGhIjK",
    },
)
_ORDER: dict[str, Any] = json.loads(payload("ebay", "paid.json"))
_FILTER = re.compile(r"lastmodifieddate:\[(.+)\.\.(.+)\]")


def refusal(number: int, *, status: int = 400, headers: dict[str, str] | None = None) -> HttpAnswer:
    error = {"errorId": number, "domain": "API_FULFILLMENT", "category": "REQUEST", "message": "refused"}
    return answer({"errors": [error]}, status=status, headers=headers)


@dataclass
class Shop:
    """Orders by number with the second of their last change, after `HOUR_AGO`; listed in the order they stand in."""

    seconds: dict[int, float] = field(default_factory=dict)
    #: Fields that an order shows instead of the usual ones, in lists and, more of them, when asked for itself.
    fields: dict[int, dict[str, Any]] = field(default_factory=dict)
    details: dict[int, dict[str, Any]] = field(default_factory=dict)
    parcels: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    #: eBay's own clock.
    now: datetime = NOW
    #: What the analytics say of the day's calls; None: nothing.
    rate: dict[str, Any] | None = None
    #: What they say before that, one after another.
    rates: list[dict[str, Any]] = field(default_factory=list)
    queries: list[dict[str, str]] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    #: Called before each list with its number, to change the shop while it is read, or to answer something else.
    meanwhile: Callable[[int], HttpAnswer | None] = lambda _number: None

    def answer(self, asked: Asked) -> HttpAnswer:
        self.asked.append(asked)
        address = urlsplit(asked.url)
        path = address.path
        if path.endswith("/oauth2/token"):
            return answer({"access_token": "app-token", "expires_in": 7200, "token_type": "Application Access Token"})
        if path.endswith("/rate_limit/"):
            return self._rates()
        if path.endswith("/sell/fulfillment/v1/order"):
            query = dict(parse_qsl(address.query))
            self.queries.append(query)
            return self.meanwhile(len(self.queries)) or self._list(query)
        return self._one(path.removeprefix("/sell/fulfillment/v1/order/"))

    def _rates(self) -> HttpAnswer:
        if self.rates:
            self.rate = self.rates.pop(0)
        if self.rate is None:
            return answer(b"", status=204)
        resource = {"name": "sell.fulfillment", "rates": [self.rate | {"timeWindow": 86400}]}
        return answer({"rateLimits": [{"apiName": "fulfillment", "resources": [resource]}]})

    def _list(self, query: dict[str, str]) -> HttpAnswer:
        if "orderIds" in query:
            asked = query["orderIds"].split(",")
            assert len(asked) <= 50
            known = [self._order(int(number)) for number in asked if int(number) in self.seconds]
            return answer({"total": len(known), "limit": len(asked), "offset": 0, "orders": known})
        found = _FILTER.fullmatch(query["filter"])
        assert found is not None
        low, high = (datetime.fromisoformat(text) for text in found.groups())
        offset, limit = int(query["offset"]), int(query["limit"])
        if max(low, high) > self.now:
            when = self.now.strftime("%a, %d %b %Y %H:%M:%S GMT")
            return refusal(30850, headers={"Date": when})
        if self.now - low > timedelta(days=730):
            return refusal(30830)
        if limit > 200:
            return refusal(31100)
        held = [number for number in self.seconds if low <= self._changed(number) <= high]
        shown = [self._order(number) for number in held[offset : offset + limit]]
        following = {"next": "https://attacker.example.com/"} if offset + limit < len(held) else {}
        return answer({"total": len(held), "limit": limit, "offset": offset, "orders": shown} | following)

    def _one(self, path: str) -> HttpAnswer:
        number = int(path.partition("/")[0])
        if number not in self.seconds:
            return refusal(32100, status=404)
        if path.endswith("/shipping_fulfillment"):
            parcels = self.parcels.get(number, [])
            return answer({"fulfillments": parcels, "total": len(parcels)})
        return answer(self._order(number) | self.details.get(number, {}))

    def _changed(self, number: int) -> datetime:
        return HOUR_AGO + timedelta(seconds=self.seconds[number])

    def _order(self, number: int) -> dict[str, Any]:
        changed = self._changed(number).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return _ORDER | {"orderId": str(number), "lastModifiedDate": changed} | self.fields.get(number, {})


def connector(*replies: Reply, clock: ManualClock | None = None, **settings: Any) -> tuple[EbayConnector, ScriptedHttp]:
    given = {
        "ebay_client_id": "client",
        "ebay_client_secret": "canary-secret",
        "ebay_runame": "Example-ExampleA-SyncOr-abcdefg",
        "ebay_verification_token": VERIFICATION_TOKEN,
    }
    http = ScriptedHttp(*(replies or (answer({}),)))
    found = EbaySettings(_env_file=None, **(given | settings))
    return EbayConnector(found, _tools(http, clock or ManualClock(NOW))), http


def _tools(http: ScriptedHttp, clock: ManualClock) -> Tools:
    # The budgets go by the same clock: what they hold comes back at a moment, not little by little.
    return Tools(http, clock, MemoryLimits(clock))


def reader(shop: Shop) -> EbayConnector:
    return connector(shop.answer)[0]
