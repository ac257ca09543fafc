"""Messages wait in Postgres, beside the rows they tell of, until Kafka has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from services.ingest.adapters.postgres import SQL, Connection
from services.kit.kafka.publisher import Message
from services.kit.postgres.pool import translated_errors
from services.kit.postgres.sql import load_sql

_SQL = load_sql(SQL / "polls.sql")


async def put(connection: Connection, messages: Sequence[Message]) -> None:
    """Add `messages` to the outbox within the caller's transaction."""
    if messages:
        await connection.execute(_SQL.put_in_outbox, *message_columns(messages))


def message_columns(messages: Sequence[Message]) -> tuple[list[object], ...]:
    """Messages as `unnest` takes them."""
    return (
        [message.topic for message in messages],
        [message.key for message in messages],
        [message.value for message in messages],
    )


class PostgresOutbox:
    """`Outbox` in the table `outbox`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def relay(self, publish: Callable[[Sequence[Message]], Awaitable[None]], *, limit: int) -> int:
        """Publish within a transaction that forgets only what was acknowledged."""
        with translated_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                if not await connection.fetchval(_SQL.lock_outbox):
                    return 0
                rows = await connection.fetch(_SQL.oldest_in_outbox, limit)
                if not rows:
                    return 0
                await publish([Message(row["topic"], row["key"], row["value"]) for row in rows])
                await connection.execute(_SQL.take_from_outbox, [row["id"] for row in rows])
        return len(rows)
