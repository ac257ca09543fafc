from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import psutil
import pytest

from deploy.local.background import Running, bring_down, bring_up, find
from deploy.local.errors import LocalStackError
from deploy.local.lock import directory_lock

pytestmark = pytest.mark.integration


def test_what_a_killed_owner_said_is_not_believed(tmp_path: Path) -> None:
    dead = Running(pid=2**22 + 1, kafka_bootstrap_servers="127.0.0.1:1", database_url="", services={})
    (tmp_path / "state.json").write_text(json.dumps(asdict(dead)))

    with directory_lock(tmp_path):
        found = find(tmp_path)

    assert found is None


def test_up_twice_is_one_and_down_takes_everything_with_it(tmp_path: Path) -> None:
    first = bring_up(tmp_path, with_services=False)
    try:
        family = [holder := psutil.Process(first.pid), *holder.children(recursive=True)]

        second = bring_up(tmp_path, with_services=False)

        assert second == first
        assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0
        with pytest.raises(LocalStackError, match="make down, then make up"):
            bring_up(tmp_path)
    finally:
        assert bring_down(tmp_path)
    assert not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)
    assert find(tmp_path) is None
    assert not bring_down(tmp_path)
