"""Reads one order again when somebody asks: the way to mend an order that once could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.order import RawOrder
from schemas.sessions import OrderOutcome
from services.ingest.contract.connector import Connector
from services.ingest.contract.reading import Unreadable
from services.ingest.listing import judge_page
from services.ingest.ports import SeenOrders, WebhookBooks
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import Tokens
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError
from services.kit.kafka.publisher import Publisher


@dataclass(frozen=True, slots=True)
class Rereading:
    """Reads single orders."""

    connectors: Mapping[str, Connector]
    tokens: Tokens
    seen: SeenOrders
    books: WebhookBooks
    publisher: Publisher
    clock: Clock

    async def read(self, store: Store, external_id: str) -> OrderOutcome | None:
        """Publish the order as it is now; None when the platform does not have it.

        Raises:
            AuthorizationError: the platform refuses our access, renewed or not.
            TransientError: the platform, Kafka or Postgres is away.
        """
        order = await self._from_platform(store, external_id)
        if order is None:
            return None
        listed = judge_page(
            [order],
            store=store.ref,
            seen=await self.seen.seen([order.key] if isinstance(order, RawOrder) else []),
            # Reading one order belongs to no sync session.
            session_id=None,
            paid_only=False,
            now=self.clock.now(),
        )
        await self.publisher.publish(listed.messages)
        await self.books.record([], seen=listed.seen, messages=[])
        return listed.outcomes[0]

    async def _from_platform(self, store: Store, external_id: str) -> RawOrder | Unreadable | None:
        connector = self.connectors[store.platform]
        access = await self.tokens.fresh(connector, store)
        try:
            return await connector.read_order(access, external_id, way="poll")
        except AuthorizationError:
            access = await self.tokens.after_refusal(connector, access)
            return await connector.read_order(access, external_id, way="poll")
