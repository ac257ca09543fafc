from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from deploy.local.kafka import archive
from deploy.local.kafka.broker import KafkaBroker
from deploy.local.kafka.jars import ARCHIVE_NAME


class Broker:
    """A broker whose JVM writes what it was told to, or is ended before it could."""

    started: int
    writes: bool

    def __init__(self, _directory: Path, *, jars: Path, preferred_port: int, java_flags: Sequence[str]) -> None:
        self._told = Path(java_flags[0].removeprefix("-XX:ArchiveClassesAtExit="))

    def start(self) -> None:
        type(self).started += 1

    def wait_ready(self) -> None: ...

    def stop(self) -> None:
        if self.writes:
            self._told.write_text("classes")


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> type[Broker]:
    class Fresh(Broker):
        started = 0
        writes = True

    monkeypatch.setattr(archive, "KafkaBroker", Fresh)
    return Fresh


def test_an_archive_is_made_once(tmp_path: Path, broker: type[Broker]) -> None:
    archive.ensure_archive(tmp_path)
    archive.ensure_archive(tmp_path)

    assert [path.name for path in tmp_path.glob("*.jsa")] == [ARCHIVE_NAME]
    assert broker.started == 1


def test_an_archive_that_was_not_written_is_made_the_next_time(tmp_path: Path, broker: type[Broker]) -> None:
    broker.writes = False
    archive.ensure_archive(tmp_path)
    left = list(tmp_path.glob("*.jsa"))
    broker.writes = True
    archive.ensure_archive(tmp_path)

    assert left == []
    assert (tmp_path / ARCHIVE_NAME).exists()


@pytest.mark.integration
@pytest.mark.parametrize("there", [False, True])
def test_a_broker_uses_the_archive_where_there_is_one(tmp_path: Path, *, there: bool) -> None:
    if there:
        (tmp_path / ARCHIVE_NAME).write_text("classes")

    argv = KafkaBroker(tmp_path / "kafka", jars=tmp_path, preferred_port=0)._java()

    assert (f"-XX:SharedArchiveFile={tmp_path / ARCHIVE_NAME}" in argv) == there
