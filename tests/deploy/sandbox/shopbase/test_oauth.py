"""How apps get in: the code grant, private apps, scopes, and shops that are closed."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from deploy.sandbox.shopbase.oauth import sign_query

if TYPE_CHECKING:
    from .conftest import Answer, Client

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

REDIRECT = "http://127.0.0.1:8001/oauth/shopbase/callback"


def _query(address: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(address).query))


async def _authorize(client: Client, **asked: str) -> Answer:
    query = {
        "client_id": client.store["app"]["client_id"],
        "scope": "read_orders,write_orders",
        "redirect_uri": REDIRECT,
        "state": "s1",
        "shop": client.store["shop"],
    }
    return await client.call("GET", "/admin/oauth/authorize", headers={}, params=query | asked)


async def _token(client: Client, code: str, **changed: Any) -> Answer:
    app = client.store["app"]
    body = {"client_id": app["client_id"], "client_secret": app["client_secret"], "code": code} | changed
    return await client.call("POST", "/admin/oauth/access_token.json", headers={}, json=body)


async def _linked(client: Client, scope: str = "read_orders,write_orders") -> dict[str, str]:
    page = await _authorize(client, scope=scope)
    issued = await _token(client, _query(page.headers["Location"])["code"])
    return {"X-ShopBase-Access-Token": issued.json["access_token"]}


def test_the_hmac_is_hex_over_the_sorted_pairs_without_itself() -> None:
    # printf 'code=c&shop=a.onshopbase.com&state=s&timestamp=1' | openssl dgst -sha256 -hmac hush
    pairs = {"timestamp": "1", "hmac": "x", "state": "s", "code": "c", "shop": "a.onshopbase.com"}

    signed = hmac.new(b"hush", b"code=c&shop=a.onshopbase.com&state=s&timestamp=1", hashlib.sha256).hexdigest()

    assert sign_query("hush", pairs) == signed


async def test_a_seller_links_by_the_code_grant(client: Client) -> None:
    page = await _authorize(client)
    back = _query(page.headers["Location"])
    issued = await _token(client, back["code"])

    assert page.status == 302
    assert set(back) == {"code", "hmac", "shop", "state", "timestamp"}
    assert back["state"] == "s1"
    assert back["hmac"] == sign_query(client.store["app"]["client_secret"], back)
    assert issued.status == 200
    assert set(issued.json) == {"access_token", "scope"}
    assert issued.json["scope"] == "read_orders,write_orders"
    headers = {"X-ShopBase-Access-Token": issued.json["access_token"]}
    assert (await client.call("GET", "/admin/shop.json", headers=headers)).json["domain"] == client.store["shop"]


async def test_the_token_endpoint_exists_only_with_json_at_its_end(client: Client) -> None:
    answer = await client.call("POST", "/admin/oauth/access_token", headers={}, json={})

    assert answer.status == 404


async def test_a_code_is_good_once(client: Client) -> None:
    code = _query((await _authorize(client)).headers["Location"])["code"]

    first, second = await _token(client, code), await _token(client, code)

    assert (first.status, second.status) == (200, 400)
    assert second.json["error"] == "invalid_request"


async def test_a_code_is_good_for_ten_minutes(client: Client) -> None:
    code = _query((await _authorize(client)).headers["Location"])["code"]
    await client.control("POST", "/clock", advance="PT10M")

    assert (await _token(client, code)).status == 400


async def test_a_code_is_good_at_its_own_shop_only(client: Client) -> None:
    code = _query((await _authorize(client)).headers["Location"])["code"]
    other = client.stand_in.create_store({})
    app = client.store["app"]
    body = {"client_id": app["client_id"], "client_secret": app["client_secret"], "code": code}

    answer = await client.call("POST", "/admin/oauth/access_token.json", shop=other["shop"], headers={}, json=body)

    assert answer.status == 400


async def test_a_wrong_secret_gets_no_token(client: Client) -> None:
    code = _query((await _authorize(client)).headers["Location"])["code"]

    answer = await _token(client, code, client_secret="wrong")

    assert (answer.status, answer.json["error"]) == (400, "invalid_client")


@pytest.mark.parametrize(
    "changed", [{"redirect_uri": "https://evil.example.com/"}, {"client_id": "nobody"}, {"scope": ""}, {"scope": "all"}]
)
async def test_a_bad_request_never_gets_a_code(client: Client, changed: dict[str, str]) -> None:
    page = await _authorize(client, **changed)

    assert page.status == 400
    assert "Location" not in page.headers


async def test_a_registered_redirect_is_the_only_one(client: Client) -> None:
    client.stand_in.create_store({"redirect_uris": ["https://app.example.com/callback"]})

    registered = await _authorize(client, redirect_uri="https://app.example.com/callback")
    loopback = await _authorize(client)

    assert (registered.status, loopback.status) == (302, 400)


async def test_a_seller_who_declines_sends_back_no_code(client: Client) -> None:
    await client.control("POST", f"/stores/{client.store['store']}/consent", consent="deny")

    back = _query((await _authorize(client)).headers["Location"])

    assert back["error"] == "access_denied"
    assert "code" not in back


async def test_an_install_request_is_signed(client: Client) -> None:
    made = await client.control(
        "POST", f"/stores/{client.store['store']}/install", app_url="https://app.example.com/install"
    )

    pairs = _query(made["url"])
    assert set(pairs) == {"shop", "timestamp", "hmac"}
    assert pairs["hmac"] == sign_query(client.store["app"]["client_secret"], pairs)


async def test_a_private_app_may_send_its_password_as_the_token(client: Client) -> None:
    headers = {"X-ShopBase-Access-Token": client.store["private_app"]["password"]}

    assert (await client.call("GET", "/admin/shop.json", headers=headers)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic !!"},
        {"Authorization": "Basic bm86Ym9keQ=="},
        {"Authorization": "Bearer x"},
        {"X-ShopBase-Access-Token": "x"},
        {"X-Shopify-Access-Token": "x"},
    ],
)
async def test_nobody_is_401(client: Client, headers: dict[str, str]) -> None:
    answer = await client.call("GET", "/admin/shop.json", headers=headers)

    assert answer.status == 401
    assert set(answer.json) == {"errors"}
    assert (await client.control("GET", "/books"))["api_calls_refused"] == 1


async def test_a_token_is_worth_nothing_at_another_shop(client: Client) -> None:
    token = await _linked(client)
    other = client.stand_in.create_store({})

    assert (await client.call("GET", "/admin/shop.json", shop=other["shop"], headers=token)).status == 401
    assert (await client.call("GET", "/admin/shop.json", shop=other["shop"])).status == 401


async def test_a_scope_that_was_not_granted_is_403(client: Client) -> None:
    reader = await _linked(client, "read_orders")
    outsider = await _linked(client, "read_products")
    order = await client.order()

    read = await client.call("GET", "/admin/orders.json", headers=reader)
    shipped = await client.call(
        "POST", f"/admin/orders/{order}/fulfillments.json", headers=reader, json={"fulfillment": {}}
    )
    refused = await client.call("GET", "/admin/orders.json", headers=outsider)

    assert (read.status, shipped.status, refused.status) == (200, 403, 403)


async def test_a_write_scope_implies_the_read_scope(client: Client) -> None:
    writer = await _linked(client, "write_orders")

    assert (await client.call("GET", "/admin/orders.json", headers=writer)).status == 200


async def test_an_order_topic_needs_the_order_scope(client: Client) -> None:
    outsider = await _linked(client, "read_products")
    webhook = {"topic": "orders/create", "address": client.receiver.url + "orders/create"}

    answer = await client.call("POST", "/admin/webhooks.json", headers=outsider, json={"webhook": webhook})

    assert answer.status == 403


async def test_revoking_kills_token_and_private_app_until_they_are_given_again(client: Client) -> None:
    token = await _linked(client)
    await client.control("POST", f"/stores/{client.store['store']}/revoke")

    dead = [(await client.call("GET", "/admin/shop.json", headers=each)).status for each in (token, client.basic)]
    again = await _linked(client)
    renewed = await client.control("POST", f"/stores/{client.store['store']}/private-app")
    client.store["private_app"] = renewed["credentials"]

    assert dead == [401, 401]
    assert (await client.call("GET", "/admin/shop.json", headers=again)).status == 200
    assert (await client.call("GET", "/admin/shop.json")).status == 200


@pytest.mark.parametrize(("status", "code"), [("frozen", 402), ("locked", 423)])
async def test_a_shop_that_is_closed_says_how(client: Client, status: str, code: int) -> None:
    await client.control("POST", f"/stores/{client.store['store']}/status", status=status)

    assert (await client.call("GET", "/admin/orders.json")).status == code


async def test_an_unknown_shop_or_path_is_404_in_json(client: Client) -> None:
    shop = await client.call("GET", "/admin/shop.json", shop="nobody.onshopbase.com")
    versioned = await client.call("GET", "/admin/api/2019-10/orders.json")

    assert (shop.status, versioned.status) == (404, 404)
    assert shop.json == versioned.json == {"error": "Not Found"}


async def test_only_json_is_served(client: Client) -> None:
    answer = await client.call("GET", "/admin/shop.json", headers=client.basic | {"Accept": "text/html"})

    assert answer.status == 406


def test_a_store_is_linked_as_its_opener_asked(client: Client) -> None:
    by_page = client.stand_in.create_store({"id": "one"})
    by_hand = client.stand_in.create_store({"id": "two", "link_by": "credentials"})

    assert by_page["link"] == {"request": {"shop": "one.onshopbase.com"}}
    assert set(by_hand["link"]["credentials"]) == {"shop", "api_key", "password", "shared_secret"}


def test_the_settings_name_the_address_and_the_app(client: Client) -> None:
    settings = client.stand_in.settings()

    assert settings["PLATFORM_URL_SHOPBASE"] == client.base
    assert {"SHOPBASE_CLIENT_ID", "SHOPBASE_CLIENT_SECRET"} < set(settings)
