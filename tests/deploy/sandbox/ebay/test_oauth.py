"""Consent by RuName, the three grants of the token endpoint, and what a token opens."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

import pytest
from yarl import URL

pytestmark = pytest.mark.integration

ACCEPT = "http://127.0.0.1:8001/oauth/ebay/callback"
PUBLIC = "https://api.ebay.com/oauth/api_scope"
SCOPES = f"{PUBLIC}/sell.fulfillment {PUBLIC}/commerce.notification.subscription"
ORDERS = "/sell/fulfillment/v1/order"


class Ebay(Protocol):
    """The fixture's client; see conftest."""

    base: str
    store: dict[str, Any]
    token: str
    app: dict[str, str]
    basic: dict[str, str]

    async def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **sent: Any) -> Any: ...
    async def orders(self, criteria: str = "", **query: Any) -> Any: ...
    async def exchange(self, **form: str) -> Any: ...
    async def control(self, method: str, path: str, /, **body: Any) -> Any: ...
    async def as_app(self) -> Ebay: ...


async def consent(ebay: Ebay, **changed: str) -> Any:
    asked = {
        "client_id": ebay.app["EBAY_CLIENT_ID"],
        "redirect_uri": ebay.app["EBAY_RUNAME"],
        "response_type": "code",
        "scope": SCOPES,
        "state": "s 1/+",
    } | changed
    return await ebay.call("GET", str(URL(ebay.base + "/oauth2/authorize").with_query(asked)), headers={})


async def code_of(ebay: Ebay, **changed: str) -> dict[str, str]:
    page = await consent(ebay, **changed)
    assert page.status == 302, page
    return dict(parse_qsl(urlsplit(page.headers["location"]).query))


async def test_a_seller_consents_and_the_app_learns_who_they_are(ebay: Ebay) -> None:
    store = await ebay.control("POST", "/stores", redirect_uris=[ACCEPT], name="best_tees")
    scopes = f"{SCOPES} {PUBLIC}/commerce.identity.readonly"

    back = await code_of(ebay, scope=scopes)
    tokens = await ebay.exchange(
        grant_type="authorization_code", code=back["code"], redirect_uri=ebay.app["EBAY_RUNAME"]
    )
    ebay.token = tokens.json["access_token"]
    me = await ebay.call("GET", "/commerce/identity/v1/user/")

    assert (back["state"], back["expires_in"]) == ("s 1/+", "299")
    assert store["link"] == {"request": {}}
    assert tokens.json["token_type"] == "User Access Token"
    assert (tokens.json["expires_in"], tokens.json["refresh_token_expires_in"]) == (7200, 47_304_000)
    assert (me.json["userId"], me.json["username"]) == (store["store"], "best_tees")


async def test_the_browser_goes_to_the_runames_accept_address_and_nowhere_else(ebay: Ebay) -> None:
    await ebay.control("POST", "/stores", redirect_uris=[ACCEPT])

    page = await consent(ebay)
    by_url = await consent(ebay, redirect_uri=ACCEPT)

    assert page.headers["location"].startswith(ACCEPT + "?")
    assert by_url.status == 400
    assert "location" not in by_url.headers


async def test_a_code_needs_to_be_decoded_once_and_is_good_once(ebay: Ebay) -> None:
    await ebay.control("POST", "/stores", redirect_uris=[ACCEPT])
    page = await consent(ebay)
    encoded = page.headers["location"].partition("code=")[2].partition("&")[0]
    form = {"grant_type": "authorization_code", "redirect_uri": ebay.app["EBAY_RUNAME"]}
    decoded = dict(parse_qsl(urlsplit(page.headers["location"]).query))["code"]

    as_it_came = await ebay.exchange(**form, code=encoded)
    first = await ebay.exchange(**form, code=decoded)
    second = await ebay.exchange(**form, code=decoded)

    assert (as_it_came.status, as_it_came.json["error"]) == (400, "invalid_grant")
    assert first.status == 200
    assert (second.status, second.json["error"]) == (400, "invalid_grant")


async def test_a_declined_consent_and_an_unknown_scope_come_back_as_errors(ebay: Ebay) -> None:
    await ebay.control("POST", "/stores", redirect_uris=[ACCEPT])

    bad_scope = await code_of(ebay, scope="https://api.ebay.com/oauth/api_scope/buy.everything")
    await ebay.control("POST", "/settings", deny_consent=True)
    declined = await code_of(ebay)

    assert bad_scope["error"] == "invalid_scope"
    assert (declined["error"], declined["state"]) == ("access_denied", "s 1/+")
    assert "code" not in declined


