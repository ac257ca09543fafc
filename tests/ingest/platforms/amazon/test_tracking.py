"""What Amazon is told of a parcel, to the letter, and what its answers mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from services.ingest.contract.parcels import Parcel, PushRefused, Remedy, Shipping, Standing
from services.ingest.contract.stores import Access
from services.ingest.platforms.amazon.connector import AmazonConnector
from services.kit.clock import ManualClock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.amazon.shop import ACCESS, NOW, SECRETS, STORE, connector
from tests.ingest.platforms.amazon.test_client import refusal
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.specs import document, needs_specs
from tests.ingest.platforms.twin_http import Reply, ScriptedHttp, answer
from tests.ingest.toolbox import HastyClock

ORDER_ID = "902-1845936-5435065"
LINE = "60519841730001"
TAKEN = answer(b"", status=204)
#: What the first parcel of this order is called in every process: nobody else counts from so far.
REFERENCE = "406998487"


def parcel(**given: Any) -> Parcel:
    usual: dict[str, Any] = {
        "number": 1,
        "tracking_number": "9400111899223197428490",
        "carrier": "usps",
        "carrier_name": "USPS",
        "shipped_at": datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
        "lines": {},
        "notify_buyer": True,
    }
    return Parcel(ORDER_ID, **(usual | given))


def order(case: str = "unshipped", **fields: Any) -> HttpAnswer:
    return answer({"order": json.loads(payload("amazon", f"{case}.json")) | {"orderId": ORDER_ID} | fields})


def packages(*found: dict[str, Any]) -> dict[str, Any]:
    usual = {"packageStatus": {"status": "SHIPPED"}, "trackingNumber": "OTHER", "packageItems": []}
    return {"packages": [usual | one for one in found]}


async def read(case: str = "unshipped", **fields: Any) -> Shipping:
    found, _ = connector(order(case, **fields))
    shipping = await found.parcels.read(ACCESS, ORDER_ID)
    assert shipping is not None
    return shipping


async def written(
    told: Parcel, *replies: Reply, case: str = "unshipped", access: Access = ACCESS, **fields: Any
) -> tuple[str | None, ScriptedHttp]:
    """The id that the parcel got, and what was asked after the order was read."""
    found, http = connector(order(case, **fields), *(replies or (TAKEN,)))
    shipping = await found.parcels.read(access, ORDER_ID)
    assert shipping is not None
    http.asked.clear()
    return await found.parcels.write(access, told, shipping), http


async def package_of(told: Parcel, **given: Any) -> dict[str, Any]:
    _, http = await written(told, **given)
    sent: dict[str, Any] = http.asked[-1].json["packageDetail"]
    return sent


async def refused(*replies: Reply, told: Parcel | None = None, **given: Any) -> PushRefused:
    with pytest.raises(PushRefused) as caught:
        await written(told or parcel(), *replies, **given)
    return caught.value


async def test_a_confirmation_is_said_as_amazon_wants_it() -> None:
    parcel_id, http = await written(parcel(service="Ground Advantage"))

    [asked] = http.asked
    assert (asked.method, urlsplit(asked.url).path) == ("POST", f"/orders/v0/orders/{ORDER_ID}/shipmentConfirmation")
    assert asked.json == {
        "marketplaceId": "ATVPDKIKX0DER",
        "packageDetail": {
            "packageReferenceId": REFERENCE,
            "carrierCode": "USPS",
            "trackingNumber": "9400111899223197428490",
            "shipDate": "2026-11-22T10:00:00.000Z",
            "shippingMethod": "Ground Advantage",
            "orderItems": [{"orderItemId": LINE, "quantity": 1}],
        },
    }
    assert parcel_id == REFERENCE


@needs_specs
@pytest.mark.parametrize("told", [parcel(), parcel(carrier=None, carrier_name="Pigeon Post", service="Air")])
async def test_a_confirmation_has_the_form_of_the_model(told: Parcel) -> None:
    from tests.ingest.platforms.amazon.test_specs import V0, check  # noqa: PLC0415 - needs the specifications

    _, http = await written(told)

    assert check(V0, http.asked[0]) == "confirmShipment"
    properties = document(f"amazon/{V0}")["definitions"]["PackageDetail"]["properties"]
    assert set(http.asked[0].json["packageDetail"]) <= set(properties)


async def test_reading_asks_for_nothing_personal() -> None:
    found, http = connector(order())

    await found.parcels.read(ACCESS, ORDER_ID)

    assert dict(parse_qsl(urlsplit(http.asked[0].url).query)) == {"includedData": "FULFILLMENT,PACKAGES"}


@pytest.mark.parametrize(
    ("carrier", "name", "code", "spelled"),
    [
        ("ups-mi", "UPSMI", "UPS Mail Innovations", None),
        ("dhl-de", "DHL Paket", "Other", "DHL Paket"),
        ("yunexpress", "", "Other", "YunExpress"),
        (None, " Pigeon Post ", "Other", "Pigeon Post"),
        (None, "", "Other", "Other"),
    ],
)
async def test_a_carrier_that_amazon_does_not_list_is_other_by_its_name(
    carrier: str | None, name: str, code: str, spelled: str | None
) -> None:
    sent = await package_of(parcel(carrier=carrier, carrier_name=name))

    assert (sent["carrierCode"], sent.get("carrierName")) == (code, spelled)


async def test_a_carrier_that_this_marketplace_does_not_take_goes_by_its_name() -> None:
    _, http = await written(parcel(), refusal("InvalidInput", 400, "carrierCode is not supported."), TAKEN)

    first, second = (asked.json["packageDetail"] for asked in http.asked)
    assert (first["packageReferenceId"], second["packageReferenceId"]) == (REFERENCE, REFERENCE)
    assert [package["carrierCode"] for package in (first, second)] == ["USPS", "Other"]
    assert second["carrierName"] == "USPS"


async def test_no_package_of_others_is_written_over() -> None:
    first = int(REFERENCE)
    taken = ("1", str(first), f"0{first + 1000}", str(first + 1))
    fields = packages(*({"packageReferenceId": reference} for reference in taken))

    references = [(await package_of(parcel(number=number), **fields))["packageReferenceId"] for number in (1, 2, 3)]

    assert references == [str(first + 2000), str(first + 1001), str(first + 2)]


async def test_a_replaced_number_edits_the_package_that_had_it() -> None:
    told = parcel(number=3, replaces="94001000 00000000 000001", lines={LINE: 1})

    sent = await package_of(told, case="partially_shipped")

    assert sent["packageReferenceId"] == "1"
    assert sent["orderItems"] == [{"orderItemId": LINE, "quantity": 1}]


async def test_a_package_that_was_cancelled_counts_for_nothing_but_its_reference() -> None:
    gone = packages({"packageReferenceId": REFERENCE, "packageStatus": {"status": "CANCELLED"}})

    shipping = await read(**gone)
    sent = await package_of(parcel(replaces="OTHER"), **gone)

    assert shipping.parcels == ()
    assert sent["packageReferenceId"] == str(int(REFERENCE) + 1000)


@pytest.mark.parametrize(
    "status", ["PENDING", "IN_TRANSIT", "SHIPPED", "DELIVERED", "UNDELIVERABLE", "A_NEW_ONE", None]
)
async def test_a_number_is_confirmed_in_a_package_of_any_status_but_cancelled(status: str | None) -> None:
    there = packages({"packageReferenceId": REFERENCE, "packageStatus": {"status": status}, "trackingNumber": "N-1"})

    assert (await read(**there)).has("N1")


async def test_what_is_left_is_told_where_a_line_became_less() -> None:
    sent = await package_of(parcel(lines={LINE: 3, "60519841730002": 1, "gone": 2}), case="partially_shipped")

    assert sent["orderItems"] == [
        {"orderItemId": LINE, "quantity": 1},
        {"orderItemId": "60519841730002", "quantity": 1},
    ]


def line(**fulfillment: int) -> dict[str, Any]:
    return {"orderItemId": LINE, "quantityOrdered": 3, "fulfillment": fulfillment}


@pytest.mark.parametrize(
    ("counts", "standing", "units"),
    [
        ({}, "open", 3),
        ({"quantityFulfilled": 1}, "open", 2),
        ({"quantityFulfilled": 1, "quantityUnfulfilled": 1}, "open", 1),
        ({"quantityFulfilled": 3}, "shipped", 0),
        ({"quantityUnfulfilled": 0}, "shipped", 0),
        ({"quantityFulfilled": 4}, "shipped", 0),
    ],
)
async def test_what_is_left_of_a_line_is_what_its_counts_say(
    counts: dict[str, int], standing: Standing, units: int
) -> None:
    items = [line(**counts)]

    assert (await read(orderItems=items)).standing == standing
    if units:
        sent = await package_of(parcel(), orderItems=items)
        assert sent["orderItems"] == [{"orderItemId": LINE, "quantity": units}]
        assert "shippingMethod" not in sent


@pytest.mark.parametrize(
    ("told", "fields", "code"),
    [
        (parcel(lines={"gone": 1}), {}, "LINES_REFUSED"),
        (parcel(), {"orderItems": [line() | {"programs": ["TRANSPARENCY"]}]}, "TRANSPARENCY_CODES"),
        (parcel(), {"salesChannel": None}, "MARKETPLACE_UNKNOWN"),
    ],
)
async def test_what_amazon_would_refuse_is_refused_without_a_call(
    told: Parcel, fields: dict[str, Any], code: str
) -> None:
    found, http = connector(order(**fields), TAKEN)
    shipping = await found.parcels.read(ACCESS, ORDER_ID)
    assert shipping is not None

    with pytest.raises(PushRefused) as caught:
        await found.parcels.write(ACCESS, told, shipping)

    assert (caught.value.remedy, caught.value.code) == ("seller", code)
    assert len(http.asked) == 1


async def test_lines_that_are_all_shipped_by_others_are_no_parcel() -> None:
    line = {"orderItemId": LINE, "quantityOrdered": 1, "product": {}}
    shipped = line | {"fulfillment": {"quantityFulfilled": 1, "quantityUnfulfilled": 0}}
    items = [shipped, line | {"orderItemId": "2"}]

    value = await refused(told=parcel(lines={LINE: 1}), orderItems=items)

    assert (value.remedy, value.code) == ("final", "SHIPPED_BY_HAND")


@pytest.mark.parametrize(
    ("shipped_at", "told"),
    [
        (NOW + timedelta(minutes=5), "2026-11-23T09:00:00.000Z"),
        (datetime(2026, 11, 1, tzinfo=UTC), "2026-11-20T10:30:00.000Z"),
    ],
)
async def test_a_ship_date_is_never_to_come_nor_before_the_order(shipped_at: datetime, told: str) -> None:
    assert (await package_of(parcel(shipped_at=shipped_at)))["shipDate"] == told


async def test_the_present_is_amazons() -> None:
    behind = {"Date": format_datetime(NOW - timedelta(minutes=3), usegmt=True)}
    found, http = connector(answer(json.loads(order().body), headers=behind), TAKEN)
    shipping = await found.parcels.read(ACCESS, ORDER_ID)
    assert shipping is not None

    await found.parcels.write(ACCESS, parcel(shipped_at=NOW), shipping)

    assert http.asked[-1].json["packageDetail"]["shipDate"] == "2026-11-23T08:57:00.000Z"


@pytest.mark.parametrize(("chosen", "told"), [("A1PA6795UKMFR9", "A1PA6795UKMFR9"), ("", None), ("A,B", None)])
async def test_a_marketplace_that_the_order_does_not_tell_is_the_sellers_only_one(
    chosen: str, told: str | None
) -> None:
    access = Access(STORE, SECRETS | {"marketplaces": chosen})
    if told is None:
        assert (await refused(access=access, salesChannel={})).code == "MARKETPLACE_UNKNOWN"
        return

    _, http = await written(parcel(), access=access, salesChannel={})

    assert http.asked[0].json["marketplaceId"] == told


@pytest.mark.parametrize(
    ("case", "fields", "standing"),
    [
        ("unshipped", {}, "open"),
        ("partially_shipped", {}, "open"),
        ("cancellation_requested", {}, "open"),
        ("pending", {}, "on_hold"),
        ("pending_availability", {}, "on_hold"),
        ("shipped", {}, "shipped"),
        ("invoice_unconfirmed", {}, "shipped"),
        ("cancelled", {}, "cancelled"),
        ("unfulfillable", {}, "exempt"),
        ("fulfilled_by_amazon", {}, "exempt"),
        ("unshipped", {"programs": ["PRIME", "FBM_SHIP_PLUS"]}, "exempt"),
        ("unshipped", {"fulfillment": {"fulfillmentStatus": "A_NEW_ONE", "fulfilledBy": "MERCHANT"}}, "on_hold"),
    ],
)
async def test_each_status_says_whether_a_parcel_may_be_told(
    case: str, fields: dict[str, Any], standing: Standing
) -> None:
    assert (await read(case, **fields)).standing == standing


@pytest.mark.parametrize(("quantity", "standing"), [(1, "exempt"), (0, "open")])
async def test_labels_that_amazon_sold_for_all_of_it_need_no_confirmation(quantity: int, standing: Standing) -> None:
    waiting = packages(
        {
            "packageReferenceId": "1",
            "packageStatus": {"status": "PENDING"},
            "packageItems": [{"orderItemId": LINE, "quantity": quantity}],
        }
    )

    assert (await read(**waiting)).standing == standing


async def test_the_deadline_is_the_end_of_the_window() -> None:
    assert (await read()).ship_by == datetime(2026, 11, 24, 7, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(
    ("details", "remedy", "code"),
    [
        ("OrderItemId is invalid, please obtain the value through the getOrderItems API", "seller", "LINES_REFUSED"),
        ("quantity is more than what is left to ship.", "seller", "LINES_REFUSED"),
        ("transparencyCodes are required, one for each unit.", "seller", "TRANSPARENCY_CODES"),
        ("The order is in the Ship Plus program.", "final", "CONFIRMED_BY_AMAZON"),
        ("trackingNumber is not valid.", "seller", "NUMBER_REFUSED"),
        ("Something else.", "seller", "REFUSED"),
    ],
)
async def test_refusals_are_told_apart_by_their_words_and_never_repeat_them(
    details: str, remedy: Remedy, code: str
) -> None:
    value = await refused(refusal("InvalidInput", 400, f"{details} canary@example.com"))

    assert (value.remedy, value.code, value.store_wide) == (remedy, code, False)
    assert "canary" not in f"{value.sentence}{value!r}{value.__cause__!r}"


NOTHING = refusal("InvalidInput", 400, "PackageToUpdateNotFound: Unable to find package to update for order.")


@pytest.mark.parametrize(
    ("now", "remedy", "code"),
    [
        (order("shipped"), "wait", "CHANGED"),
        (order("cancelled"), "wait", "CHANGED"),
        (answer({}, status=404), "wait", "CHANGED"),
        (order(), "seller", "NOTHING_LEFT"),
    ],
)
async def test_where_amazon_finds_nothing_to_confirm_the_order_is_looked_at_again(
    now: HttpAnswer, remedy: Remedy, code: str
) -> None:
    value = await refused(NOTHING, now)

    assert (value.remedy, value.code) == (remedy, code)


async def test_an_order_that_is_not_found_when_it_is_confirmed_is_awaited() -> None:
    assert (await refused(answer({}, status=404))).remedy == "wait"


async def test_a_missing_role_stops_the_stores_pushes_and_no_polls() -> None:
    value = await refused(refusal("Unauthorized", 403, ""))

    assert (value.remedy, value.code, value.store_wide) == ("seller", "RIGHT_MISSING", True)


@pytest.mark.parametrize(
    "reply",
    [
        refusal("Unauthorized", 403, "The access token you provided has expired."),
        refusal("Unauthorized", 401, ""),
        answer(b"<html>", status=403),
    ],
)
async def test_a_dead_token_asks_for_another(reply: HttpAnswer) -> None:
    with pytest.raises(AuthorizationError):
        await written(parcel(), reply)


@pytest.mark.parametrize(
    "reply", [answer({}, status=500), answer({}, status=429), TransientError("cut"), answer(b"<p>")]
)
async def test_what_is_neither_taken_nor_refused_is_not_known(reply: Reply) -> None:
    with pytest.raises(TransientError):
        await written(parcel(), reply)


async def test_confirmations_stay_within_their_own_budget_and_nobody_elses() -> None:
    clock = HastyClock(NOW)
    found, http = limited(clock)
    shipping = await found.parcels.read(ACCESS, ORDER_ID)
    assert shipping is not None

    for _ in range(29):
        await found.parcels.write(ACCESS, parcel(), shipping)

    assert len(http.asked) == 30
    # Ten go at once, and two a second, a little less, come after.
    assert sum(clock.waits) == pytest.approx(19 / (2 * 0.95), rel=0.01)


async def test_a_turn_that_does_not_come_is_no_call_and_no_doubt() -> None:
    found, http = connector(order(), TAKEN)
    shipping = await found.parcels.read(ACCESS, ORDER_ID)
    assert shipping is not None
    await found.parcels.write(ACCESS, parcel(), shipping)
    budget = f"amazon|na.{SECRETS['seller_id']}|confirmShipment"
    await found._client._limits.close(budget, seconds=600)

    with pytest.raises(PushRefused) as caught:
        await found.parcels.write(ACCESS, parcel(), shipping)

    assert (caught.value.remedy, caught.value.code) == ("wait", "BUSY")
    assert len(http.asked) == 2


def limited(clock: ManualClock) -> tuple[AmazonConnector, ScriptedHttp]:
    return connector(order(), TAKEN, clock=clock)


async def test_further_units_under_a_number_are_another_package() -> None:
    items = [{"orderItemId": LINE, "quantity": 1}]
    first = {"packageReferenceId": REFERENCE, "trackingNumber": parcel().tracking_number, "packageItems": items}
    fields = packages(first) | {"orderItems": [line(quantityFulfilled=1, quantityUnfulfilled=2)]}

    shipping = await read(**fields)
    sent = await package_of(parcel(number=2, lines={LINE: 2}), **fields)

    assert (shipping.parcels[0].lines, shipping.left) == ({LINE: 1}, {LINE: 2})
    assert (sent["trackingNumber"], sent["packageReferenceId"]) == (parcel().tracking_number, str(int(REFERENCE) + 1))
    assert sent["orderItems"] == [{"orderItemId": LINE, "quantity": 2}]
