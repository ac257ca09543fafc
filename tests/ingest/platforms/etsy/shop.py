"""An Etsy shop in memory: lists receipts as the Open API does, for tests of what reads them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from schemas.ids import SellerId, StoreId
from services.ingest.contract.stores import Access, StoreRef
from services.ingest.platforms.etsy.connector import EtsyConnector
from services.ingest.platforms.etsy.settings import EtsySettings
from services.kit.clock import ManualClock
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.twin_http import Asked, Reply, ScriptedHttp, answer
from tests.ingest.toolbox import toolbox

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
HOUR_AGO = int((NOW - timedelta(hours=1)).timestamp())
ACCESS = Access(
    StoreRef(StoreId("store-1"), SellerId("seller-1"), "etsy", "40000001", "USD"),
    {
        "access_token": "42.a",
        "refresh_token": "42.r",
        "expires_at": (NOW + timedelta(hours=1)).isoformat(),
        "shop_id": "40000001",
    },
)
_RECEIPT: dict[str, Any] = json.loads(payload("etsy", "paid.json"))


@dataclass
class Shop:
    """Receipts by id with the second of their last change, after `HOUR_AGO`. Ties are listed by id."""

    seconds: dict[int, int] = field(default_factory=dict)
    #: Fields that a receipt shows instead of the usual ones.
    fields: dict[int, dict[str, Any]] = field(default_factory=dict)
    largest_offset: int = 12_000
    #: Etsy does not find the shop itself: nothing of it is to be had.
    is_lost: bool = False
    queries: list[dict[str, str]] = field(default_factory=list)
    #: Called before each answer with its number, to change the shop while it is read.
    meanwhile: Callable[[int], None] = lambda _number: None

    def change(self, receipt: int, second: int) -> None:
        self.seconds[receipt] = second

    def answer(self, asked: Asked) -> HttpAnswer:
        address = urlsplit(asked.url)
        if self.is_lost:
            return answer({"error": "Resource not found"}, status=404)
        if not address.path.endswith("/receipts"):
            number = int(address.path.rpartition("/")[2])
            if number not in self.seconds:
                return answer({"error": "Resource not found"}, status=404)
            return answer(self._receipt(number))
        query = dict(parse_qsl(address.query))
        if query == {"limit": "1"}:
            return answer({"count": len(self.seconds), "results": [self._receipt(each) for each in self.seconds][:1]})
        self.queries.append(query)
        self.meanwhile(len(self.queries))
        return self._list(query)

    def _list(self, query: dict[str, str]) -> HttpAnswer:
        assert (query["sort_on"], query["sort_order"]) == ("updated", "asc")
        low, high = int(query["min_last_modified"]), int(query["max_last_modified"])
        offset, limit = int(query["offset"]), int(query["limit"])
        if offset > self.largest_offset or limit > 100:
            return answer({"error": "out of bounds"}, status=400)
        found = sorted((second, number) for number, second in self.seconds.items() if low <= HOUR_AGO + second <= high)
        shown = [self._receipt(number) for _, number in found[offset : offset + limit]]
        return answer({"count": len(found), "results": shown})

    def _receipt(self, number: int) -> dict[str, Any]:
        changed = HOUR_AGO + self.seconds[number]
        times = {"update_timestamp": changed, "updated_timestamp": changed}
        return _RECEIPT | {"receipt_id": number} | times | self.fields.get(number, {})


def connector(*replies: Reply, **settings: Any) -> tuple[EtsyConnector, ScriptedHttp]:
    given = {"etsy_keystring": "key", "etsy_shared_secret": "secret"} | settings
    http = ScriptedHttp(*(replies or (answer({}),)))
    return EtsyConnector(EtsySettings(_env_file=None, **given), toolbox(http, ManualClock(NOW))), http


def reader(shop: Shop) -> EtsyConnector:
    return connector(shop.answer)[0]
