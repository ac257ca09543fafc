"""Platforms are found by their folders."""

from __future__ import annotations

import pytest

from services.ingest.registry import find_platforms, platform_of, platforms, slugs
from services.kit.errors import SettingsError


def test_every_folder_that_exports_a_platform_is_found_under_its_slug() -> None:
    found = find_platforms()

    assert {"shopify", "etsy"} <= set(found)
    assert all(platform.slug == slug for slug, platform in found.items())
    assert [platform.slug for platform in platforms()] == list(slugs()) == sorted(found)


def test_an_unknown_platform_is_named_beside_those_that_are_known() -> None:
    with pytest.raises(SettingsError, match=r"no platform ebey; there are: .*etsy.*shopify"):
        platform_of("ebey")
