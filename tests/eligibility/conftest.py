"""A bench for every test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.eligibility.workbench import Bench


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    """A bench with a linked store, a variant in the catalog and money in the purse."""
    bench = Bench(tmp_path)
    await bench.open_for_business()
    return bench
