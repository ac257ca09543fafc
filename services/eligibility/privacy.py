"""Acts upon what buyers ask by way of their platforms: keeps each request with its tombstones, then erases in steps."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from itertools import groupby

import structlog
from pydantic import ValidationError

from schemas.privacy import PrivacyRequested
from schemas.topics import PRIVACY_REQUESTS
from services.eligibility.erasures import Erased, PrivacyRequest
from services.eligibility.judging import Judge
from services.eligibility.ports import Affected, PrivacyRequests
from services.eligibility.sealing import Sealer
from services.eligibility.subscriber import Topics
from services.kit.clock import Clock
from services.kit.errors import TransientError, UnreadableMessage
from services.kit.kafka.subscriber import Record, Subscription
from services.kit.metrics import Metrics

log = structlog.get_logger()

#: Orders erased in one transaction, which holds their shard's lock.
CHUNK = 200
#: Orders looked up at once.
_PAGE = 1_000
_REQUESTS = 100
#: Who keeps a request wakes the eraser; it only takes this long to notice what another process kept, or left undone.
POLL_SECONDS = 5.0
RETRY_SECONDS = 1.0


class PrivacyReading:
    """The handler of `privacy.requests`."""

    def __init__(
        self, topics: Topics, *, requests: PrivacyRequests, sealer: Sealer, wake_eraser: Callable[[], None]
    ) -> None:
        self._topics = topics
        self._requests = requests
        self._sealer = sealer
        self._wake_eraser = wake_eraser

    def subscription(self) -> Subscription:
        """Subscribe to the requests, in a group of their own: none waits behind orders."""
        return Subscription(
            group=f"{self._topics.prefix}eligibility.privacy",
            topics=[self._topics.name(PRIVACY_REQUESTS)],
            handler=self.handle,
            payload=PrivacyRequested,
        )

    async def handle(self, records: Sequence[Record]) -> None:
        """Keep the requests. From then on nothing of theirs is kept anew; the eraser takes what was kept before."""
        if await self._requests.keep([self._request(record.value) for record in records]):
            self._wake_eraser()

    def _request(self, value: bytes) -> PrivacyRequest:
        try:
            asked = PrivacyRequested.model_validate_json(value)
        except ValidationError as error:
            raise UnreadableMessage.of(error) from None
        if asked.kind == "erase_store" and asked.store_id is None:
            raise UnreadableMessage("store_id", "a store is to be erased and none is named")
        return PrivacyRequest(
            event_id=asked.event_id,
            request_id=asked.request_id,
            kind=asked.kind,
            platform=asked.platform,
            store_id=asked.store_id,
            seller_id=asked.seller_id,
            order_keys=tuple(asked.order_keys),
            buyers=self._sealer.asked_buyers(asked.platform, asked.buyer_ids),
            asked_at=asked.occurred_at,
        )


class Eraser:
    """The worker of this process. Several may work on one request: what one has erased the others do not find."""

    def __init__(self, judge: Judge, requests: PrivacyRequests, *, clock: Clock, metrics: Metrics) -> None:
        self._judge = judge
        self._requests = requests
        self._clock = clock
        self._metrics = metrics
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There is something to erase."""
        self._woken.set()

    async def run(self) -> None:
        """Erase for ever; what was interrupted goes on where it stood, for only what is still there is looked at."""
        while True:
            self._woken.clear()
            try:
                await self.erase_asked()
            except TransientError as error:
                log.warning("erasure.postponed", problem=str(error))
                await self._clock.sleep(error.retry_after or RETRY_SECONDS)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._woken.wait()

    async def erase_asked(self) -> None:
        """Erase until no request is left undone."""
        while requests := await self._requests.to_erase(_REQUESTS):
            for request in requests:
                await self._erase(request)

    async def _erase(self, request: PrivacyRequest) -> None:
        looked_at, after = 0, ""
        while page := await self._requests.affected(request, after=after, limit=_PAGE):
            by_shard = sorted(page, key=lambda order: order.shard)
            for shard, orders in groupby(by_shard, key=lambda order: order.shard):
                ours = list(orders)
                for start in range(0, len(ours), CHUNK):
                    await self._erase_chunk(request, shard, ours[start : start + CHUNK])
            looked_at, after = looked_at + len(page), page[-1].order_key
        await self._requests.close(request.event_id, "erased", now=self._clock.now())
        log.info("privacy_request.erased", event_id=request.event_id, kind=request.kind, orders=looked_at)

    async def _erase_chunk(self, request: PrivacyRequest, shard: int, orders: Sequence[Affected]) -> None:
        try:
            await self._judge.erase(shard, [order.order_key for order in orders])
        except TransientError:
            raise
        except Exception:  # the outermost loop: an order that cannot be judged must be erased all the same
            self._metrics.increment("syncorder_unexpected_errors_total", where="eligibility.erasing")
            log.exception("erasure.failed", shard=shard, orders=len(orders))
            if len(orders) == 1:
                order = orders[0]
                await self._judge.erase_unjudged(shard, Erased(order.order_key, request.event_id, order.seller_id))
                return
            middle = len(orders) // 2
            await self._erase_chunk(request, shard, orders[:middle])
            await self._erase_chunk(request, shard, orders[middle:])
