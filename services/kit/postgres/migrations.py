"""Numbered plain SQL files bring a schema up to date, once each, however many processes start at once."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from services.kit.errors import SettingsError
from services.kit.postgres.pool import CONNECT_TIMEOUT, translated_errors

_FILE_NAME = re.compile(r"(?P<number>\d{4})_[a-z0-9_]+\.sql")
#: A migration may wait for the rows it locks, but not hold up the whole system behind it.
_LOCK_TIMEOUT = "10s"


class MigrationError(SettingsError):
    """The files and the database disagree; the text says which file and what to do."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: its number, name, text, and the SHA-256 by which a later change is noticed."""

    number: int
    name: str
    sql: str
    checksum: str


async def migrate(dsn: str, *, schema: str, directory: Path) -> list[str]:
    """Apply to `schema` what `directory` has beyond it, one transaction a file; return the names applied.

    Raises:
        MigrationError: a file was changed, renumbered or removed after it was applied.
        TransientError: the database cannot be reached, or a lock could not be had.
    """
    migrations = read_migrations(directory)
    with translated_errors():
        connection = await asyncpg.connect(dsn, timeout=CONNECT_TIMEOUT.total_seconds())
        try:
            # Held by the session, so that every other process waits here until the schema is ready.
            await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))", f"migrate {schema}")
            await _prepare(connection, schema)
            pending = _pending(migrations, await _applied(connection))
            for migration in pending:
                await _apply(connection, migration)
        finally:
            await connection.close()
    return [migration.name for migration in pending]


def read_migrations(directory: Path) -> list[Migration]:
    """The files of `directory`, numbered 0001, 0002, … without a gap."""
    migrations = [_read(path) for path in sorted(directory.glob("*.sql"))]
    for expected, migration in enumerate(migrations, start=1):
        if migration.number != expected:
            raise MigrationError(f"{directory.name}/{migration.name} should have the number {expected:04d}.")
    return migrations


def _read(path: Path) -> Migration:
    named = _FILE_NAME.fullmatch(path.name)
    if named is None:
        raise MigrationError(f"{path.name} is not named like 0001_what_it_adds.sql.")
    text = path.read_text(encoding="utf-8")
    return Migration(int(named["number"]), path.name, text, hashlib.sha256(text.encode()).hexdigest())


async def _prepare(connection: asyncpg.Connection, schema: str) -> None:
    name = await connection.fetchval("SELECT quote_ident($1)", schema)
    await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name}")
    await connection.execute("SELECT set_config('search_path', $1, false)", schema)
    await connection.execute("SELECT set_config('lock_timeout', $1, false)", _LOCK_TIMEOUT)
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations ("
        " number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now())"
    )


async def _applied(connection: asyncpg.Connection) -> dict[int, tuple[str, str]]:
    rows = await connection.fetch("SELECT number, name, checksum FROM migrations ORDER BY number")
    return {row["number"]: (row["name"], row["checksum"]) for row in rows}


def _pending(migrations: list[Migration], applied: dict[int, tuple[str, str]]) -> list[Migration]:
    by_number = {migration.number: migration for migration in migrations}
    for number, (name, checksum) in applied.items():
        migration = by_number.get(number)
        if migration is None:
            raise MigrationError(f"The database already has {name}: it is newer than this program.")
        if migration.checksum != checksum:
            raise MigrationError(f"{migration.name} was changed after it was applied; add a new file instead.")
    return [migration for migration in migrations if migration.number not in applied]


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            migration.checksum,
        )
