"""The two forms in which budgets are counted, for tests that let several clients of one platform share one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from services.kit.clock import SystemClock
from services.kit.keys import ACCESS_MIGRATIONS, ACCESS_SCHEMA
from services.kit.limits import Limits, MemoryLimits, PostgresLimits
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool

FORMS = ("memory", "postgres")


@asynccontextmanager
async def counted_in(form: str, request: pytest.FixtureRequest) -> AsyncIterator[tuple[Limits, Limits]]:
    """The budgets as two processes see them: one memory, or one database by a pool each."""
    clock = SystemClock()
    if form == "memory":
        shared = MemoryLimits(clock)
        yield shared, shared
        return
    dsn = request.getfixturevalue("fresh_database")
    await migrate(dsn, schema=ACCESS_SCHEMA, directory=ACCESS_MIGRATIONS)
    pools = [await create_pool(dsn, schema=ACCESS_SCHEMA, max_size=8) for _ in range(2)]
    try:
        yield PostgresLimits(pools[0], clock), PostgresLimits(pools[1], clock)
    finally:
        for pool in pools:
            await pool.close()