async def test_a_refresh_gives_no_new_refresh_token_and_the_old_one_stays_good(ebay: Ebay) -> None:
    refresh = ebay.store["tokens"]["refresh_token"]

    first = await ebay.exchange(grant_type="refresh_token", refresh_token=refresh, scope=SCOPES)
    second = await ebay.exchange(grant_type="refresh_token", refresh_token=refresh)

    assert set(first.json) == {"access_token", "expires_in", "token_type"}
    assert second.status == 200
    assert first.json["access_token"] != second.json["access_token"]


async def test_a_refresh_may_narrow_the_scopes_and_never_widen_them(ebay: Ebay) -> None:
    await ebay.control("POST", "/stores", redirect_uris=[ACCEPT])
    back = await code_of(ebay, scope=f"{PUBLIC}/sell.fulfillment")
    tokens = await ebay.exchange(
        grant_type="authorization_code", code=back["code"], redirect_uri=ebay.app["EBAY_RUNAME"]
    )
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens.json["refresh_token"]}

    same = await ebay.exchange(**refresh, scope=f"{PUBLIC}/sell.fulfillment")
    wider = await ebay.exchange(**refresh, scope=SCOPES)

    assert same.status == 200
    assert (wider.status, wider.json["error"]) == (400, "invalid_scope")


async def test_access_ends_after_two_hours_and_the_refresh_token_18_months_after_consent(ebay: Ebay) -> None:
    refresh = {"grant_type": "refresh_token", "refresh_token": ebay.store["tokens"]["refresh_token"]}

    await ebay.control("POST", "/clock", advance=7201)
    expired = await ebay.orders()
    renewed = await ebay.exchange(**refresh)
    await ebay.control("POST", "/clock", advance=47_304_000 - 7201)
    over = await ebay.exchange(**refresh)

    assert (expired.status, expired.error_id) == (401, 1001)
    assert renewed.status == 200
    # Having been used in between does not prolong it.
    assert (over.status, over.json["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("path", ["revoke", "revocation"])
async def test_a_revoked_consent_ends_all_its_tokens(ebay: Ebay, path: str) -> None:
    await ebay.control("POST", f"/stores/{ebay.store['store']}/{path}")

    call = await ebay.orders()
    refresh = await ebay.exchange(grant_type="refresh_token", refresh_token=ebay.store["tokens"]["refresh_token"])

    assert (call.status, call.error_id) == (401, 1001)
    assert (refresh.status, refresh.json["error"]) == (400, "invalid_grant")


async def test_the_keyset_is_asked_for_by_basic_authentication(ebay: Ebay) -> None:
    form = {"grant_type": "client_credentials", "scope": PUBLIC}
    path = "/identity/v1/oauth2/token"

    without = await ebay.call("POST", path, headers={}, data=form)
    in_the_form = await ebay.call(
        "POST", path, headers={}, data=form | {"client_id": ebay.app["EBAY_CLIENT_ID"], "client_secret": "x"}
    )
    as_json = await ebay.call("POST", path, headers=ebay.basic, json=form)

    assert [(each.status, each.json["error"]) for each in (without, in_the_form, as_json)] == [
        (401, "invalid_client"),
        (401, "invalid_client"),
        (400, "invalid_request"),
    ]


async def test_an_application_token_reads_no_orders(ebay: Ebay) -> None:
    app = await ebay.as_app()

    answer = await app.orders()

    assert (answer.status, answer.error_id) == (403, 1100)


async def test_a_call_without_a_token_is_told_so(ebay: Ebay) -> None:
    answer = await ebay.call("GET", ORDERS, headers={})

    assert (answer.status, answer.error_id) == (401, 1002)


async def test_a_readonly_scope_records_no_shipment(ebay: Ebay) -> None:
    await ebay.control("POST", "/stores", redirect_uris=[ACCEPT])
    back = await code_of(ebay, scope=f"{PUBLIC}/sell.fulfillment.readonly")
    tokens = await ebay.exchange(
        grant_type="authorization_code", code=back["code"], redirect_uri=ebay.app["EBAY_RUNAME"]
    )
    ebay.token = tokens.json["access_token"]

    read = await ebay.orders()
    written = await ebay.call("POST", f"{ORDERS}/13-00000-00000/shipping_fulfillment", json={})

    assert read.status == 200
    assert (written.status, written.error_id) == (403, 1100)


async def test_the_seller_at_the_consent_page_can_be_chosen(ebay: Ebay) -> None:
    first = await ebay.control("POST", "/stores", redirect_uris=[ACCEPT])
    await ebay.control("POST", "/stores")
    await ebay.control("POST", "/signed-in", store=first["store"])
    scopes = f"{PUBLIC}/commerce.identity.readonly"

    back = await code_of(ebay, scope=scopes)
    tokens = await ebay.exchange(
        grant_type="authorization_code", code=back["code"], redirect_uri=ebay.app["EBAY_RUNAME"]
    )
    ebay.token = tokens.json["access_token"]

    assert (await ebay.call("GET", "/commerce/identity/v1/user/")).json["userId"] == first["store"]
