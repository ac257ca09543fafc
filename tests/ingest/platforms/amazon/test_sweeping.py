"""What a search showed is told of an order for as long as that is safe, and no call is spent that polls need."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from services.ingest.contract.parcels import READ_FIRST, PushRefused, ShownLater
from services.ingest.contract.reading import Window
from services.ingest.contract.stores import Access
from services.ingest.platforms.amazon.client import USAGE_PLANS
from services.ingest.platforms.amazon.connector import AmazonConnector
from services.kit.limits import Limit
from tests.ingest.platforms.amazon.shop import ACCESS, SECRETS, connector, order_id
from tests.ingest.platforms.amazon.test_client import refusal
from tests.ingest.platforms.amazon.test_tracking import TAKEN, parcel
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.twin_http import Asked, ScriptedHttp, answer
from tests.ingest.toolbox import HastyClock

FIRST, SECOND, UNKNOWN = order_id(1), order_id(2), order_id(3)


class Counter:
    """Amazon with two orders; `packages` are what it has of each, `left` what is there of a budget."""

    def __init__(self, *, orders: float = 5.0, searches: float = 20.0) -> None:
        self.packages: dict[str, list[dict[str, Any]]] = {FIRST: [], SECOND: []}
        self.refuses = False
        self.left = {"getOrder": orders, "searchOrders": searches}
        self.clock = HastyClock()
        self.found, self.http = self._open()

    def _open(self) -> tuple[AmazonConnector, ScriptedHttp]:
        return connector(self._answer, clock=self.clock)

    async def run_low(self) -> None:
        """Have as little left of the budgets as was said."""
        for operation, left in self.left.items():
            rate, burst = USAGE_PLANS[operation]
            name = f"amazon|na.{SECRETS['seller_id']}|{operation}"
            await self.found._client._limits.learn(name, limit=Limit(burst, rate), available=left)

    def asked(self) -> list[str]:
        names = {"/orders": "search", "/shipmentConfirmation": "confirm"}
        paths = [urlsplit(asked.url).path for asked in self.http.asked]
        self.http.asked.clear()
        return [next((name for end, name in names.items() if path.endswith(end)), "order") for path in paths]

    def _answer(self, asked: Asked) -> Any:
        path = urlsplit(asked.url).path
        if path.endswith("/shipmentConfirmation"):
            return refusal("InvalidInput", 400, "quantity is more than what is left") if self.refuses else TAKEN
        if path.endswith("/orders"):
            return answer({"orders": [self._order(number) for number in self.packages]})
        number = path.rsplit("/", 1)[-1]
        return answer({"order": self._order(number)}) if number in self.packages else answer({}, status=404)

    def _order(self, number: str) -> dict[str, Any]:
        usual: dict[str, Any] = json.loads(payload("amazon", "unshipped.json"))
        return usual | {"orderId": number, "packages": self.packages[number]}


async def counter(**left: float) -> Counter:
    opened = Counter(**left)
    await opened.run_low()
    return opened


async def test_one_search_serves_many_orders_while_few_calls_are_left() -> None:
    amazon = await counter()

    for number in (FIRST, SECOND, FIRST):
        assert await amazon.found.parcels.read(ACCESS, number) is not None

    assert amazon.asked() == ["search"]


async def test_orders_are_read_one_by_one_while_many_calls_are_left() -> None:
    amazon = await counter(orders=20.0)

    await amazon.found.parcels.read(ACCESS, FIRST)

    assert amazon.asked() == ["order"]


async def test_searches_are_left_to_polls() -> None:
    amazon = await counter(searches=10.5)

    await amazon.found.parcels.read(ACCESS, FIRST)

    assert amazon.asked() == ["order"]


async def test_an_order_that_no_search_shows_is_gone_only_by_its_own_answer() -> None:
    amazon = await counter()

    assert await amazon.found.parcels.read(ACCESS, UNKNOWN) is None

    assert amazon.asked() == ["search", "order"]


async def test_what_was_shown_two_minutes_ago_is_not_told_any_more() -> None:
    amazon = await counter()
    await amazon.found.parcels.read(ACCESS, FIRST)

    amazon.clock.advance(121)
    await amazon.run_low()
    await amazon.found.parcels.read(ACCESS, FIRST)

    assert amazon.asked() == ["search", "search"]


async def test_a_confirmation_is_looked_up_when_searches_show_it_and_never_in_what_was_read_before() -> None:
    amazon = await counter()
    shipping = await amazon.found.parcels.read(ACCESS, FIRST)
    assert shipping is not None
    await amazon.found.parcels.write(ACCESS, parcel(), shipping)

    with pytest.raises(ShownLater) as later:
        await amazon.found.parcels.read(ACCESS, FIRST)
    amazon.clock.advance(later.value.retry_after or 0)
    await amazon.run_low()
    amazon.packages[FIRST] = [{"packageReferenceId": "1", "trackingNumber": parcel().tracking_number}]
    shipping = await amazon.found.parcels.read(ACCESS, FIRST)

    assert shipping is not None
    assert shipping.has(parcel().tracking_number)
    assert timedelta(minutes=2) < timedelta(seconds=later.value.retry_after or 0) < timedelta(minutes=4)
    assert amazon.asked() == ["search", "confirm", "search"]


async def test_that_a_number_is_missing_is_believed_of_the_order_alone() -> None:
    amazon = await counter()
    shipping = await amazon.found.parcels.read(ACCESS, FIRST)
    assert shipping is not None
    await amazon.found.parcels.write(ACCESS, parcel(), shipping)

    amazon.clock.advance(240)
    await amazon.run_low()
    shipping = await amazon.found.parcels.read(ACCESS, FIRST)

    assert shipping is not None
    assert amazon.asked() == ["search", "confirm", "search", "order"]


async def test_a_refusal_by_what_changed_since_the_search_is_tried_again() -> None:
    amazon = await counter()
    shipping = await amazon.found.parcels.read(ACCESS, FIRST)
    assert shipping is not None
    amazon.packages[FIRST] = [{"packageReferenceId": "7", "trackingNumber": "BY HAND"}]
    amazon.refuses = True

    with pytest.raises(PushRefused) as caught:
        await amazon.found.parcels.write(ACCESS, parcel(), shipping)
    await amazon.found.parcels.read(ACCESS, FIRST)

    assert (caught.value.remedy, caught.value.code) == ("wait", "CHANGED")
    assert amazon.asked() == ["search", "confirm", "order", "order"]


async def test_a_number_that_is_looked_up_an_hour_later_is_searched_since_it_was_told() -> None:
    amazon = await counter()
    shipping = await amazon.found.parcels.read(ACCESS, FIRST)
    assert shipping is not None
    await amazon.found.parcels.write(ACCESS, parcel(), shipping)
    told_at = amazon.clock.now()

    amazon.clock.advance(3_600)
    await amazon.run_low()
    amazon.packages[FIRST] = [{"packageReferenceId": "1", "trackingNumber": parcel().tracking_number}]
    await amazon.found.parcels.read(ACCESS, FIRST)

    query = dict(parse_qsl(urlsplit(amazon.http.asked[-1].url).query))
    since = datetime.fromisoformat(query["lastUpdatedAfter"])
    assert told_at - timedelta(minutes=1) < since < told_at
    assert amazon.asked() == ["search", "confirm", "search"]


ONE_MARKET = Access(ACCESS.store, {**SECRETS, "marketplaces": "ATVPDKIKX0DER"})
LINES = {"60519841730001": 1}


async def test_while_few_calls_are_left_an_order_is_told_unread() -> None:
    amazon = await counter()
    told = replace(parcel(lines=LINES), order_external_id=FIRST)

    shipping = await amazon.found.parcels.unread(ONE_MARKET, told)
    assert shipping is not None
    reference = await amazon.found.parcels.write(ONE_MARKET, told, shipping)

    [asked] = amazon.http.asked
    assert (asked.json["marketplaceId"], asked.json["packageDetail"]["orderItems"]) == (
        "ATVPDKIKX0DER",
        [{"orderItemId": "60519841730001", "quantity": 1}],
    )
    assert asked.json["packageDetail"]["packageReferenceId"] == reference


@pytest.mark.parametrize(
    ("access", "changes", "left"),
    [
        (ONE_MARKET, {}, 20.0),  # calls to read by are there
        (ONE_MARKET, {"replaces": "OTHER"}, 5.0),
        (ONE_MARKET, {"lines": {}}, 5.0),
        (ACCESS, {}, 5.0),  # nobody knows in which marketplace the order is
    ],
)
async def test_an_order_is_read_first_where_it_must_be_or_may(
    access: Access, changes: dict[str, Any], left: float
) -> None:
    amazon = await counter(orders=left)

    assert await amazon.found.parcels.unread(access, parcel(**{"lines": LINES} | changes)) is None


async def test_what_a_page_of_a_poll_showed_is_known_of_an_order_that_is_not_read() -> None:
    amazon = await counter()
    start = amazon.clock.now() - timedelta(hours=1)
    told = replace(parcel(lines=LINES), order_external_id=FIRST)

    await amazon.found.read_page(ACCESS, Window(start=start, end=amazon.clock.now()), after=None, way="poll")
    await amazon.run_low()
    shipping = await amazon.found.parcels.unread(ACCESS, told)

    assert shipping is not None
    assert shipping.standing == "open"


async def test_a_refused_order_that_was_not_read_is_read_before_anything_else() -> None:
    amazon = await counter()
    told = replace(parcel(lines=LINES), order_external_id=FIRST)
    shipping = await amazon.found.parcels.unread(ONE_MARKET, told)
    assert shipping is not None
    amazon.refuses = True

    with pytest.raises(PushRefused) as caught:
        await amazon.found.parcels.write(ONE_MARKET, told, shipping)
    await amazon.found.parcels.read(ONE_MARKET, FIRST)

    assert (caught.value.remedy, caught.value.code) == ("wait", READ_FIRST)
    assert amazon.asked() == ["confirm", "order"]


async def test_a_page_of_a_poll_reads_a_confirmation_back_and_is_asked_for_once() -> None:
    amazon = await counter()
    shipping = await amazon.found.parcels.read(ACCESS, FIRST)
    assert shipping is not None
    await amazon.found.parcels.write(ACCESS, parcel(), shipping)
    amazon.clock.advance(240)
    amazon.packages[FIRST] = [{"packageReferenceId": "1", "trackingNumber": parcel().tracking_number}]
    start = amazon.clock.now() - timedelta(hours=1)
    await amazon.found.read_page(ACCESS, Window(start=start, end=amazon.clock.now()), after=None, way="poll")
    await amazon.run_low()
    amazon.http.asked.clear()

    shipping = await amazon.found.parcels.read(ACCESS, FIRST)

    assert shipping is not None
    assert shipping.has(parcel().tracking_number)
    assert amazon.asked() == []


async def test_a_number_that_no_call_can_show_now_is_looked_up_later_without_a_queue() -> None:
    amazon = await counter(searches=1.0)
    shipping = await amazon.found.parcels.read(ACCESS, FIRST)
    assert shipping is not None
    await amazon.found.parcels.write(ACCESS, parcel(), shipping)
    amazon.clock.advance(240)
    amazon.left["getOrder"] = 0.0
    await amazon.run_low()
    amazon.clock.waits.clear()

    with pytest.raises(ShownLater):
        await amazon.found.parcels.read(ACCESS, FIRST)

    assert amazon.clock.waits == []
