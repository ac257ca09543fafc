"""A seller opens the page in a browser: logs in, sees a sync go on by itself, and reads why an order waits."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import Browser, Page, expect

from schemas.audits import AuditFinished, AuditProgressed, AuditStarted
from schemas.decisions import OrderDecided
from schemas.stores import Capability, StoreRecord, StoreSettings
from schemas.tracking import TrackingPushed
from services.kit.kafka.publisher import KafkaPublisher, Message
from services.kit.keys import ACCESS_MIGRATIONS, ACCESS_SCHEMA, create_key
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from services.reporting.app import serve
from services.reporting.completeness_api import ASK_SCOPE
from services.reporting.facts import Fact
from services.reporting.logins import READ_SCOPE
from services.reporting.settings import ReportingSettings
from services.reporting.tracking_api import RETRY_SCOPE
from tests.reporting.facts import (
    SELLER,
    SESSION,
    at,
    audit_finished,
    audit_progressed,
    audit_started,
    decided,
    differing,
    finished,
    key,
    not_matched,
    outcome,
    polled,
    progressed,
    pushed,
    started,
    store,
    stuck,
)

pytestmark = [pytest.mark.browser, pytest.mark.integration]

WITHIN_MS = 20_000
VENDORED = Path(__file__).parents[2] / "services/reporting/dashboard/static/vendor/htmx.min.js"


@dataclass
class Report:
    """The running service, a key, and a way to tell it facts."""

    address: str
    key: str
    prefix: str
    publisher: KafkaPublisher

    async def tell(self, *facts: Fact) -> None:
        await self.publisher.publish([self._message(fact) for fact in facts])

    def _message(self, fact: Fact) -> Message:
        value = fact.model_dump_json().encode()
        if isinstance(fact, OrderDecided):
            return Message(f"{self.prefix}orders.decisions", fact.order_key, value)
        if isinstance(fact, AuditStarted | AuditProgressed | AuditFinished):
            return Message(f"{self.prefix}sync.audits", fact.store_id, value)
        if isinstance(fact, TrackingPushed):
            return Message(f"{self.prefix}tracking.pushes", fact.order_key, value)
        if isinstance(fact, StoreRecord):
            return Message(f"{self.prefix}stores", fact.store_id, value)
        return Message(f"{self.prefix}sync.sessions", SESSION, value)


@pytest.fixture
async def report(kafka_bootstrap: str, fresh_database: str, tmp_path: Path) -> AsyncIterator[Report]:
    prefix = f"t{secrets.token_hex(4)}."
    settings = ReportingSettings(
        kafka_bootstrap_servers=kafka_bootstrap,
        database_url=fresh_database,
        master_key_file=tmp_path / "master.key",
        reporting_port=0,
        topic_partitions=2,
    )
    await migrate(fresh_database, schema=ACCESS_SCHEMA, directory=ACCESS_MIGRATIONS)
    pool = await create_pool(fresh_database, schema=ACCESS_SCHEMA, max_size=1)
    text, _ = await create_key(pool, SELLER, [READ_SCOPE, ASK_SCOPE, RETRY_SCOPE], "browser")
    await pool.close()
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    service = asyncio.create_task(serve(stop=stop, settings=settings, topic_prefix=prefix, started=port.set_result))
    publisher = KafkaPublisher(kafka_bootstrap, "test", timeout=20)
    await publisher.start()
    yield Report(f"http://127.0.0.1:{await asyncio.wait_for(port, 60)}", text, prefix, publisher)
    await publisher.stop()
    stop.set()
    await asyncio.wait_for(service, 30)


async def _log_in(page: Page, report: Report) -> None:
    await page.goto(report.address)
    await page.get_by_label("API key").fill(report.key)
    await page.get_by_role("button", name="Log in").click()
    await expect(page.get_by_role("heading", name="Overview")).to_be_visible(timeout=WITHIN_MS)


async def test_a_seller_watches_a_sync_and_reads_why_an_order_waits(report: Report, browser: Browser) -> None:
    assert VENDORED.exists(), "run services/reporting/dashboard/build-assets"
    page = await browser.new_page(timezone_id="America/New_York")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await _log_in(page, report)
    await expect(page.get_by_text("Live")).to_be_visible(timeout=WITHIN_MS)

    await page.get_by_role("link", name="Syncs", exact=True).click()
    await report.tell(store(), started(), progressed(outcome(1), outcome(2), total=3))
    row = page.get_by_role("row", name="Paper Moon")
    await expect(row).to_contain_text("2 of 3", timeout=WITHIN_MS)
    await expect(row).to_contain_text("Running")

    await report.tell(progressed(outcome(3), part=2, total=3), finished())
    await expect(row).to_contain_text("Succeeded", timeout=WITHIN_MS)
    await expect(row).to_contain_text("3 new")
    await expect(row).to_contain_text("1 Mar 2026, 07:00:00")

    await report.tell(decided(key(1), reasons=(not_matched(),)))
    await row.get_by_role("link").click()
    await page.get_by_role("link", name="#1001").click()
    await expect(page.get_by_role("heading", name="Why it is held")).to_be_visible(timeout=WITHIN_MS)
    await expect(page.get_by_text("No product of ours is matched to this item (SKU MUG-11)").first).to_be_visible()

    await report.tell(decided(key(1), number=2, cause="match", step="released", minute=9))
    await expect(page.get_by_text("Released to production.")).to_be_visible(timeout=WITHIN_MS)
    assert complaints == []


async def test_the_page_is_read_without_scripts(report: Report, browser: Browser) -> None:
    context = await browser.new_context(java_script_enabled=False)
    page = await context.new_page()
    await report.tell(store(), decided(key(1), reasons=(not_matched(),)))
    await _log_in(page, report)

    await _reloaded_until(page, "Item not matched to a product")
    waits = page.get_by_role("region", name="What waits for you")
    await waits.get_by_role("link", name="Item not matched to a product").click()
    await page.get_by_role("link", name="#1001").click()

    await expect(page.get_by_role("heading", name="Why it is held")).to_be_visible()
    await context.close()


async def test_what_needs_the_seller_comes_and_goes_by_itself(report: Report, browser: Browser) -> None:
    page = await browser.new_page()
    # Nobody is told that what is not synced by itself is behind, though these facts are old.
    resting = StoreSettings(auto_sync=False)
    await report.tell(store(platform_name="Etsy", settings=resting), started(), progressed(outcome(1)), finished())
    await _log_in(page, report)
    await expect(page.get_by_role("row", name="Etsy")).to_contain_text("1 Linked", timeout=WITHIN_MS)
    await expect(page.get_by_text("Live")).to_be_visible(timeout=WITHIN_MS)
    badge = page.get_by_role("navigation", name="Main").get_by_role("link", name="1 needs you")

    await report.tell(store(state="reconnect", problem="Etsy refuses us.", changed_at=at(1)))
    await expect(badge).to_be_visible(timeout=WITHIN_MS)
    await page.get_by_role("link", name="Connect Paper Moon again").click()
    card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Paper Moon"))
    await expect(card).to_contain_text("Etsy refuses us.")
    await expect(page.get_by_text("Live")).to_be_visible(timeout=WITHIN_MS)

    await report.tell(store(settings=resting, changed_at=at(2)))
    await expect(badge).to_be_hidden(timeout=WITHIN_MS)
    await expect(card).to_contain_text("Linked")


async def test_one_button_checks_a_period_and_its_audit_is_watched_to_its_end(report: Report, browser: Browser) -> None:
    page = await browser.new_page(timezone_id="America/Chicago")
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    await report.tell(store(platform_name="Etsy"), *polled("poll-1", outcome(1), healed="The webhook was gone."))
    await _log_in(page, report)
    await page.get_by_role("link", name="Completeness", exact=True).click()
    mark = page.get_by_role("link", name="Complete through")
    await expect(mark).to_contain_text("Nothing is proven yet", timeout=WITHIN_MS)
    await report.tell(decided(key(1)))
    await expect(mark).to_contain_text("1 Mar 2026, 06:00:00", timeout=WITHIN_MS)

    await mark.click()
    await page.get_by_label("From", exact=True).fill("2026-02-27")
    await page.get_by_label("To", exact=True).fill("2026-02-28")
    await page.get_by_role("button", name="Check this period").click()
    await expect(page.get_by_text("The check was asked for.")).to_be_visible(timeout=WITHIN_MS)
    await expect(page.get_by_text("Live")).to_be_visible(timeout=WITHIN_MS)
    audit_id = parse_qs(urlsplit(page.url).query)["id"][0]

    await report.tell(audit_started(audit_id, scope="asked"), audit_progressed(audit_id, listed=3, held=2, missing=1))
    line = page.get_by_role("region", name="Period").get_by_role("link", name="Asked for")
    await expect(line).to_contain_text("Comparing", timeout=WITHIN_MS)
    await report.tell(audit_finished(audit_id))
    await expect(line).to_contain_text("Agrees", timeout=WITHIN_MS)
    assert complaints == []


async def test_a_parcel_that_needs_the_seller_is_tried_again_and_watched_until_it_is_verified(
    report: Report, browser: Browser
) -> None:
    page = await browser.new_page()
    await report.tell(store(), decided(), stuck())
    await _log_in(page, report)
    await page.goto(f"{report.address}/tracking")
    await _reloaded_until(page, "9400111")

    await page.get_by_role("button", name="Try again", exact=True).click()
    await expect(page.get_by_text("Asked for.")).to_be_visible(timeout=WITHIN_MS)
    await report.tell(pushed("verified", step=2, minute=11))

    await expect(page.locator("tbody").get_by_text("Verified", exact=True)).to_be_visible(timeout=WITHIN_MS)
    await expect(page.get_by_role("button", name="Try again", exact=True)).to_have_count(0)
    await page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_six_platforms_fit_a_narrow_screen_and_the_keyboard(
    report: Report, browser: Browser, scheme: Literal["light", "dark"]
) -> None:
    context = await browser.new_context(viewport={"width": 390, "height": 800}, color_scheme=scheme)
    page = await context.new_page()
    stores = [
        store(
            store_id=f"store-{n}",
            platform=f"platform{n}",
            platform_name=f"Platform {n}",
            name=f"A store whose name is long enough to break {n}",
            access_ends_at=datetime.now(UTC) + timedelta(days=5),
            capabilities=(Capability(name="addresses", allowed=False, detail="Grant the scope " + "x" * 60),),
        )
        for n in range(6)
    ]
    await report.tell(*stores, decided(key(1, platform="platform0", store="store-0"), reasons=(not_matched(),)))
    await _log_in(page, report)
    await _reloaded_until(page, "Platform 5")

    await report.tell(*(fact.model_copy(update={"store_id": "store-1"}) for fact in differing("audit-1")))
    await report.tell(stuck(order=key(1, platform="platform0", store="store-0"), tracking_number="9" * 40))
    for path in (
        *("/", "/alerts", "/stores", "/stores?platform=platform2", "/orders?platform=platform0", "/sessions"),
        *("/tracking", "/completeness", "/completeness/store-1?from=2026-02-27&to=2026-02-28", "/audits/audit-1"),
    ):
        await page.goto(report.address + path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= 390, path
        assert await page.evaluate("[...document.querySelectorAll('nav')].every(n => n.scrollWidth <= n.clientWidth)")

    await page.goto(report.address)
    reached = []
    for _ in range(14):
        await page.keyboard.press("Tab")
        reached.append(await page.evaluate("document.activeElement.textContent.trim().split(/\\s*\\n/)[0]"))
    assert reached[0] == "Skip to the content"
    assert {"Stores", "Syncs", "Orders"} <= set(reached)
    assert any("shipping addresses are hidden" in text for text in reached)
    await context.close()


async def _reloaded_until(page: Page, text: str) -> None:
    async with asyncio.timeout(WITHIN_MS / 1000):
        while not await page.get_by_text(text).count():
            await asyncio.sleep(0.2)
            await page.reload()
