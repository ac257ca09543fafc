"""Kafka's jars: fetched once through Maven, every byte checked against the list in the repository."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from deploy.local.errors import LocalStackError

HERE = Path(__file__).parent
POM = HERE / "pom.xml"
CHECKSUMS = HERE / "jars.sha256"
STAMP_NAME = "checked"
#: Beside the jars, where it was made: see `archive.py`.
ARCHIVE_NAME = "classes.jsa"
FETCH_TIMEOUT = 600.0  # seconds: 54 MB over a slow line


def ensure_jars(directory: Path) -> Path:
    """Make `directory` hold exactly the listed jars; does nothing when a stamp says that it was done.

    Raises:
        LocalStackError: Maven is missing or failed, or a jar differs from its checksum.
    """
    stamp = directory / STAMP_NAME
    wanted = _fingerprint()
    if stamp.exists() and stamp.read_text() == wanted:
        return directory
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    _fetch(directory)
    _check(directory)
    stamp.write_text(wanted)
    return directory


def class_path(directory: Path) -> str:
    """What `java -cp` takes."""
    return f"{directory.resolve()}/*"


def listed_checksums() -> dict[str, str]:
    """Jar name to SHA-256, as the repository lists them."""
    pairs = (line.split() for line in CHECKSUMS.read_text().splitlines() if line)
    return {name: digest for digest, name in pairs}


def _fetch(directory: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise LocalStackError("Maven is missing, it fetches Kafka: apt-get install maven")
    argv = [maven, "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", "-DincludeScope=runtime"]
    argv.append(f"-DoutputDirectory={directory.resolve()}")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=FETCH_TIMEOUT, check=False)
    if done.returncode != 0:
        raise LocalStackError(f"Maven could not fetch Kafka's jars: {_first_error(done.stdout)}")


def _first_error(output: str) -> str:
    return next((line for line in output.splitlines() if "ERROR" in line), "no reason given")


def _check(directory: Path) -> None:
    found = {jar.name: hashlib.sha256(jar.read_bytes()).hexdigest() for jar in directory.glob("*.jar")}
    wanted = listed_checksums()
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        raise LocalStackError(
            f"{len(wrong)} of Kafka's jars are not the listed ones, first {wrong[0]}: nothing was started"
        )


def _fingerprint() -> str:
    return hashlib.sha256(POM.read_bytes() + CHECKSUMS.read_bytes()).hexdigest()
