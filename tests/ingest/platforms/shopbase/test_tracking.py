"""What ShopBase is told of a parcel, to the letter, and what its answers mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ingest.contract.parcels import KnownParcel, Parcel, PushRefused, Remedy, Shipping, Standing
from services.ingest.platforms.shopbase.connector import ShopbaseConnector
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.shopbase.shop import ACCESS, NOW, Shop, connector
from tests.ingest.platforms.twin_http import Asked, answer

NUMBER, OTHER = "9400111899223100000001", "1Z999AA10123456784"
LINES = [{"id": 7, "quantity": 2, "fulfillable_quantity": 2}, {"id": 8, "quantity": 1, "fulfillable_quantity": 1}]
SOON = (NOW + timedelta(minutes=15)).isoformat()
URL = f"https://tools.usps.com/go/TrackConfirmAction?tLabels={NUMBER}"


class Store:
    """A shop with one order, and answers to give instead of the true ones to whatever is written."""

    def __init__(self, instead: HttpAnswer | Exception | None = None, **fields: Any) -> None:
        self.shop = Shop({5: 1.0}, {5: {"line_items": LINES} | fields})
        self.instead = instead
        self.connector: ShopbaseConnector = connector(self.answer)[0]

    def answer(self, asked: Asked) -> HttpAnswer:
        if asked.method == "GET" or self.instead is None:
            return self.shop.answer(asked)
        self.shop.asked.append(asked)
        if isinstance(self.instead, Exception):
            raise self.instead
        return self.instead

    @property
    def written(self) -> list[dict[str, Any]]:
        return [asked.json["fulfillment"] for asked in self.shop.asked if asked.method != "GET"]

    async def read(self) -> Shipping:
        found = await self.connector.parcels.read(ACCESS, "5")
        assert found is not None
        return found

    async def write(self, **given: Any) -> str | None:
        return await self.connector.parcels.write(ACCESS, parcel(**given), await self.read())


def parcel(**given: Any) -> Parcel:
    usual: dict[str, Any] = {
        "number": 1,
        "tracking_number": NUMBER,
        "carrier": "usps",
        "carrier_name": "USPS",
        "shipped_at": datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
        "lines": {"7": 1},
        "notify_buyer": True,
    }
    return Parcel("5", **(usual | given))


def sent(number: str | None = OTHER, **fields: Any) -> dict[str, Any]:
    return {"id": 9, "status": "success", "tracking_number": number, "line_items": [{"id": 7, "quantity": 1}]} | fields


async def test_a_fulfillment_names_the_orders_own_lines() -> None:
    store = Store()

    made = await store.write()

    assert made == str(next(iter(store.shop.fulfillments)))
    assert store.written == [
        {
            "line_items": [{"id": 7, "quantity": 1}],
            "service": "manual",
            "notify_customer": True,
            "tracking_number": NUMBER,
            "tracking_company": "USPS",
            "tracking_url": URL,
        }
    ]


@pytest.mark.parametrize("lines", [{}, {"7": 9, "8": 1}])
async def test_no_more_is_shipped_than_is_left(lines: dict[str, int]) -> None:
    store = Store()

    await store.write(lines=lines)

    assert store.written[0]["line_items"] == [{"id": 7, "quantity": 2}, {"id": 8, "quantity": 1}]


@pytest.mark.parametrize("wrapped", [False, True])
async def test_what_was_made_comes_bare_or_in_an_object(wrapped: bool) -> None:  # noqa: FBT001 - a parameter
    made = {"id": 11, "status": "success"}

    assert await Store(answer({"fulfillment": made} if wrapped else made)).write() == "11"


async def test_a_number_that_is_in_the_list_by_now_is_not_sent_again() -> None:
    store = Store()
    store.shop.fulfillments = {3: {"id": 3, "status": "cancelled", "tracking_number": NUMBER}, 4: sent(NUMBER, id=4)}

    assert await store.write() == "4"
    assert store.written == []


async def test_a_cancelled_fulfillment_does_not_hold_its_number() -> None:
    store = Store(fulfillments=[sent(NUMBER, status="cancelled")])
    store.shop.fulfillments = {9: sent(NUMBER, status="cancelled")}

    assert not (await store.read()).has(NUMBER)
    await store.write()
    assert len(store.written) == 1


async def test_a_shop_that_refuses_to_hear_who_is_told_is_not_told_so() -> None:
    store = Store()
    store.shop.refuses = frozenset({"notify_customer"})

    await store.write(notify_buyer=False)

    first, second = store.written
    assert (first.pop("notify_customer"), first) == (False, second)


async def test_a_number_takes_anothers_place() -> None:
    store = Store(fulfillments=[sent(id=4)])

    await store.write(replaces=OTHER, notify_buyer=False)

    [asked] = [asked for asked in store.shop.asked if asked.method != "GET"]
    assert (asked.method, asked.url.rpartition("/admin")[2]) == ("PUT", "/orders/5/fulfillments/4.json")
    assert asked.json["fulfillment"] == {
        "notify_customer": False,
        "tracking_number": NUMBER,
        "tracking_company": "USPS",
        "tracking_url": URL,
    }


@pytest.mark.parametrize(
    ("fields", "standing"),
    [
        ({}, "open"),
        ({"financial_status": "pending"}, "open"),
        ({"is_risk": True, "chargeback_status": "open"}, "open"),
        ({"cancelled_at": SOON}, "cancelled"),
        ({"cancelled_at": "0001-01-01T00:00:00Z"}, "open"),
        ({"financial_status": "refunded"}, "cancelled"),
        ({"financial_status": "voided"}, "cancelled"),
        ({"fulfillment_status": "restocked"}, "cancelled"),
        ({"is_in_post_purchase": True, "post_purchase_timeout_at": SOON}, "on_hold"),
        ({"is_in_post_purchase": True, "post_purchase_timeout_at": 0}, "on_hold"),
        ({"is_in_post_purchase": True, "post_purchase_timeout_at": NOW.timestamp()}, "open"),
        ({"line_items": [LINES[0] | {"fulfillable_quantity": 0}]}, "shipped"),
        ({"line_items": [LINES[0] | {"fulfillment_status": "not_eligible"}]}, "shipped"),
        # Without ShopBase's own count, what is in parcels is gone.
        ({"line_items": [{"id": 7, "quantity": 1}], "fulfillments": [sent()]}, "shipped"),
        ({"line_items": [{"id": 7, "quantity": 1}], "fulfillments": [sent(status="error")]}, "open"),
        # Another service has it: not done, and not ours.
        ({"line_items": [LINES[0] | {"fulfillable_quantity": 0}], "fulfillments": [sent(status="pending")]}, "open"),
    ],
)
async def test_an_orders_standing(fields: dict[str, Any], standing: Standing) -> None:
    assert (await Store(**fields).read()).standing == standing


async def test_a_hold_tells_its_end() -> None:
    store = Store(is_in_post_purchase=True, post_purchase_timeout_at=SOON)

    assert (await store.read()).until == datetime.fromisoformat(SOON)


@pytest.mark.parametrize(
    ("fields", "numbers"),
    [
        ({"tracking_number": OTHER, "tracking_numbers": None}, [OTHER]),
        ({"tracking_number": "", "tracking_numbers": [OTHER, "A1"]}, [OTHER, "A1"]),
        ({"tracking_number": 0, "tracking_numbers": []}, [None]),
        ({"tracking_number": 12, "tracking_numbers": [12, ""]}, ["12"]),
    ],
)
async def test_every_number_of_a_parcel_is_known(fields: dict[str, Any], numbers: list[str | None]) -> None:
    store = Store(fulfillments=[sent(**fields, tracking_company="UPS")])

    assert (await store.read()).parcels == tuple(KnownParcel(number, "9", "UPS", {"7": 1}) for number in numbers)


@pytest.mark.parametrize(
    ("fields", "given", "remedy", "code"),
    [
        ({}, {"lines": {"1": 1}}, "seller", "LINES_REFUSED"),
        ({}, {"tracking_number": "--"}, "seller", "NUMBER_REFUSED"),
        (
            {"line_items": [LINES[0] | {"fulfillable_quantity": 0}], "fulfillments": [sent(status="open")]},
            {},
            "seller",
            "WITH_ANOTHER",
        ),
        ({"line_items": [LINES[0] | {"fulfillable_quantity": 0}]}, {}, "final", "SHIPPED_BY_HAND"),
    ],
)
async def test_what_cannot_be_shipped_is_not_tried(
    fields: dict[str, Any], given: dict[str, Any], remedy: Remedy, code: str
) -> None:
    store = Store(**fields)

    with pytest.raises(PushRefused) as refused:
        await store.write(**given)

    assert (refused.value.remedy, refused.value.code) == (remedy, code)
    assert store.written == []


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, "REFUSED"),
        ({"financial_status": "partially_refunded"}, "REFUNDED"),
        ({"refunds": [{"refund_line_items": [{"line_item_id": 8, "quantity": 1}]}]}, "REFUNDED"),
    ],
)
async def test_a_refusal_is_the_sellers_to_see_to(fields: dict[str, Any], code: str) -> None:
    with pytest.raises(PushRefused) as refused:
        await Store(answer({"error": "no"}, status=422), **fields).write()

    assert (refused.value.remedy, refused.value.code) == ("seller", code)


async def test_a_refusal_of_an_order_that_changed_meanwhile_waits() -> None:
    store = Store(answer({"error": "no"}, status=422))
    shipping = await store.read()
    store.shop.fields[5]["financial_status"] = "refunded"

    with pytest.raises(PushRefused) as refused:
        await store.connector.parcels.write(ACCESS, parcel(), shipping)

    assert (refused.value.remedy, refused.value.code) == ("wait", "CONFLICT")


@pytest.mark.parametrize(
    ("status", "expected"),
    [(403, ("seller", "RIGHT_MISSING", True)), (404, ("wait", "CONFLICT", False)), (429, ("wait", "BUSY", False))],
)
async def test_a_refusal_is_sorted_by_who_can_help(status: int, expected: tuple[str, str, bool]) -> None:
    with pytest.raises(PushRefused) as refused:
        await Store(answer({"error": "no"}, status=status)).write()

    assert (refused.value.remedy, refused.value.code, refused.value.store_wide) == expected


@pytest.mark.parametrize(
    "instead", [TransientError("cut", retry_after=0), answer({}, status=500), answer({}, status=503), answer(b"<html>")]
)
async def test_what_may_have_taken_effect_is_not_sent_again(instead: HttpAnswer | Exception) -> None:
    store = Store(instead)

    with pytest.raises(TransientError):
        await store.write()

    assert len(store.written) == 1


async def test_access_that_was_taken_back_is_no_refusal() -> None:
    with pytest.raises(AuthorizationError):
        await Store(answer({}, status=401)).write()


async def test_an_order_that_is_not_there_is_none() -> None:
    store = Store()
    store.shop.is_lost = True

    assert await store.connector.parcels.read(ACCESS, "5") is None
    assert await store.connector.parcels.read(ACCESS, "../5") is None
    assert len(store.shop.asked) == 1


async def test_an_answer_without_an_order_is_no_order_without_parcels() -> None:
    store = Store(line_items=[{"id": "a line"}])

    with pytest.raises(TransientError):
        await store.read()


async def test_what_a_parcel_holds_and_what_is_left_is_told_and_nothing_is_added_under_its_number() -> None:
    store = Store(fulfillments=[sent()], line_items=[LINES[0] | {"fulfillable_quantity": 1}])

    shipping = await store.read()

    assert (shipping.parcels[0].lines, shipping.left) == ({"7": 1}, {"7": 1})
    assert not store.connector.parcels.adds_units
