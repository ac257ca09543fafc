"""What is kept of an order that a seller gave us: whose reference it has, its content's id, and how far it came; pure.

Buyers' data has its home elsewhere, so an update must bring the whole order, and a cancellation is told without them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import orjson

from schemas.ids import OrderKey, StoreId, fact_id, order_key
from schemas.order import Payload, RawOrder, Way
from services.ingest.contract.stores import StoreRef
from services.ingest.platforms.direct.orders import FORM, DirectOrder, to_raw_order, verbatim

_TICK = timedelta(microseconds=1)
_NO_PAYLOAD = Payload(form=FORM, body="{}").model_dump()
#: What a raw order says of its buyer, or may say in their words.
_OF_THE_BUYER: dict[str, Any] = {
    **dict.fromkeys(("ship_to", "email", "phone", "buyer_id", "tax_number", "shipping_label_url"), True),
    **dict.fromkeys(("note", "buyer_message", "gift_message", "payload"), True),
    "items": {"__all__": {"personalization", "designs"}},
}


class NotChangeable(Exception):  # noqa: N818 - the fact
    """The order cannot be changed like this; `code` is for programs, the text is a sentence with what to do."""

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code


@dataclass(frozen=True, slots=True)
class Given:
    """One order as it stands. `revision` counts its forms from 1; `kept` is the raw order's JSON without its buyer."""

    order_key: OrderKey
    store_id: StoreId
    reference: str
    content: str
    revision: int
    state: Literal["given", "cancelled"]
    test: bool
    given_at: datetime
    revised_at: datetime
    kept: str

    def replaced(self, order: DirectOrder, store: StoreRef, *, now: datetime) -> Given:
        """The order after an update; the same content changes nothing. Raises NotChangeable."""
        if self.state == "cancelled":
            raise NotChangeable("order_cancelled", "The order is cancelled; give a new one with another reference.")
        content = content_of(order)
        if content == self.content:
            return self
        if order.test != self.test:
            raise NotChangeable(
                "test_fixed", "A test order stays one, and a real one too; give a new one with another reference."
            )
        revised_at = max(now, self.revised_at + _TICK)
        raw = to_raw_order(order, store, revised_at=revised_at, placed_at=self.given_at)
        return replace(
            self, content=content, revision=self.revision + 1, revised_at=revised_at, kept=without_buyer(raw)
        )

    def cancelled(self, reason: str | None, *, now: datetime) -> Given:
        """The order after a cancellation; a second one changes nothing."""
        if self.state == "cancelled":
            return self
        at = max(now, self.revised_at + _TICK)
        raw = self.raw_order().model_copy(
            update={"revised_at": at, "fetched_at": at, "cancelled_at": at, "cancel_reason": reason, "way": "api"}
        )
        return replace(self, state="cancelled", revision=self.revision + 1, revised_at=at, kept=raw.model_dump_json())

    def raw_order(self) -> RawOrder:
        """The raw order without its buyer."""
        return RawOrder.model_validate(orjson.loads(self.kept) | {"payload": _NO_PAYLOAD})

    def told_again(self, order: DirectOrder, store: StoreRef, *, way: Way) -> RawOrder:
        """The raw order of `order`, whose content this is: the same revision as when it was told first."""
        return to_raw_order(order, store, revised_at=self.revised_at, placed_at=self.given_at, way=way)


class GivenOrders(Protocol):
    """The orders that sellers gave us. A reference is taken before Kafka has its order, and never free again.

    Raises `TransientError` when the database is away; nothing may then be assumed done or undone.
    """

    async def claim(self, orders: Sequence[Given]) -> Mapping[OrderKey, Given]:
        """Keep those whose references are free, each once; return what stands for each now, ours or another."""
        ...

    async def get(self, keys: Collection[OrderKey]) -> Mapping[OrderKey, Given]:
        """What is kept of these orders."""
        ...

    async def change(self, key: OrderKey, change: Callable[[Given], Given]) -> Given | None:
        """Apply `change` to the order, alone; return it after that, None when there is none.

        What `change` raises changes nothing, and goes to the caller.
        """
        ...


def first_form(order: DirectOrder, raw: RawOrder) -> Given:
    """An order that is given for the first time, `raw` being its first revision."""
    return Given(
        order_key=raw.key,
        store_id=raw.store_id,
        reference=order.reference,
        content=fact_id(raw.payload.body),
        revision=1,
        state="given",
        test=order.test,
        given_at=raw.revised_at,
        revised_at=raw.revised_at,
        kept=without_buyer(raw),
    )


def content_of(order: DirectOrder) -> str:
    """What identifies an order's content, however it was given: its payload's, as `first_form` has it at hand."""
    return fact_id(verbatim(order))


def key_of(store: StoreRef, reference: str) -> OrderKey:
    """The key of a store's order."""
    return order_key(store.platform, store.store_id, reference)


def without_buyer(raw: RawOrder) -> str:
    """The raw order's JSON without anything that is, or may be, personal."""
    return raw.model_dump_json(exclude=_OF_THE_BUYER)
