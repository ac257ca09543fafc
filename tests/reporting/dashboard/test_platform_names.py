"""The page calls a platform what people call it, as its store's record says."""

from __future__ import annotations

import pytest

from tests.reporting.conftest import Site
from tests.reporting.facts import SELLER, decided, finished, key, outcome, progressed, started, store

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


async def _pages(site: Site, platform_name: str | None) -> list[str]:
    facts = (started(), progressed(outcome(1)), finished(), decided(key(1)))
    await site.take(store(platform_name=platform_name), *facts)
    async with site.client() as client:
        await client.post("/login", data={"key": site.keys.grant(SELLER)})
        pages = []
        for path in ("/", "/sessions", "/orders", f"/orders/{key(1)}"):
            async with client.get(path) as answer:
                assert answer.status == 200
                pages.append(await answer.text())
        return pages


async def test_every_view_shows_the_name_of_the_record(site: Site) -> None:
    assert all("The Seventh" in page for page in await _pages(site, "The Seventh"))


async def test_a_record_from_before_names_were_told_shows_the_slug(site: Site) -> None:
    platform = key(1).partition(":")[0]

    assert all(platform in page for page in await _pages(site, None))
