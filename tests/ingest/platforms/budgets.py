"""Budgets that several clients of one platform share, in the two forms in which they are counted.

That both count alike is what `tests/contract/test_limits.py` says: here one is enough.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import pytest

from services.kit.clock import SystemClock
from services.kit.keys import ACCESS_MIGRATIONS, ACCESS_SCHEMA
from services.kit.limits import Limits, MemoryLimits, PostgresLimits
from services.kit.postgres.pool import create_pool


@asynccontextmanager
async def counted_in(
    form: Literal["memory", "postgres"], request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Limits, Limits]]:
    """The budgets as two processes see them: one memory, or one database by a pool each."""
    clock = SystemClock()
    if form == "memory":
        shared = MemoryLimits(clock)
        yield shared, shared
        return
    dsn = request.getfixturevalue("migrated_database")(ACCESS_SCHEMA, ACCESS_MIGRATIONS)
    pools = [await create_pool(dsn, schema=ACCESS_SCHEMA, max_size=8) for _ in range(2)]
    try:
        yield PostgresLimits(pools[0], clock), PostgresLimits(pools[1], clock)
    finally:
        for pool in pools:
            await pool.close()
