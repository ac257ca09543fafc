"""What the report's tables hold, as text that can be compared."""

from __future__ import annotations

import asyncpg

from services.reporting.adapters.postgres import SCHEMA

#: All but the positions, which say how the rows came and not what they are.
TABLES = ("sellers", "stores", "sessions", "session_orders", "orders", "timeline", "audits", "completeness", "parcels")


async def dump(dsn: str, *, schema: str = SCHEMA) -> dict[str, list[str]]:
    """Every row of every table, in one order."""
    connection = await asyncpg.connect(dsn)
    try:
        return {
            table: [
                row["text"]
                for row in await connection.fetch(f"SELECT kept::text AS text FROM {schema}.{table} AS kept ORDER BY 1")
            ]
            for table in TABLES
        }
    finally:
        await connection.close()
