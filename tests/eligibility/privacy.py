"""Privacy requests that state only what matters to a test, and who acts upon them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from schemas.ids import SellerId, StoreId
from schemas.order import RawOrder
from schemas.privacy import PrivacyRequested
from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.adapters.memory_privacy import MemoryPrivacyRequests
from services.eligibility.ports import PrivacyRequests
from services.eligibility.privacy import Eraser, PrivacyReading
from services.eligibility.subscriber import Topics
from services.kit.kafka.records import Record
from services.kit.metrics import Metrics
from tests.eligibility.workbench import SELLER, STORE, Bench
from tests.schemas.orders import NOON, raw_order

BUYER = "buyer-7001"
#: After the orders of the tests were placed.
ASKED_AT = NOON + timedelta(days=1)


def asked(**changes: Any) -> PrivacyRequested:
    """A request to forget the buyer 7001 of the store, unless told otherwise."""
    values: dict[str, Any] = {
        "event_id": "event-1",
        "occurred_at": ASKED_AT,
        "request_id": "platform-1",
        "kind": "erase_buyer",
        "platform": "shopify",
        "store_id": StoreId(STORE),
        "seller_id": SellerId(SELLER),
        "buyer_ids": (BUYER,),
    }
    return PrivacyRequested(**(values | changes))


def order_of_buyer(number: str = "1001", **changes: Any) -> RawOrder:
    """An order of that buyer, with something of theirs in every field that may hold it."""
    values: dict[str, Any] = {"buyer_id": BUYER, "email": "canary@example.com", "phone": "+15125550177", "note": "Ring"}
    return raw_order(number=number, **(values | changes))


def record(value: bytes) -> Record:
    return Record("privacy.requests", 0, 0, STORE, value, {}, 0)


class Privacy:
    """The handler and the eraser over a bench."""

    def __init__(self, bench: Bench, requests: PrivacyRequests | None = None) -> None:
        if requests is None:
            assert isinstance(bench.repository, MemoryRepository)
            requests = MemoryPrivacyRequests(bench.repository)
        self.requests = requests
        self.eraser = Eraser(bench.judge, requests, clock=bench.clock, metrics=Metrics())
        self.reading = PrivacyReading(Topics(), requests=requests, sealer=bench.sealer, wake_eraser=self.eraser.wake)

    async def keep(self, *requested: PrivacyRequested) -> None:
        """Hear of requests, and do nothing about them yet."""
        await self.reading.handle([record(each.model_dump_json().encode()) for each in requested])

    async def take(self, *requested: PrivacyRequested) -> None:
        """Hear of requests and erase what they ask for."""
        await self.keep(*requested)
        await self.eraser.erase_asked()

    async def counted(self, event_id: str = "event-1", seller: str = SELLER) -> tuple[str, int]:
        """Return a request's state and how many orders of the seller were erased."""
        found = await self.requests.find(seller, event_id)
        assert found is not None
        return found[0].state, found[1]


def later(seconds: float = 1, **changes: Any) -> RawOrder:
    """A later revision of the buyer's order."""
    moment: datetime = NOON + timedelta(seconds=seconds)
    return order_of_buyer(revised_at=moment, fetched_at=moment, **changes)
