"""Links stores: by credentials at once, or by sending the seller to the platform and back; and lets them go again."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import orjson
import structlog

from schemas.ids import SellerId, StoreId
from schemas.stores import StoreSettings
from services.ingest.contract.connector import Connector
from services.ingest.contract.stores import Access, Grant, LinkingRefused
from services.ingest.ports import AlreadyLinked, Authorization, Authorizations, Polls, Stores
from services.ingest.stores.probing import Probing
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import Tokens, seal_secrets
from services.ingest.webhooks.subscriptions import Subscriptions
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.vault import UnsealingError, Vault

log = structlog.get_logger()

#: How long a seller may take on the platform's own pages.
AUTHORIZATION_LASTS = timedelta(minutes=15)
_STATE_BYTES = 32

STALE_LINK = "This link was used before, or it is older than 15 minutes. Start linking the store again."
OTHER_STORE = "You granted access to another store than the one you wanted to connect again. Link it as a new store."


@dataclass(frozen=True, slots=True)
class NewStore:
    """What a seller says when linking a store."""

    seller_id: str
    platform: str
    name: str
    import_since: datetime | None
    settings: StoreSettings


@dataclass(frozen=True, slots=True)
class Started:
    """Where the seller grants access, and until when."""

    url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Linking:
    """Links and unlinks. `reachable_at` is our own address, as sellers' browsers know it."""

    connectors: Mapping[str, Connector]
    stores: Stores
    polls: Polls
    authorizations: Authorizations
    tokens: Tokens
    subscriptions: Subscriptions
    probing: Probing
    vault: Vault
    clock: Clock
    reachable_at: str

    async def add_pending(self, new: NewStore) -> Store:
        """Keep a store that waits for the seller's grant."""
        store = _fresh(new, now=self.clock.now())
        await self.stores.add(store)
        return store

    async def link_with_credentials(self, new: NewStore, credentials: Mapping[str, str]) -> Store:
        """Prove what the seller pasted against the platform, and link.

        Raises:
            LinkingRefused: the platform does not take it, or the input is unusable.
            TransientError: the platform is away.
        """
        connector = self.connectors[new.platform]
        try:
            grant = await connector.link_with_credentials(credentials, now=self.clock.now())
        except AuthorizationError as error:
            raise LinkingRefused(f"{connector.name} does not accept these credentials.") from error
        pending = await self.add_pending(new)
        return await self._adopt(pending, connector, grant)

    async def start(self, store: Store, request: Mapping[str, str]) -> Started:
        """Begin an authorization: where to send the seller. Raises LinkingRefused for unusable input."""
        connector, now = self.connectors[store.platform], self.clock.now()
        state = secrets.token_urlsafe(_STATE_BYTES)
        start = connector.start_authorization(
            request, state=state, callback_url=self._callback_url(store.platform), now=now
        )
        digest = _digest(state)
        expires_at = now + AUTHORIZATION_LASTS
        memory = self.vault.seal(orjson.dumps(dict(start.memory)), context=_context(digest))
        await self.authorizations.add(Authorization(digest, store.store_id, store.platform, memory, expires_at))
        return Started(start.url, expires_at)

    async def complete(self, platform: str, callback: Mapping[str, str]) -> Store:
        """End an authorization with the query that the seller's browser brought back.

        Raises:
            LinkingRefused: the state is not one of ours, or the platform or the seller said no; the text says more.
            TransientError: the platform or Postgres is away.
        """
        connector, now = self.connectors[platform], self.clock.now()
        digest = _digest(connector.read_state(callback))
        held = await self.authorizations.take(digest, now=now)
        if held is None or held.platform != platform:
            raise LinkingRefused(STALE_LINK)
        store = await self.stores.get(held.store_id)
        if store is None:
            raise LinkingRefused(STALE_LINK)
        try:
            memory = orjson.loads(self.vault.unseal(held.memory, context=_context(digest)))
            grant = await connector.complete_authorization(
                callback, memory=memory, callback_url=self._callback_url(platform), now=now
            )
        except UnsealingError as error:
            raise LinkingRefused(STALE_LINK) from error
        except AuthorizationError as error:
            raise LinkingRefused(f"{connector.name} did not grant access. Start linking the store again.") from error
        return await self._adopt(store, connector, grant)

    async def unlink(self, store: Store) -> Store:
        """Take subscriptions, secrets and a poll under way; orders, sessions and the cursor stay."""
        stored = await self.stores.open(store.store_id)
        if stored is not None and stored.sealed is not None:
            await self._unsubscribe(self.connectors[store.platform], store)
        now = self.clock.now()
        unlinked = await self.stores.change(store.store_id, lambda held: held.unlinked(now=now), erase=True)
        await self.polls.cancel(store.store_id, now=now)
        log.info("store.unlinked", store_id=store.store_id, platform=store.platform)
        return unlinked or store

    async def _unsubscribe(self, connector: Connector, store: Store) -> None:
        try:
            await connector.unsubscribe(await self.tokens.fresh(connector, store))
        except (TransientError, AuthorizationError) as error:
            # Whatever still arrives finds no store; the platform gives up by itself.
            log.warning("subscription.left", store_id=store.store_id, problem=str(error))

    async def _adopt(self, wanted: Store, connector: Connector, grant: Grant) -> Store:
        """Give the grant to the store it is for: the one that the seller knows by this id, else the wanted one."""
        target = await self._target(wanted, grant)
        try:
            linked = await self._give(target, grant)
        except AlreadyLinked:
            # The same shop was linked twice at the same moment; the other one was faster.
            linked = await self._give(await self._target(wanted, grant), grant)
        if linked.store_id != wanted.store_id:
            await self.stores.drop_pending(wanted.store_id)
        log.info("store.linked", store_id=linked.store_id, platform=linked.platform)
        access = Access(linked.ref, grant.secrets)
        await self.subscriptions.ensure(linked, connector, access)
        await self.probing.ensure(linked, connector, access)
        return await self.stores.get(linked.store_id) or linked

    async def _target(self, wanted: Store, grant: Grant) -> Store:
        known = await self.stores.find(wanted.seller_id, platform=wanted.platform, external_id=grant.external_id)
        if wanted.external_id is not None and (known is None or known.store_id != wanted.store_id):
            raise LinkingRefused(OTHER_STORE)
        return known or wanted

    async def _give(self, store: Store, grant: Grant) -> Store:
        sealed, now = seal_secrets(self.vault, store.store_id, grant.secrets), self.clock.now()
        # Before it is linked, or a kill in between would leave it to rest as it was to rest before.
        await self.polls.hurry(store.store_id, now=now, because="it was connected again")
        linked = await self.stores.change(store.store_id, lambda held: held.linked(grant, now=now), secrets=sealed)
        if linked is None:
            raise LinkingRefused(STALE_LINK)
        return linked

    def _callback_url(self, platform: str) -> str:
        return f"{self.reachable_at}/oauth/{platform}/callback"


