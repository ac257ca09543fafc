"""The sandbox over HTTP, as an app meets it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import time
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

import pytest
from aiohttp import web

from deploy.sandbox.etsy.webhooks import new_secret

pytestmark = pytest.mark.integration

TRACKING = {"tracking_code": "9400111899223197428490", "carrier_name": "usps"}
REDIRECT = "http://127.0.0.1:8001/oauth/etsy/callback"


class Etsy(Protocol):
    """The fixture's client; see conftest."""

    base: str
    shop: dict[str, Any]
    headers: dict[str, str]
    receipts: str

    async def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **sent: Any) -> Any: ...
    async def control(self, method: str, path: str, /, **body: Any) -> Any: ...
    async def order(self, state: str = "ready", *, count: int = 1) -> str: ...
    async def change(self, order: str, action: str, **change: Any) -> Any: ...
    async def open_shop(self, **body: Any) -> Etsy: ...


async def test_a_seller_connects_with_pkce_and_is_found_by_users_me(etsy: Etsy) -> None:
    shop = await etsy.control("POST", "/stores", redirect_uris=[REDIRECT])
    verifier = "x" * 43
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": shop["app"]["keystring"],
        "redirect_uri": REDIRECT,
        "scope": shop["scopes"],
        "state": "s1",
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }

    page = await etsy.call("GET", "/oauth/connect", headers={}, params=asked)
    back = parse_qs(urlsplit(page.headers["location"]).query)
    form = {
        "grant_type": "authorization_code",
        "client_id": shop["app"]["keystring"],
        "redirect_uri": REDIRECT,
        "code": back["code"][0],
        "code_verifier": verifier,
    }
    tokens = await etsy.call("POST", "/v3/public/oauth/token", headers={}, data=form)
    headers = etsy.headers | {"authorization": f"Bearer {tokens.json['access_token']}"}
    me = await etsy.call("GET", "/v3/application/users/me", headers=headers)

    assert page.status == 302
    assert back["state"] == ["s1"]
    assert me.json == {"user_id": shop["user_id"], "shop_id": shop["shop_id"]}


async def test_an_unregistered_redirect_never_gets_a_code(etsy: Etsy) -> None:
    asked = {"response_type": "code", "client_id": etsy.shop["app"]["keystring"], "redirect_uri": "http://evil.example"}

    page = await etsy.call("GET", "/oauth/connect", headers={}, params=asked)

    assert page.status == 400
    assert "location" not in page.headers


@pytest.mark.parametrize(("key", "status"), [("", 401), ("{keystring}", 403), ("{keystring}:wrong", 403), ("a:b", 403)])
async def test_the_api_key_needs_its_shared_secret(etsy: Etsy, key: str, status: int) -> None:
    sent = key.format(keystring=etsy.shop["app"]["keystring"])

    answer = await etsy.call("GET", "/v3/application/openapi-ping", headers={"x-api-key": sent} if sent else {})

    assert answer.status == status
    assert set(answer.json) == {"error"}


async def test_a_ping_needs_the_api_key_alone(etsy: Etsy) -> None:
    key = {"x-api-key": etsy.headers["x-api-key"]}

    ping = await etsy.call("GET", "/v3/application/openapi-ping", headers=key)
    listing = await etsy.call("GET", etsy.receipts, headers=key)

    assert (ping.status, set(ping.json)) == (200, {"application_id"})
    assert (listing.status, listing.json["error"]) == (401, "invalid_token")


async def test_an_expired_access_token_is_401_and_a_refresh_mends_it(etsy: Etsy) -> None:
    await etsy.control("POST", "/clock", advance="PT1H")

    expired = await etsy.call("GET", etsy.receipts)
    form = {
        "grant_type": "refresh_token",
        "client_id": etsy.shop["app"]["keystring"],
        "refresh_token": etsy.shop["tokens"]["refresh_token"],
    }
    renewed = await etsy.call("POST", "/v3/public/oauth/token", headers={}, data=form)
    repeated = await etsy.call("POST", "/v3/public/oauth/token", headers={}, data=form)
    etsy.shop["tokens"] = renewed.json

    assert expired.status == 401
    assert (repeated.status, repeated.json["error"]) == (400, "invalid_grant")
    assert (await etsy.call("GET", etsy.receipts)).status == 200


async def test_a_revoked_app_gets_401_and_cannot_refresh(etsy: Etsy) -> None:
    await etsy.control("POST", f"/stores/{etsy.shop['store']}/revoke")

    form = {
        "grant_type": "refresh_token",
        "client_id": etsy.shop["app"]["keystring"],
        "refresh_token": etsy.shop["tokens"]["refresh_token"],
    }
    refreshed = await etsy.call("POST", "/v3/public/oauth/token", headers={}, data=form)

    assert (await etsy.call("GET", etsy.receipts)).status == 401
    assert (refreshed.status, refreshed.json["error"]) == (400, "invalid_grant")


