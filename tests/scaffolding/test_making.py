"""What the scaffold makes works as it is: it passes every check of the project, and its own tests over HTTP."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.kit.errors import SettingsError
from services.scaffolding.making import TAKEN, scaffold
from tests.deploy.manifests import ROOT

SLUG = "seventh"
CODE = [
    f"services/ingest/platforms/{SLUG}",
    f"deploy/sandbox/{SLUG}",
    f"tests/ingest/platforms/{SLUG}",
    f"tests/deploy/sandbox/{SLUG}",
]
#: Large, or made anew where they are missing.
LEFT_OUT = shutil.ignore_patterns("node_modules", "__pycache__", ".git", "var", "secrets")


def copy_tree(to: Path) -> Path:
    for folder in ("services", "schemas", "deploy", "tests"):
        shutil.copytree(ROOT / folder, to / folder, ignore=LEFT_OUT)
    shutil.copy2(ROOT / "pyproject.toml", to)
    return to


def bare_tree(to: Path) -> Path:
    """The folders that a platform's folders stand in, and nothing else."""
    for folder in (*CODE, "tests/platforms/any"):
        (to / folder).parent.mkdir(parents=True, exist_ok=True)
    return to


def written(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def run(tree: Path, *command: str) -> str:
    """Run one of the project's tools in the tree, and give what it says when it objects."""
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    arguments = [sys.executable, "-m", *command]
    done = subprocess.run(
        arguments, cwd=tree, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = copy_tree(tmp_path_factory.mktemp("tree"))
    scaffold(SLUG, root=root)
    yield root
    shutil.rmtree(root)


def test_it_passes_the_linter_and_the_formatter(tree: Path) -> None:
    assert run(tree, "ruff", "check", "--no-cache", *CODE) == ""
    assert run(tree, "ruff", "format", "--no-cache", "--check", *CODE) == ""


def test_it_passes_the_type_checker(tree: Path) -> None:
    if (cache := ROOT / ".mypy_cache").is_dir():
        # What is known of everything else need not be found out again.
        shutil.copytree(cache, tree / ".mypy_cache")

    assert run(tree, "mypy", *CODE) == ""


def test_it_keeps_the_import_contracts(tree: Path) -> None:
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run([sys.executable, "-c", program], cwd=tree, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_its_own_tests_pass_over_http(tree: Path) -> None:
    """They link a store, list its orders through faults, and take a push, against its own sandbox."""
    tests = [folder for folder in CODE if folder.startswith("tests/")]

    assert run(tree, "pytest", "-q", "-p", "no:cacheprovider", *tests) == ""


@pytest.mark.parametrize("slug", ["ab", "zeta901234567890123456789012345"])
def test_any_length_of_slug_gives_formatted_lines(tmp_path: Path, slug: str) -> None:
    shutil.copy2(ROOT / "pyproject.toml", bare_tree(tmp_path))

    scaffold(slug, root=tmp_path)

    assert run(tmp_path, "ruff", "check", "--no-cache", "--select", "E501,W,I", "services", "deploy", "tests") == ""


@pytest.mark.parametrize("slug", ["", "a", "Seventh", "se-venth", "7th", "sev enth", "../x", "x" * 32, *TAKEN, "class"])
def test_a_malformed_or_taken_slug_is_refused_with_one_sentence(tmp_path: Path, slug: str) -> None:
    with pytest.raises(SettingsError) as refused:
        scaffold(slug, root=bare_tree(tmp_path))

    assert str(refused.value).endswith(".")
    assert written(tmp_path) == []


@pytest.mark.parametrize("name", ["\"'", "two\nlines", "x" * 32, "back\\slash", " "])
def test_a_name_that_would_break_a_sentence_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError):
        scaffold(SLUG, root=bare_tree(tmp_path), name=name)

    assert written(tmp_path) == []


@pytest.mark.parametrize("there", CODE)
def test_nothing_is_written_beside_a_folder_that_exists(tmp_path: Path, there: str) -> None:
    kept = bare_tree(tmp_path) / there / "kept.py"
    kept.parent.mkdir()
    kept.write_text("kept")

    with pytest.raises(SettingsError, match=f"{there} exists"):
        scaffold(SLUG, root=tmp_path)

    assert written(tmp_path) == [kept]
    assert kept.read_text() == "kept"


def test_another_directory_than_the_projects_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="not the project's directory"):
        scaffold(SLUG, root=tmp_path)
