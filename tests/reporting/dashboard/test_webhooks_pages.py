"""The page about sellers' own addresses says what became of each, and passes its buttons on with the seller's key."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from services.kit.errors import TransientError
from services.reporting.adapters.memory_neighbours import Asked
from tests.reporting.conftest import Site
from tests.reporting.facts import SELLER, disabled_endpoint

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

ENDPOINT = {
    "endpoint_id": "e-1",
    "url": "https://shop.example.com/<hook>",
    "types": ["order.held"],
    "state": "disabled",
    "problem": "Nothing was taken there for a day.",
    "failing_since": "2026-03-01T12:00:00Z",
}


class Ingest:
    """Answers as ingest would."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {
            "GET": (200, {"items": [ENDPOINT | {"endpoint_id": "e-0", "state": "enabled"}, ENDPOINT]}),
            "PATCH": (200, ENDPOINT),
            "POST": (200, {"state": "delivered", "problem": None}),
        }

    def __call__(self, asked: Asked) -> tuple[int, Any]:
        if asked.method not in self.answers:
            raise TransientError("neighbour: away")
        return self.answers[asked.method]


@pytest.fixture
def ingest(site: Site) -> Ingest:
    site.ingest.answers = ingest = Ingest()
    return ingest


async def page(site: Site, form: dict[str, str] | None = None, *, scopes: list[str] | None = None) -> tuple[int, str]:
    async with site.client() as client:
        key = site.keys.grant(SELLER, scopes) if scopes else site.keys.grant(SELLER)
        await client.post("/login", data={"key": key, "zone": "UTC"})
        text = await _text(await client.get("/webhooks"))
        if form is None:
            return 200, text
        token = text.split('name="form_token" value="')[1].split('"', maxsplit=1)[0]
        answer = await client.post("/webhooks/e-1", data={"form_token": token, **form}, allow_redirects=False)
        return answer.status, await _text(answer)


async def _text(answer: aiohttp.ClientResponse) -> str:
    return await answer.text()


async def test_an_address_that_is_off_stands_first_with_its_remedy_and_the_alert_leads_to_it(
    site: Site, ingest: Ingest
) -> None:
    await site.take(disabled_endpoint())

    _, text = await page(site)

    assert ingest
    assert text.index('id="endpoint-e-1"') < text.index('id="endpoint-e-0"')
    assert "Nothing was taken there for a day. Mend what answers there" in text
    assert "https://shop.example.com/&lt;hook&gt;" in text
    assert text.count('value="enable"') == 1
    async with site.client(site.keys.grant(SELLER)) as client:
        alerts = await (await client.get("/v1/alerts")).json()
    assert [alert["link"] for alert in alerts["items"]] == ["/webhooks#endpoint-e-1"]


@pytest.mark.parametrize(
    ("form", "asked", "status", "says"),
    [
        ({"action": "test"}, ("POST", "/v1/webhook-endpoints/e-1/test", None), 200, "The test was taken."),
        ({"action": "enable"}, ("PATCH", "/v1/webhook-endpoints/e-1", {"state": "enabled"}), 303, ""),
        (
            {"action": "enable", "url": " https://new.example.com/ "},
            ("PATCH", "/v1/webhook-endpoints/e-1", {"state": "enabled", "url": "https://new.example.com/"}),
            303,
            "",
        ),
    ],
)
async def test_buttons_are_passed_on(
    site: Site, ingest: Ingest, form: dict[str, str], asked: tuple[str, str, Any], status: int, says: str
) -> None:
    answered, text = await page(site, form)

    assert ingest
    assert asked in [(one.method, one.path, one.json) for one in site.ingest.asked]
    assert answered == status
    assert says in text


@pytest.mark.parametrize(
    ("method", "answer", "form", "says"),
    [
        ("POST", (200, {"state": "failed", "problem": "It answered 500."}), "test", "not taken. It answered 500."),
        ("POST", None, "test", "No answer came in time."),
        ("PATCH", (422, {"title": "Not called.", "detail": "It is a private address."}), "enable", "private address"),
    ],
)
async def test_what_does_not_work_says_why(
    site: Site, ingest: Ingest, method: str, answer: tuple[int, Any] | None, form: str, says: str
) -> None:
    ingest.answers.pop(method)
    if answer:
        ingest.answers[method] = answer

    _, text = await page(site, {"action": form})

    assert says in text


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ((200, {"items": []}), "No address is given yet"),
        ((403, {"title": "No.", "scope": "webhooks:read"}), "lacks the scope webhooks:read"),
        (None, "cannot be looked up at present"),
    ],
)
async def test_a_page_without_addresses_says_why(
    site: Site, ingest: Ingest, answer: tuple[int, Any] | None, says: str
) -> None:
    ingest.answers = {"GET": answer} if answer else {}

    _, text = await page(site)

    assert says in text
