"""What Etsy is told of a parcel, to the letter, and what its answers mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from services.ingest.contract.parcels import KnownParcel, Parcel, PushRefused, Shipping, Standing
from services.ingest.platforms.etsy.tracking import CARRIER_NAMES, OWN_NAMES
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.etsy.shop import ACCESS, connector
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.specs import document, needs_specs
from tests.ingest.platforms.twin_http import Asked, answer

NUMBER = "9400111899223100000001"
SHOWN = [{"receipt_shipping_id": 7, "carrier_name": "usps", "tracking_code": NUMBER}]
PATH = "/v3/application/shops/{shop_id}/receipts/{receipt_id}/tracking"


def receipt(case: str = "paid", **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(payload("etsy", f"{case}.json")) | {"receipt_id": 123} | fields
    return found


def parcel(**given: Any) -> Parcel:
    usual: dict[str, Any] = {
        "number": 1,
        "tracking_number": NUMBER,
        "carrier": "usps",
        "carrier_name": "USPS",
        "shipped_at": datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
        "lines": {},
        "notify_buyer": True,
    }
    return Parcel("123", **(usual | given))


async def write(reply: HttpAnswer, shipping: Shipping | None = None, **given: Any) -> tuple[str | None, list[Asked]]:
    found, http = connector(reply)
    told = await found.parcels.write(ACCESS, parcel(**given), shipping or Shipping("open"))
    return told, http.asked


async def refused(reply: HttpAnswer, shipping: Shipping | None = None, **given: Any) -> PushRefused:
    with pytest.raises(PushRefused) as caught:
        await write(reply, shipping, **given)
    return caught.value


async def read(told: dict[str, Any]) -> Shipping:
    found, _ = connector(answer(told))
    shipping = await found.parcels.read(ACCESS, "123")
    assert shipping is not None
    return shipping


async def test_a_number_is_sent_as_json_or_it_would_be_lost() -> None:
    told, [asked] = await write(answer(receipt(shipments=SHOWN)), tracking_number=" 9400 1118-9922 3100.000001")

    assert told == "7"
    assert asked.method == "POST"
    assert asked.url == "https://api.etsy.com/v3/application/shops/40000001/receipts/123/tracking"
    assert asked.json == {"tracking_code": NUMBER, "carrier_name": "usps"}
    assert asked.form == {}


async def test_a_carrier_that_etsy_does_not_list_is_other_and_its_number_keeps_its_signs() -> None:
    shown = [{"receipt_shipping_id": 8, "carrier_name": "other", "tracking_code": "pp-7"}]

    told, [asked] = await write(answer(receipt(shipments=shown)), tracking_number=" pp-7 ", carrier="ontrac")

    assert told == "8"
    assert asked.json == {"tracking_code": "pp-7", "carrier_name": "other"}


def test_every_name_of_a_carrier_is_spelled_as_the_fulfilment_tutorial_has_it() -> None:
    listed = (
        "usps ups fedex dhl dhl-germany dhl-global-mail royal-mail canada-post australia-post austrian-post an-post "
        "deutsch-post postnl colissimo dpd gls hermes china-post china-ems yanwen 4px sf-express"
    )

    assert {*CARRIER_NAMES.values(), *OWN_NAMES.values()} == set(listed.split())


@pytest.mark.parametrize(
    ("carrier", "name", "slug"),
    [(None, "Austrian  Post", "austrian-post"), (None, "AN POST", "an-post"), ("china-post", "China EMS", "china-ems")],
)
async def test_a_carrier_that_only_etsy_knows_goes_by_its_name(carrier: str | None, name: str, slug: str) -> None:
    _, [asked] = await write(answer(receipt(shipments=SHOWN)), carrier=carrier, carrier_name=name)

    assert asked.json["carrier_name"] == slug


async def test_what_is_told_of_a_parcel_is_its_number_and_carrier_and_no_word_to_buyer_or_seller() -> None:
    found, _ = connector()

    _, [asked] = await write(answer(receipt(shipments=SHOWN)), notify_buyer=False)

    assert set(asked.json) == {"tracking_code", "carrier_name"}
    # No call changes a shipment: a number that takes another's place is one more.
    assert not found.parcels.replaces


@pytest.mark.parametrize("shipments", [[], None, [{"receipt_shipping_id": 7, "carrier_name": "", "tracking_code": ""}]])
async def test_a_number_that_etsy_does_not_show_in_its_answer_is_lost_and_the_seller_told(shipments: Any) -> None:
    value = await refused(answer(receipt(is_shipped=True, shipments=shipments)))

    assert (value.remedy, value.code, value.store_wide) == ("seller", "NUMBER_DROPPED", False)


async def test_a_buyer_is_not_mailed_again_for_a_number_that_etsy_lost() -> None:
    found, http = connector(answer(receipt(shipments=SHOWN)))
    lost = await read(receipt("completed", shipments=[{"receipt_shipping_id": 7, "tracking_code": ""}]))

    with pytest.raises(PushRefused) as caught:
        await found.parcels.write(ACCESS, parcel(), lost)

    assert caught.value.code == "NUMBER_DROPPED"
    assert http.asked == []


@pytest.mark.parametrize(
    ("status", "error", "meaning"),
    [
        (400, "A tracking number is required", ("seller", "REFUSED", False)),
        (403, "insufficient_scope", ("seller", "RIGHT_MISSING", True)),
        (403, "This application is not permitted to do this", ("seller", "TRACKING_NOT_PERMITTED", True)),
        (404, "Resource not found", ("wait", "CONFLICT", False)),
        (409, "The receipt was canceled", ("wait", "CONFLICT", False)),
    ],
)
async def test_a_refusal_says_who_can_help_and_not_what_etsy_wrote(status: int, error: str, meaning: Any) -> None:
    value = await refused(answer({"error": error}, status=status))

    assert (value.remedy, value.code, value.store_wide) == meaning
    assert error not in value.sentence


async def test_a_turn_that_does_not_come_is_no_call_whose_outcome_nobody_knows() -> None:
    used_up = {"x-limit-per-day": "100", "x-remaining-today": "0"}
    found, http = connector(answer(receipt(), headers=used_up))
    await found.parcels.read(ACCESS, "123")

    refusals = [await refused(answer({"error": "rate limit"}, status=429))]
    with pytest.raises(PushRefused) as caught:
        await found.parcels.write(ACCESS, parcel(), Shipping("open"))

    assert [(value.remedy, value.code) for value in (*refusals, caught.value)] == [("wait", "BUSY")] * 2
    assert len(http.asked) == 1


@pytest.mark.parametrize("status", [500, 503])
async def test_what_etsy_may_have_done_is_neither_taken_nor_refused(status: int) -> None:
    with pytest.raises(TransientError):
        await write(answer({"error": "Server Error"}, status=status))


async def test_an_app_key_that_is_refused_is_no_sellers_fault() -> None:
    with pytest.raises(TransientError, match="ETSY_SHARED_SECRET"):
        await write(answer({"error": "API key not found or not active"}, status=403))


async def test_access_that_ended_is_the_sellers() -> None:
    with pytest.raises(AuthorizationError):
        await write(answer({"error": "invalid_token"}, status=401))


@pytest.mark.parametrize(
    ("told", "standing"),
    [
        (receipt(), "open"),
        (receipt("one_line_shipped"), "open"),
        (receipt("open"), "on_hold"),
        (receipt("payment_processing"), "on_hold"),
        (receipt("completed"), "shipped"),
        (receipt("canceled"), "cancelled"),
        (receipt("canceled", is_shipped=True), "cancelled"),
        (receipt("fully_refunded"), "cancelled"),
        (receipt("fully_refunded_after_shipping"), "shipped"),
        (receipt("digital"), "exempt"),
    ],
)
async def test_what_may_be_shipped_is_what_the_receipt_says(told: dict[str, Any], standing: Standing) -> None:
    assert (await read(told)).standing == standing


async def test_shipments_are_read_with_their_numbers_and_without() -> None:
    shipping = await read(receipt(shipments=[*SHOWN, {"receipt_shipping_id": None, "tracking_code": ""}]))

    assert shipping.parcels == (KnownParcel(NUMBER, "7", "usps"), KnownParcel(None))
    assert shipping.has("9400 1118 9922 3100 0000 01")


@pytest.mark.parametrize(("told", "seconds"), [(1_763_910_000, 1_763_910_000), (None, None), (0, None), (2**60, None)])
async def test_the_deadline_is_the_first_of_the_lines_that_ship(told: int | None, seconds: int | None) -> None:
    [line] = receipt("physical_and_digital")["transactions"][:1]
    later = line | {"expected_ship_date": 1_800_000_000 if seconds else None}
    lines = [later, line | {"expected_ship_date": told}, line | {"is_digital": True, "expected_ship_date": 1}]

    shipping = await read(receipt(transactions=lines))

    assert shipping.ship_by == (None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC))


@pytest.mark.parametrize("told", [receipt(status="vanished"), receipt(is_paid=None)])
async def test_a_receipt_that_cannot_be_read_is_not_written_to(told: dict[str, Any]) -> None:
    with pytest.raises(TransientError, match="cannot be read"):
        await read(told)


@needs_specs
@pytest.mark.parametrize("carrier", [*CARRIER_NAMES, None])
async def test_what_is_sent_is_as_described(carrier: str | None) -> None:
    described = document("etsy/etsy_oas_3.0.0_2026_orders.json")["paths"][PATH]["post"]
    body = described["requestBody"]["content"]["application/json"]["schema"]

    _, [asked] = await write(answer(receipt(shipments=SHOWN)), carrier=carrier)

    assert set(asked.json) <= set(body["properties"])
    jsonschema.validate(asked.json, body)


@needs_specs
def test_every_field_that_is_read_of_a_shipment_exists() -> None:
    schemas = document("etsy/etsy_oas_3.0.0_2026_orders.json")["components"]["schemas"]

    assert set(SHOWN[0]) <= set(schemas["ShopReceiptShipment"]["properties"])
    assert "shipments" in schemas["ShopReceipt"]["properties"]
