"""The pages about completeness work without scripts, ask once however often they are sent, and let nobody else ask."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from schemas.audits import SYNC_REQUEST, AuditRequested, SyncRequest, SyncRequested
from services.reporting.dashboard.pages import POLICY
from tests.reporting.conftest import Site
from tests.reporting.facts import (
    SELLER,
    STORE,
    at,
    audit_finished,
    audit_progressed,
    audit_started,
    decided,
    differing,
    found,
    key,
    outcome,
    polled,
    store,
)

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

STORE_PAGE = f"/completeness/{STORE}"
VIEWS = ["/completeness", STORE_PAGE, "/audits/audit-1", f"{STORE_PAGE}?from=2026-02-27&to=2026-02-28&zone=Eastern"]
PERIOD = {"from": "2026-02-27", "from_time": "", "to": "2026-02-28", "to_time": "", "zone": "Eastern", "by": "created"}


@pytest.fixture
async def filled(site: Site) -> Site:
    await site.take(
        store(name="<Paper & Moon>", platform_name="Etsy"),
        *polled("p", outcome(1), through=-2, next_at=at(3), next_because="<it> is busy", healed="The <hook> was gone."),
        decided(key(1)),
        audit_started("exact", minute=-1),
        audit_progressed("exact", listed=7, held=7),
        audit_finished("exact"),
        *differing("audit-1", found(3, minute=-30), found(1, "stale", minute=-30), minute=5),
    )
    return site


@pytest.fixture
async def viewer(filled: Site) -> AsyncIterator[aiohttp.ClientSession]:
    """A seller who is logged in with a key that may all."""
    async with filled.client() as client:
        await client.post("/login", data={"key": filled.keys.grant(SELLER), "zone": "America/Chicago"})
        yield client


async def shown(client: aiohttp.ClientSession, path: str) -> str:
    async with client.get(path) as answer:
        assert answer.status == 200
        return await answer.text()


async def form_of(client: aiohttp.ClientSession) -> dict[str, str]:
    """What the form carries, filled in."""
    text = await shown(client, STORE_PAGE)
    form = text[text.index('class="filters period"') :]
    return PERIOD | dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form)[:2])


def asked(site: Site) -> list[SyncRequest]:
    return [SYNC_REQUEST.validate_json(message.value) for message in site.publisher.published]


@pytest.mark.parametrize("path", VIEWS)
async def test_every_view_keeps_the_policy_and_escapes_what_others_wrote(
    viewer: aiohttp.ClientSession, path: str
) -> None:
    async with viewer.get(path) as answer:
        text = await answer.text()

    assert (answer.status, answer.headers["Content-Security-Policy"]) == (200, POLICY)
    assert re.findall(r"<script(?![^>]* src=)|\son\w+=|\sstyle=|<style", text) == []
    assert "<Paper" not in text
    assert "<it>" not in text
    assert "<hook>" not in text


@pytest.mark.parametrize("path", VIEWS[:3])
async def test_a_stranger_is_sent_to_the_login(filled: Site, path: str) -> None:
    async with filled.client() as client, client.get(path, allow_redirects=False) as answer:
        assert answer.status == 303


@pytest.mark.parametrize("path", [f"{STORE_PAGE}x", "/audits/no-such"])
async def test_what_is_not_there_is_said_in_words(viewer: aiohttp.ClientSession, path: str) -> None:
    async with viewer.get(path) as answer:
        assert answer.status == 404
        assert "There is no such" in await answer.text()


async def test_the_store_says_through_when_it_is_complete_what_is_open_and_what_was_mended(
    viewer: aiohttp.ClientSession,
) -> None:
    page, stores, everything = [await shown(viewer, path) for path in (STORE_PAGE, "/stores", "/completeness")]

    for text in (page, stores, everything):
        assert "1 Mar 2026, 05:30:00" in text
        assert "2 orders that Etsy changed then or later differ" in text
    assert "because &lt;it&gt; is busy" in page
    assert "because &lt;it&gt; is busy" in stores
    assert "The &lt;hook&gt; was gone." in page
    assert "It was fetched and stands here now." in page
    assert "The platform lists it, and this report did not have it. It is being fetched." in page


async def test_a_sync_that_mended_webhooks_says_so_prominently(viewer: aiohttp.ClientSession) -> None:
    for path in ("/sessions", "/sessions/p"):
        text = await shown(viewer, path)

        assert "Webhooks mended" in text
        assert "The &lt;hook&gt; was gone." in text


async def test_one_button_checks_a_period_and_a_second_click_asks_nothing_more(
    viewer: aiohttp.ClientSession, filled: Site
) -> None:
    form = await form_of(viewer) | {"action": "audit", "from_time": "08:00", "to_time": "09:30"}

    answers = [await viewer.post(STORE_PAGE, data=form, allow_redirects=False) for _ in range(2)]

    first, second = asked(filled)
    assert isinstance(first, AuditRequested)
    assert first.event_id == second.event_id
    assert (first.window.start.isoformat(), first.window.end.isoformat()) == (
        "2026-02-27T13:00:00+00:00",
        "2026-02-28T14:30:00+00:00",
    )
    target = urlsplit(answers[0].headers["Location"])
    assert (answers[0].status, target.path, target.fragment) == (303, STORE_PAGE, "asked")
    assert parse_qs(target.query)["id"] == [first.audit_id]


async def test_a_check_that_was_asked_for_shows_as_soon_as_it_begins(
    viewer: aiohttp.ClientSession, filled: Site
) -> None:
    form = await form_of(viewer) | {"action": "audit"}
    async with viewer.post(STORE_PAGE, data=form) as answer:
        waiting, address = await answer.text(), str(answer.url.relative())

    [request] = asked(filled)
    assert isinstance(request, AuditRequested)
    await filled.take(audit_started(request.audit_id, minute=9, scope="asked", window=request.window, by="created"))
    begun = await shown(viewer, address)

    assert "The check was asked for." in waiting
    assert "The check was asked for." not in begun
    assert f'href="/audits/{request.audit_id}"' in begun


async def test_the_other_button_syncs_the_period(viewer: aiohttp.ClientSession, filled: Site) -> None:
    form = await form_of(viewer) | {"action": "sync", "by": "updated"}

    async with viewer.post(STORE_PAGE, data=form) as answer:
        text = await answer.text()

    [request] = asked(filled)
    assert isinstance(request, SyncRequested)
    assert (request.start, request.end, request.zone, request.by) == ("2026-02-27", "2026-02-28", "Eastern", "updated")
    assert "The sync was asked for." in text


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"from": "", "to": ""}, "Give a beginning and an end"),
        ({"to": "2026-01-01"}, "The end must be later than the beginning."),
        ({"from": "2027-01-01", "to": "2027-01-02"}, "The period has not begun yet."),
        ({"from": "soon"}, "Give a beginning and an end"),
    ],
)
async def test_a_period_that_means_nothing_is_refused_beside_what_was_typed(
    viewer: aiohttp.ClientSession, filled: Site, changed: dict[str, str], said: str
) -> None:
    form = await form_of(viewer) | {"action": "audit", "by": "updated"} | changed

    async with viewer.post(STORE_PAGE, data=form) as answer:
        text = await answer.text()

    assert answer.status == 422
    assert said in text
    assert '<option value="updated" selected>' in text
    assert asked(filled) == []


async def test_a_form_of_another_site_asks_nothing(viewer: aiohttp.ClientSession, filled: Site) -> None:
    form = await form_of(viewer) | {"action": "sync", "form_token": "stolen"}

    async with viewer.post(STORE_PAGE, data=form) as answer:
        assert answer.status == 403
    assert asked(filled) == []


async def test_whoever_may_only_read_is_offered_no_form_and_cannot_ask(filled: Site) -> None:
    async with filled.client() as client:
        await client.post("/login", data={"key": filled.keys.grant(SELLER, ["reports:read"])})
        text = await shown(client, STORE_PAGE)
        token = re.search(r'name="form_token" value="([^"]*)"', text)
        assert token
        async with client.post(STORE_PAGE, data=PERIOD | {"action": "sync", "form_token": token[1]}) as answer:
            assert answer.status == 403

    assert "may look, but not ask" in text
    assert 'class="filters period"' not in text
    assert asked(filled) == []


async def test_the_form_begins_with_the_viewers_own_zone_by_the_name_that_sellers_use(
    viewer: aiohttp.ClientSession,
) -> None:
    text = await shown(viewer, STORE_PAGE)

    assert "<option selected>Central</option>" in text


async def test_orders_given_to_us_are_behind_no_platform(viewer: aiohttp.ClientSession, filled: Site) -> None:
    await filled.take(store(store_id="own", name="By hand", platform="direct", changed_at=at(1)))

    assert "By hand" not in await shown(viewer, "/completeness")
    assert 'id="store-own"' in await shown(viewer, "/stores")
