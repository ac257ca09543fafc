"""How apps get tokens, and how tokens end."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from deploy.sandbox.shopify.sandbox import DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET

if TYPE_CHECKING:
    from .conftest import Answer, Client

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

APP = {"client_id": DEFAULT_CLIENT_ID, "client_secret": DEFAULT_CLIENT_SECRET}
CALLBACK = "http://127.0.0.1:9/oauth/callback"
SHOP = "{ shop { name } }"


async def _callback(client: Client, **asked: str) -> dict[str, str]:
    query = {"client_id": DEFAULT_CLIENT_ID, "redirect_uri": CALLBACK, "state": "n-1", "scope": "read_orders"}
    answer = await client.call("GET", f"/admin/oauth/authorize?{urlencode(query | asked)}")
    assert answer.status == 302, answer.json
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


async def _token(client: Client, **asked: str) -> Answer:
    return await client.call("POST", "/admin/oauth/access_token", json=APP | asked)


async def _linked(client: Client) -> Any:
    callback = await _callback(client)
    answer = await _token(client, code=callback["code"], expiring="1")
    assert answer.status == 200
    return answer.json


async def _works(client: Client, token: str) -> bool:
    return (await client.post(SHOP, token=token)).status == 200


async def test_the_callback_is_signed_over_its_sorted_pairs(client: Client) -> None:
    callback = await _callback(client)

    given = callback.pop("hmac")
    text = "&".join(f"{key}={value}" for key, value in sorted(callback.items()))

    assert given == hmac.new(DEFAULT_CLIENT_SECRET.encode(), text.encode(), hashlib.sha256).hexdigest()
    assert (callback["shop"], callback["state"]) == (client.store["domain"], "n-1")


@pytest.mark.parametrize("wrong", [{"client_id": "nobody"}, {"redirect_uri": "https://elsewhere.example.com/x"}])
async def test_an_unknown_app_or_address_sees_an_error_page(client: Client, wrong: dict[str, str]) -> None:
    query = {"client_id": DEFAULT_CLIENT_ID, "redirect_uri": CALLBACK} | wrong
    answer = await client.call("GET", f"/admin/oauth/authorize?{urlencode(query)}")

    assert answer.status == 400
    assert "Oauth error" in answer.json


async def test_only_registered_addresses_are_redirected_to_once_there_are_some(client: Client) -> None:
    await client.control("POST", "/stores", redirect_uris=[CALLBACK])

    query = urlencode({"client_id": DEFAULT_CLIENT_ID, "redirect_uri": "http://127.0.0.1:9/other"})
    refused = await client.call("GET", f"/admin/oauth/authorize?{query}")

    assert refused.status == 400
    assert "code" in await _callback(client)


async def test_a_code_gives_an_expiring_pair_once(client: Client) -> None:
    callback = await _callback(client)

    first = await _token(client, code=callback["code"], expiring="1")
    second = await _token(client, code=callback["code"], expiring="1")

    assert first.json["expires_in"] == 3600
    assert first.json["refresh_token_expires_in"] == 7_776_000
    assert first.json["scope"] == "read_orders"
    assert await _works(client, first.json["access_token"])
    assert second.status == 400


async def test_a_wrong_secret_gets_nothing(client: Client) -> None:
    callback = await _callback(client)

    answer = await client.call(
        "POST", "/admin/oauth/access_token", json=APP | {"client_secret": "guessed", "code": callback["code"]}
    )

    assert (answer.status, answer.json["error"]) == (400, "invalid_client")


async def test_an_access_token_ends_after_an_hour_and_a_refresh_gives_another(client: Client) -> None:
    linked = await _linked(client)
    client.stand_in.clock.advance(timedelta(hours=1))

    ended = await client.post(SHOP, token=linked["access_token"])
    answer = await _token(client, grant_type="refresh_token", refresh_token=linked["refresh_token"])

    assert ended.status == 401
    assert ended.json["errors"].startswith("[API] Invalid API key or access token")
    assert answer.json["refresh_token"] != linked["refresh_token"]
    assert await _works(client, answer.json["access_token"])


async def test_a_refresh_whose_answer_was_lost_can_be_repeated(client: Client) -> None:
    linked = await _linked(client)

    await _token(client, grant_type="refresh_token", refresh_token=linked["refresh_token"])
    again = await _token(client, grant_type="refresh_token", refresh_token=linked["refresh_token"])

    assert again.status == 200
    assert await _works(client, again.json["access_token"])


async def test_the_old_refresh_token_dies_when_the_new_one_is_used(client: Client) -> None:
    linked = await _linked(client)
    second = await _token(client, grant_type="refresh_token", refresh_token=linked["refresh_token"])

    await _token(client, grant_type="refresh_token", refresh_token=second.json["refresh_token"])
    late = await _token(client, grant_type="refresh_token", refresh_token=linked["refresh_token"])

    assert late.status == 400


@pytest.mark.parametrize(("first_use", "later"), [(True, timedelta(days=30)), (False, timedelta(days=90))])
async def test_a_refresh_token_ends_thirty_days_after_its_use_and_ninety_after_its_issue(
    client: Client, later: timedelta, *, first_use: bool
) -> None:
    linked = await _linked(client)
    if first_use:
        await _token(client, grant_type="refresh_token", refresh_token=linked["refresh_token"])

    client.stand_in.clock.advance(later)

    answer = await _token(client, grant_type="refresh_token", refresh_token=linked["refresh_token"])
    assert answer.status == 400


async def test_a_public_app_may_not_use_a_token_that_never_ends(client: Client) -> None:
    callback = await _callback(client)

    permanent = (await _token(client, code=callback["code"])).json

    assert "refresh_token" not in permanent
    assert (await client.post(SHOP, token=permanent["access_token"])).status == 403


async def test_a_token_that_never_ends_is_exchanged_once_and_dies_by_that(client: Client) -> None:
    kind = "urn:shopify:params:oauth:token-type:offline-access-token"
    permanent = (await _token(client, code=(await _callback(client))["code"])).json["access_token"]
    asked = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": permanent,
        "subject_token_type": kind,
        "requested_token_type": kind,
        "expiring": "1",
    }

    wrong = await _token(client, **(asked | {"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}))
    pair = await _token(client, **asked)
    again = await _token(client, **asked)

    assert (wrong.status, pair.status, again.status) == (400, 200, 400)
    assert pair.json["refresh_token_expires_in"] == 90 * 86_400
    assert await _works(client, pair.json["access_token"])


async def test_all_orders_are_asked_for_by_apps_that_shopify_granted_them_to(client: Client) -> None:
    query = {"redirect_uri": CALLBACK, "scope": "read_orders,read_all_orders"}
    granted = {"client_id": "granted", "client_secret": "s", "scopes": ["read_orders", "read_all_orders"]}
    await client.control("POST", "/apps", **granted)

    answers = [
        await client.call("GET", f"/admin/oauth/authorize?{urlencode(query | {'client_id': app})}")
        for app in (DEFAULT_CLIENT_ID, "granted")
    ]

    assert [answer.status for answer in answers] == [400, 302]


async def test_client_credentials_are_for_the_shops_own_app(client: Client) -> None:
    own = {key: client.store["custom_app"][key] for key in ("client_id", "client_secret")}
    path = "/admin/oauth/access_token"

    granted = await client.call("POST", path, json=own | {"grant_type": "client_credentials"})
    refused = await _token(client, grant_type="client_credentials")

    assert granted.json["expires_in"] == 86_399
    assert "refresh_token" not in granted.json
    assert await _works(client, granted.json["access_token"])
    assert refused.status == 400


async def test_a_token_opens_only_its_own_shop(client: Client) -> None:
    other = await client.control("POST", "/stores", id="other")

    answer = await client.call(
        "POST",
        "/admin/api/2026-10/graphql.json",
        shop=other["domain"],
        headers={"X-Shopify-Access-Token": client.token},
        json={"query": SHOP},
    )

    assert answer.status == 401


async def test_an_uninstalled_app_is_told_once_and_then_refused(client: Client) -> None:
    await client.subscribe("APP_UNINSTALLED")

    await client.control("POST", f"/stores/{client.store['store']}/revoke")
    await client.stand_in.settle()

    assert client.receiver.topics == ["app/uninstalled"]
    assert (await client.post(SHOP)).status == 401


@pytest.mark.parametrize(("status", "code"), [("frozen", 402), ("locked", 423)])
async def test_a_closed_shop_answers_with_its_own_status(client: Client, status: str, code: int) -> None:
    await client.control("POST", f"/stores/{client.store['store']}/status", status=status)

    assert (await client.post(SHOP)).status == code


async def test_a_store_tells_how_it_is_linked(client: Client) -> None:
    by_page = await client.control("POST", "/stores")
    by_token = await client.control("POST", "/stores", link_by="token")

    assert by_page["link"] == {"request": {"shop": by_page["domain"]}}
    assert by_token["link"]["credentials"]["access_token"] == by_token["custom_app"]["access_token"]
