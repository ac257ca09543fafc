"""How apps get tokens, and how tokens end."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from tests.deploy.sandbox.amazon.linked import ORDERS, Client, instant

pytestmark = pytest.mark.integration

REDIRECT = "http://127.0.0.1:8001/oauth/amazon/callback"


async def consent(amazon: Client, **asked: str) -> dict[str, str]:
    await amazon.control("POST", "/app", redirect_uris=[REDIRECT])
    query = {"application_id": amazon.app["application_id"], "state": "s1"} | asked
    page = await amazon.send("GET", "/apps/authorize/consent", params=query)
    assert page.status == 302, page.body
    assert page.headers["location"].startswith(REDIRECT)
    return {name: values[0] for name, values in parse_qs(urlsplit(page.headers["location"]).query).items()}


async def test_a_seller_agrees_and_the_code_becomes_tokens(amazon: Client) -> None:
    opened = await amazon.control("POST", "/stores", region="eu", redirect_uris=[REDIRECT])

    back = await consent(amazon)
    tokens = await amazon.token(grant_type="authorization_code", code=back["spapi_oauth_code"])
    again = await amazon.token(grant_type="authorization_code", code=back["spapi_oauth_code"])

    assert opened["link"] == {"request": {"region": "eu", "marketplace": "DE"}}
    assert (back["state"], back["selling_partner_id"]) == ("s1", opened["store"])
    assert set(tokens.json) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (tokens.json["token_type"], tokens.json["expires_in"]) == ("bearer", 3600)
    assert tokens.json["access_token"].startswith("Atza|")
    assert tokens.json["refresh_token"].startswith("Atzr|")
    assert (again.status, again.json["error"]) == (400, "invalid_grant")


async def test_an_unregistered_redirect_never_gets_a_code(amazon: Client) -> None:
    await amazon.control("POST", "/app", redirect_uris=[REDIRECT])
    query = {"application_id": amazon.app["application_id"], "state": "s1", "redirect_uri": "http://evil.example"}

    page = await amazon.send("GET", "/apps/authorize/consent", params=query)

    assert page.status == 400
    assert "location" not in page.headers


async def test_a_code_ends_after_five_minutes(amazon: Client) -> None:
    back = await consent(amazon)
    await amazon.control("POST", "/clock", advance="PT6M")

    late = await amazon.token(grant_type="authorization_code", code=back["spapi_oauth_code"])

    assert (late.status, late.json["error"]) == (400, "invalid_grant")


async def test_a_seller_who_does_not_agree_sends_no_code(amazon: Client) -> None:
    await amazon.control("POST", "/settings", consent=False)

    back = await consent(amazon)

    assert (back["state"], back["error"]) == ("s1", "access_denied")
    assert "spapi_oauth_code" not in back


async def test_the_newest_seller_who_has_not_agreed_meets_the_consent_page(amazon: Client) -> None:
    first, second = [(await amazon.control("POST", "/stores"))["store"] for _ in range(2)]

    met = []
    for _ in range(2):
        back = await consent(amazon)
        await amazon.token(grant_type="authorization_code", code=back["spapi_oauth_code"])
        met.append(back["selling_partner_id"])
    await amazon.control("POST", "/signed-in", store=second)

    assert met == [second, first]
    assert (await consent(amazon))["selling_partner_id"] == second


async def test_a_self_authorized_seller_pastes_a_refresh_token(amazon: Client) -> None:
    link = amazon.store["link"]["credentials"]

    assert link["seller_id"] == amazon.store["store"]
    assert link["region"] == "na"
    assert link["marketplaces"] == "ATVPDKIKX0DER,A2EUQ1WTGCTBG2,A1AM78C64UM0Y8"
    assert (await amazon.search()).status == 200


async def test_a_dead_access_token_is_403_and_a_refresh_mends_it(amazon: Client) -> None:
    await amazon.control("POST", "/clock", advance="PT1H")

    expired = await amazon.call("GET", ORDERS, params={"createdAfter": instant(-600)})
    await amazon.renew()

    [error] = expired.json["errors"]
    assert expired.status == 403
    assert (error["code"], error["details"]) == ("Unauthorized", "The access token you provided has expired.")
    assert (await amazon.search()).status == 200


@pytest.mark.parametrize("token", ["", "Atza|nonsense"])
async def test_a_call_without_a_good_token_is_403(amazon: Client, token: str) -> None:
    answer = await amazon.call("GET", ORDERS, token=token, params={"createdAfter": instant(-600)})

    assert (answer.status, answer.json["errors"][0]["code"]) == (403, "Unauthorized")
    assert (await amazon.control("GET", "/books"))["api_calls_refused"] == 1


async def test_revoking_kills_access_and_refresh_tokens(amazon: Client) -> None:
    await amazon.control("POST", f"/stores/{amazon.store['store']}/revoke")

    refreshed = await amazon.token(grant_type="refresh_token", refresh_token=amazon.refresh)

    assert (await amazon.search()).status == 403
    assert (refreshed.status, refreshed.json["error"]) == (400, "invalid_grant")


async def test_a_rotated_secret_is_a_bad_client_and_refresh_tokens_live_on(amazon: Client) -> None:
    old = amazon.app
    new = await amazon.control("POST", "/app", rotate_secret=True)

    refused = await amazon.token(grant_type="refresh_token", refresh_token=amazon.refresh)
    amazon.app = new
    await amazon.renew()

    assert old["client_secret"] != new["client_secret"]
    assert (refused.status, refused.json["error"]) == (401, "invalid_client")


async def test_a_secret_that_is_not_rotated_dies_after_180_days(amazon: Client) -> None:
    await amazon.control("POST", "/clock", advance="P181D")

    refused = await amazon.token(grant_type="refresh_token", refresh_token=amazon.refresh)

    assert refused.json["error"] == "invalid_client"


@pytest.mark.parametrize(("yearly", "status"), [(False, 200), (True, 400)])
async def test_an_authorization_ends_after_a_year_only_if_set_so(amazon: Client, *, yearly: bool, status: int) -> None:
    await amazon.control("POST", "/settings", yearly_renewal=yearly)
    await amazon.control("POST", "/clock", advance="P366D")
    amazon.app = await amazon.control("POST", "/app", rotate_secret=True)

    answer = await amazon.token(grant_type="refresh_token", refresh_token=amazon.refresh)

    assert answer.status == status


@pytest.mark.parametrize("rotates", [False, True])
async def test_a_refresh_token_stays_unless_set_to_rotate(amazon: Client, *, rotates: bool) -> None:
    await amazon.control("POST", "/settings", refresh_rotates=rotates)

    answer = await amazon.token(grant_type="refresh_token", refresh_token=amazon.refresh)

    assert (answer.json["refresh_token"] == amazon.refresh) is not rotates


async def test_the_token_endpoint_reads_forms_only(amazon: Client) -> None:
    body = {"grant_type": "refresh_token", "refresh_token": amazon.refresh} | amazon.app

    answer = await amazon.send("POST", "/auth/o2/token", json=body)

    assert (answer.status, answer.json["error"]) == (400, "invalid_request")


async def test_grantless_operations_need_the_apps_own_token(amazon: Client) -> None:
    own = await amazon.grantless()
    path = "/notifications/v1/destinations"

    assert (await amazon.call("GET", path, token=own)).status == 200
    assert (await amazon.call("GET", path)).status == 403
    assert (await amazon.call("GET", ORDERS, token=own, params={"createdAfter": instant(-600)})).status == 403


async def test_one_sellers_token_does_not_open_anothers_order(amazon: Client) -> None:
    order = await amazon.order()
    other = await amazon.open_store()

    answer = await other.call("GET", f"{ORDERS}/{order}")

    assert answer.status == 404
    assert (await other.search()).json["orders"] == []


async def test_access_can_be_let_run_out_and_a_seller_can_authorize_again(amazon: Client) -> None:
    path = f"/stores/{amazon.store['store']}"

    await amazon.control("POST", f"{path}/expire-access")
    expired = await amazon.search()
    await amazon.control("POST", f"{path}/revoke")
    amazon.refresh = (await amazon.control("POST", f"{path}/self-authorize"))["refresh_token"]
    await amazon.renew()

    assert expired.status == 403
    assert (await amazon.search()).status == 200
