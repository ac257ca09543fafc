"""A platform is asked to push to us when a store is linked, and again now and then: platforms forget, or give up."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from services.ingest.contract.connector import Connector
from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import Subscribed
from services.ingest.ports import Stores
from services.ingest.stores.store import Store
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError, TransientError

log = structlog.get_logger()

#: A platform deletes subscriptions whose deliveries keep failing, without a word.
CHECKED_EVERY = timedelta(hours=1)
#: Who links a store also subscribes and probes it; a first poll that begins meanwhile leaves it to them for so long.
LINKING_TAKES = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """Keeps stores subscribed. `reachable_at` is our own address, as the platforms know it."""

    stores: Stores
    clock: Clock
    reachable_at: str
    #: The stores whose platform can push nothing as this process is set up, and for which of their grants it said so.
    _never: dict[str, int] = field(default_factory=dict, repr=False)

    def address(self, store: Store) -> str:
        """Where the store's platform pushes to."""
        return f"{self.reachable_at}/webhooks/{store.platform}/{store.store_id}"

    def due(self, store: Store, *, now: datetime) -> bool:
        """Whether the platform should be asked now."""
        if store.subscribed_at is None:
            return True
        is_agreed = store.subscribed_to == self.address(store)
        if is_agreed and not store.subscriptions and self._never.get(store.store_id) == store.grants:
            return False
        return now - store.subscribed_at >= (CHECKED_EVERY if is_agreed else LINKING_TAKES)

    async def ensure(
        self, store: Store, connector: Connector, access: Access, *, anew: bool = False
    ) -> Subscribed | None:
        """Subscribe; return what was, and what of the store's subscriptions had to be mended for that.

        What was never subscribed cannot have been broken: it is not told as mended. A refusal is the store's problem
        to show, and no reason not to poll: None.
        """
        address, app_url = self.address(store), f"{self.reachable_at}/webhooks/{store.platform}"
        try:
            found = await connector.subscribe(access, callback_url=address, app_url=app_url, anew=anew)
        except (TransientError, AuthorizationError) as error:
            log.warning("subscription.failed", store_id=store.store_id, problem=str(error))
            # What waiting may help is asked for again soon; what is refused stays so for a while.
            to = address if isinstance(error, AuthorizationError) else None
            await self._not_subscribed(store, connector, to=to)
            return None
        if found.ever:
            self._never.pop(store.store_id, None)
        else:
            self._never[store.store_id] = store.grants
        now = self.clock.now()
        await self.stores.change(store.store_id, lambda held: held.subscribed(found.topics, to=address, now=now))
        log.info("subscription.made", store_id=store.store_id, topics=found.topics)
        return replace(found, mended=tuple(one for one in found.mended if one.topic in store.subscriptions))

    async def _not_subscribed(self, store: Store, connector: Connector, *, to: str | None) -> None:
        problem = f"{connector.name} does not push changes at present; orders come by polling meanwhile."
        now = self.clock.now()
        await self.stores.change(store.store_id, lambda held: held.not_subscribed(problem, to=to, now=now))
