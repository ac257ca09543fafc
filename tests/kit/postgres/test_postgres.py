from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import asyncpg
import orjson
import pytest

from services.kit.errors import TransientError
from services.kit.postgres.migrations import MigrationError, migrate, read_migrations
from services.kit.postgres.pool import create_pool, translated_errors

pytestmark = pytest.mark.integration


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "0001_things.sql").write_text("CREATE TABLE things (id integer PRIMARY KEY, said jsonb);")
    (tmp_path / "0002_names.sql").write_text("ALTER TABLE things ADD name text; CREATE INDEX ON things (name);")
    return tmp_path


async def test_migrations_are_applied_once_each(fresh_database: str, directory: Path) -> None:
    first = await migrate(fresh_database, schema="facts", directory=directory)
    (directory / "0003_more.sql").write_text("CREATE TABLE more (id integer);")
    second = await migrate(fresh_database, schema="facts", directory=directory)
    third = await migrate(fresh_database, schema="facts", directory=directory)

    assert first == ["0001_things.sql", "0002_names.sql"]
    assert second == ["0003_more.sql"]
    assert third == []


async def test_processes_that_start_together_apply_each_file_once(fresh_database: str, directory: Path) -> None:
    applied = await asyncio.gather(*(migrate(fresh_database, schema="facts", directory=directory) for _ in range(5)))

    assert sorted(map(len, applied)) == [0, 0, 0, 0, 2]


async def test_a_changed_file_is_refused_by_its_name(fresh_database: str, directory: Path) -> None:
    await migrate(fresh_database, schema="facts", directory=directory)
    (directory / "0001_things.sql").write_text("CREATE TABLE things (id bigint);")

    with pytest.raises(MigrationError, match=r"0001_things\.sql was changed"):
        await migrate(fresh_database, schema="facts", directory=directory)


async def test_a_database_newer_than_the_program_is_refused(fresh_database: str, directory: Path) -> None:
    await migrate(fresh_database, schema="facts", directory=directory)
    (directory / "0002_names.sql").unlink()

    with pytest.raises(MigrationError, match="newer than this program"):
        await migrate(fresh_database, schema="facts", directory=directory)


async def test_a_file_that_fails_leaves_nothing_behind(fresh_database: str, directory: Path) -> None:
    (directory / "0003_broken.sql").write_text("CREATE TABLE half (id integer); SELECT nonsense;")

    with pytest.raises(asyncpg.UndefinedColumnError):
        await migrate(fresh_database, schema="facts", directory=directory)
    (directory / "0003_broken.sql").write_text("CREATE TABLE half (id integer);")

    assert await migrate(fresh_database, schema="facts", directory=directory) == ["0003_broken.sql"]


@pytest.mark.parametrize("name", ["0003_gap.sql", "2_short.sql", "0002-dash.sql"])
def test_a_misnumbered_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("SELECT 1;")

    with pytest.raises(MigrationError):
        read_migrations(tmp_path)


async def test_a_pool_sees_its_schema_and_passes_json_through(fresh_database: str, directory: Path) -> None:
    await migrate(fresh_database, schema="facts", directory=directory)
    pool = await create_pool(fresh_database, schema="facts")

    await pool.execute(
        "INSERT INTO things (id, said) SELECT * FROM unnest($1::integer[], $2::jsonb[])",
        [1, 2],
        [b'{"a": [1, "\xc3\xa9"]}', '{"b": null}'],
    )
    said = await pool.fetchval("SELECT said FROM things WHERE id = 1")
    jit = await pool.fetchval("SHOW jit")
    await pool.close()

    assert isinstance(said, bytes)
    assert orjson.loads(said) == {"a": [1, "é"]}
    assert jit == "off"


async def test_a_database_that_is_away_is_transient() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

    with pytest.raises(TransientError):
        await create_pool(f"postgresql://nobody@127.0.0.1:{port}/none", schema="facts")


async def test_a_connection_that_is_cut_is_transient_and_the_pool_goes_on(fresh_database: str) -> None:
    pool = await create_pool(fresh_database, schema="public", min_size=2, max_size=2)

    with pytest.raises(TransientError):  # noqa: PT012 - the cut happens while the connection is held
        async with pool.acquire() as held:
            own = await held.fetchval("SELECT pg_backend_pid()")
            await pool.fetchval("SELECT pg_terminate_backend($1)", own)
            with translated_errors():
                await held.fetchval("SELECT 1")
    again = await pool.fetchval("SELECT 1")
    await pool.close()

    assert again == 1


async def test_a_statement_that_takes_too_long_is_transient(fresh_database: str) -> None:
    pool = await create_pool(fresh_database, schema="public")

    async with pool.acquire() as connection:
        await connection.execute("SET statement_timeout = '50ms'")
        with pytest.raises(TransientError), translated_errors():
            await connection.execute("SELECT pg_sleep(5)")
    await pool.close()


async def test_a_mistake_of_ours_is_no_transient_error(fresh_database: str) -> None:
    pool = await create_pool(fresh_database, schema="public")

    with pytest.raises(asyncpg.InterfaceError), translated_errors():
        await pool.fetchval("SELECT $1::text")
    with pytest.raises(asyncpg.UndefinedTableError), translated_errors():
        await pool.fetchval("SELECT * FROM nowhere")
    await pool.close()
