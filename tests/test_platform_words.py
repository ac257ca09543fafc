"""No platform is named outside its own folders: a seventh one needs nothing but folders of its own.

What is said of platforms holds for those that orders are read from: the one that sellers give us orders for is our own.

Looked at is what runs, and what proves the whole: there a platform or two may be examples, but no file lists them.
Tests of single parts, and documents, may take any as an example.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from services.ingest.registry import slugs, slugs_read
from tests.deploy.manifests import ROOT

LOOKED_AT = ("services", "schemas", "deploy", "Makefile", ".ci")
PROOFS = ("tests/e2e", "tests/faults", "tests/bench")
#: So many platforms in one file are examples; more are a list, and a list can be found out.
EXAMPLES = 2
#: Made or fetched, not written.
LEFT_OUT = frozenset({"node_modules", "__pycache__", "secrets", "vendor"})

#: Where a platform may be named all the same, and why.
ALLOWED: Mapping[str, str] = {
    "services/kit/logs.py": "hides tokens by their form, in processes that know no platform too",
    "services/eligibility/erasures.py": "says where a number comes from",
    "deploy/sandbox/README.md": "describes each stand-in to people; nothing reads it",
    "deploy/kubernetes/base/ingest.yaml": "written by `python -m deploy.manifests`, from a template that names none",
    "deploy/kubernetes/components/hosts/ingest.yaml": "written by the same command",
}


def files(places: Sequence[str]) -> Iterator[Path]:
    for place in places:
        path = ROOT / place
        yield from sorted(path.rglob("*")) if path.is_dir() else [path]


def named_in(path: Path) -> list[str]:
    """The platforms that a file names."""
    try:
        text = path.read_text().lower()
    except UnicodeDecodeError:
        return []
    # Whole words and parts of names (`shop_client_id`), but no accidents inside words.
    return [slug for slug in slugs_read() if re.search(rf"(?<![a-z]){slug}(?![a-z])", text)]


def naming(places: Sequence[str]) -> dict[str, list[str]]:
    # What platforms say of each other in their own folders is held by the import contracts.
    left_out, found = LEFT_OUT | set(slugs()), {}
    for path in files(places):
        relative = path.relative_to(ROOT)
        if path.is_file() and not left_out & set(relative.parts) and (names := named_in(path)):
            found[relative.as_posix()] = names
    return found


@pytest.fixture(scope="module")
def found() -> dict[str, list[str]]:
    return naming(LOOKED_AT)


def test_no_platform_is_named_outside_its_folders(found: dict[str, list[str]]) -> None:
    assert {path: names for path, names in found.items() if path not in ALLOWED} == {}


def test_what_proves_the_whole_lists_no_platforms() -> None:
    assert {path: names for path, names in naming(PROOFS).items() if len(names) > EXAMPLES} == {}


def test_every_exception_is_still_one(found: dict[str, list[str]]) -> None:
    assert set(ALLOWED) - set(found) == set()


def test_a_name_is_found_wherever_it_stands(tmp_path: Path) -> None:
    slug = slugs_read()[0]
    (tmp_path / "some.py").write_text(f'IF = "{slug.upper()}_CLIENT_ID"')

    assert named_in(tmp_path / "some.py") == [slug]
