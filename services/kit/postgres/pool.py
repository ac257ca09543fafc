"""A pool whose connections see one schema, stop runaway statements, and fail in our own words.

`json` and `jsonb` columns take `str` or `bytes` and give back `bytes`: they pass through unparsed, so whoever owns the
column parses once (`orjson.loads`, `Model.model_validate_json`), and no text is decoded on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import asyncpg

from services.kit.errors import TransientError

STATEMENT_TIMEOUT = timedelta(seconds=30)
#: A transaction left open holds locks and keeps dead rows alive.
IDLE_IN_TRANSACTION_TIMEOUT = timedelta(seconds=60)
CONNECT_TIMEOUT = timedelta(seconds=5)

_JSONB_VERSION = b"\x01"

#: What goes away by waiting: the server is gone, starting, full, or chose us to break a deadlock.
_PASSING = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    # "cannot switch to state …": seen when the server is killed while a transaction is being ended.
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


#: How asyncpg's one class for misuse words that the connection went away under us.
_GONE = ("closed", "closing", "released back to the pool")


async def create_pool(dsn: str, *, schema: str, min_size: int = 1, max_size: int = 10) -> asyncpg.Pool:
    """Open a pool whose unqualified names are looked up in `schema` alone.

    Raises:
        TransientError: the database cannot be reached now.
    """
    with translated_errors():
        pool = await asyncpg.create_pool(
            dsn,
            min_size=min_size,
            max_size=max_size,
            init=_pass_json_through,
            reset=_keep_session,
            timeout=CONNECT_TIMEOUT.total_seconds(),
            server_settings={
                "search_path": schema,
                "application_name": f"sync-order {schema}",
                "statement_timeout": str(int(STATEMENT_TIMEOUT.total_seconds() * 1000)),
                "idle_in_transaction_session_timeout": str(int(IDLE_IN_TRANSACTION_TIMEOUT.total_seconds() * 1000)),
                # Compiling costs more than it saves on statements that take milliseconds.
                "jit": "off",
            },
        )
    if pool is None:  # only inside asyncpg's own `async with` form
        raise TransientError("the database pool did not open")
    return pool


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what passes by itself (server away, deadlock, lock or statement timeout) into `TransientError`.

    Wrap whole transactions: after a TransientError nothing of the block may be assumed done or undone.
    """
    try:
        yield
    except _PASSING as error:
        raise TransientError(f"postgres: {type(error).__name__}") from error
    except asyncpg.InterfaceError as error:
        if not any(sign in str(error) for sign in _GONE):
            raise
        raise TransientError("postgres: connection closed") from error


async def _keep_session(_: asyncpg.Connection) -> None:
    """Leave the session as it is when its connection comes back, instead of asking the server to reset it.

    That would be a second round trip for every statement. Nothing of ours outlives a transaction: locks are the
    transaction's, settings are the pool's; what listens takes its listener away. Open transactions are rolled back
    before this.
    """


async def _pass_json_through(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", format="binary", encoder=_to_jsonb, decoder=_from_jsonb
    )
    await connection.set_type_codec("json", schema="pg_catalog", format="binary", encoder=_to_bytes, decoder=bytes)


def _to_jsonb(value: str | bytes) -> bytes:
    return _JSONB_VERSION + _to_bytes(value)


def _from_jsonb(value: bytes) -> bytes:
    return bytes(value[1:])


def _to_bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)
