"""Ingest's ports over its own Postgres schema."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import asyncpg

_INGEST = Path(__file__).parents[2]

#: The schema that ingest owns, and its migrations.
SCHEMA = "ingest"
MIGRATIONS = _INGEST / "migrations"
SQL = _INGEST / "sql"

#: A connection in or out of a pool: only the library's own types tell them apart.
Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
