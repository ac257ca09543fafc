"""A store's secrets are sealed where they rest, and renewed by one task at a time across all processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson
import structlog

from services.ingest.contract.connector import Connector
from services.ingest.contract.stores import Access
from services.ingest.ports import Secrets, StoredAccess, Stores
from services.ingest.stores.store import Store
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError
from services.kit.metrics import Metrics
from services.kit.vault import UnsealingError, Vault

log = structlog.get_logger()

#: How long what opens a store is remembered, and of how many stores.
_REMEMBERED_FOR = timedelta(seconds=3)
_SIZE = 20_000

NO_ACCESS = "The store's access is gone. Connect the store again."


def seal_secrets(vault: Vault, store_id: str, secrets: Mapping[str, str]) -> bytes:
    """Seal what opens a store, for this store alone."""
    return vault.seal(orjson.dumps(dict(secrets)), context=_context(store_id))


def open_access(vault: Vault, stored: StoredAccess) -> Access:
    """Unseal what opens a store. Raises AuthorizationError when there is nothing that opens it."""
    if stored.sealed is None or stored.store.external_id is None:
        raise AuthorizationError(NO_ACCESS)
    return Access(stored.store.ref, _unsealed(vault, stored.store.store_id, stored.sealed))


@dataclass(frozen=True, slots=True)
class _Remembered:
    access: Access
    grants: int
    known_at: datetime


@dataclass(frozen=True, slots=True)
class Tokens:
    """Gives access that the platform should accept.

    Rotating tokens make renewal delicate: the old pair dies with the first use of the new one, so whoever waited for
    its turn first looks whether somebody else has renewed meanwhile, and the new pair is durable before it is used.

    Access is remembered for seconds: many webhooks and parcels of one store ask Postgres once. Who renewed meanwhile is
    found out by the platform's refusal, as ever; who granted access anew, by the store that is asked for.
    """

    stores: Stores
    secrets: Secrets
    vault: Vault
    clock: Clock
    metrics: Metrics
    _remembered: dict[str, _Remembered] = field(default_factory=dict, repr=False)

    async def fresh(self, connector: Connector, store: Store) -> Access:
        """Access to a store, renewed first when it is due.

        Raises:
            AuthorizationError: the store has no access, or the platform refused to renew it.
            TransientError: the platform or the database is away.
        """
        access = self._recall(store) or await self._open(store)
        if not connector.refresh_due(access.secrets, now=self.clock.now()):
            return access
        return await self._renewed(connector, access)

    async def after_refusal(self, connector: Connector, access: Access) -> Access:
        """Other access than the one that the platform refused; raises like `fresh`."""
        return await self._renewed(connector, access)

    def _recall(self, store: Store) -> Access | None:
        held = self._remembered.get(store.store_id)
        if held is None or held.grants != store.grants or store.state != "linked":
            return None
        return held.access if timedelta() <= self.clock.now() - held.known_at < _REMEMBERED_FOR else None

    async def _open(self, store: Store) -> Access:
        known_at = self.clock.now()
        stored = await self.stores.open(store.store_id)
        if stored is None:
            raise AuthorizationError(NO_ACCESS)
        access = open_access(self.vault, stored)
        if len(self._remembered) >= _SIZE:
            self._remembered.clear()
        self._remembered[store.store_id] = _Remembered(access, stored.store.grants, known_at)
        return access

    async def _renewed(self, connector: Connector, access: Access) -> Access:
        store_id = access.store.store_id
        self._remembered.pop(store_id, None)
        async with self.secrets.turn(store_id) as turn:
            if turn.sealed is None:
                raise AuthorizationError(NO_ACCESS)
            present = Access(access.store, _unsealed(self.vault, store_id, turn.sealed))
            if present.secrets != access.secrets:
                return present
            renewed = await connector.refresh(present, now=self.clock.now())
            await turn.keep(seal_secrets(self.vault, store_id, renewed))
            # What another task read before this is of no use any more.
            self._remembered.pop(store_id, None)
        self.metrics.increment("syncorder_token_renewals_total", platform=access.store.platform)
        log.info("token.renewed", store_id=store_id, platform=access.store.platform)
        return Access(access.store, renewed)


def _unsealed(vault: Vault, store_id: str, sealed: bytes) -> dict[str, str]:
    try:
        secrets: dict[str, str] = orjson.loads(vault.unseal(sealed, context=_context(store_id)))
    except UnsealingError as error:
        log.exception("secrets.not_opened", store_id=store_id)
        raise AuthorizationError(NO_ACCESS) from error
    return secrets


def _context(store_id: str) -> str:
    return f"ingest.stores|{store_id}"
