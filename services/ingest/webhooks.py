"""A webhook is answered 2xx only when Kafka has the order it told; on the way is nothing but verify, map, produce."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from aiohttp import web
from pydantic import BaseModel

from schemas.order import RawOrder, order_revised
from services.ingest.access import AccessCache, Opened
from services.ingest.bookkeeping import Bookkeeping, Note
from services.ingest.connector import (
    Connector,
    NotOurs,
    OrderHinted,
    OrderTold,
    SignatureRefused,
    StoreClosed,
    Unreadable,
    UnreadablePayload,
    WebhookFact,
)
from services.ingest.listing import UNPAID, dead_letter, event_message, too_large
from services.ingest.ports import SeenOrders, Stores
from services.ingest.tokens import Tokens
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.bodies import read_body
from services.kit.http.problems import Problem, not_found, unavailable
from services.kit.http.routes import Routes
from services.kit.kafka.publisher import Message, Publisher
from services.kit.metrics import Metrics

log = structlog.get_logger()

#: All that a webhook which names an order to be read may take: platforms give up after 5 s.
ANSWERED_WITHIN_SECONDS = 3.8
#: How long Kafka may take to acknowledge; so an answer, be it 503, is there within a second.
ACKNOWLEDGED_WITHIN_SECONDS = 0.9


@dataclass(frozen=True, slots=True)
class Webhooks:
    """Takes webhooks of all platforms of this process."""

    connectors: Mapping[str, Connector]
    accesses: AccessCache
    stores: Stores
    seen: SeenOrders
    tokens: Tokens
    books: Bookkeeping
    publisher: Publisher
    clock: Clock
    metrics: Metrics

    async def take(self, platform: str, store_id: str, headers: Mapping[str, str], body: bytes) -> str:
        """Do what a webhook asks for; return what that was, for the metric. Header names are lower case.

        Raises:
            Problem: 401 for a signature that is not right, 404 for an unknown platform or store.
            TransientError: Kafka, or what else it needs, is away; the platform should deliver again.
        """
        connector = self.connectors.get(platform)
        if connector is None:
            raise not_found("platform")
        opened = await self.accesses.get(store_id)
        if opened is None or opened.store.platform != platform:
            raise not_found("store")
        now = self.clock.now()
        try:
            connector.verify_webhook(opened.access, headers, body, now=now)
        except SignatureRefused as error:
            raise Problem(401, "signature_refused", "The signature is not right for these bytes.") from error
        if not opened.store.settings.auto_sync:
            return "sync_off"
        return await self._follow(connector, opened, self._read(connector, opened, headers, body))

    def _read(self, connector: Connector, opened: Opened, headers: Mapping[str, str], body: bytes) -> WebhookFact:
        try:
            return connector.read_webhook(opened.access.store, headers, body, now=self.clock.now())
        except UnreadablePayload as error:
            return OrderTold(Unreadable(None, error.path, error.problem, body.decode("utf-8", "replace")))

    async def _follow(self, connector: Connector, opened: Opened, fact: WebhookFact) -> str:
        match fact:
            case OrderTold(order):
                return await self._publish(opened, order)
            case OrderHinted(external_id):
                found = await self._look(connector, opened, external_id)
                return await self._publish(opened, found) if found is not None else "gone"
            case StoreClosed(problem):
                now = self.clock.now()
                await self.stores.change(opened.store.store_id, lambda held: held.refused(problem, now=now))
                self.accesses.forget(opened.store.store_id)
                log.warning("store.closed", store_id=opened.store.store_id, platform=opened.store.platform)
                return "closed"
            case NotOurs(why):
                return why

    async def _look(self, connector: Connector, opened: Opened, external_id: str) -> RawOrder | Unreadable | None:
        try:
            access = await self.tokens.fresh(connector, opened.store)
            return await connector.read_order(access, external_id, way="webhook")
        except AuthorizationError as error:
            # The next poll tries to renew, and tells the seller when that does not help.
            raise TransientError("the store's access was refused", retry_after=60) from error

    async def _publish(self, opened: Opened, order: RawOrder | Unreadable) -> str:
        store, now = opened.access.store, self.clock.now()
        if isinstance(order, RawOrder):
            if await self._passed_over(opened, order):
                return "unpaid"
            event = order_revised(order, session_id=self.books.session_id(store.store_id, now))
            message = event_message(event)
            if message is not None:
                await self._send(message)
                self.books.note(Note(store, now, event))
                return "published"
            order = too_large(order)
        await self._send(dead_letter(order, store=store, now=now))
        self.books.note(Note(store, now, order))
        log.warning("order.unreadable", store_id=store.store_id, path=order.path, problem=order.problem)
        return "unreadable"

    async def _send(self, message: Message) -> None:
        started = time.perf_counter()
        async with asyncio.timeout(ACKNOWLEDGED_WITHIN_SECONDS):
            await self.publisher.publish([message])
        self.metrics.observe("syncorder_publish_seconds", time.perf_counter() - started, way="webhook")

    async def _passed_over(self, opened: Opened, order: RawOrder) -> bool:
        if not opened.store.settings.paid_only or order.payment not in UNPAID:
            return False
        return order.key not in await self.seen.seen([order.key])


class WebhookPath(BaseModel):
    """Where a platform pushes to."""

    platform: str
    store_id: str


def webhook_routes(webhooks: Webhooks, metrics: Metrics) -> Routes:
    """The route that platforms push to."""
    routes = Routes(title="webhooks", version="1")

    @routes.post(
        "/webhooks/{platform}/{store_id}",
        summary="Take a platform's webhook",
        tags=["webhooks"],
        scope=None,
        errors=[401, 404, 408, 413],
    )
    async def take_webhook(request: web.Request, *, path: WebhookPath) -> web.Response:
        """Verify the raw bytes, put the order into Kafka, answer 200. 503: deliver it again."""
        known = path.platform if path.platform in webhooks.connectors else "unknown"
        outcome = "failed"
        try:
            body = await read_body(request)
            headers = {name.lower(): value for name, value in request.headers.items()}
            async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
                outcome = await webhooks.take(path.platform, path.store_id, headers, body)
        except Problem as problem:
            outcome = problem.code
            raise
        except (TransientError, TimeoutError) as error:
            outcome = "unavailable"
            retry_after = error.retry_after if isinstance(error, TransientError) else None
            raise unavailable(retry_after) from error
        finally:
            metrics.increment("syncorder_webhooks_total", platform=known, outcome=outcome)
        return web.Response()

    return routes
