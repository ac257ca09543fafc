"""Where the vendors' specifications are, which are not ours to keep: PLATFORM_SPECS names their directory."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

DIRECTORY = Path(os.environ.get("PLATFORM_SPECS") or "/nonexistent")

needs_specs = pytest.mark.skipif(
    "PLATFORM_SPECS" not in os.environ,
    reason="not run: PLATFORM_SPECS does not name the directory of the vendors' specifications",
)


def document(name: str) -> Any:
    return json.loads((DIRECTORY / name).read_text())


def examples(platform: str, pattern: str) -> list[str]:
    return sorted(path.name for path in (DIRECTORY / platform / "examples").glob(pattern))
