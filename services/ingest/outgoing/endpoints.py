"""An address of a seller's, and each delivery to it: what an attempt's outcome makes of both; pure.

A delivery is tried for a day with growing waits. An address that answered nothing well for that long is disabled.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal, Protocol
from urllib.parse import urlsplit

from schemas.ids import SellerId, fact_id
from schemas.topics import WEBHOOK_ENDPOINTS
from schemas.webhook_endpoints import WebhookEndpointRecord
from services.ingest.outgoing.notices import ENDPOINT_DISABLED, ORDER_NOTICES, TEST, Notice
from services.kit.kafka.publisher import Message

#: The wait after each failed attempt; after the last one a delivery has failed for good. A day in all, nearly.
WAITS = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(minutes=30),
    timedelta(hours=1),
    timedelta(hours=2),
    timedelta(hours=4),
    timedelta(hours=8),
    timedelta(hours=8),
)
#: An address that did not answer well for so long is not called any more.
DISABLED_AFTER = timedelta(hours=23)
_GONE = 410


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address. `types` is what it is told; `failing_since` the first failure after the last success."""

    endpoint_id: str
    seller_id: str
    url: str
    types: tuple[str, ...]
    created_at: datetime
    secret: bytes = field(repr=False)
    state: Literal["enabled", "disabled"] = "enabled"
    problem: str | None = None
    failing_since: datetime | None = None

    def wants(self, notice: Notice) -> bool:
        """Whether a notice is sent there: chosen, and of a fact since the address was given."""
        if self.state != "enabled" or notice.seller_id != self.seller_id:
            return False
        return notice.type == ENDPOINT_DISABLED or (notice.type in self.types and notice.occurred_at >= self.created_at)

    def heard(self, attempt: Attempt, *, now: datetime) -> Endpoint:
        """The endpoint after an attempt."""
        if attempt.is_success:
            return replace(self, failing_since=None)
        since = self.failing_since or now
        if attempt.status == _GONE:
            return self._disabled("It answered 410: it is gone.", since)
        if now - since >= DISABLED_AFTER:
            return self._disabled("Nothing was taken there for a day.", since)
        return replace(self, failing_since=since)

    def enabled(self) -> Endpoint:
        """The endpoint after its seller says that it works again."""
        return replace(self, state="enabled", problem=None, failing_since=None)

    def _disabled(self, problem: str, since: datetime) -> Endpoint:
        return replace(self, state="disabled", problem=problem, failing_since=since)


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended: the answer's status, or why there was none."""

    status: int | None = None
    problem: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and 200 <= self.status < 300  # noqa: PLR2004 - the range of success


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notice on its way to one address. `due_at` is when it is tried next, while it waits."""

    delivery_id: str
    endpoint_id: str
    type: str
    body: str = field(repr=False)
    created_at: datetime
    due_at: datetime
    state: Literal["waiting", "delivered", "failed"] = "waiting"
    attempts: int = 0
    status: int | None = None
    problem: str | None = None
    ended_at: datetime | None = None

    def after(self, attempt: Attempt, *, now: datetime) -> Delivery:
        """The delivery after an attempt."""
        tried = replace(self, attempts=self.attempts + 1, status=attempt.status, problem=attempt.problem)
        if attempt.is_success:
            return replace(tried, state="delivered", ended_at=now)
        if self.attempts >= len(WAITS) or self.type == TEST:
            return replace(tried, state="failed", ended_at=now)
        return replace(tried, due_at=now + WAITS[self.attempts])

    def again(self, *, now: datetime) -> Delivery:
        """The delivery from the start, because its seller asks for it."""
        return replace(self, state="waiting", attempts=0, due_at=now, ended_at=None)


class Outgoing(Protocol):
    """What is kept of outgoing webhooks. Raises `TransientError` when the database is away."""

    async def add(self, endpoint: Endpoint) -> None:
        """Keep a new endpoint."""
        ...

    async def get(self, endpoint_id: str) -> Endpoint | None:
        """One endpoint of any seller."""
        ...

    async def of_sellers(self, seller_ids: Collection[str]) -> Sequence[Endpoint]:
        """All endpoints of these sellers, the oldest first."""
        ...

    async def is_wanted(self) -> bool:
        """Whether any seller at all has an enabled endpoint."""
        ...

    async def change(
        self, endpoint_id: str, change: Callable[[Endpoint], Endpoint], *, now: datetime
    ) -> Endpoint | None:
        """Apply `change` alone; the endpoint after it, None when there is none. `news_of` it is told if it is kept."""
        ...

    async def remove(self, endpoint_id: str, *, now: datetime) -> None:
        """Forget an endpoint and its deliveries; `news_of` that is told if it is kept."""
        ...

    async def put(self, deliveries: Sequence[Delivery]) -> None:
        """Keep new deliveries; those that are there stay as they are."""
        ...

    async def due(self, *, now: datetime, until: datetime, each: int, limit: int) -> Sequence[Delivery]:
        """Take deliveries that are due, at most `each` of an enabled endpoint; nobody else gets them before `until`."""
        ...

    async def keep(self, delivery: Delivery) -> None:
        """Keep what became of a delivery."""
        ...

    async def find(self, delivery_id: str) -> Delivery | None:
        """One delivery."""
        ...

    async def log(self, endpoint_id: str, *, before: tuple[datetime, str] | None, limit: int) -> Sequence[Delivery]:
        """An endpoint's deliveries, the newest first, those before the one made at that time with that id."""
        ...

    async def forget(self, *, before: datetime) -> None:
        """Forget deliveries that were made before that and have ended."""
        ...


