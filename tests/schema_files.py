"""`python -m tests.schema_files` writes what each Postgres schema's migrations make together into its `schema.sql`.

For readers, who want the tables as they are rather than how they came to be; a test keeps the files true.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from deploy.local.postgres import PostgresServer, _binaries
from deploy.local.stack import REPOSITORY, VAR, running
from deploy.local.throwaway import throwaway_directory
from services.kit.postgres.migrations import migrate

#: Each schema and the folder whose `migrations` make it.
SCHEMAS: Mapping[str, Path] = {
    "access": REPOSITORY / "services" / "kit",
    "ingest": REPOSITORY / "services" / "ingest",
    "eligibility": REPOSITORY / "services" / "eligibility",
    "reporting": REPOSITORY / "services" / "reporting",
}
COMMAND = "python -m tests.schema_files"

_HEAD = f"-- What the migrations beside this file make together; written by `{COMMAND}`, never run.\n\n"
#: What pg_dump says about itself and the session rather than about the schema.
_NOISE = re.compile(r"^(--.*|SET .*|SELECT pg_catalog\.set_config.*|\\(un)?restrict .*|)$")


async def migrated(dsn: str, schema: str) -> str:
    """Migrate an empty database and return its schema as SQL."""
    await migrate(dsn, schema=schema, directory=SCHEMAS[schema] / "migrations")
    dump = [str(_binaries() / "pg_dump"), "--schema-only", "--no-owner", "--no-privileges", f"--schema={schema}", dsn]
    done = await asyncio.to_thread(subprocess.run, dump, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if not _NOISE.fullmatch(line)]
    return _HEAD + "\n".join(line + "\n" if line.endswith(";") else line for line in lines)


def main() -> None:
    """Write the files."""
    with throwaway_directory(VAR / "schema-files") as directory:
        server = PostgresServer(directory / "postgres", preferred_port=0)
        with running(server):
            for schema, folder in SCHEMAS.items():
                text = asyncio.run(migrated(server.url, schema))
                (folder / "schema.sql").write_text(text.rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
