"""The form for an order by hand over neighbours in memory: what it asks, and what a seller sees of the answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from services.kit.clock import ManualClock
from services.kit.errors import TransientError
from services.reporting.adapters.memory_neighbours import Asked, MemoryNeighbour
from services.reporting.dashboard import order_form_desk
from services.reporting.dashboard.order_form import OrderForm
from services.reporting.dashboard.order_form_told import GivenTold
from services.reporting.logins import READ_SCOPE
from services.reporting.neighbours import Neighbours
from tests.reporting.conftest import Site
from tests.reporting.facts import SELLER, START, decided, key, store

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

PRODUCT = {
    "sku": "TEE-BLK-M",
    "product_name": "Tee",
    "options": [{"name": "Color", "value": "Black"}],
    "cost": {"amount": 799, "currency": "USD"},
    "available": True,
    "needs_artwork": True,
    "areas": ["front"],
    "picture_url": "https://files.example.com/tee.png",
}
FORM = {
    "country": "US",
    "name": "United States",
    "fields": [
        {"name": "name", "label": "Name", "required": True},
        {"name": "city", "label": "City", "required": True},
        {"name": "postal_code", "label": "ZIP code", "required": True, "example": "95014"},
    ],
}
TYPED = {
    "form_id": "form-0001",
    "store_id": "st-1",
    "reference": "H-1",
    "ship_to.name": "Buyer 0042",
    "ship_to.country": "US",
    "ship_to.region": "Bavaria",
    "items.0.sku": "TEE-BLK-M",
    "items.0.quantity": "2",
}
INVALID = {"code": "invalid_request", "title": "The request is not valid."}


@dataclass
class Desk:
    """A seller at the page, and what its neighbours answer."""

    site: Site
    browser: aiohttp.ClientSession
    token: str
    answers: dict[str, Any] = field(default_factory=dict)
    status: int = 0
    location: str | None = None

    def answer(self, asked: Asked) -> tuple[int, Any]:
        found = self.answers.get(f"{asked.method} {asked.path.partition('?')[0]}")
        if found is None:
            raise TransientError("away")
        answer: tuple[int, Any] = found(asked) if callable(found) else found
        return answer

    async def press(self, button: str, **changes: str) -> str:
        form = {**TYPED, "form_token": self.token, "do": button, **changes}
        async with self.browser.post("/new-order", data=form, allow_redirects=False) as response:
            self.location = response.headers.get("Location")
            self.status = response.status
            return await response.text()

    async def open(self, path: str = "/new-order") -> str:
        async with self.browser.get(path) as response:
            self.status = response.status
            return await response.text()

    def asked(self, method: str, path: str) -> list[Asked]:
        everything = [*self.site.ingest.asked, *self.site.eligibility.asked]
        return [each for each in everything if each.method == method and each.path.partition("?")[0] == path]


@pytest.fixture
async def desk(site: Site) -> AsyncIterator[Desk]:
    async with site.client() as browser:
        yield await _at(site, browser, site.keys.grant(SELLER))


async def _at(site: Site, browser: aiohttp.ClientSession, api_key: str) -> Desk:
    await site.take(store(store_id="st-1", platform="direct", name="By hand"))
    async with browser.post("/login", data={"key": api_key}) as response:
        page = await response.text()
    desk = Desk(site, browser, page.partition('name="form_token" value="')[2].partition('"')[0])
    desk.answers = {
        "GET /v1/address-forms": (200, {"items": [{"value": "US", "name": "United States"}]}),
        "GET /v1/address-forms/US": (200, FORM),
        "POST /v1/address-checks": (200, {"complete": True, "problems": []}),
        "GET /v1/catalog": (200, {"items": [PRODUCT], "next": None}),
        "GET /v1/drafts": (200, {"items": []}),
        "POST /v1/orders": (201, {"order_key": "direct:st-1:H-1", "reference": "H-1", "result": "new"}),
        "DELETE /v1/drafts/form-0001": (204, None),
    }
    site.ingest.answers = site.eligibility.answers = desk.answer
    return desk


async def test_an_order_is_given_in_the_sellers_name_and_its_draft_goes(desk: Desk) -> None:
    await desk.press("give")

    [given] = desk.asked("POST", "/v1/orders")
    assert (desk.status, desk.location) == (303, "/new-order/given?order=direct%3Ast-1%3AH-1&result=new")
    assert (given.query, given.json["items"][0]["quantity"]) == ({"way": "form"}, 2)
    # The country's form has no region, whatever was typed while another one was chosen.
    assert given.json["ship_to"] == {"name": "Buyer 0042", "country": "US"}
    assert given.key.startswith("osk_")
    assert len(desk.asked("DELETE", "/v1/drafts/form-0001")) == 1


async def test_the_same_button_twice_asks_for_the_same_order(desk: Desk) -> None:
    await desk.press("give")
    await desk.press("give")
    await desk.press("give", reference="H-2")

    keys = [asked.headers["Idempotency-Key"] for asked in desk.asked("POST", "/v1/orders")]
    assert keys[0] == keys[1] != keys[2]


async def test_an_order_that_is_being_taken_by_another_request_is_waited_for() -> None:
    clock = ManualClock(START)
    given = {"order_key": "direct:st-1:H-1", "reference": "H-1", "result": "new"}
    answers = iter([(409, {"code": "write_in_flight", "title": "Wait."}), (201, given)])
    ingest = MemoryNeighbour(lambda _: next(answers))
    desk = order_form_desk.Desk(Neighbours(ingest, MemoryNeighbour()), clock=clock)

    giving = asyncio.create_task(desk.give("key", OrderForm.read(TYPED, form_id="form-0001")))
    for _ in range(10):
        await asyncio.sleep(0)
    clock.advance(1)

    assert await giving == GivenTold.model_validate(given)
    assert len({asked.headers["Idempotency-Key"] for asked in ingest.asked}) == 1


async def test_what_is_refused_stands_beside_its_field_and_nothing_typed_is_lost(desk: Desk) -> None:
    wrong = {
        "path": "items.0.quantity",
        "problem": "It is too large",
        "remedy": "Give 10000 or less.",
    }
    elsewhere = {"path": "ioss_number", "problem": "It is none", "remedy": "Leave it out."}
    desk.answers["POST /v1/orders"] = (422, {**INVALID, "errors": [wrong, elsewhere]})

    page = await desk.press("give", **{"items.0.quantity": "99999", "note": "Fold <it>"})

    assert desk.status == 422
    assert _error(page, "items-0-quantity") == "It is too large. Give 10000 or less."
    assert "ioss_number: It is none. Leave it out." in page
    assert 'value="99999"' in page
    assert "Fold &lt;it&gt;" in page
    assert 'value="Buyer 0042"' in page


@pytest.mark.parametrize(
    ("refusal", "place", "sentence"),
    [
        ({"code": "reference_taken", "title": "No."}, "reference", "Another order of this store has this number"),
        ({"code": "store_not_found", "title": "No."}, "store_id", "There is no such store any more"),
    ],
)
async def test_what_has_no_path_finds_its_field_too(desk: Desk, refusal: Any, place: str, sentence: str) -> None:
    desk.answers["POST /v1/orders"] = (409, refusal)

    page = await desk.press("give")

    assert _error(page, place).startswith(sentence)


async def test_an_incomplete_address_is_said_first_and_given_only_on_purpose(desk: Desk) -> None:
    fault = {"field": "postal_code", "problem": "ZIP code is missing", "remedy": "Give it.", "missing": True}
    desk.answers["POST /v1/address-checks"] = (200, {"complete": False, "problems": [fault]})

    page = await desk.press("give")

    assert _error(page, "ship_to-postal_code") == "ZIP code is missing. Give it."
    assert desk.asked("POST", "/v1/orders") == []
    assert "Give it with this address" in page
    await desk.press("give:as_it_is")
    assert desk.status == 303


async def test_an_order_of_nothing_says_all_that_is_missing_at_once(desk: Desk) -> None:
    fault = {"field": "city", "problem": "City is missing", "remedy": "Give it.", "missing": True}
    desk.answers["POST /v1/address-checks"] = (200, {"complete": False, "problems": [fault]})

    page = await desk.press("give:as_it_is", **{"items.0.sku": ""})

    assert _error(page, "items") == "Add at least one product."
    assert _error(page, "ship_to-city") == "City is missing. Give it."
    assert desk.asked("POST", "/v1/orders") == []


async def test_while_typing_only_what_stands_there_is_found_wrong(desk: Desk) -> None:
    faults = [
        {"field": "city", "problem": "City is missing", "remedy": "Give it.", "missing": True},
        {"field": "postal_code", "problem": "It is none", "remedy": "It looks like 95014.", "missing": False},
    ]
    desk.answers["POST /v1/address-checks"] = (200, {"complete": False, "problems": faults})

    async with desk.browser.post("/new-order/check", data={**TYPED, "form_token": desk.token}) as response:
        part = await response.text()

    assert _error(part, "ship_to-postal_code") == "It is none. It looks like 95014."
    assert _error(part, "ship_to-city") == ""
    assert "15.98 USD" in part
    assert "<html" not in part


async def test_enter_in_the_search_adds_the_first_hit_and_elsewhere_gives_nothing(desk: Desk) -> None:
    added = await desk.press("enter", search="tee")
    await desk.press("enter")

    assert 'name="items.1.sku" value="TEE-BLK-M"' in added
    assert 'name="items.1.title" value="Tee · Black"' in added
    assert 'type="search" name="search" value=""' in added
    assert desk.asked("GET", "/v1/catalog")[0].query == {"q": "tee", "limit": "8"}
    assert desk.asked("POST", "/v1/orders") == []


async def test_hits_show_what_they_are_and_cost_and_can_be_added_without_scripts(desk: Desk) -> None:
    part = await desk.open("/new-order/products?search=tee")
    page = await desk.press("search", search="tee")

    for shown in (part, page):
        assert 'value="add:TEE-BLK-M"' in shown
        assert "7.99 USD" in shown
        assert "https://files.example.com/tee.png" in shown
    assert 'name="items.1.sku"' in await desk.press("add:TEE-BLK-M")
    assert 'name="items.0.sku"' not in await desk.press("remove:0")


async def test_a_draft_is_kept_gone_on_with_and_dropped(desk: Desk) -> None:
    kept: list[Any] = []

    def keep(asked: Asked) -> tuple[int, Any]:
        kept.append(asked.json)
        return 200, {}

    desk.answers["PUT /v1/drafts/form-0001"] = keep
    page = await desk.press("keep", **{"ship_to.postal_code": "nonsense"})
    draft = {"draft_id": "form-0001", "title": "H-1", "changed_at": "2026-03-01T12:00:00Z", "fields": kept[0]["fields"]}
    desk.answers["GET /v1/drafts/form-0001"] = (200, draft)
    desk.answers["GET /v1/drafts"] = (200, {"items": [draft]})
    listed = await desk.open("/new-order")
    resumed = await desk.open("/new-order?draft=form-0001")
    await desk.press("drop")

    assert "Saved as a draft." in page
    assert (kept[0]["title"], kept[0]["store_id"], kept[0]["reference"]) == ("H-1 · Buyer 0042", "st-1", "H-1")
    assert 'href="/new-order?draft=form-0001"' in listed
    assert 'value="nonsense"' in resumed
    assert 'name="form_id" value="form-0001"' in resumed
    assert "Drop this draft" in resumed
    assert desk.location == "/new-order"


async def test_an_earlier_order_is_copied_with_what_is_kept_of_it(desk: Desk) -> None:
    await desk.site.take(decided(key(1)))
    item = {"sku": "TEE-BLK-M", "title": "Tee", "quantity": 3, "unit_price": {"amount": 1999, "currency": "USD"}}
    copy = {
        "order_key": key(1),
        "items": [{**item, "personalization": [{"name": "Name", "value": "RIVERA"}], "designs": []}],
        "ship_to": {"name": "Buyer 0042", "country": "US"},
        **dict.fromkeys(("email", "shipping_service", "gift_message", "note")),
    }
    path = f"GET /v1/orders/{key(1).replace(':', '%3A')}/copy"
    address = f"/new-order?like={key(1)}"

    desk.answers[path] = (200, copy)
    whole = await desk.open(address)
    desk.answers[path] = (200, {**copy, "ship_to": None})
    of_a_platform = await desk.open(address)
    desk.answers[path] = (409, {"code": "order_erased", "title": "Erased."})
    erased = await desk.open(address)

    assert "Filled from the order" in whole
    assert all(f'value="{text}"' in whole for text in ("RIVERA", "Buyer 0042", "19.99", "3"))
    assert "belongs to its platform" in of_a_platform
    assert "Buyer 0042" not in of_a_platform
    assert "are not kept any more" in erased
    assert 'name="items.0.sku"' in erased


async def test_who_is_away_takes_nothing_that_was_typed_with_them(desk: Desk) -> None:
    desk.answers = {}

    empty = await desk.open()
    page = await desk.press("give", note="Fold it")

    assert 'name="reference"' in empty
    assert "cannot be reached at present" in page
    assert all(text in page for text in ("Fold it", "Buyer 0042", 'value="TEE-BLK-M"'))
    assert desk.asked("POST", "/v1/orders")


async def test_a_login_that_is_over_leaves_what_was_typed_on_the_screen_until_there_is_another(desk: Desk) -> None:
    form = {**TYPED, "form_token": desk.token, "do": "give"}
    desk.browser.cookie_jar.clear()

    async with desk.browser.post("/new-order", data=form, headers={"HX-Request": "true"}) as response:
        refused = (response.status, response.headers.get("HX-Redirect"))
    async with desk.browser.get("/new-order", headers={"HX-Request": "true"}) as response:
        led = response.headers.get("HX-Redirect")
    async with desk.browser.post("/login", data={"key": desk.site.keys.grant(SELLER)}):
        pass
    stale = await desk.press("give")

    assert refused == (401, None)
    assert led == "/login?next=%2Fnew-order"
    # Of another key it is not.
    assert (desk.status, "foreign_form" in stale) == (403, True)


async def test_a_store_is_made_in_place(site: Site) -> None:
    async with site.client() as browser:
        desk = await _at(site, browser, site.keys.grant("seller-2"))
        desk.answers["POST /v1/stores"] = (201, {"store_id": "st-9", "name": "Mine"})

        empty = await desk.open()
        made = await desk.press("store", new_store="Mine", store_id="")
        desk.answers["POST /v1/stores"] = (403, {"code": "forbidden", "title": "No.", "scope": "stores:write"})
        refused = await desk.press("store", new_store="Mine", store_id="")

    assert "Make one first" in empty
    assert '<option value="st-9" selected>' in made
    assert _error(refused, "new_store") == "Your API key lacks the scope stores:write. Log in with a key that has it."


async def test_without_the_scopes_the_page_says_which_are_missing(site: Site) -> None:
    async with site.client() as browser:
        desk = await _at(site, browser, site.keys.grant(SELLER, [READ_SCOPE, "orders:read"]))

        page = await desk.open()
        await desk.press("give")

    assert "lacks the scope orders:write" in page
    assert 'name="reference"' not in page
    assert desk.status == 403
    assert desk.site.ingest.asked == []


async def test_a_given_order_leads_to_the_report_once_it_is_there(desk: Desk) -> None:
    soon = await desk.open(f"/new-order/given?order={key(1)}&result=new")
    await desk.site.take(decided(key(1)))
    there = await desk.open(f"/new-order/given?order={key(1)}&result=existing")

    assert "The report shows it in a moment." in soon
    assert "The report shows it in a moment." not in there
    assert "there is one order" in there


async def test_pictures_come_from_elsewhere_on_this_page_alone(desk: Desk) -> None:
    async with desk.browser.get("/new-order") as response:
        policy = response.headers["Content-Security-Policy"]
    async with desk.browser.get("/orders") as response:
        other = response.headers["Content-Security-Policy"]

    assert "img-src 'self' https:" in policy
    assert "script-src 'self';" in policy
    assert "https:" not in other


def _error(page: str, place: str) -> str:
    return page.partition(f'id="error-{place}"')[2].partition(">")[2].partition("<")[0]
