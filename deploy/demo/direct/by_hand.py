"""One order that a seller types in: on the page, in a real browser; by API where there is none."""

from __future__ import annotations

from typing import Protocol

from playwright.async_api import Error as BrowserError
from playwright.async_api import Page
from rich.console import Console

from deploy.demo.api import Api, RefusedError
from deploy.demo.direct.browser import chromium, open_browser
from deploy.demo.direct.samples import Sample, samples
from deploy.demo.world import World

#: What it is called in the report.
REFERENCE = "H-1001"
_PATIENCE_MS = 30_000


class ByHand(Protocol):
    """Gives one order. `way` says how: "page" or "API"."""

    way: str

    async def give(self, store_id: str) -> Sample:
        """Give it to that store, and return what it is."""
        ...


class ByApi:
    """Gives it as the page would."""

    way = "API"

    def __init__(self, api: Api) -> None:
        self._api = api

    async def give(self, store_id: str) -> Sample:
        """Give it to that store, and return what it is."""
        order = by_hand_order()
        place = order.place
        ship_to = {
            "name": order.buyer,
            "line1": place.line1,
            "city": place.city,
            "region": place.region,
            "postal_code": place.postal_code,
            "country": place.country,
        }
        items = [
            {"sku": good.sku, "quantity": quantity, "unit_price": f"{good.price / 100:.2f}"}
            for good, quantity in order.lines
        ]
        body = {"store_id": store_id, "reference": order.reference, "ship_to": ship_to, "items": items}
        await self._api.call("ingest", "POST", "/v1/orders", body=body)
        return order


class ByPage:
    """Types it into the page's form, with the mouse left alone where the keyboard will do."""

    way = "page"

    def __init__(self, world: World, executable: str) -> None:
        self._world = world
        self._executable = executable

    async def give(self, store_id: str) -> Sample:
        """Give it to that store, and return what it is. Raises RefusedError where the page does not take it."""
        order = by_hand_order()
        try:
            async with open_browser(self._executable) as browser:
                page = await browser.new_page()
                page.set_default_timeout(_PATIENCE_MS)
                await self._log_in(page, f"/new-order?store={store_id}")
                await _type(page, order)
        except BrowserError as error:
            raise RefusedError(f"the form of the page: {error.message[:500]}") from error
        return order

    async def _log_in(self, page: Page, path: str) -> None:
        await page.goto(self._world.services["reporting"] + path)
        await page.get_by_label("API key").fill(self._world.key)
        await page.keyboard.press("Enter")
        await page.get_by_role("heading", name="New order").wait_for()


async def _type(page: Page, order: Sample) -> None:
    await page.get_by_label("Order number").fill(order.reference)
    lines = page.get_by_role("list", name="Items of this order")
    for good, quantity in order.lines:
        await page.get_by_label("Look for a product").fill(good.sku)
        await page.keyboard.press("Enter")
        line = lines.get_by_role("listitem").filter(has_text=good.sku)
        await line.get_by_label("Quantity").fill(str(quantity))
        await line.get_by_label("Buyer's price").fill(f"{good.price / 100:.2f}")
    place = order.place
    for label, text in (("Name", order.buyer), ("Street and number", place.line1), ("City", place.city)):
        await page.get_by_label(label, exact=False).first.fill(text)
    await page.get_by_label("State").select_option(place.region)
    await page.get_by_label("ZIP code").fill(place.postal_code)
    await page.get_by_role("button", name="Give the order").click()
    await page.get_by_role("heading", name="The order is given").wait_for()


def by_hand(api: Api, world: World, console: Console) -> ByHand:
    """By the page where there is a browser, else by API; says so."""
    executable = chromium()
    if executable is None:
        console.print("No Chromium is here, so the order by hand goes in by API: apt-get install chromium")
        return ByApi(api)
    return ByPage(world, executable)


def by_hand_order() -> Sample:
    """The order."""
    [order] = samples([REFERENCE], last=())
    return order
