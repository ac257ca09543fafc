"""What in the report's rows may need the seller, before anything is said about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from schemas.order import Way
from schemas.reasons import ReasonCode
from schemas.stores import StoreRecord
from schemas.tracking import PushState
from schemas.webhook_endpoints import WebhookEndpointRecord
from services.reporting.watermark import Doubt, Healed, LateStore, Proof, late_stores

#: How many of a store's newest polls are looked at for how many failed in a row.
POLLS_LOOKED_AT = 20
#: How long an order that could not be read is pointed out.
UNREADABLE_FOR = timedelta(days=7)
#: In how many sessions, newest first, unreadable orders are looked for.
SESSIONS_LOOKED_AT = 200
#: How long an order may be held before that is pointed out.
WAITS_LONG = timedelta(hours=24)
#: How many waiting orders are counted, longest first.
WAITING_COUNTED = 2000
#: How long a mended webhook is pointed out.
HEALED_FOR = timedelta(hours=24)
#: How long orders past their deadline, and parcels that a platform will not take, are pointed out.
LATE_FOR = timedelta(days=14)
#: How many of a seller's stores are looked at.
STORES_LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class FailingStore:
    """A store whose newest `sessions` polls all ended early, the first at `since`; `problem` is the newest one's."""

    store_id: str
    sessions: int
    since: datetime
    session_id: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class UnreadableOrders:
    """Orders of a store that could not be read, and were not read since.

    `session_id` is the newest session in which that was so, `way` how its orders came.
    """

    store_id: str
    orders: int
    since: datetime
    session_id: str
    way: Way | None = None


@dataclass(frozen=True, slots=True)
class WaitingOrders:
    """Orders held for long for one reason, the first imported at `since`. `at_least`: not all were counted."""

    code: ReasonCode
    orders: int
    since: datetime
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class DueOrders:
    """Orders of a store that are past their deadline (`late`) or near it, the first since `since`."""

    store_id: str
    late: bool
    orders: int
    since: datetime


@dataclass(frozen=True, slots=True)
class StuckParcels:
    """Orders of a store with a parcel whose number its platform will not take, or not without the seller."""

    store_id: str
    state: PushState
    orders: int
    since: datetime


@dataclass(frozen=True, slots=True)
class Attention:
    """All of one seller's."""

    stores: tuple[StoreRecord, ...] = ()
    failing: tuple[FailingStore, ...] = ()
    unreadable: tuple[UnreadableOrders, ...] = ()
    waiting: tuple[WaitingOrders, ...] = ()
    late: tuple[LateStore, ...] = ()
    #: Of audits that ended.
    doubts: tuple[Doubt, ...] = ()
    healed: tuple[Healed, ...] = ()
    due: tuple[DueOrders, ...] = ()
    stuck: tuple[StuckParcels, ...] = ()
    #: Disabled ones only.
    endpoints: tuple[WebhookEndpointRecord, ...] = ()


def proven_attention(
    found: Attention, proofs: Mapping[str, Proof], doubts: Sequence[Doubt], *, now: datetime
) -> Attention:
    """Return the same with what follows from what proves the stores complete."""
    healed = (proofs[store.store_id].healed for store in found.stores if store.store_id in proofs)
    return replace(
        found,
        late=late_stores(found.stores, proofs, now=now),
        doubts=tuple(doubt for doubt in doubts if doubt.ended_at is not None),
        healed=tuple(one for one in healed if one is not None and now - HEALED_FOR < one.at <= now),
    )
