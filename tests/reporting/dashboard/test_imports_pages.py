"""The pages about files say what ingest says, pass files through unkept, and refuse nothing without a remedy."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from services.kit.errors import TransientError
from services.reporting.adapters.memory_neighbours import Asked
from services.reporting.dashboard.pages import POLICY
from tests.reporting.conftest import Site
from tests.reporting.facts import SELLER, store

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

ID = "0001f00dcafe"
FAULT = {
    "reference": "W-2",
    "row": 3,
    "column": "<Country>",
    "problem": "It is no country that we know",
    "remedy": "Give a code of two letters, like US.",
    "while_checking": True,
}


def held(state: str = "ready", **changes: Any) -> dict[str, Any]:
    started = state in {"running", "succeeded", "partial"}
    whole: dict[str, Any] = {
        "import_id": ID,
        "store_id": "direct-1",
        "state": state,
        "file_name": "<orders>.csv",
        "size": 1234,
        "asked_at": "2026-03-01T12:00:00Z",
        "asked_by": "Key00001",
        "started_at": "2026-03-01T12:01:00Z" if started else None,
        "finished_at": None,
        "on_changed": "refuse",
        "findings": {
            "layout": "template",
            "layout_name": "Our template",
            "form": "UTF-8",
            "header_row": 1,
            "columns": [{"header": "Ref", "field": "Reference"}, {"header": "Shoe size", "field": None}],
        },
        "tally": {"new": 2, "existing": 0, "changed": 0, "faulty": 1, "left_out": 0},
        "progress": {"rows_done": 30, "rows": 90, "orders_done": 1, "orders": 3, "seconds_left": 125.0},
        "results": {"new": 2 if started else 0, "updated": 0, "existing": 0, "failed": 1 if started else 0},
        "notices": [],
        "problem": None,
        "refusal": None,
        "session_id": ID if started else None,
    }
    return whole | changes


def previewed(outcome: str = "new", **changes: Any) -> dict[str, Any]:
    there = {
        "name": "Buyer <1>",
        "line1": "1 Example Street",
        "city": "Boston",
        "postal_code": "02134",
        "country": "US",
    }
    order = {"reference": "W-1", "ship_to": there, "items": [{"sku": "TEE", "quantity": 2}]}
    notices = ["Row 2: The zeros at the beginning of the postal code were put back."]
    return {"reference": "W-1", "rows": [2], "outcome": outcome, "order": order, "notices": notices} | changes


class Ingest:
    """Answers as ingest would; `one` is the import that it has."""

    def __init__(self) -> None:
        self.one = held()
        self.refuses: dict[str, Any] | None = None

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        if asked.method == "POST":
            return (self.refuses["status"], self.refuses) if self.refuses else (202, self.one | {"name": "Mine"})
        below = asked.path.removeprefix("/v1/imports")
        answers = {
            "": {"items": [self.one], "next": None},
            "/template": b"Reference,Name\r\n",
            f"/{ID}": self.one,
            f"/{ID}/problems": {"items": [FAULT], "next": "0-0"},
            f"/{ID}/preview": {"items": [previewed()], "whole": False, "findings": {}, "next": None},
            f"/{ID}/failed": b"Ref,Reason\r\nW-2,why\r\n",
        }
        return (200, answers[below]) if below in answers else (404, {"code": "import_not_found", "title": "No."})


@pytest.fixture
def ingest(site: Site) -> Ingest:
    site.ingest.answers = ingest = Ingest()
    return ingest


async def logged_in(site: Site, client: aiohttp.ClientSession, *scopes: str) -> None:
    key_text = site.keys.grant(SELLER, list(scopes)) if scopes else site.keys.grant(SELLER)
    await client.post("/login", data={"key": key_text, "zone": "UTC"})


@pytest.fixture
async def viewer(site: Site, ingest: Ingest) -> AsyncIterator[aiohttp.ClientSession]:
    await site.take(store(store_id="direct-1", platform="direct", name="By <hand>"), store())
    async with site.client() as client:
        await logged_in(site, client)
        yield client


async def shown(client: aiohttp.ClientSession, path: str, *, status: int = 200) -> str:
    async with client.get(path) as answer:
        assert (answer.status, answer.headers["Content-Security-Policy"]) == (status, POLICY)
        return await answer.text()


async def token(client: aiohttp.ClientSession) -> str:
    return (await shown(client, "/stores")).split('name="form_token" value="')[1].split('"', maxsplit=1)[0]


async def uploaded(client: aiohttp.ClientSession, content: bytes, **changes: str) -> tuple[int, str, str]:
    fields = {"form_token": await token(client), "store_id": "direct-1"} | changes
    form = aiohttp.FormData()
    for name, value in fields.items():
        form.add_field(name, value)
    form.add_field("file", io.BytesIO(content), filename="orders.csv", content_type="text/csv")
    async with client.post("/imports", data=form, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", ""), await answer.text()


async def test_a_file_goes_into_a_direct_store_and_past_imports_are_listed(viewer: aiohttp.ClientSession) -> None:
    text = await shown(viewer, "/imports")

    assert '<option value="direct-1">By &lt;hand&gt;</option>' in text
    assert "Paper Moon</option>" not in text
    assert f'href="/imports/{ID}">&lt;orders&gt;.csv</a>' in text
    assert "Key00001" in text


async def test_a_file_is_passed_on_with_the_sellers_own_key(site: Site, viewer: aiohttp.ClientSession) -> None:
    content = b"Reference,Name\r\n" * 20_000

    status, location, _ = await uploaded(viewer, content)

    [asked] = [asked for asked in site.ingest.asked if asked.method == "POST"]
    assert (status, location) == (303, f"/imports/{ID}")
    assert (asked.path, asked.query) == ("/v1/imports", {"store_id": "direct-1", "file_name": "orders.csv"})
    assert asked.body == content
    assert await site.keys.authenticate(asked.key) is not None


async def test_a_refused_file_is_told_on_the_page_with_what_to_do(
    ingest: Ingest, viewer: aiohttp.ClientSession
) -> None:
    ingest.refuses = {"status": 422, "code": "file_refused", "title": "Unreadable.", "detail": "It is a <picture>."}

    status, _, text = await uploaded(viewer, b"\x89PNG")

    assert status == 422
    assert "Unreadable.</b> It is a &lt;picture&gt;." in text
    assert 'value="direct-1" selected' in text


async def test_while_ingest_is_away_the_page_says_so_and_nothing_is_half_done(
    site: Site, viewer: aiohttp.ClientSession
) -> None:
    def away(_asked: Asked) -> tuple[int, Any]:
        raise TransientError("away")

    site.ingest.answers = away

    text = await shown(viewer, "/imports")
    status, _, refused = await uploaded(viewer, b"Reference\r\n")

    assert "Imports cannot be reached at present" in text
    assert (status, "Imports cannot be reached at present" in refused) == (503, True)


@pytest.mark.parametrize(("changes", "status"), [({"form_token": "another"}, 403), ({"form_token": "x" * 5000}, 403)])
async def test_a_form_of_another_page_passes_nothing_on(
    site: Site, viewer: aiohttp.ClientSession, changes: dict[str, str], status: int
) -> None:
    assert (await uploaded(viewer, b"Reference\r\n", **changes))[0] == status
    assert [asked for asked in site.ingest.asked if asked.method == "POST"] == []


async def test_an_upload_that_breaks_off_is_no_file(site: Site, viewer: aiohttp.ClientSession) -> None:
    head = f'--x\r\nContent-Disposition: form-data; name="form_token"\r\n\r\n{await token(viewer)}\r\n'
    part = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\nReference'
    body, headers = (head + part).encode(), {"Content-Type": "multipart/form-data; boundary=x"}

    async with viewer.post("/imports", data=body, headers=headers) as answer:
        status, text = answer.status, await answer.text()

    assert (status, "Nothing of it is kept. Send it again." in text) == (400, True)
    assert [asked for asked in site.ingest.asked if asked.method == "POST"] == []


async def test_a_file_larger_than_any_is_told_so_once_it_is_sent_and_none_of_it_is_passed_on(
    site: Site, viewer: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.reporting.dashboard.imports_upload.LARGEST_FORM_BYTES", 50_000)

    status, _, text = await uploaded(viewer, bytes(2_000_000))

    assert (status, "The file is larger than 50 MB.</b> Divide it" in text) == (413, True)
    assert [asked for asked in site.ingest.asked if asked.method == "POST"] == []


async def test_what_is_wrong_is_told_by_row_and_column_and_what_each_row_would_become(
    viewer: aiohttp.ClientSession,
) -> None:
    text = await shown(viewer, f"/imports/{ID}")

    assert "Row 3, &lt;Country&gt;" in text
    assert "Give a code of two letters, like US." in text
    assert "Buyer &lt;1&gt;, 1 Example Street, Boston 02134, US" in text
    assert "The zeros at the beginning of the postal code were put back." in text
    assert "is Reference" in text
    assert "is passed over" in text
    assert f'href="/imports/{ID}?cursor=0-0"' in text
    assert "Import 2 orders</button>" in text


@pytest.mark.parametrize(
    ("one", "says"),
    [
        (held("checking"), ["30 of 90 rows", "about 2 min 5 s left", 'http-equiv="refresh"', "every 1s"]),
        (held("running"), ["30 of 90 rows", "Stop importing", f'href="/sessions/{ID}"']),
        (held("partial"), ["Partly imported", f'href="/imports/{ID}/failed"', "<b>1</b> failed"]),
        (held("cancelled"), ["upload the same file again"]),
        (held("cancelled", resumable=True), ["what it had brought stays", 'value="resume">Go on with what is missing']),
        (held("failed", problem="It has no header.", refusal="no_header"), ["It has no header.", "Mend the file"]),
        (held(notices=["This file was imported before."]), ["This file was imported before."]),
        (
            held(tally={"new": 0, "existing": 3, "changed": 0, "faulty": 0, "left_out": 0}),
            ["in the store already, unchanged"],
        ),
        (
            held(tally={"new": 0, "existing": 0, "changed": 1, "faulty": 0, "left_out": 0}),
            ["1 order is there with other content", "Update them", "Import 1 order</button>"],
        ),
    ],
)
async def test_every_state_says_what_it_is_and_what_can_be_done(
    ingest: Ingest, viewer: aiohttp.ClientSession, one: dict[str, Any], says: list[str]
) -> None:
    ingest.one = one

    text = await shown(viewer, f"/imports/{ID}")

    assert [said for said in says if said not in text] == []


@pytest.mark.parametrize(
    ("form", "path", "body"),
    [
        ({"action": "start", "on_changed": "update"}, "/start", {"on_changed": "update"}),
        ({"action": "start"}, "/start", {"on_changed": "refuse"}),
        ({"action": "resume"}, "/resume", {"on_changed": "refuse"}),
        ({"action": "cancel"}, "/cancel", None),
    ],
)
async def test_buttons_start_and_end_an_import(
    site: Site, viewer: aiohttp.ClientSession, form: dict[str, str], path: str, body: Any
) -> None:
    sent = {"form_token": await token(viewer), **form}

    async with viewer.post(f"/imports/{ID}", data=sent, allow_redirects=False) as answer:
        status, location = answer.status, answer.headers["Location"]

    [asked] = [asked for asked in site.ingest.asked if asked.method == "POST"]
    assert (status, location) == (303, f"/imports/{ID}")
    assert (asked.path, asked.json) == (f"/v1/imports/{ID}{path}", body)


async def test_a_store_is_made_in_place_and_chosen(site: Site, viewer: aiohttp.ClientSession) -> None:
    sent = {"form_token": await token(viewer), "name": "Market stall", "once": "abcdefgh"}

    async with viewer.post("/imports/stores", data=sent, allow_redirects=False) as answer:
        location = answer.headers["Location"]
    text = await shown(viewer, "/imports?store=just-made")

    [asked] = [asked for asked in site.ingest.asked if asked.method == "POST"]
    assert (asked.path, asked.json) == ("/v1/stores", {"platform": "direct", "name": "Market stall"})
    assert asked.headers["Idempotency-Key"] == "abcdefgh"
    assert location == "/imports?store=direct-1"
    assert '<option value="just-made" selected>Your new store</option>' in text


async def test_files_come_back_as_ingest_gives_them(viewer: aiohttp.ClientSession) -> None:
    async with viewer.get("/imports/template?form=csv") as template, viewer.get(f"/imports/{ID}/failed") as failed:
        assert (await template.read(), await failed.read()) == (b"Reference,Name\r\n", b"Ref,Reason\r\nW-2,why\r\n")


async def test_an_import_that_is_not_the_sellers_is_not_there(viewer: aiohttp.ClientSession) -> None:
    assert "There is no such import." in await shown(viewer, "/imports/another", status=404)


async def test_a_key_that_may_only_look_is_told_which_scope_it_lacks(site: Site, ingest: Ingest) -> None:
    async with site.client() as client:
        await logged_in(site, client, "reports:read")
        ingest.refuses = {"status": 403, "code": "forbidden", "title": "Not allowed.", "scope": "orders:write"}

        listed, one = await shown(client, "/imports"), await shown(client, f"/imports/{ID}")
        status, _, refused = await uploaded(client, b"Reference\r\n")

    assert [text for text in (listed, one) if "it lacks the scope orders:write" not in text] == []
    assert "Import 2 orders</button>" not in one
    assert (status, "Your API key lacks the scope orders:write." in refused) == (403, True)