def read_callback(body: bytes) -> dict[str, str]:
    """Return what a platform posted to the callback address. Raises LinkingRefused when it is no JSON object."""
    try:
        posted = orjson.loads(body)
    except orjson.JSONDecodeError:
        posted = None
    if not isinstance(posted, dict):
        raise LinkingRefused("What the platform sent is not a JSON object.")
    return {str(name): value if isinstance(value, str) else str(value) for name, value in posted.items()}


def renamed(store: Store, *, name: str | None, settings: Mapping[str, bool], now: datetime) -> Store:
    """The store with what the seller changed; None and absent settings stay."""
    return replace(
        store,
        name=name if name is not None else store.name,
        settings=store.settings.model_copy(update=dict(settings)),
        changed_at=now,
    )


def _fresh(new: NewStore, *, now: datetime) -> Store:
    return Store(
        store_id=StoreId(secrets.token_hex(8)),
        seller_id=SellerId(new.seller_id),
        platform=new.platform,
        name=new.name,
        state="pending",
        settings=new.settings,
        # Platforms tell change times in whole seconds: what changes later in this second bears its beginning.
        import_since=new.import_since or now.replace(microsecond=0),
        created_at=now,
        changed_at=now,
    )


def _digest(state: str) -> bytes:
    return hashlib.sha256(state.encode()).digest()


def _context(digest: bytes) -> str:
    return f"ingest.authorizations|{digest.hex()}"
