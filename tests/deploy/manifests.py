"""Where the manifests are, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
DOCKERFILE = (DEPLOY / "Dockerfile").read_text()


def documents(path: Path) -> list[dict[str, Any]]:
    """Every document of one YAML file."""
    return list(yaml.safe_load_all(path.read_text()))


def yaml_files(directory: Path) -> list[Path]:
    """Every YAML file below, by name."""
    return sorted(directory.rglob("*.yaml"))


COMPOSE: dict[str, Any] = documents(DEPLOY / "compose.yaml")[0]
