"""What a store may do is found out when it is linked, and again now and then: plans, plugins and permissions change."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from services.ingest.contract.connector import Connector
from services.ingest.contract.stores import Access
from services.ingest.ports import Stores
from services.ingest.stores.store import Store
from services.ingest.webhooks.subscriptions import LINKING_TAKES
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError, TransientError

log = structlog.get_logger()

PROBED_EVERY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Probing:
    """Keeps what is known of stores."""

    stores: Stores
    clock: Clock

    def due(self, store: Store, *, now: datetime) -> bool:
        """Whether the platform should be asked now."""
        if store.probed_at is not None:
            return now - store.probed_at >= PROBED_EVERY
        # Linking marks the store as being subscribed, and probes it right after.
        return store.subscribed_at is None or now - store.subscribed_at >= LINKING_TAKES

    async def ensure(self, store: Store, connector: Connector, access: Access) -> None:
        """Probe. What cannot be found out now is no reason not to sync: it is tried at a later poll."""
        now = self.clock.now()
        try:
            found = await connector.probe(access)
        except (TransientError, AuthorizationError) as error:
            log.warning("store.not_probed", store_id=store.store_id, problem=str(error))
            return
        await self.stores.change(store.store_id, lambda held: held.probed(found, now=now))
        refused = [capability.name for capability in found if capability.allowed is False]
        log.info("store.probed", store_id=store.store_id, platform=store.platform, refused=refused)
