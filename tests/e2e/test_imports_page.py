"""A seller brings a file to the page: sees what is wrong in it, imports the rest, and gets the failed rows back."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Download, Page, expect

from deploy.demo import journey
from deploy.demo.api import Api
from deploy.demo.world import World
from deploy.sandbox.catalog_of_goods import GOODS

pytestmark = [pytest.mark.e2e, pytest.mark.browser, pytest.mark.timeout(120)]

WITHIN_MS = 20_000
SKU = GOODS[0].sku
ROWS = f"""Reference,Name,Address 1,City,State,ZIP,Country,SKU,Quantity,Shoe size
W-1,Buyer 0001,1 Example Street,Boston,MA,2134,US,{SKU},1,44
W-2,Buyer 0002,2 Example Street,Austin,TX,73301,Atlantis,{SKU},1,45
W-3,Buyer 0003,3 Example Street,Austin,TX,73301,US,{SKU},2,46
W-3,,,,,,,NO-SUCH-THING,1,46
"""


async def test_a_file_with_a_wrong_row_is_seen_through_imported_and_handed_back(
    world: World, api: Api, browser: Browser
) -> None:
    await journey.top_up(api)
    page = await _logged_in(browser, world)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    name = f"By hand {secrets.token_hex(4)}"
    await _make_store(page, name)
    await _give(page, "orders.csv", ROWS.encode())
    await expect(page.get_by_role("button", name="Import 2 orders")).to_be_visible(timeout=WITHIN_MS)
    wrong = page.get_by_role("region", name="What is wrong, and what to do")
    await expect(wrong.get_by_role("row", name="Row 3, Country")).to_contain_text("It is no country that we know")
    preview = page.get_by_role("region", name="What each row would become")
    await expect(preview.get_by_role("row", name="W-1")).to_contain_text("Boston MA 02134")
    await page.get_by_role("button", name="Import 2 orders").press("Enter")
    await expect(page.get_by_text("Partly imported")).to_be_visible(timeout=WITHIN_MS)

    async with page.expect_download() as coming:
        await page.get_by_role("link", name="Download the rows that are not imported").click()
    failed = (await _read(await coming.value)).decode("utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in failed] == ["Reference", "W-2"]
    assert "Country: It is no country that we know" in failed[1]

    # Mended there, it goes in; what is imported already does not.
    mended = failed[0] + "\n" + failed[1].replace("Atlantis", "US") + "\n" + ROWS.splitlines()[1]
    await page.get_by_role("link", name="Import another file").click()
    await expect(page.get_by_label("Into the store")).to_have_value(page.url.rsplit("=", maxsplit=1)[1])
    await _give(page, "mended.csv", mended.encode())
    await page.get_by_role("button", name="Import 1 order").click(timeout=WITHIN_MS)
    await expect(page.get_by_role("main").get_by_text("1 unchanged")).to_be_visible(timeout=WITHIN_MS)
    await page.get_by_role("link", name="See the orders in the report").click()
    await expect(page.get_by_role("link", name="W-2")).to_be_visible(timeout=WITHIN_MS)
    assert complaints == []

    await _fits(page, f"{world.services['reporting']}/imports")
    await page.close()


async def test_a_file_that_is_none_is_refused_with_what_to_do_also_without_scripts(
    world: World, browser: Browser
) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await _logged_in(await browser.new_context(), world)
    plain = await _logged_in(context, world)

    for one in (page, plain):
        await _make_store(one, f"Refusing {secrets.token_hex(4)}")
        # Larger than what is passed on before ingest says no.
        await _give(one, "picture.csv", b"\x89PNG\r\n\x1a\n" + bytes(4_000_000))
        await expect(one.get_by_role("alert")).to_contain_text("The file cannot be read as orders.", timeout=WITHIN_MS)
        await expect(one.get_by_role("button", name="Look through the file")).to_be_enabled()

    await context.close()
    await page.context.close()


async def _logged_in(browser: Browser | BrowserContext, world: World) -> Page:
    page = await browser.new_page()
    await page.goto(f"{world.services['reporting']}/imports")
    await page.get_by_label("API key").fill(world.key)
    await page.get_by_role("button", name="Log in").click()
    return page


async def _make_store(page: Page, name: str) -> None:
    if not await page.get_by_label("Its name").is_visible():
        await page.get_by_text("Make a store for orders of your own").click()
    await page.get_by_label("Its name").fill(name)
    await page.get_by_role("button", name="Make the store").click()
    await expect(page.get_by_label("Into the store")).to_be_visible(timeout=WITHIN_MS)


async def _give(page: Page, name: str, content: bytes) -> None:
    await page.get_by_label("Drop a file here").set_input_files(
        {"name": name, "mimeType": "text/csv", "buffer": content}
    )
    await page.get_by_role("button", name="Look through the file").click()


async def _read(download: Download) -> bytes:
    return await asyncio.to_thread(Path(await download.path()).read_bytes)


async def _fits(page: Page, address: str) -> None:
    await page.set_viewport_size({"width": 390, "height": 800})
    await page.goto(address)
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    await page.get_by_role("link", name="mended.csv").click()
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
