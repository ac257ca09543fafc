"""What a platform lists by whole pages is what its pages hold, those orders included that cannot be read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from schemas.ids import SellerId, StoreId
from schemas.order import RawOrder, Way
from services.ingest.contract.reading import By, ListedChange, Page, Unreadable, Window
from services.ingest.contract.stores import Access, StoreRef
from services.ingest.usual import UsualConnector
from tests.schemas.orders import raw_order

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ACCESS = Access(StoreRef(StoreId("store-1"), SellerId("seller-1"), "any", "s1"), {})
ORDER = raw_order(number="1", placed_at=NOON - timedelta(days=2), revised_at=NOON)
UNKNOWN = Unreadable(None, "id", "is missing", "{}")
BROKEN = Unreadable("2", "total", "is missing", "{}")


class OnePage(UsualConnector):
    """A platform of three orders, two of which cannot be read."""

    name = "Any"

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        del access, after, way
        return Page((ORDER, UNKNOWN, BROKEN), "more", window.start, 7)

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        del access, way
        held: dict[str, RawOrder | Unreadable] = {"1": ORDER, "2": BROKEN}
        return held.get(external_id)


@pytest.mark.parametrize(("by", "at"), [("updated", ORDER.revised_at), ("created", ORDER.placed_at)])
async def test_a_page_is_listed_by_the_window_s_time_and_the_unreadable_at_its_start(by: By, at: datetime) -> None:
    window = Window(NOON - timedelta(days=3), NOON, by)

    listing = await OnePage().list_orders(ACCESS, window, after=None)

    assert listing.orders == (ListedChange("1", at), ListedChange("2", window.start))
    assert (listing.after, listing.total) == ("more", 7)


async def test_orders_are_read_one_after_another_and_nothing_is_counted() -> None:
    found = await OnePage().read_orders(ACCESS, ["2", "3", "1"], way="poll")

    assert found == {"2": BROKEN, "3": None, "1": ORDER}
    assert await OnePage().count_orders(ACCESS, Window(NOON, NOON)) is None
