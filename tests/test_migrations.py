"""Migrations are safe to run beside a living system, and together they make the schema that stands beside them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.local.stack import REPOSITORY
from tests.schema_files import COMMAND, SCHEMAS, migrated

#: Rules of squawk that are left out, each for a reason.
LEFT_OUT = {
    "prefer-bigint-over-int": "they count within one order, session or partition",
    "prefer-bigint-over-smallint": "partitions are at most 1,000",
    "prefer-robust-stmts": "a file is one transaction, so none is ever half applied",
    "require-lock-timeout": "the runner sets it",
    "require-statement-timeout": "a migration takes the time that it takes; only its waiting for locks is bounded",
}


#: Findings that are right and harmless: file and rule, and why.
ACCEPTED = {
    ("services/ingest/migrations/0002_probes_and_grants.sql", "require-concurrent-index-creation"): "stores are few",
    (
        "services/ingest/migrations/0006_audits.sql",
        "require-concurrent-index-creation",
    ): "no release came before it, and it waits for no writer longer than the lock timeout",
    (
        "services/eligibility/migrations/0003_privacy.sql",
        "require-concurrent-index-creation",
    ): "no release came before it, so there is little to index yet",
    (
        "services/eligibility/migrations/0004_catalog_search.sql",
        "require-concurrent-index-creation",
    ): "the catalog is small: seconds for a hundred thousand variants",
    (
        "services/eligibility/migrations/0004_catalog_search.sql",
        "adding-field-with-default",
    ): "for the same reason; judging waits for it as long",
    (
        "services/reporting/migrations/0002_attention.sql",
        "require-concurrent-index-creation",
    ): "no release came before it, and the tables can be built again beside the ones in use",
    (
        "services/reporting/migrations/0003_completeness.sql",
        "require-concurrent-index-creation",
    ): "no release came before it, and the tables can be built again beside the ones in use",
    (
        "services/reporting/migrations/0004_tracking.sql",
        "require-concurrent-index-creation",
    ): "for the same reasons",
}
_FINDING = re.compile(r"^(?P<file>[^:]+):\d+:\d+: \w+: (?P<rule>[a-z-]+) ", re.MULTILINE)


def test_no_migration_locks_or_breaks_what_is_in_use() -> None:
    files = sorted(str(path.relative_to(REPOSITORY)) for path in REPOSITORY.glob("services/*/migrations/*.sql"))
    squawk = [str(Path(sys.executable).with_name("squawk")), "--reporter=gcc", "--assume-in-transaction"]
    options = ["--pg-version=14", f"--exclude={','.join(LEFT_OUT)}"]

    done = subprocess.run([*squawk, *options, *files], cwd=REPOSITORY, capture_output=True, text=True, check=False)

    found = {(each["file"], each["rule"]) for each in _FINDING.finditer(done.stdout)}
    assert len(files) >= len(SCHEMAS)
    assert found <= ACCEPTED.keys(), done.stdout
    assert bool(found) == bool(done.returncode), done.stderr


@pytest.mark.integration
@pytest.mark.parametrize("schema", SCHEMAS)
async def test_all_migrations_together_equal_the_schema_beside_them(schema: str, fresh_database: str) -> None:
    kept = (SCHEMAS[schema] / "schema.sql").read_text(encoding="utf-8")

    made = await migrated(fresh_database, schema)

    assert made.rstrip() + "\n" == kept, f"run {COMMAND}"
