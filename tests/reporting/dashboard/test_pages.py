"""The page shows a seller's own report to whoever logged in, without scripts, and to nobody else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import aiohttp
import pytest

from schemas.stores import Capability
from services.kit.errors import TransientError
from services.reporting.adapters.memory import MemoryReports
from services.reporting.dashboard.pages import POLICY
from tests.reporting.conftest import Site
from tests.reporting.facts import (
    SELLER,
    SESSION,
    STORE,
    at,
    decided,
    finished,
    key,
    not_matched,
    outcome,
    progressed,
    started,
    store,
    update,
)

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

VIEWS = [
    "/",
    "/alerts",
    "/stores",
    "/sessions",
    f"/sessions/{SESSION}",
    "/orders",
    f"/orders/{key(1)}",
    f"/orders/{key(2)}",
]


@pytest.fixture
async def filled(site: Site) -> Site:
    await site.take(store(name="<Paper & Moon>"), started(), progressed(outcome(1), outcome(2)), finished())
    await site.take(decided(key(1)), update("shipped", key(1)), decided(key(2), reasons=(not_matched("<b>"),)))
    return site


@pytest.fixture
async def viewer(filled: Site) -> AsyncIterator[aiohttp.ClientSession]:
    """A seller who is logged in."""
    async with filled.client() as client:
        await _log_in(client, filled.keys.grant(SELLER))
        yield client


async def _log_in(client: aiohttp.ClientSession, key: str, **form: str) -> aiohttp.ClientResponse:
    return await client.post("/login", data={"key": key, **form}, allow_redirects=False)


async def _text(client: aiohttp.ClientSession, path: str) -> str:
    async with client.get(path) as answer:
        assert answer.status == 200
        return await answer.text()


@pytest.mark.parametrize("path", VIEWS)
async def test_a_stranger_is_sent_to_the_login_and_back(filled: Site, path: str) -> None:
    async with filled.client() as client:
        sent = await client.get(path, allow_redirects=False)
        shown = await client.get(sent.headers["Location"])
        hidden = re.search(r'name="next" value="([^"]*)"', await shown.text())
        assert hidden
        back = await _log_in(client, filled.keys.grant(SELLER), next=hidden[1])

    assert (sent.status, back.status) == (303, 303)
    assert back.headers["Location"] == path


@pytest.mark.parametrize("path", VIEWS)
async def test_every_view_is_shown_with_a_strict_policy_and_no_inline_script(
    viewer: aiohttp.ClientSession, path: str
) -> None:
    async with viewer.get(path) as answer:
        text = await answer.text()

    assert answer.headers["Content-Security-Policy"] == POLICY
    assert re.findall(r"<script(?![^>]* src=)|\son\w+=|\sstyle=|<style", text) == []
    assert "http://" not in text.replace("http://www.w3.org", "")


async def test_what_others_wrote_is_escaped(viewer: aiohttp.ClientSession) -> None:
    text = await _text(viewer, "/") + await _text(viewer, f"/orders/{key(2)}")

    assert "&lt;Paper &amp; Moon&gt;" in text
    assert "SKU &lt;b&gt;" in text
    assert "<Paper" not in text


async def test_a_held_order_shows_its_reason_in_words(viewer: aiohttp.ClientSession) -> None:
    text = await _text(viewer, f"/orders/{key(2)}")

    assert "Why it is held" in text
    assert "No product of ours is matched to this item" in text
    assert "You can act" in text
    assert "a product match" in text


async def test_the_overview_links_what_waits_to_its_orders(viewer: aiohttp.ClientSession) -> None:
    text = await _text(viewer, "/")
    orders = await _text(viewer, "/orders?reason=ITEM_NOT_MATCHED")

    assert "/orders?reason=ITEM_NOT_MATCHED" in text
    assert "#1002" in orders
    assert "#1001" not in orders


async def test_the_overview_and_every_page_say_what_needs_the_seller(
    viewer: aiohttp.ClientSession, filled: Site
) -> None:
    well = await _text(viewer, "/orders")
    await filled.take(store(state="reconnect", problem="Etsy refuses our access.", changed_at=at(1)))

    overview, orders, alerts = [await _text(viewer, path) for path in ("/", "/orders", "/alerts")]

    assert 'class="badge' not in well
    assert all('class="badge bad"' in text for text in (overview, orders))
    assert all("Etsy refuses our access." in text for text in (overview, alerts))
    assert "Nothing is lost" in alerts


async def test_a_store_shows_what_it_lets_us_do_and_how_to_connect_it_again(
    viewer: aiohttp.ClientSession, filled: Site
) -> None:
    hidden = Capability(name="addresses", allowed=False, detail="Grant <the> scope.")
    await filled.take(store(access_ends_at=at(60 * 24 * 20), capabilities=(hidden,), changed_at=at(1)))

    text = await _text(viewer, "/stores")

    assert "Grant &lt;the&gt; scope." in text
    assert "Access ends on 21 March 2026, in 20 days." in text
    assert f"POST /v1/stores/{STORE}/authorization" in text


async def test_stores_are_shown_by_platform_under_their_platforms_name(
    viewer: aiohttp.ClientSession, filled: Site
) -> None:
    await filled.take(store(store_id="store-2", platform="ebay", platform_name="eBay", name="Old Harbour"))

    everything, ebay, nothing = [
        await _text(viewer, path) for path in ("/stores", "/stores?platform=ebay", "/stores?platform=amazon")
    ]

    assert '<option value="ebay">eBay</option>' in everything
    assert "Old Harbour" in ebay
    assert f'id="store-{STORE}"' in everything
    assert f'id="store-{STORE}"' not in ebay
    assert "No store is on that platform." in nothing


async def test_the_overview_counts_by_platform(viewer: aiohttp.ClientSession, filled: Site) -> None:
    await filled.take(
        store(store_id="store-2", platform="ebay", platform_name="eBay"),
        decided(key(5, platform="ebay", store="store-2"), reasons=(not_matched(),)),
        decided(key(6, platform="direct", store="store-3")),
    )

    text = await _text(viewer, "/")

    [row] = re.findall(r"<tr>(?:(?!</tr>).)*?platform=ebay.*?</tr>", text, re.DOTALL)
    assert re.findall(r"data-label=\"(\w+)\">(\d+)<", row)[:2] == [("Imported", "1"), ("Held", "1")]
    assert ">Direct</a>" in text


@pytest.mark.parametrize("query", ["state=sleeping", "from=yesterday&to=9999-12-31", "text=&store=", "limit=9999"])
async def test_a_malformed_filter_is_left_out(viewer: aiohttp.ClientSession, query: str) -> None:
    text = await _text(viewer, f"/orders?{query}")

    assert "#1001" in text


async def test_a_wrong_key_opens_nothing(filled: Site) -> None:
    async with filled.client() as client:
        answer = await _log_in(client, "osk_live_nonsense")

        assert answer.status == 401
        assert "session" not in answer.cookies
        assert 'role="alert"' in await answer.text()


async def test_the_cookie_is_kept_from_scripts_and_other_sites(filled: Site) -> None:
    async with filled.client() as client:
        answer = await _log_in(client, filled.keys.grant(SELLER))

    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


async def test_another_sites_page_cannot_log_somebody_in(filled: Site) -> None:
    async with filled.client() as client:
        by_origin = await client.post(
            "/login", data={"key": filled.keys.grant(SELLER)}, headers={"Origin": "https://elsewhere.example"}
        )
        by_site = await client.post(
            "/login", data={"key": filled.keys.grant(SELLER)}, headers={"Sec-Fetch-Site": "cross-site"}
        )

    assert (by_origin.status, by_site.status) == (403, 403)


async def test_logging_out_needs_the_pages_own_form(viewer: aiohttp.ClientSession) -> None:
    refused = await viewer.post("/logout", data={"form_token": "guessed"}, allow_redirects=False)
    token = re.search(r'name="form_token" value="([^"]+)"', await _text(viewer, "/"))
    assert token
    done = await viewer.post("/logout", data={"form_token": token[1]}, allow_redirects=False)
    after = await viewer.get("/", allow_redirects=False)

    assert (refused.status, done.status, after.status) == (403, 303, 303)


async def test_a_revoked_key_ends_the_login(filled: Site) -> None:
    key_text = filled.keys.grant(SELLER)
    async with filled.client() as client:
        await _log_in(client, key_text)
        filled.keys.revoke(key_text)

        answer = await client.get("/", allow_redirects=False)

    assert answer.headers["Location"] == "/login"


async def test_a_page_that_refreshes_itself_goes_to_the_login_as_a_whole(filled: Site) -> None:
    async with filled.client() as client:
        answer = await client.get("/orders", headers={"HX-Request": "true"}, allow_redirects=False)

    assert (answer.status, answer.headers["HX-Redirect"]) == (401, "/login?next=%2Forders")


@pytest.mark.parametrize("target", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example"])
async def test_a_login_leads_nowhere_else(filled: Site, target: str) -> None:
    async with filled.client() as client:
        answer = await _log_in(client, filled.keys.grant(SELLER), next=target)

    assert answer.headers["Location"] == "/"


async def test_another_sellers_order_is_a_page_that_says_so(filled: Site) -> None:
    async with filled.client() as client:
        await _log_in(client, filled.keys.grant("seller-2"))

        answer = await client.get(f"/orders/{key(1)}")

        assert answer.status == 404
        assert "There is no such order." in await answer.text()


async def test_the_cookie_opens_the_api_for_reading(viewer: aiohttp.ClientSession) -> None:
    async with viewer.get("/v1/summary") as answer:
        assert answer.status == 200


async def test_times_are_shown_in_the_chosen_zone(filled: Site) -> None:
    async with filled.client() as client:
        await _log_in(client, filled.keys.grant(SELLER), zone="Asia/Ho_Chi_Minh")

        text = await _text(client, f"/sessions/{SESSION}")

    assert "1 Mar 2026, 19:00:00" in text
    assert "2026-03-01 12:00:00 UTC" in text


async def test_an_unknown_zone_is_utc(filled: Site) -> None:
    async with filled.client() as client:
        await _log_in(client, filled.keys.grant(SELLER), zone="../../etc/passwd")

        text = await _text(client, f"/sessions/{SESSION}")

    assert "1 Mar 2026, 12:00:00" in text


async def test_a_list_goes_on_page_by_page(viewer: aiohttp.ClientSession, filled: Site) -> None:
    await filled.take(*(decided(key(number)) for number in range(3, 90)))

    first = await _text(viewer, "/orders?state=released")
    link = re.search(r'rel="next" href="([^"]+)"', first)
    assert link
    second = await _text(viewer, link[1].replace("&amp;", "&"))

    names = re.findall(r">#(\d+)<", first + second)
    assert sorted(map(int, names)) == list(range(1003, 1090))


async def test_a_database_that_is_away_is_said_in_a_page(
    viewer: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise TransientError("postgres: away")

    monkeypatch.setattr(MemoryReports, "stores", away)

    answer = await viewer.get("/orders")

    assert answer.status == 503
    assert "cannot be read at present" in await answer.text()


async def test_files_are_served_by_name_and_nothing_else_is(viewer: aiohttp.ClientSession) -> None:
    text = await _text(viewer, "/")
    links = re.findall(r'(?:href|src)="(/static/[^"]+)"', text)

    for link in links:
        async with viewer.get(link) as answer:
            assert "immutable" in answer.headers["Cache-Control"]
    beside = await viewer.get("/static/..%2Fpages.py")

    assert any("page.css" in link for link in links)
    assert beside.status == 404


async def test_a_manual_sync_shows_who_started_it_and_how_far_it_is(
    filled: Site, viewer: aiohttp.ClientSession
) -> None:
    await filled.take(
        started("session-9", way="backfill", automatic=False, started_by="key-7"),
        progressed(outcome(1), outcome(2), session="session-9", total=40),
    )

    text = await _text(viewer, "/sessions/session-9")

    assert "started by hand" in text
    assert "API key key-7" in text
    assert "2 of 40" in text
