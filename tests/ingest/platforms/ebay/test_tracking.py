"""What eBay is told of a parcel, to the letter, and what its answers mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from services.ingest.contract.parcels import KnownParcel, Parcel, PushRefused, Remedy, Shipping, Standing
from services.ingest.platforms.ebay.budgets import FULFILLMENT
from services.ingest.platforms.ebay.tracking import _REFUSALS
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.ebay.shop import ACCESS, NOW, connector, refusal
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.specs import document, needs_specs
from tests.ingest.platforms.twin_http import Asked, answer

ORDER_ID = "13-14786-65872"
FIRST, SECOND = "10000000000001", "10000000000002"
NUMBER = "9400111899223100000001"
SHIPMENTS = "/shipping_fulfillment"
MADE = answer(
    b"",
    status=201,
    headers={"Location": f"https://api.ebay.com/sell/fulfillment/v1/order/{ORDER_ID}{SHIPMENTS}/{NUMBER}"},
)


class Ebay:
    """One order with its parcels, and the answers to calls that record more, in turn."""

    def __init__(self, case: str = "paid", *answers: HttpAnswer | Exception, parcels: Any = (), **fields: Any) -> None:
        self.order = json.loads(payload("ebay", f"{case}.json")) | {"orderId": ORDER_ID} | fields
        self.parcels: Any = parcels
        self.answers = list(answers) or [MADE]
        self.asked: list[Asked] = []
        self.connector = connector(self.answer)[0]

    @property
    def recorded(self) -> list[dict[str, Any]]:
        return [asked.json for asked in self.asked if asked.method == "POST" and asked.json]

    def answer(self, asked: Asked) -> HttpAnswer:
        path = urlsplit(asked.url).path
        if path.endswith("/oauth2/token"):
            return answer({"access_token": "app-token", "expires_in": 7200})
        if path.endswith("/rate_limit/"):
            return answer(b"", status=204)
        self.asked.append(asked)
        if asked.method == "POST":
            found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(found, Exception):
                raise found
            return found
        if not path.endswith(SHIPMENTS):
            return answer(self.order)
        if isinstance(self.parcels, HttpAnswer):
            return self.parcels
        return answer({"fulfillments": list(self.parcels), "total": len(self.parcels)})

    async def read(self) -> Shipping:
        found = await self.connector.parcels.read(ACCESS, ORDER_ID)
        assert found is not None
        return found

    async def write(self, **given: Any) -> str | None:
        shipping = await self.read()
        return await self.connector.parcels.write(ACCESS, parcel(**given), shipping)


def parcel(**given: Any) -> Parcel:
    usual: dict[str, Any] = {
        "number": 1,
        "tracking_number": NUMBER,
        "carrier": "usps",
        "carrier_name": "USPS",
        "shipped_at": datetime(2026, 11, 22, 16, 0, tzinfo=UTC),
        "lines": {},
        "notify_buyer": True,
    }
    return Parcel(ORDER_ID, **(usual | given))


def shipment(number: str | None, **lines: int) -> dict[str, Any]:
    items = [{"lineItemId": line.removeprefix("line"), "quantity": units} for line, units in lines.items()]
    told = {"shipmentTrackingNumber": number, "shippingCarrierCode": "USPS"} if number else {}
    return {"fulfillmentId": number or "999", "shippedDate": "2026-11-22T10:00:00.000Z", "lineItems": items, **told}


async def refused(ebay: Ebay, **given: Any) -> PushRefused:
    with pytest.raises(PushRefused) as caught:
        await ebay.write(**given)
    return caught.value


async def test_a_parcel_is_said_as_ebay_wants_it() -> None:
    ebay = Ebay()
    lines = [{"lineItemId": line["lineItemId"], "quantity": line["quantity"]} for line in ebay.order["lineItems"]]

    parcel_id = await ebay.write(tracking_number=" 9400 1118-9922 3100.000001")

    assert ebay.recorded == [
        {
            "lineItems": lines,
            "shippedDate": "2026-11-22T16:00:00.000Z",
            "shippingCarrierCode": "USPS",
            "trackingNumber": NUMBER,
        }
    ]
    assert parcel_id == NUMBER
    assert ebay.asked[-1].headers["Content-Type"] == "application/json"


@needs_specs
async def test_a_parcel_has_the_form_of_the_specification_and_its_sample() -> None:
    from tests.ingest.platforms.ebay.test_specs import agrees  # noqa: PLC0415 - needs the specifications

    sample = document("ebay/examples/createShippingFulfillment_request.json")
    ebay = Ebay(creationDate="2026-06-19T08:00:00.000Z")
    ebay.order["lineItems"] = [ebay.order["lineItems"][0] | {"lineItemId": FIRST, "quantity": 2}]

    await ebay.write(tracking_number=sample["trackingNumber"], shipped_at=datetime.fromisoformat(sample["shippedDate"]))

    assert ebay.recorded == [sample]
    for asked in ebay.asked:
        agrees(asked)


@needs_specs
def test_every_number_that_is_sorted_is_ebays() -> None:
    spec = document("ebay/sell_fulfillment_v1_oas3.json")["paths"]["/order/{orderId}/shipping_fulfillment"]["post"]

    told = {int(number) for number in spec["responses"]["400"]["x-response-codes"]["errors"]}

    # A bad date is said again without one, and bad input has no sentence of its own.
    assert told - set(_REFUSALS) == {32500, 32600}
    assert set(_REFUSALS) <= told


@pytest.mark.parametrize(
    ("carrier", "code"),
    [("fedex-smartpost", "FedExSmartPost"), ("dhl-ecommerce", "DHLGlobalMail"), ("osm", "Other"), (None, "Other")],
)
async def test_a_carrier_that_ebay_does_not_list_is_other(carrier: str | None, code: str) -> None:
    ebay = Ebay()

    await ebay.write(carrier=carrier)

    assert [sent["shippingCarrierCode"] for sent in ebay.recorded] == [code]


async def test_what_ebay_refuses_of_a_parcel_is_said_in_the_way_that_it_always_takes() -> None:
    ebay = Ebay("paid", refusal(32300), refusal(32500), MADE)

    assert await ebay.write() == NUMBER

    assert [sent["shippingCarrierCode"] for sent in ebay.recorded] == ["USPS", "Other", "Other"]
    assert ["shippedDate" in sent for sent in ebay.recorded] == [True, True, False]


@pytest.mark.parametrize(
    ("shipped_at", "told"),
    [(NOW + timedelta(hours=1), NOW), (NOW - timedelta(days=700), None)],
)
async def test_a_ship_date_is_never_to_come_nor_before_the_order(shipped_at: datetime, told: datetime | None) -> None:
    ebay = Ebay()

    await ebay.write(shipped_at=shipped_at)

    [sent] = ebay.recorded
    assert datetime.fromisoformat(sent["shippedDate"]) == told or sent["shippedDate"] == ebay.order["creationDate"]


async def test_a_number_in_lower_case_stays_as_it_is() -> None:
    ebay = Ebay()

    await ebay.write(tracking_number="abÄ-1")

    assert ebay.recorded[0]["trackingNumber"] == "ab1"


async def test_only_what_is_in_no_parcel_is_told() -> None:
    ebay = Ebay("several_shipments", parcels=[shipment(None, **{f"line{FIRST}": 1, f"line{SECOND}": 2})])
    quantities = {line["lineItemId"]: line["quantity"] for line in ebay.order["lineItems"]}
    shipped = {FIRST: 1, SECOND: 2}

    await ebay.write(lines=quantities | {"gone": 1})

    [sent] = ebay.recorded
    told = {line["lineItemId"]: line["quantity"] for line in sent["lineItems"]}
    left = {line: count - shipped.get(line, 0) for line, count in quantities.items()}
    assert told == {line: count for line, count in left.items() if count}


async def test_a_number_of_what_is_in_parcels_already_is_added_beside_theirs() -> None:
    ebay = Ebay()
    lines = {line["lineItemId"]: line["quantity"] for line in ebay.order["lineItems"]}
    ebay.parcels = [shipment("OLD", **{f"line{line}": units for line, units in lines.items()})]

    await ebay.write(lines={line: units + 1 for line, units in lines.items()})

    assert {line["lineItemId"]: line["quantity"] for line in ebay.recorded[0]["lineItems"]} == lines


async def test_a_line_that_the_seller_marked_as_shipped_is_not_told_again_with_the_others() -> None:
    ebay = Ebay(orderFulfillmentStatus="IN_PROGRESS")
    [first, *_] = ebay.order["lineItems"]
    ebay.order["lineItems"] = [
        first | {"lineItemId": FIRST, "lineItemFulfillmentStatus": "FULFILLED"},
        first | {"lineItemId": SECOND, "quantity": 2},
    ]

    await ebay.write()

    assert [sent["lineItems"] for sent in ebay.recorded] == [[{"lineItemId": SECOND, "quantity": 2}]]


@pytest.mark.parametrize(
    ("given", "code"),
    [({"tracking_number": "- -"}, "NUMBER_REFUSED"), ({"lines": {"gone": 1}}, "LINES_REFUSED")],
)
async def test_what_ebay_would_refuse_is_refused_without_a_call(given: dict[str, Any], code: str) -> None:
    ebay = Ebay()

    assert (await refused(ebay, **given)).code == code
    assert ebay.recorded == []


async def test_a_parcel_of_no_units_is_refused_before_it_is_told() -> None:
    ebay = Ebay()

    assert (await refused(ebay, lines={FIRST: 0})).code == "LINES_REFUSED"
    assert ebay.recorded == []


async def test_without_calls_left_ebay_is_not_asked_and_the_parcel_waits() -> None:
    ebay = Ebay()
    shipping = await ebay.read()
    await ebay.connector._client._budgets._limits.close(FULFILLMENT.name, seconds=3600)

    with pytest.raises(PushRefused) as caught:
        await ebay.connector.parcels.write(ACCESS, parcel(), shipping)

    assert (caught.value.remedy, caught.value.code) == ("wait", "BUSY")
    assert ebay.recorded == []


async def test_the_parcels_of_an_order_are_told_with_what_is_in_them() -> None:
    ebay = Ebay(parcels=[shipment(NUMBER, **{f"line{FIRST}": 1}), shipment(None, **{f"line{FIRST}": 1})])

    shipping = await ebay.read()

    assert shipping.parcels == (
        KnownParcel(NUMBER, NUMBER, "USPS", {FIRST: 1}),
        KnownParcel(None, "999", None, {FIRST: 1}),
    )


@pytest.mark.parametrize(
    ("case", "standing"),
    [
        ("paid", "open"),
        ("payout_held", "open"),
        ("one_line_refunded", "open"),
        ("cancel_rejected", "open"),
        ("seller_to_vault", "open"),
        ("pending", "on_hold"),
        ("payment_failed", "on_hold"),
        ("cancel_requested", "on_hold"),
        ("unknown_cancel_state", "on_hold"),
        ("canceled", "cancelled"),
        ("fully_refunded", "cancelled"),
        ("fulfilled", "shipped"),
        ("fulfilled_by_ebay", "exempt"),
        ("vault_to_buyer", "exempt"),
        ("label_by_ebay", "exempt"),
    ],
)
async def test_each_state_says_whether_a_parcel_may_be_told(case: str, standing: Standing) -> None:
    assert (await Ebay(case).read()).standing == standing


async def test_an_order_whose_units_are_all_in_parcels_is_shipped_before_it_says_so() -> None:
    ebay = Ebay()
    lines = {f"line{line['lineItemId']}": line["quantity"] for line in ebay.order["lineItems"]}
    ebay.parcels = [shipment(None, **lines)]

    assert (await ebay.read()).standing == "shipped"


async def test_the_deadline_is_that_of_the_first_line() -> None:
    dates = ["2026-11-27T07:59:59.000Z", "2026-11-26T07:59:59.000Z", None]
    ebay = Ebay()
    [line, *_] = ebay.order["lineItems"]
    ebay.order["lineItems"] = [
        line | {"lineItemId": str(place), "lineItemFulfillmentInstructions": {"shipByDate": date} if date else {}}
        for place, date in enumerate(dates)
    ]

    assert (await ebay.read()).ship_by == datetime(2026, 11, 26, 7, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize("status", [400, 404])
async def test_an_order_that_goes_while_it_is_read_is_none(status: int) -> None:
    ebay = Ebay(parcels=refusal(32100, status=status))

    assert await ebay.connector.parcels.read(ACCESS, ORDER_ID) is None


async def test_parcels_that_ebay_does_not_tell_for_another_reason_are_not_known_to_be_none() -> None:
    ebay = Ebay(parcels=refusal(30800))

    with pytest.raises(TransientError, match="30800"):
        await ebay.read()


async def test_what_is_no_id_of_an_order_is_not_asked_for() -> None:
    ebay = Ebay()

    assert await ebay.connector.parcels.read(ACCESS, "../user") is None
    assert ebay.asked == []


@pytest.mark.parametrize(
    ("reply", "remedy", "code"),
    [
        (refusal(32100), "seller", "ORDER_GONE"),
        (refusal(32200), "seller", "LINES_REFUSED"),
        (refusal(32210), "seller", "LINES_REFUSED"),
        (refusal(32300), "seller", "NUMBER_REFUSED"),
        (refusal(32400), "seller", "ACCOUNT_SUSPENDED"),
        (refusal(32600), "seller", "REFUSED"),
        (refusal(34100), "final", "TOO_MANY_NUMBERS"),
        (refusal(34200), "seller", "GLOBAL_SHIPPING"),
        (refusal(34300), "seller", "GLOBAL_SHIPPING"),
        (refusal(34500), "wait", "ALREADY_THERE"),
        (refusal(32600, status=409), "wait", "CONFLICT"),
        (refusal(1100, status=403), "seller", "RIGHT_MISSING"),
    ],
)
async def test_each_number_of_ebays_says_who_can_help(reply: HttpAnswer, remedy: Remedy, code: str) -> None:
    value = await refused(Ebay("paid", reply))

    assert (value.remedy, value.code) == (remedy, code)
    assert value.store_wide is (code in {"ACCOUNT_SUSPENDED", "RIGHT_MISSING"})


async def test_a_dead_token_asks_for_another() -> None:
    with pytest.raises(AuthorizationError):
        await Ebay("paid", refusal(1001, status=401)).write()


@pytest.mark.parametrize(
    "reply", [refusal(30500, status=500), refusal(2001, status=429), TransientError("cut"), answer(b"<html>")]
)
async def test_what_is_neither_taken_nor_refused_is_not_known_and_not_said_again(
    reply: HttpAnswer | Exception,
) -> None:
    ebay = Ebay("paid", reply)

    with pytest.raises(TransientError):
        await ebay.write()

    assert len(ebay.recorded) == 1


async def test_what_a_parcel_holds_and_what_is_left_is_told_and_no_parcel_can_be_added_under_its_number() -> None:
    ebay = Ebay(parcels=[shipment(NUMBER, **{f"line{FIRST}": 1})])
    ebay.order["lineItems"] = [ebay.order["lineItems"][0] | {"lineItemId": FIRST, "quantity": 3}]

    shipping = await ebay.read()

    assert (shipping.parcels[0].lines, shipping.left) == ({FIRST: 1}, {FIRST: 2})
    assert not ebay.connector.parcels.adds_units
