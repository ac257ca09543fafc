"""Stores, their secrets and their sellers' authorizations in Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

import asyncpg
from pydantic import TypeAdapter

from schemas.stores import Capability, StoreSettings
from services.ingest.adapters.postgres import SQL, Connection
from services.ingest.adapters.postgres.outbox import put
from services.ingest.ports import AlreadyLinked, Authorization, StoredAccess
from services.ingest.stores.store import Store, announcements, news
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql

_SQL = load_sql(SQL / "stores.sql")
_CAPABILITIES: TypeAdapter[tuple[Capability, ...]] = TypeAdapter(tuple[Capability, ...])


class PostgresStores:
    """`Stores` in the tables `stores` and `store_secrets`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def add(self, store: Store) -> None:
        """Keep a new store and its row in the due-table."""
        try:
            with translated_errors():
                async with self._pool.acquire() as connection, connection.transaction():
                    await connection.execute(_SQL.insert_store, *_values(store))
                    await connection.execute(_SQL.insert_poll, store.store_id)
                    await put(connection, announcements(store))
        except asyncpg.UniqueViolationError as error:
            raise AlreadyLinked(store.store_id) from error

    async def get(self, store_id: str) -> Store | None:
        """One store."""
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.get_store, store_id)
        return store_of(row) if row else None

    async def find(self, seller_id: str, *, platform: str, external_id: str) -> Store | None:
        """By the unique index over the three."""
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.find_store, seller_id, platform, external_id)
        return store_of(row) if row else None

    async def of_platform(self, platform: str, external_id: str) -> list[Store]:
        """By the index over both."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.stores_of_platform, platform, external_id)
        return [store_of(row) for row in rows]

    async def page(self, seller_id: str, *, after: str | None, limit: int) -> list[Store]:
        """By the index over seller and id."""
        with translated_errors():
            rows = await self._pool.fetch(_SQL.page_of_stores, seller_id, after or "", limit)
        return [store_of(row) for row in rows]

    async def open(self, store_id: str) -> StoredAccess | None:
        """Both in one statement."""
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.open_store, store_id)
        return StoredAccess(store_of(row), row["sealed"]) if row else None

    async def change(
        self, store_id: str, change: Callable[[Store], Store], *, secrets: bytes | None = None, erase: bool = False
    ) -> Store | None:
        """Change under the row's lock and announce in the same transaction."""
        try:
            with translated_errors():
                async with self._pool.acquire() as connection, connection.transaction():
                    row = await connection.fetchrow(_SQL.lock_store, store_id)
                    if row is None:
                        return None
                    store = store_of(row)
                    changed = change(store)
                    if changed != store:
                        await connection.execute(_SQL.update_store, *_changeable(changed))
                        await put(connection, news(store, changed))
                    if erase:
                        await connection.execute(_SQL.erase_secrets, store_id)
                    elif secrets is not None:
                        await connection.execute(_SQL.keep_secrets, store_id, secrets)
        except asyncpg.UniqueViolationError as error:
            raise AlreadyLinked(store_id) from error
        return changed

    async def drop_pending(self, store_id: str) -> None:
        """Only while it is pending."""
        with translated_errors():
            await self._pool.execute(_SQL.drop_pending_store, store_id)


class _Turn:
    def __init__(self, connection: Connection, store_id: str, sealed: bytes | None) -> None:
        self._connection = connection
        self._store_id = store_id
        self.sealed = sealed

    async def keep(self, sealed: bytes) -> None:
        """Within the turn's transaction."""
        await self._connection.execute(_SQL.replace_secrets, self._store_id, sealed)


class PostgresSecrets:
    """`Secrets` by a row lock, which ends with its holder's connection, however its process ends."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    @asynccontextmanager
    async def turn(self, store_id: str) -> AsyncIterator[_Turn]:
        """Hold the row's lock for as long as the block lasts."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                sealed = await connection.fetchval(_SQL.take_turn, store_id)
                yield _Turn(connection, store_id, sealed)


class PostgresAuthorizations:
    """`Authorizations` in the table of that name."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def add(self, authorization: Authorization) -> None:
        """Keep one."""
        with translated_errors():
            await self._pool.execute(
                _SQL.insert_authorization,
                authorization.state_digest,
                authorization.store_id,
                authorization.platform,
                authorization.memory,
                authorization.expires_at,
            )

    async def take(self, state_digest: bytes, *, now: datetime) -> Authorization | None:
        """Deleting decides who gets it."""
        with translated_errors():
            row = await self._pool.fetchrow(_SQL.take_authorization, state_digest, now)
        return Authorization(**row) if row else None

    async def forget_expired(self, *, now: datetime) -> None:
        """All at once."""
        with translated_errors():
            await self._pool.execute(_SQL.forget_expired_authorizations, now)


#: The settings that have columns of their own.
_COLUMNS = {"auto_sync", "paid_only"}


def _settings(row: asyncpg.Record) -> StoreSettings:
    columns = {name: row[name] for name in _COLUMNS}
    return StoreSettings.model_validate_json(row["tracking"]).model_copy(update=columns)


def store_of(row: asyncpg.Record) -> Store:
    """The store in a row that has all of its columns."""
    return Store(
        store_id=row["store_id"],
        seller_id=row["seller_id"],
        platform=row["platform"],
        name=row["name"],
        state=row["state"],
        settings=_settings(row),
        import_since=row["import_since"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        external_id=row["external_id"],
        currency=row["currency"],
        time_zone=row["time_zone"],
        problem=row["problem"],
        push_problem=row["push_problem"],
        subscriptions=tuple(row["subscriptions"]),
        subscribed_to=row["subscribed_to"],
        subscribed_at=row["subscribed_at"],
        linked_at=row["linked_at"],
        access_ends_at=row["access_ends_at"],
        capabilities=_CAPABILITIES.validate_json(row["capabilities"]),
        probed_at=row["probed_at"],
        grants=row["grants"],
    )


def _values(store: Store) -> tuple[object, ...]:
    return (
        store.store_id,
        store.seller_id,
        store.platform,
        *(store.external_id, store.name, store.currency, store.time_zone, store.state),
        *(store.problem, store.push_problem, store.settings.auto_sync, store.settings.paid_only),
        *(list(store.subscriptions), store.subscribed_to, store.subscribed_at),
        *(store.import_since, store.linked_at, store.access_ends_at),
        *(_CAPABILITIES.dump_json(store.capabilities).decode(), store.probed_at, store.grants),
        store.settings.model_dump_json(exclude=_COLUMNS),
        *(store.created_at, store.changed_at),
    )


def _changeable(store: Store) -> tuple[object, ...]:
    identity, created_at = 3, -2
    values = _values(store)
    return (store.store_id, *values[identity:created_at], values[-1])
