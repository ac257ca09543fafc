from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.local.stack import REPOSITORY

BOOTSTRAP = REPOSITORY / "deploy" / "local" / "bootstrap"
BASICS = ("bash", "env", "sed", "tr")


def run_with_only(tools: dict[str, str], directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the script where only the basics and the given shell scripts are on the path."""
    for name in BASICS:
        (directory / name).symlink_to(shutil.which(name) or "")
    for name, script in {"id": "echo 1000", **tools}.items():
        (directory / name).write_text(f"#!/usr/bin/env bash\n{script}\n")
        (directory / name).chmod(0o755)
    return subprocess.run(
        [str(BOOTSTRAP), *arguments],
        env={"PATH": str(directory)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
    )


def test_what_is_missing_is_one_line_with_the_command(tmp_path: Path) -> None:
    done = run_with_only({}, tmp_path, "packages", "java", "maven", "npm", "chromium")

    [line] = done.stderr.splitlines()
    assert done.returncode == 1
    assert "sudo apt-get install openjdk-17-jre-headless maven nodejs npm chromium" in line


@pytest.mark.parametrize(
    ("version", "enough"), [("1.8.0_392", False), ("11.0.2", False), ("17.0.15", True), ("21", True)]
)
def test_java_is_old_below_17(tmp_path: Path, version: str, enough: bool) -> None:  # noqa: FBT001 - a table's column
    java = f"""echo 'openjdk version "{version}" 2025-04-15' >&2"""

    done = run_with_only({"java": java}, tmp_path, "packages", "java")

    assert (done.returncode == 0) is enough


def test_packages_are_installed_without_asking_where_that_is_allowed(tmp_path: Path) -> None:
    log = tmp_path / "calls"
    tools = {"apt-get": f'echo "$DEBIAN_FRONTEND $*" >>{log}', "id": "echo 0"}
    (tmp_path / "bin").mkdir()

    done = run_with_only(tools, tmp_path / "bin", "packages", "maven")

    assert done.returncode == 0
    assert log.read_text().splitlines() == [
        "noninteractive -qq update",
        "noninteractive -qq install -y --no-install-recommends maven",
    ]


def test_an_old_python_is_told_in_one_line(tmp_path: Path) -> None:
    done = run_with_only({"python3": "exit 1"}, tmp_path, "venv", str(tmp_path / "venv"))

    assert done.returncode == 1
    assert done.stderr == "Python 3.11 or later is missing: apt-get install python3 python3-venv\n"
