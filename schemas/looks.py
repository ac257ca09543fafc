"""The last look: eligibility asks that an order be read once more before it is made, ingest answers."""

from datetime import datetime
from typing import Literal

from schemas.base import Event, UtcTime
from schemas.ids import OrderKey, PlatformSlug, SellerId, StoreId, fact_id

#: unchanged: the platform still has the order as it was told. unread: it could not be asked, or did not say.
LookOutcome = Literal["unchanged", "unread"]
#: unlinked: the store is not linked. reconnect: the platform refuses our access. away: it does not answer. unreadable:
#: what it answers cannot be read. older: it shows an older state of the order than it told before.
LookProblem = Literal["unlinked", "reconnect", "away", "unreadable", "older"]


class LookWanted(Event):
    """`orders.looks`: read this order once more; `raw_event_id` and `revised_at` say which revision is known.

    Answered on `orders.raw`: by a revision if the platform has another one, by `order.gone` if it has the order no
    more, by `order.looked` otherwise. A later question about an order stands for those before it.
    """

    type: Literal["order.look_wanted"] = "order.look_wanted"
    order_key: OrderKey
    store_id: StoreId
    platform: PlatformSlug
    external_id: str
    raw_event_id: str
    revised_at: UtcTime


class OrderLooked(Event):
    """`orders.raw`: what came of a last look that brought no other revision. Built by `order_looked`.

    `raw_event_id` is the revision that the question named, `looked_at` when the platform was asked.
    """

    type: Literal["order.looked"] = "order.looked"
    order_key: OrderKey
    store_id: StoreId
    platform: PlatformSlug
    external_id: str
    look_id: str
    raw_event_id: str
    looked_at: UtcTime
    outcome: LookOutcome
    problem: LookProblem | None = None


def look_id(key: OrderKey, asked_at: datetime) -> str:
    """Return the id of the question that was asked then: an order may be asked about again."""
    return fact_id("order.look_wanted", key, asked_at.isoformat())


def look_wanted(
    key: OrderKey,
    *,
    seller_id: SellerId,
    store_id: StoreId,
    platform: PlatformSlug,
    external_id: str,
    raw_event_id: str,
    revised_at: datetime,
    asked_at: datetime,
) -> LookWanted:
    """Return the question."""
    return LookWanted(
        event_id=look_id(key, asked_at),
        occurred_at=asked_at,
        seller_id=seller_id,
        order_key=key,
        store_id=store_id,
        platform=platform,
        external_id=external_id,
        raw_event_id=raw_event_id,
        revised_at=revised_at,
    )


def order_looked(
    wanted: LookWanted, outcome: LookOutcome, *, looked_at: datetime, problem: LookProblem | None = None
) -> OrderLooked:
    """Return the answer to a question; the same answer to the same question always has the same `event_id`."""
    return OrderLooked(
        event_id=fact_id("order.looked", wanted.event_id, outcome, problem or ""),
        occurred_at=looked_at,
        seller_id=wanted.seller_id,
        order_key=wanted.order_key,
        store_id=wanted.store_id,
        platform=wanted.platform,
        external_id=wanted.external_id,
        look_id=wanted.event_id,
        raw_event_id=wanted.raw_event_id,
        looked_at=looked_at,
        outcome=outcome,
        problem=problem,
    )
