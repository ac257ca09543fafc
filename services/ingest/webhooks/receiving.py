"""A webhook is answered 2xx only when Kafka has the order it told; on the way is nothing but verify, map, produce."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import structlog

from schemas.order import RawOrder, order_revised
from services.ingest.contract.connector import Connector
from services.ingest.contract.reading import Unreadable, UnreadablePayload
from services.ingest.contract.stores import Access, StoreRef
from services.ingest.contract.webhooks import (
    AboutStore,
    BuyerForgotten,
    DataRequested,
    Delivery,
    Greeting,
    NotOurs,
    OrderHinted,
    OrderTold,
    SignatureRefused,
    StoreClosed,
    StoreForgotten,
    WebhookFact,
)
from services.ingest.listing import UNPAID, dead_letter, event_message, too_large
from services.ingest.ports import SeenOrders, Stores, WebhookBooks
from services.ingest.privacy import PrivacyFact, asked_of_platform, asked_of_store
from services.ingest.stores.access import AccessCache
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import Tokens
from services.ingest.webhooks.bookkeeping import Bookkeeping, Note
from services.ingest.webhooks.health import WebhookHealth
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.problems import Problem, not_found
from services.kit.kafka.publisher import Message, Publisher
from services.kit.metrics import Metrics

log = structlog.get_logger()

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
    outbox: WebhookBooks
    health: WebhookHealth
    publisher: Publisher
    clock: Clock
    metrics: Metrics

    def greet(self, platform: str, delivery: Delivery) -> Greeting | None:
        """The answer to a message that only asks whether we are there. Raises Problem (404) for an unknown platform."""
        return self._connector(platform).greet(delivery)

    async def take(self, platform: str, store_id: str, delivery: Delivery) -> str:
        """Do what a webhook to one store asks for; return what that was, for the metric.

        Raises:
            Problem: 401 for a signature that is not right, 404 for an unknown platform or store.
            TransientError: Kafka, or what else it needs, is away; the platform should deliver again.
        """
        connector = self._connector(platform)
        opened = await self.accesses.get(store_id)
        if opened is None or opened.store.platform != platform:
            raise not_found("store")
        try:
            await self._verify(connector, opened.access, delivery)
        except Problem:
            await self.health.refuse(opened.store)
            raise
        return await self._tell(connector, opened.store, delivery)

    async def take_for_app(self, platform: str, delivery: Delivery) -> str:
        """Do what a webhook to the whole app asks for, for each store that it is about; raises like `take`."""
        connector = self._connector(platform)
        try:
            await self._verify(connector, None, delivery)
        except Problem:
            await self._name_refused(connector, delivery)
            raise
        now = self.clock.now()
        try:
            fact = connector.read_app_webhook(delivery, now=now)
        except UnreadablePayload as error:
            log.warning("webhook.unreadable", platform=platform, path=error.path, problem=error.problem)
            raise Problem(422, "unreadable", f"{error.path}: {error.problem}") from error
        match fact:
            case AboutStore(external_id):
                return await self._tell_each(connector, external_id, delivery)
            case BuyerForgotten():
                await self.outbox.record([], seen={}, messages=[asked_of_platform(fact, platform, now=now)])
                return "privacy"
            case NotOurs(why):
                return why

    async def take_hint(self, platform: str, store_external_id: str, order_external_id: str) -> str:
        """Read an order that the platform's queue names, for each store that it is about; raises like `take`."""
        connector, outcome = self._connector(platform), "unknown_store"
        for store in await self.stores.of_platform(platform, store_external_id):
            self.health.hear(store.store_id)
            outcome = "sync_off"
            if store.state == "linked" and store.settings.auto_sync:
                outcome = await self._follow(connector, store, OrderHinted(order_external_id))
        return outcome

    async def _tell_each(self, connector: Connector, external_id: str, delivery: Delivery) -> str:
        outcome = "unknown_store"
        for store in await self.stores.of_platform(connector.slug, external_id):
            outcome = await self._tell(connector, store, delivery)
        return outcome

    async def _name_refused(self, connector: Connector, delivery: Delivery) -> None:
        """Have it known whose news did not verify. Anybody can write such a body, so nothing else follows from it."""
        try:
            fact = connector.read_app_webhook(delivery, now=self.clock.now())
        except UnreadablePayload:
            return
        if not isinstance(fact, AboutStore) or not self.health.first_refusal(connector.slug, fact.external_id):
            return
        with suppress(TransientError):
            for store in await self.stores.of_platform(connector.slug, fact.external_id):
                log.warning("webhook.refused", platform=connector.slug, store_id=store.store_id, said="by itself")

    def _connector(self, platform: str) -> Connector:
        connector = self.connectors.get(platform)
        if connector is None:
            raise not_found("platform")
        return connector

    async def _verify(self, connector: Connector, access: Access | None, delivery: Delivery) -> None:
        try:
            await connector.verify_webhook(access, delivery, now=self.clock.now())
        except SignatureRefused as error:
            raise Problem(401, "signature_refused", "The signature is not right for these bytes.") from error

    async def _tell(self, connector: Connector, store: Store, delivery: Delivery) -> str:
        fact = self._read(connector, store.ref, delivery)
        if isinstance(fact, OrderTold | OrderHinted):
            self.health.hear(store.store_id)
            if store.state == "unlinked":
                return "unlinked"
            if not store.settings.auto_sync:
                return "sync_off"
        return await self._follow(connector, store, fact)

    def _read(self, connector: Connector, store: StoreRef, delivery: Delivery) -> WebhookFact:
        try:
            return connector.read_webhook(store, delivery, now=self.clock.now())
        except UnreadablePayload as error:
            return OrderTold(Unreadable(None, error.path, error.problem, delivery.body.decode("utf-8", "replace")))

    async def _follow(self, connector: Connector, store: Store, fact: WebhookFact) -> str:
        match fact:
            case OrderTold(order):
                return await self._publish(store, order)
            case OrderHinted(external_id):
                found = await self._look(connector, store, external_id)
                return await self._publish(store, found) if found is not None else "gone"
            case StoreClosed(problem):
                return await self._close(store, problem)
            case DataRequested() | BuyerForgotten() | StoreForgotten():
                return await self._pass_on(store, fact)
            case NotOurs(why):
                return why

    async def _close(self, store: Store, problem: str) -> str:
        now = self.clock.now()
        await self.stores.change(store.store_id, lambda held: held.refused(problem, grant=store.grants, now=now))
        self.accesses.forget(store.store_id)
        log.warning("store.closed", store_id=store.store_id, platform=store.platform)
        return "closed"

    async def _pass_on(self, store: Store, fact: PrivacyFact) -> str:
        message = asked_of_store(fact, store.ref, now=self.clock.now())
        await self.outbox.record([], seen={}, messages=[message])
        return "privacy"

    async def _look(self, connector: Connector, store: Store, external_id: str) -> RawOrder | Unreadable | None:
        try:
            access = await self.tokens.fresh(connector, store)
            return await connector.read_order(access, external_id, way="webhook")
        except AuthorizationError as error:
            # The next poll tries to renew, and tells the seller when that does not help.
            raise TransientError("the store's access was refused", retry_after=60) from error

    async def _publish(self, store: Store, order: RawOrder | Unreadable) -> str:
        ref, now = store.ref, self.clock.now()
        if isinstance(order, RawOrder):
            if await self._passed_over(store, order):
                return "unpaid"
            event = order_revised(order, session_id=self.books.session_id(store.store_id, now))
            message = event_message(event)
            if message is not None:
                await self._send(message)
                self.books.note(Note(ref, now, event))
                return "published"
            order = too_large(order)
        await self._send(dead_letter(order, store=ref, now=now))
        self.books.note(Note(ref, now, order))
        log.warning("order.unreadable", store_id=store.store_id, path=order.path, problem=order.problem)
        return "unreadable"

    async def _send(self, message: Message) -> None:
        started = time.perf_counter()
        async with asyncio.timeout(ACKNOWLEDGED_WITHIN_SECONDS):
            await self.publisher.publish([message])
        self.metrics.observe("syncorder_publish_seconds", time.perf_counter() - started, way="webhook")

    async def _passed_over(self, store: Store, order: RawOrder) -> bool:
        if not store.settings.paid_only or order.payment not in UNPAID:
            return False
        return order.key not in await self.seen.seen([order.key])
