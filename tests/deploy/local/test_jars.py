from __future__ import annotations

from pathlib import Path

import pytest

from deploy.local.errors import LocalStackError
from deploy.local.kafka import jars


def test_the_list_names_every_jar_once_and_no_address() -> None:
    text = jars.CHECKSUMS.read_text()

    listed = jars.listed_checksums()

    assert len(listed) == len(text.splitlines())
    assert "kafka-server-4.3.1.jar" in listed
    assert "://" not in text


def test_a_jar_with_other_bytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch_a_forgery(directory: Path) -> None:
        (directory / "kafka-server-4.3.1.jar").write_bytes(b"not what was listed")

    monkeypatch.setattr(jars, "_fetch", fetch_a_forgery)

    with pytest.raises(LocalStackError, match="are not the listed ones"):
        jars.ensure_jars(tmp_path / "jars")

    assert not (tmp_path / "jars" / jars.STAMP_NAME).exists()


def test_checked_jars_are_not_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[Path] = []
    monkeypatch.setattr(jars, "_fetch", fetched.append)
    monkeypatch.setattr(jars, "_check", lambda _: None)

    jars.ensure_jars(tmp_path / "jars")
    jars.ensure_jars(tmp_path / "jars")

    assert fetched == [tmp_path / "jars"]
