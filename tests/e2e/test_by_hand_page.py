"""A seller types an order with the keyboard alone: is told what is wrong, leaves, comes back, and sees it made."""

from __future__ import annotations

import secrets

import pytest
from playwright.async_api import Browser, Page, Route, expect

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.world import World
from deploy.sandbox.catalog_of_goods import GOODS
from tests.e2e.everywhere import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(120)]

WITHIN_MS = 20_000
SKU = GOODS[0].sku
PICTURE = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8" fill="teal"/></svg>'


async def test_an_order_is_typed_mended_left_gone_on_with_given_and_made(
    world: World, api: Api, browser: Browser
) -> None:
    await journey.top_up(api)
    store_id = await _store(api)
    page = await (await browser.new_context()).new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await page.route(
        "https://designs.example.com/**", lambda it: it.fulfill(content_type="image/svg+xml", body=PICTURE)
    )
    await _log_in(page, world, f"/new-order?store={store_id}")

    reference = await page.get_by_label("Order number").input_value()
    await _type(page, "Look for a product", SKU.lower())
    await expect(page.get_by_role("list", name="Products found").get_by_role("button").first).to_contain_text(SKU)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("list", name="Items of this order")).to_contain_text(SKU, timeout=WITHIN_MS)
    await _type(page, "Quantity", "2")
    for label, text in (("Name", "Buyer 0042"), ("Street and number", "12 Example Street"), ("City", "Austin")):
        await _type(page, label, text)
    await _type(page, "State", "Texas")
    await _type(page, "ZIP code", "90210")
    wrong = page.get_by_text("It is none of this state. Check it, or the state.")
    await expect(wrong).to_be_visible(timeout=WITHIN_MS)
    await _press(page, "Save as a draft")
    await expect(page.get_by_text("Saved as a draft.")).to_be_visible(timeout=WITHIN_MS)

    await page.goto(f"{world.services['reporting']}/new-order")
    await _press(page, f"{reference} · Buyer 0042")
    await expect(page.get_by_label("ZIP code")).to_have_value("90210", timeout=WITHIN_MS)
    await _press(page, "Give the order")
    await expect(page.get_by_role("alert")).to_contain_text("The address is not complete", timeout=WITHIN_MS)
    await expect(wrong).to_be_visible()
    await _type(page, "ZIP code", "73301")
    await expect(wrong).to_be_hidden(timeout=WITHIN_MS)
    assert complaints == []
    await _lose_the_page_and_the_login(page, world)
    complaints.clear()
    await _press(page, "Give the order")

    await expect(page.get_by_role("heading", name="The order is given")).to_be_visible(timeout=WITHIN_MS)
    await expect(page.get_by_role("link", name="Its session in the report")).to_be_visible(timeout=WITHIN_MS)
    await _press(page, "To the order")
    await expect(page.get_by_text("Released to production.")).to_be_visible(timeout=WITHIN_MS)
    await expect(page.get_by_text("typed in by hand").first).to_be_visible(timeout=WITHIN_MS)
    await _press(page, "Order the same again")
    await expect(page.get_by_label("Street and number")).to_have_value("12 Example Street", timeout=WITHIN_MS)
    assert (await api.call("ingest", "GET", "/v1/drafts"))["items"] == []
    assert complaints == []
    await _fits(page)
    await page.context.close()


async def _lose_the_page_and_the_login(page: Page, world: World) -> None:
    """What is typed stays on the screen all the while."""
    await page.route("**/new-order", lambda route: route.abort())
    await _press(page, "Give the order")
    await expect(page.get_by_role("alert")).to_contain_text("The page cannot be reached", timeout=WITHIN_MS)
    await page.unroute("**/new-order")
    await page.context.clear_cookies()
    await _press(page, "Give the order")
    await expect(page.get_by_role("alert")).to_contain_text("Your login is over", timeout=WITHIN_MS)
    another = await page.context.new_page()
    await _log_in(another, world, "/orders")
    await another.close()


async def _log_in(page: Page, world: World, path: str) -> None:
    await page.goto(world.services["reporting"] + path)
    await page.get_by_label("API key").fill(world.key)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Log out")).to_be_visible(timeout=WITHIN_MS)


async def _store(api: Api) -> str:
    """A direct store that the report knows."""
    made = await api.call(
        "ingest", "POST", "/v1/stores", body={"platform": "direct", "name": f"By hand {secrets.token_hex(4)}"}
    )
    store_id: str = made["store_id"]

    async def is_known() -> bool:
        return any([each["store_id"] == store_id async for each in api.pages("reporting", "/v1/stores", {})])

    await eventually(is_known)
    return store_id


async def _paint(route: Route) -> None:
    await route.fulfill(content_type="image/svg+xml", body=PICTURE)


async def _type(page: Page, label: str, text: str) -> None:
    """Reach a field by the keyboard, and put a text into it in place of what stood there."""
    await _reach(page, label)
    await page.keyboard.press("Control+A")
    await page.keyboard.type(text)


async def _press(page: Page, name: str) -> None:
    """Reach a button or a link by the keyboard, and press it."""
    await _reach(page, name)
    await page.keyboard.press("Enter")


async def _reach(page: Page, name: str) -> None:
    """Tab on until what is called so has the focus, and shows that it has."""
    seen = []
    for _ in range(120):
        await page.keyboard.press("Tab")
        seen.append(await page.evaluate(_FOCUSED))
        if seen[-1].startswith(name):
            assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            return
    raise AssertionError(f"{name} is not reached: {seen}")


#: What the focused element is called: by its label, without the sign of a must, else by its own words.
_FOCUSED = """() => {
    const here = document.activeElement;
    const words = here.labels?.length ? here.labels[0].textContent : here.textContent;
    return words.replace(" *", "").trim().replace(/\\s+/g, " ");
}"""


async def _fits(page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 800})
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
