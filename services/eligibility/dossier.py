"""All that is known of one order before it is judged, and all that judging it changes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from schemas.decisions import Cause, Outcome
from schemas.ids import OrderKey
from schemas.money import Money
from schemas.reasons import Reason
from services.eligibility.facts import Approval
from services.eligibility.released import Told
from services.eligibility.revisions import Standing
from services.eligibility.waiting import Wait
from services.kit.trace import Trace


@dataclass(frozen=True, slots=True)
class Decided:
    """The valid decision about an order. `number` counts its decisions from 1."""

    number: int
    outcome: Outcome
    reasons: tuple[Reason, ...]
    raw_event_id: str
    decided_at: datetime
    cost: Money | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """How far an order's last look before its release is; see `services.eligibility.looks`.

    `read_at`: when the platform said that the order is as it is known, or the seller took that upon themselves. While
    the order waits for a look, `since` says since when; it was asked for `asked` times, last at `asked_at`, and is
    again at `again_at`. `problem` is why there is no answer.
    """

    read_at: datetime | None = None
    since: datetime | None = None
    asked: int = 0
    asked_at: datetime | None = None
    again_at: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Dossier:
    """An order as it stands in the tables.

    `sealed_event` is the event of its valid revision as it came, sealed; None once personal data were erased.
    `sealed_correction` is the seller's word about its address. `buyer` is a keyed digest of who bought. `charged` is
    what production was paid for it. `trace` is the one that the valid revision came with. `look` is None for an order
    that needed no last look.
    """

    order_key: OrderKey
    shard: int
    seller_id: str
    store_id: str
    imported_at: datetime
    standing: Standing
    decided: Decided | None = None
    sealed_event: bytes | None = None
    sealed_correction: bytes | None = None
    approval: Approval = field(default_factory=Approval)
    held_by_seller: bool = False
    pay_asked: bool = False
    told: Told | None = None
    charged: Money | None = None
    trace: Trace | None = None
    buyer: bytes | None = None
    look: Look | None = None


@dataclass(frozen=True, slots=True)
class OutboxMessage:
    """One message that production or the report must hear; `sealed` values are unsealed when they are sent.

    `trace` is the `traceparent` that it carries.
    """

    topic: str
    key: str
    value: bytes
    sealed: bool = False
    trace: str | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What judging one order changes: its dossier, what it waits for now, and what is to be sent.

    `erased_by` is the request by which all that is kept of its buyer goes. `looked`: its look is another one now.
    """

    dossier: Dossier
    cause: Cause
    waits: frozenset[Wait] = frozenset()
    messages: tuple[OutboxMessage, ...] = ()
    erase_after: datetime | None = None
    judged_before: bool = False
    looked: bool = False
    erased_by: str | None = None
