"""How far back each platform gives orders, as far as its documents tell."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from schemas.stores import Capability
from services.ingest.registry import find_platforms

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HISTORIES = {slug: platform.history for slug, platform in find_platforms().items() if platform.history is not None}


def told(slug: str, secrets: dict[str, str] | None = None, *capabilities: Capability) -> datetime | None:
    return HISTORIES[slug](secrets or {}, capabilities, now=NOW)


@pytest.mark.parametrize("region", ["na", "eu"])
def test_amazon_gives_two_years_but_for_the_far_east(region: str) -> None:
    assert told("amazon", {"region": region}) == NOW - timedelta(days=729)
    assert told("amazon", {"region": "fe"}) == datetime(2016, 1, 1, tzinfo=UTC)


def test_ebay_gives_two_years() -> None:
    assert told("ebay") == NOW - timedelta(days=729)


def test_shopify_gives_sixty_days_unless_the_app_may_read_all_orders() -> None:
    denied = Capability(name="history", allowed=False, detail="Only the last 60 days.")

    assert told("shopify", {}, denied) == NOW - timedelta(days=60)
    assert told("shopify", {}, Capability(name="history", allowed=True)) is None
    assert told("shopify") is None