async def test_one_sellers_token_does_not_open_anothers_shop(etsy: Etsy) -> None:
    other = await etsy.open_shop()

    answer = await etsy.call("GET", other.receipts)

    assert answer.status == 403


async def test_paging_by_offset_meets_every_receipt_once(etsy: Etsy) -> None:
    await etsy.control("POST", "/settings", limits=False)
    await etsy.order("mixed", count=230)

    pages = [
        await etsy.call("GET", etsy.receipts, params={"limit": 100, "offset": offset, "sort_on": "updated"})
        for offset in (0, 100, 200)
    ]

    ids = [one["receipt_id"] for page in pages for one in page.json["results"]]
    assert [page.json["count"] for page in pages] == [230] * 3
    assert len(ids) == len(set(ids)) == 230


async def test_receipts_are_spread_over_the_asked_past(etsy: Etsy) -> None:
    now = time.time()
    path = f"/stores/{etsy.shop['store']}/orders"

    await etsy.control("POST", path, count=10, state="ready", created_over="PT1H", created_ago="PT10M")

    listed = (await etsy.call("GET", etsy.receipts, params={"sort_order": "asc"})).json["results"]
    created = [one["created_timestamp"] for one in listed]
    assert now - 4200 - 2 <= created[0] <= created[-1] <= now - 600 + 2
    assert len(set(created)) == 10
    assert all(one["created_timestamp"] <= one["updated_timestamp"] <= now - 600 + 2 for one in listed)


async def test_an_offset_above_the_maximum_is_400(etsy: Etsy) -> None:
    answer = await etsy.call("GET", etsy.receipts, params={"offset": 12_001})

    assert answer.status == 400
    assert "offset" in answer.json["error"]


async def test_cancelled_receipts_are_listed_unless_left_out(etsy: Etsy) -> None:
    await etsy.order("cancelled")

    both = await etsy.call("GET", etsy.receipts)
    kept = await etsy.call("GET", etsy.receipts, params={"was_canceled": "false"})

    assert (both.json["count"], kept.json["count"]) == (1, 0)