def news_of(held: Endpoint, changed: Endpoint | None, *, now: datetime) -> Sequence[Message]:
    """What the report hears of a change, or of a removal (None): of addresses that are, or were, disabled."""
    if changed == held or (held.state == "enabled" and (changed is None or changed.state == "enabled")):
        return ()
    shown = changed or held
    record = WebhookEndpointRecord(
        endpoint_id=shown.endpoint_id,
        seller_id=SellerId(shown.seller_id),
        host=urlsplit(shown.url).hostname or "?",
        state=changed.state if changed else "removed",
        problem=shown.problem,
        failing_since=shown.failing_since,
        changed_at=now,
    )
    return [Message(WEBHOOK_ENDPOINTS.name, shown.endpoint_id, record.model_dump_json().encode())]


def deliveries(
    notices: Sequence[Notice], endpoints: Mapping[str, Sequence[Endpoint]], *, now: datetime
) -> list[Delivery]:
    """What is sent where; `endpoints` by seller. The same notice to the same address always has the same id."""
    return [
        delivery(notice, endpoint, now=now)
        for notice in notices
        for endpoint in endpoints.get(notice.seller_id, ())
        if endpoint.wants(notice)
    ]


def delivery(notice: Notice, endpoint: Endpoint, *, now: datetime) -> Delivery:
    """One notice to one address."""
    return Delivery(
        delivery_id=f"msg_{fact_id(endpoint.endpoint_id, notice.notice_id)}",
        endpoint_id=endpoint.endpoint_id,
        type=notice.type,
        body=notice.body(),
        created_at=now,
        due_at=now,
    )


def disabled_notice(endpoint: Endpoint, *, now: datetime) -> Notice:
    """What a seller's other addresses are told when one is disabled."""
    since = endpoint.failing_since or now
    data = {"endpoint_id": endpoint.endpoint_id, "url": endpoint.url, "problem": endpoint.problem}
    name = fact_id(ENDPOINT_DISABLED, endpoint.endpoint_id, since.isoformat())
    return Notice(name, endpoint.seller_id, ENDPOINT_DISABLED, now, data)


#: All that an endpoint may be told of orders.
ALL_TYPES: tuple[str, ...] = ORDER_NOTICES
