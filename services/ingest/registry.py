"""Finds the platforms: every package under `platforms/` that exports `PLATFORM`, and nothing else names them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache

from services.ingest import platforms as folders
from services.ingest.contract.connector import Platform
from services.kit.errors import SettingsError


@cache
def find_platforms() -> Mapping[str, Platform]:
    """Every platform by its slug."""
    found: dict[str, Platform] = {}
    for module in pkgutil.iter_modules(folders.__path__, f"{folders.__name__}."):
        if not module.ispkg:
            continue
        platform = getattr(importlib.import_module(module.name), "PLATFORM", None)
        if isinstance(platform, Platform):
            found[platform.slug] = platform
    return found


def platforms() -> tuple[Platform, ...]:
    """Every platform, by ascending slug."""
    found = find_platforms()
    return tuple(found[slug] for slug in sorted(found))


def slugs() -> tuple[str, ...]:
    """Every platform's slug, ascending."""
    return tuple(sorted(find_platforms()))


def platform_of(slug: str) -> Platform:
    """The platform with this slug.

    Raises:
        SettingsError: there is none; the sentence names those that are.
    """
    known = find_platforms()
    if slug not in known:
        raise SettingsError(f"There is no platform {slug}; there are: {', '.join(sorted(known)) or 'none'}.")
    return known[slug]


def name_of(slug: str) -> str | None:
    """What people call the platform; None when no folder has this slug."""
    platform = find_platforms().get(slug)
    return platform.name if platform else None


def is_read(slug: str) -> bool:
    """Whether orders are read from the platform; of the others, sellers give them to us."""
    platform = find_platforms().get(slug)
    return platform is None or platform.reads


def slugs_read() -> tuple[str, ...]:
    """The slugs of the platforms that orders are read from, ascending."""
    return tuple(slug for slug in slugs() if is_read(slug))
