"""A bench with everything in memory: orders go in, decisions and commands to production come out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from schemas.catalog import CatalogVariant
from schemas.decisions import OrderDecided
from schemas.ids import SellerId, StoreId
from schemas.looks import LookWanted, OrderLooked
from schemas.money import Money
from schemas.order import Design, RawOrder, order_gone, order_revised
from schemas.production import PRODUCTION_COMMAND, PRODUCTION_UPDATE, ProductionCommand, Shipment, ShippedItem
from schemas.stores import StoreRecord
from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.decisions import DECISIONS, PRODUCTION
from services.eligibility.dossier import Decided, Dossier, OutboxMessage
from services.eligibility.facts import Facts, Known
from services.eligibility.judging import Arrival, Judge
from services.eligibility.looks import LOOKS
from services.eligibility.ports import Outbox, Repository
from services.eligibility.production import Answer, take_answers
from services.eligibility.sealing import Sealer
from services.kit.clock import ManualClock
from services.kit.metrics import Metrics
from services.kit.trace import Trace, begin
from services.kit.vault import Vault
from tests.schemas.orders import NOON, raw_order

SELLER, STORE, SKU = "seller-1", "st-1", "TEE-BLK-M"
KEEP_FOR = timedelta(days=30)
START = datetime(2026, 11, 21, tzinfo=UTC)
PLENTY = Money(amount=1_000_000, currency="USD")
KEY = raw_order().key


def dollars(text: str) -> Money:
    return Money.parse(text, "USD")


def variant(**changes: Any) -> CatalogVariant:
    values: dict[str, Any] = {
        "sku": SKU,
        "product_name": "T-shirt",
        "cost": dollars("9.00"),
        "designs": (Design(area="front", url="https://art.example/front.png"),),
        "changed_at": NOON,
    }
    return CatalogVariant(**(values | changes))


def store(**changes: Any) -> StoreRecord:
    values: dict[str, Any] = {
        "store_id": StoreId(STORE),
        "seller_id": SellerId(SELLER),
        "platform": "shopify",
        "external_id": "1",
        "name": "Tees",
        "state": "linked",
        "linked_at": NOON,
        "import_since": NOON - timedelta(days=1),
        "changed_at": NOON,
    }
    return StoreRecord(**(values | changes))


def facts(**changes: Any) -> Facts:
    """Facts by which `raw_order()` is eligible, unless told otherwise."""
    known: dict[str, Any] = {
        "import_since": {STORE: NOON - timedelta(days=1)},
        "catalog": {SKU: variant()},
    }
    own = {name: changes.pop(name) for name in ("approval", "held_by_seller", "correction") if name in changes}
    return Facts(known=Known(**(known | changes)), **own)


class Bench:
    """Judges over a repository; the shard of every order is 0 unless told otherwise."""

    def __init__(
        self, directory: Path, repository: Repository | None = None, *, look_after: timedelta | None = None
    ) -> None:
        self.clock = ManualClock(START)
        self.sealer = Sealer(Vault.open_or_create(directory / "master.key"))
        self.repository: Repository = repository or MemoryRepository()
        self.woken: list[int] = []
        self.judge = Judge(
            self.repository,
            sealer=self.sealer,
            clock=self.clock,
            metrics=Metrics(),
            keep_for=KEEP_FOR,
            wake_relays=self.woken.extend,
            look_after=look_after,
        )

    async def open_for_business(self) -> None:
        """Link the store, fill the catalog and the purse."""
        await self.repository.put_stores([store()])
        await self.repository.put_variants([variant()])
        await self.repository.top_up(SELLER, PLENTY, reference="first", now=NOON)

    async def arrive(self, *orders: RawOrder, shard: int = 0, trace: Trace | None = None) -> None:
        events = [order_revised(order) for order in orders]
        span = trace or begin()
        await self.judge.judge_arrivals([Arrival(event, event.to_bytes(), shard, span) for event in events])

    async def vanish(self, noticed_at: datetime, *, order: RawOrder | None = None, shard: int = 0) -> None:
        """The platform does not have the order any more."""
        lost = order or raw_order()
        event = order_gone(
            lost.key,
            seller_id=lost.seller_id,
            store_id=lost.store_id,
            platform=lost.platform,
            external_id=lost.external_id,
            after=lost.revised_at,
            noticed_at=noticed_at,
        )
        await self.judge.judge_arrivals([Arrival(event, event.to_bytes(), shard, begin())])

    async def looked(self, *answers: OrderLooked, shard: int = 0) -> None:
        """The platform was looked at once more."""
        await self.judge.judge_arrivals([Arrival(event, event.to_bytes(), shard, begin()) for event in answers])

    async def questions(self, shard: int = 0) -> list[LookWanted]:
        """Every last look that was asked for."""
        return [LookWanted.model_validate_json(each.value) for each in await self._outbox(shard) if each.topic == LOOKS]

    async def judge_again(self, shard: int = 0, limit: int = 500) -> int:
        total = 0
        while taken := await self.judge.judge_again(shard, limit=limit):
            total += taken
        return total

    async def production_says(self, state: str, *, key: str = KEY, shard: int = 0, number: int = 1) -> None:
        values: dict[str, Any] = {
            "type": f"production.{state}",
            "event_id": f"{key}-{state}-{number}",
            "occurred_at": START,
            "seller_id": SELLER,
            "order_key": key,
        }
        if state in {"cancelled", "cancel_refused"}:
            values["reason"] = "asked"
        if state == "on_hold":
            values["problem"] = "the artwork is too small"
        if state == "shipped":
            values["shipment"] = Shipment(
                shipment_id=f"{key}-{number}",
                carrier="USPS",
                tracking_number="9400",
                shipped_at=START,
                items=(ShippedItem(item_id="line-1", quantity=1),),
            )
        update = PRODUCTION_UPDATE.validate_python(values)
        await take_answers([Answer(update, shard)], self.repository, clock=self.clock, keep_for=KEEP_FOR)

    async def dossier(self, key: str = KEY) -> Dossier:
        return (await self.repository.dossiers([key]))[key]

    async def decided(self, key: str = KEY) -> Decided:
        decided = (await self.dossier(key)).decided
        assert decided is not None
        return decided

    async def reasons(self, key: str = KEY) -> list[str]:
        return [reason.code.value for reason in (await self.decided(key)).reasons]

    async def sent(self, shard: int = 0) -> tuple[Sequence[OrderDecided], Sequence[ProductionCommand]]:
        """Everything in the outbox, opened."""
        messages = await self._outbox(shard)
        decisions = [OrderDecided.model_validate_json(m.value) for m in messages if m.topic == DECISIONS]
        commands = [PRODUCTION_COMMAND.validate_json(m.value) for m in messages if m.topic == PRODUCTION]
        return decisions, commands

    async def _outbox(self, shard: int) -> list[OutboxMessage]:
        outbox: Outbox = self.repository  # type: ignore[assignment] # both repositories are outboxes too
        numbered = await outbox.read(shard, after=0, limit=100_000)
        assert [each.number for each in numbered] == list(range(1, len(numbered) + 1))
        return [self.sealer.open_message(each.message) for each in numbered]

    async def commands(self, shard: int = 0) -> list[str]:
        """What production was told, by type."""
        return [command.type for command in (await self.sent(shard))[1]]