async def test_calls_over_the_budget_are_429_with_a_wait(etsy: Etsy) -> None:
    await etsy.control("POST", "/settings", per_second=3)

    answers = [await etsy.call("GET", "/v3/application/openapi-ping") for _ in range(4)]
    books = await etsy.control("GET", "/books")

    assert [answer.status for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["x-limit-per-second"] == "3"
    assert answers[0].headers["x-remaining-today"] == "9999"
    assert answers[3].headers["retry-after"] == "1"
    assert books["api_calls_over_budget"] == 1


async def test_each_tracking_call_adds_a_shipment_and_an_email(etsy: Etsy) -> None:
    path = f"{etsy.receipts}/{await etsy.order()}/tracking"

    await etsy.call("POST", path, json=TRACKING)
    twice = await etsy.call("POST", path, json=TRACKING)
    books = await etsy.control("GET", "/books")

    assert [one["tracking_code"] for one in twice.json["shipments"]] == [TRACKING["tracking_code"]] * 2
    assert (twice.json["is_shipped"], twice.json["status"]) == (True, "Completed")
    assert books["emails"] == 2


async def test_json_under_a_form_content_type_loses_the_tracking(etsy: Etsy) -> None:
    path = f"{etsy.receipts}/{await etsy.order()}/tracking"
    form = etsy.headers | {"content-type": "application/x-www-form-urlencoded"}

    answer = await etsy.call("POST", path, headers=form, data='{"tracking_code": "1", "carrier_name": "usps"}')

    assert answer.status == 200
    assert answer.json["is_shipped"]
    assert [one["tracking_code"] for one in answer.json["shipments"]] == [""]


async def test_an_unknown_carrier_loses_the_tracking(etsy: Etsy) -> None:
    path = f"{etsy.receipts}/{await etsy.order()}/tracking"

    answer = await etsy.call("POST", path, json=TRACKING | {"carrier_name": "Pigeon"})

    assert (answer.status, answer.json["shipments"][0]["tracking_code"]) == (200, "")


@pytest.mark.parametrize(("country", "status"), [("US", 400), ("IN", 400), ("DE", 200)])
async def test_tracking_is_required_inside_the_us_and_to_india(etsy: Etsy, country: str, status: int) -> None:
    order = await etsy.order()
    await etsy.change(order, "address", address={"country": country})

    answer = await etsy.call("POST", f"{etsy.receipts}/{order}/tracking", json={})

    assert answer.status == status


async def test_a_restricted_shop_hides_addresses_and_refuses_tracking(etsy: Etsy) -> None:
    shop = await etsy.open_shop(restricted=True)
    order = await shop.order()

    receipt = await shop.call("GET", f"{shop.receipts}/{order}")
    tracking = await shop.call("POST", f"{shop.receipts}/{order}/tracking", json=TRACKING)

    assert {receipt.json[name] for name in ("first_line", "city", "zip", "country_iso")} == {None}
    assert receipt.json["name"]
    assert tracking.status == 403


async def test_a_deleted_receipt_is_404_and_stays_in_the_truth(etsy: Etsy) -> None:
    order = await etsy.order()
    await etsy.change(order, "delete")

    answer = await etsy.call("GET", f"{etsy.receipts}/{order}")
    truth = await etsy.control("GET", "/truth")

    assert (answer.status, set(answer.json)) == (404, {"error"})
    assert [(one["id"], one["deleted"], one["makeable"]) for one in truth["orders"]] == [(order, True, False)]


@pytest.mark.parametrize(
    ("action", "status"), [("cancel", "Canceled"), ("refund", "Fully Refunded"), ("pay", "Paid"), ("ship", "Completed")]
)
async def test_changes_move_the_status_and_the_change_time(etsy: Etsy, action: str, status: str) -> None:
    order = await etsy.order("unpaid_pending" if action == "pay" else "ready")
    before = (await etsy.call("GET", f"{etsy.receipts}/{order}")).json
    await etsy.control("POST", "/clock", advance="PT1M")

    await etsy.change(order, action)

    after = (await etsy.call("GET", f"{etsy.receipts}/{order}")).json
    assert after["status"] == status
    assert after["updated_timestamp"] >= before["updated_timestamp"] + 60


async def test_a_partial_refund_does_not_say_which_line(etsy: Etsy) -> None:
    order = await etsy.order()

    truth = await etsy.change(order, "refund", amount=100)

    receipt = (await etsy.call("GET", f"{etsy.receipts}/{order}")).json
    assert receipt["status"] == "Partially Refunded"
    assert receipt["refunds"][0]["amount"]["amount"] == 100
    assert (truth["payment"], truth["makeable"]) == ("partially_refunded", False)


async def test_lines_payments_scopes_shop_and_carriers_answer(etsy: Etsy) -> None:
    order = await etsy.order()

    lines = await etsy.call("GET", f"{etsy.receipts}/{order}/transactions")
    payments = await etsy.call("GET", f"{etsy.receipts}/{order}/payments")
    token = {"token": etsy.shop["tokens"]["access_token"]}
    scopes = await etsy.call("POST", "/v3/application/scopes", data=token)
    shop = await etsy.call("GET", f"/v3/application/shops/{etsy.shop['shop_id']}")
    carriers = await etsy.call("GET", "/v3/application/shipping-carriers", params={"origin_country_iso": "US"})

    assert lines.json["count"] == len(lines.json["results"]) >= 1
    assert payments.json["results"][0]["receipt_id"] == int(order)
    assert scopes.json["scopes"] == ["shops_r", "transactions_r", "transactions_w"]
    assert shop.json["currency_code"] == "USD"
    assert "USPS" in [one["name"] for one in carriers.json["results"]]


async def test_a_fault_spoils_an_answer_not_the_memory(etsy: Etsy) -> None:
    path = f"{etsy.receipts}/{await etsy.order()}/tracking"
    await etsy.control("POST", "/faults", kind="status_500", count=1, when="after", path="tracking")

    lost = await etsy.call("POST", path, json=TRACKING)
    receipt = await etsy.call("GET", path.removesuffix("/tracking"))

    assert lost.status == 500
    assert len(receipt.json["shipments"]) == 1


async def test_webhooks_are_signed_and_retried_under_one_id(etsy: Etsy) -> None:
    received: list[tuple[dict[str, str], bytes]] = []
    enough = asyncio.Event()

    async def receive(request: web.Request) -> web.Response:
        received.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        if len(received) == 3:
            enough.set()
        return web.Response(status=200 if len(received) == 3 else 500)

    secret = new_secret()
    app = web.Application()
    app.router.add_post("/hooks", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hooks"
    await etsy.control("POST", "/settings", time_scale=10_000)
    await etsy.control("POST", "/webhook-endpoint", url=url, secret=secret, events=["order.paid"])

    await etsy.order()
    await asyncio.wait_for(enough.wait(), timeout=10)
    await runner.cleanup()

    key = base64.b64decode(secret.removeprefix("whsec_"))
    for headers, body in received:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
        assert headers["webhook-signature"] == f"v1,{expected}"
    assert len({headers["webhook-id"] for headers, _ in received}) == 1


async def test_no_webhook_is_sent_while_no_endpoint_is_set_up(etsy: Etsy) -> None:
    await etsy.order(count=3)

    assert (await etsy.control("GET", "/books"))["webhooks_sent"] == 0
