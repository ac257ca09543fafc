"""The page about tracking says what each parcel waits for, and asks for another try without scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from schemas.audits import SYNC_REQUEST, TrackingRetryRequested
from services.reporting.dashboard.pages import POLICY
from tests.reporting.conftest import Site
from tests.reporting.facts import SELLER, STORE, at, decided, key, pushed, store, stuck, summary, update

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

ORDER_PAGE = f"/orders/{key(2)}"


@pytest.fixture
async def filled(site: Site) -> Site:
    await site.take(
        store(name="<Paper & Moon>", platform_name="Etsy"),
        decided(key(1)),
        update("shipped", key(1)),
        pushed("verified", key(1)),
        decided(key(2), summary=summary(key(2), ship_by=at(60))),
        update("shipped", key(2)),
        stuck(order=key(2), tracking_number="<i>1</i>", tracking_url="javascript:alert(1)", problem="Mend <it>."),
    )
    return site


async def logged_in(site: Site, client: aiohttp.ClientSession, *, scopes: list[str] | None = None) -> None:
    key_text = site.keys.grant(SELLER, scopes) if scopes else site.keys.grant(SELLER)
    await client.post("/login", data={"key": key_text, "zone": "America/Chicago"})


@pytest.fixture
async def viewer(filled: Site) -> AsyncIterator[aiohttp.ClientSession]:
    async with filled.client() as client:
        await logged_in(filled, client)
        yield client


async def shown(client: aiohttp.ClientSession, path: str) -> str:
    async with client.get(path) as answer:
        assert (answer.status, answer.headers["Content-Security-Policy"]) == (200, POLICY)
        return await answer.text()


async def pressed(client: aiohttp.ClientSession, text: str, form: dict[str, str]) -> int:
    token = text.split('name="form_token" value="')[1].split('"', maxsplit=1)[0]
    async with client.post("/tracking", data={"form_token": token, "next": "/tracking"} | form) as answer:
        return answer.status


@pytest.mark.parametrize("path", ["/tracking", "/tracking?state=needs_attention&code=NUMBER_REFUSED", ORDER_PAGE])
async def test_every_view_escapes_what_others_wrote_and_links_to_the_web_only(
    viewer: aiohttp.ClientSession, path: str
) -> None:
    text = await shown(viewer, path)

    assert "&lt;i&gt;1&lt;/i&gt;" in text
    assert "Mend &lt;it&gt;." in text
    assert "javascript:" not in text


async def test_what_stands_in_the_way_is_said_with_a_button_and_a_link_to_the_order(
    viewer: aiohttp.ClientSession,
) -> None:
    text = await shown(viewer, "/tracking")

    assert "The number is not one that it takes" in text
    assert f'href="/orders/{key(2).replace(":", "%3A")}"' in text
    assert text.count("Try again</button>") == text.count("Try all again</button>") == 1
    assert 'href="/v1/tracking/export"' in text


async def test_days_of_the_filter_are_the_viewers_in_the_file_too(viewer: aiohttp.ClientSession) -> None:
    text = await shown(viewer, "/tracking?from=2026-03-01&to=2026-03-01&store=")

    assert "/v1/tracking/export?from=2026-03-01T00%3A00%3A00-06%3A00&amp;to=2026-03-02T00%3A00%3A00-06%3A00" in text


async def test_buttons_ask_for_one_or_for_all_with_a_code(filled: Site, viewer: aiohttp.ClientSession) -> None:
    text = await shown(viewer, "/tracking")

    one = await pressed(viewer, text, {"push_id": f"push-{key(2)}"})
    every = await pressed(viewer, text, {"code": "NUMBER_REFUSED", "store_id": STORE})

    heard = [SYNC_REQUEST.validate_json(message.value) for message in filled.publisher.published]
    assert (one, every) == (200, 200)
    assert [(item.push_id, item.code) for item in heard if isinstance(item, TrackingRetryRequested)] == [
        (f"push-{key(2)}", None),
        (None, "NUMBER_REFUSED"),
    ]


@pytest.mark.parametrize(("form", "status"), [({}, 422), ({"push_id": "nobody's"}, 404), ({"form_token": "x"}, 403)])
async def test_a_form_that_is_none_of_ours_asks_for_nothing(
    filled: Site, viewer: aiohttp.ClientSession, form: dict[str, str], status: int
) -> None:
    text = await shown(viewer, "/tracking")

    assert (await pressed(viewer, text, form), filled.publisher.published) == (status, [])


async def test_a_key_that_may_only_look_sees_no_button_and_asks_for_nothing(filled: Site) -> None:
    async with filled.client() as client:
        await logged_in(filled, client, scopes=["reports:read"])
        text = await shown(client, "/tracking")

        assert "</i>Try" not in text
        assert "Try again</button>" not in text
        assert await pressed(client, text, {"push_id": f"push-{key(2)}"}) == 403


async def test_orders_show_their_number_and_that_the_deadline_is_near(viewer: aiohttp.ClientSession) -> None:
    text = await shown(viewer, "/orders?deadline=at_risk")

    assert "At risk" in text
    assert f"order-{key(2)}" in text
    assert f"order-{key(1)}" not in text
