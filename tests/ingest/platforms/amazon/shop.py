"""A seller's orders in memory, listed as the Orders API does, for tests of what reads them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from schemas.ids import SellerId, StoreId
from services.ingest.contract.stores import Access, StoreRef
from services.ingest.platforms.amazon.client import iso
from services.ingest.platforms.amazon.connector import AmazonConnector
from services.ingest.platforms.amazon.settings import AmazonSettings
from services.kit.clock import ManualClock
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.twin_http import Asked, Reply, ScriptedHttp, answer
from tests.ingest.toolbox import toolbox

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
#: Amazon looks no further than this at `NOW`.
LATEST = NOW - timedelta(minutes=2)
SECRETS = {
    "access_token": "Atza|a",
    "refresh_token": "Atzr|r",
    "expires_at": (NOW + timedelta(hours=1)).isoformat(),
    "seller_id": "A1B2C3D4E5F6G7",
    "region": "na",
    "marketplaces": "",
}
STORE = StoreRef(StoreId("store-1"), SellerId("seller-1"), "amazon", "A1B2C3D4E5F6G7", "USD")
ACCESS = Access(STORE, SECRETS)
_ORDER: dict[str, Any] = json.loads(payload("amazon", "unshipped.json"))


def order_id(number: int) -> str:
    return f"902-{number // 10_000_000:07d}-{number % 10_000_000:07d}"


@dataclass
class Shop:
    """Orders by number with the moment of their last change, listed in no order, 100 a page."""

    changed: dict[int, datetime] = field(default_factory=dict)
    #: Fields that an order shows instead of the usual ones.
    fields: dict[int, dict[str, Any]] = field(default_factory=dict)
    #: How far Amazon's clock is behind ours.
    behind: timedelta = timedelta()
    queries: list[dict[str, str]] = field(default_factory=list)
    #: What is changed in an answer before it is given, by the number of the answer.
    meanwhile: Callable[[int, dict[str, Any]], None] = lambda _number, _answer: None
    tokens: dict[str, list[int]] = field(default_factory=dict)
    tells_its_bound: bool = True

    def answer(self, asked: Asked) -> HttpAnswer:
        date = {"Date": format_datetime(NOW - self.behind, usegmt=True)}
        address = urlsplit(asked.url)
        if not address.path.endswith("/orders"):
            number = next((one for one in self.changed if address.path.endswith(order_id(one))), None)
            if number is None:
                return answer({"errors": [{"code": "NotFound", "message": ""}]}, status=404, headers=date)
            return answer({"order": self._order(number)}, headers=date)
        query = dict(parse_qsl(address.query))
        self.queries.append(query)
        found = self._list(query)
        if found is None:
            errors = [{"code": "InvalidInput", "message": "Invalid Input"}]
            return answer({"errors": errors}, status=400, headers=date)
        self.meanwhile(len(self.queries), found)
        return answer(found, headers=date)

    def _list(self, query: dict[str, str]) -> dict[str, Any] | None:
        latest = LATEST - self.behind
        low = datetime.fromisoformat(query["lastUpdatedAfter"])
        high = datetime.fromisoformat(query["lastUpdatedBefore"]) if "lastUpdatedBefore" in query else latest
        if high > latest or low > high:
            return None
        token = query.get("paginationToken")
        if token is not None and token not in self.tokens:
            return None
        numbers = self.tokens[token] if token else self._matching(low, high)
        found: dict[str, Any] = {"orders": [self._order(number) for number in numbers[:100]]}
        if numbers[100:]:
            following = f"token/{len(self.tokens)}+="
            self.tokens[following] = numbers[100:]
            found["pagination"] = {"nextToken": following}
        if self.tells_its_bound:
            found["lastUpdatedBefore"] = iso(high)
        return found

    def _matching(self, low: datetime, high: datetime) -> list[int]:
        found = [number for number, moment in self.changed.items() if low <= moment <= high]
        random.Random(7).shuffle(found)
        return found

    def _order(self, number: int) -> dict[str, Any]:
        changed = self.changed[number].isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return _ORDER | {"orderId": order_id(number), "lastUpdatedTime": changed} | self.fields.get(number, {})


def connector(
    *replies: Reply, clock: ManualClock | None = None, **settings: Any
) -> tuple[AmazonConnector, ScriptedHttp]:
    given = {
        "amazon_application_id": "amzn1.sp.solution.1",
        "amazon_client_id": "amzn1.application-oa2-client.1",
        "amazon_client_secret": "secret",
    }
    http = ScriptedHttp(*(replies or (answer({}),)))
    tools = toolbox(http, clock or ManualClock(NOW))
    return AmazonConnector(AmazonSettings(_env_file=None, **(given | settings)), tools), http


def reader(shop: Shop) -> AmazonConnector:
    return connector(shop.answer)[0]


def tokens(**given: Any) -> HttpAnswer:
    usual = {"access_token": "Atza|new", "token_type": "bearer", "expires_in": 3600, "refresh_token": "Atzr|r"}
    return answer(usual | given)


EMPTY: dict[str, Any] = {"orders": [], "pagination": {}, "lastUpdatedBefore": iso(LATEST)}
