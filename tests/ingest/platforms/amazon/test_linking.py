"""Amazon sellers are linked by consent or by a pasted refresh token, and never before a call has proved the access."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from deploy.sandbox.amazon.markets import MARKETS
from services.ingest.contract.stores import Access, LinkingRefused
from services.ingest.platforms.amazon.marketplaces import MARKETPLACES, REGIONS, find_marketplace, first_marketplace
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.platforms.amazon.shop import ACCESS, EMPTY, NOW, SECRETS, connector, tokens
from tests.ingest.platforms.twin_http import Reply, answer

CALLBACK = "https://example.com/oauth/amazon/callback"
CODE = {"spapi_oauth_code": "code", "selling_partner_id": "A1B2C3D4E5F6G7", "state": "s"}
MEMORY = {"region": "eu", "marketplaces": ""}
PASTED = {"seller_id": "A1B2C3D4E5F6G7", "refresh_token": "Atzr|pasted", "region": "na", "marketplaces": ""}


def start(request: dict[str, str], **settings: Any) -> tuple[str, dict[str, str], dict[str, str]]:
    found, _ = connector(**settings)
    begun = found.start_authorization(request, state="s", callback_url=CALLBACK, now=NOW)
    address = urlsplit(begun.url)
    return f"{address.scheme}://{address.netloc}{address.path}", dict(parse_qsl(address.query)), dict(begun.memory)


def lwa(error: str, status: int = 400) -> Any:
    return answer({"error": error, "error_description": "no"}, status=status)


def test_the_seller_is_sent_to_the_consent_page_of_their_own_seller_central() -> None:
    address, query, memory = start({"region": "na", "marketplace": "US"})

    assert address == "https://sellercentral.amazon.com/apps/authorize/consent"
    assert query == {"application_id": "amzn1.sp.solution.1", "state": "s", "redirect_uri": CALLBACK}
    assert memory == {"region": "na", "marketplaces": ""}


@pytest.mark.parametrize(
    ("request_", "host", "region"),
    [
        ({"marketplace": "DE"}, "sellercentral-europe.amazon.com", "eu"),
        ({"marketplace": "gb"}, "sellercentral-europe.amazon.com", "eu"),
        ({"marketplace": "A1VC38T7YXB528"}, "sellercentral.amazon.co.jp", "fe"),
        ({"region": "FE"}, "sellercentral.amazon.co.jp", "fe"),
        ({"region": "na", "marketplace": "MX"}, "sellercentral.amazon.com.mx", "na"),
    ],
)
def test_region_and_marketplace_follow_from_each_other(request_: dict[str, str], host: str, region: str) -> None:
    address, _, memory = start(request_)

    assert address == f"https://{host}/apps/authorize/consent"
    assert memory["region"] == region


def test_a_draft_app_has_another_consent_page() -> None:
    assert start({"region": "na"}, amazon_app_draft=True)[1]["version"] == "beta"


def test_the_marketplaces_to_read_may_be_chosen() -> None:
    assert start({"region": "na", "marketplaces": "US, CA,US"})[2]["marketplaces"] == "ATVPDKIKX0DER,A2EUQ1WTGCTBG2"


@pytest.mark.parametrize(
    ("request_", "word"),
    [
        ({}, "na, eu or fe"),
        ({"region": "mars"}, "na, eu or fe"),
        ({"marketplace": "XX"}, "not one of Amazon's"),
        ({"region": "na", "marketplace": "DE"}, "not in North America"),
        ({"region": "na", "marketplaces": "US,DE"}, "not all of these|Not all of these"),
        ({"region": "na", "marketplaces": "US,XX"}, "not one of Amazon's"),
    ],
)
def test_unusable_input_is_refused_with_what_to_do(request_: dict[str, str], word: str) -> None:
    with pytest.raises(LinkingRefused, match=word):
        start(request_)


@pytest.mark.parametrize("missing", ["amazon_application_id", "amazon_client_id", "amazon_client_secret"])
def test_an_installation_without_an_app_says_which_settings_are_missing(missing: str) -> None:
    with pytest.raises(LinkingRefused, match="AMAZON_CLIENT_SECRET"):
        start({"region": "na"}, **{missing: ""})


def test_every_documented_marketplace_is_known_as_the_stand_in_knows_it_by_the_documents() -> None:
    ours = {(one.marketplace_id, one.country, one.region, one.currency) for one in MARKETPLACES.values()}

    assert ours == {(one.id, one.code, one.region, one.currency) for one in MARKETS}
    assert len(ours) == 23
    assert {market.region for market in MARKETPLACES.values()} == set(REGIONS)
    assert find_marketplace("atvpdkikx0der") == find_marketplace("us")
    assert [first_marketplace(region).country for region in REGIONS] == ["US", "UK", "JP"]


async def test_the_code_is_exchanged_and_the_access_proved_by_a_call() -> None:
    found, http = connector(tokens(access_token="Atza|1", refresh_token="Atzr|1"), answer(EMPTY))

    grant = await found.complete_authorization(CODE, memory=MEMORY, callback_url=CALLBACK, now=NOW)

    exchanged, proof = http.asked
    assert exchanged.url == "https://api.amazon.com/auth/o2/token"
    assert exchanged.headers == {"Content-Type": "application/x-www-form-urlencoded;charset=UTF-8"}
    assert exchanged.form == {
        "grant_type": "authorization_code",
        "code": "code",
        "redirect_uri": CALLBACK,
        "client_id": "amzn1.application-oa2-client.1",
        "client_secret": "secret",
    }
    assert proof.url.startswith("https://sellingpartnerapi-eu.amazon.com/orders/2026-01-01/orders?")
    assert proof.headers["x-amz-access-token"] == "Atza|1"
    assert dict(grant.secrets) == {
        "seller_id": "A1B2C3D4E5F6G7",
        "region": "eu",
        "marketplaces": "",
        "access_token": "Atza|1",
        "refresh_token": "Atzr|1",
        "expires_at": "2026-11-23T10:00:00+00:00",
    }


async def test_a_grant_tells_whose_it_is_and_that_it_must_be_renewed_within_a_year() -> None:
    found, _ = connector(tokens(), answer(EMPTY))

    grant = await found.complete_authorization(
        CODE, memory={"region": "na", "marketplaces": "A2EUQ1WTGCTBG2"}, callback_url=CALLBACK, now=NOW
    )

    assert (grant.external_id, grant.name, grant.currency) == ("A1B2C3D4E5F6G7", "Amazon CA", "CAD")
    assert grant.access_ends_at == NOW + timedelta(days=365)


@pytest.mark.parametrize(
    ("callback", "word"),
    [
        ({"state": "s"}, "not granted"),
        ({"state": "s", "error": "access_denied"}, "not granted"),
        (CODE | {"selling_partner_id": ""}, "Merchant Token"),
        (CODE | {"selling_partner_id": "a|b"}, "Merchant Token"),
    ],
)
async def test_a_callback_without_what_is_needed_is_refused(callback: dict[str, str], word: str) -> None:
    found, _ = connector(tokens(), answer(EMPTY))

    with pytest.raises(LinkingRefused, match=word):
        await found.complete_authorization(callback, memory=MEMORY, callback_url=CALLBACK, now=NOW)


async def test_a_code_that_was_used_or_is_too_old_is_refused() -> None:
    found, _ = connector(lwa("invalid_grant"))

    with pytest.raises(LinkingRefused, match="used before or is too old"):
        await found.complete_authorization(CODE, memory=MEMORY, callback_url=CALLBACK, now=NOW)


async def test_a_grant_without_a_refresh_token_is_no_grant() -> None:
    found, _ = connector(tokens(refresh_token=None), answer(EMPTY))

    with pytest.raises(LinkingRefused, match="no lasting access"):
        await found.complete_authorization(CODE, memory=MEMORY, callback_url=CALLBACK, now=NOW)


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (answer({"errors": [{"code": "Unauthorized", "message": ""}]}, status=403), "in North America"),
        (answer({"errors": [{"code": "InvalidInput", "message": ""}]}, status=400), "marketplaces"),
    ],
)
async def test_access_that_does_not_open_the_orders_is_refused_with_what_to_do(reply: Reply, word: str) -> None:
    found, _ = connector(tokens(), reply)

    with pytest.raises(LinkingRefused, match=word):
        await found.link_with_credentials(PASTED, now=NOW)


async def test_a_pasted_refresh_token_is_tried_before_it_is_trusted() -> None:
    found, http = connector(tokens(refresh_token=None), answer(EMPTY))

    grant = await found.link_with_credentials(PASTED | {"marketplaces": "ATVPDKIKX0DER"}, now=NOW)

    assert http.asked[0].form["refresh_token"] == "Atzr|pasted"
    assert "marketplaceIds=ATVPDKIKX0DER" in http.asked[1].url
    assert (grant.secrets["refresh_token"], grant.currency, grant.name) == ("Atzr|pasted", "USD", "Amazon US")


@pytest.mark.parametrize(
    ("pasted", "word"),
    [
        ({"refresh_token": " "}, "Atzr"),
        ({"seller_id": "robin@example.com"}, "Merchant Token"),
        ({"region": "us"}, "na, eu or fe"),
    ],
)
async def test_unusable_pasted_input_is_refused_without_a_call(pasted: dict[str, str], word: str) -> None:
    found, http = connector(tokens())

    with pytest.raises(LinkingRefused, match=word):
        await found.link_with_credentials(PASTED | pasted, now=NOW)

    assert http.asked == []


async def test_without_an_app_nothing_that_is_pasted_is_tried() -> None:
    found, http = connector(tokens(), amazon_client_secret="")

    with pytest.raises(LinkingRefused, match="AMAZON_CLIENT_SECRET"):
        await found.link_with_credentials(PASTED, now=NOW)

    assert http.asked == []


async def test_a_refresh_token_that_was_taken_back_is_refused() -> None:
    found, _ = connector(lwa("invalid_grant"))

    with pytest.raises(LinkingRefused, match="Authorize the app again"):
        await found.link_with_credentials(PASTED, now=NOW)


async def test_the_access_token_is_renewed_before_it_ends_and_the_refresh_token_stays() -> None:
    found, http = connector(tokens(access_token="Atza|2", refresh_token=None, expires_in=600))

    assert not found.refresh_due(SECRETS, now=NOW + timedelta(minutes=50))
    assert found.refresh_due(SECRETS, now=NOW + timedelta(minutes=56))
    renewed = await found.refresh(ACCESS, now=NOW)

    assert http.asked[0].form == {
        "grant_type": "refresh_token",
        "refresh_token": "Atzr|r",
        "client_id": "amzn1.application-oa2-client.1",
        "client_secret": "secret",
    }
    assert (renewed["access_token"], renewed["refresh_token"]) == ("Atza|2", "Atzr|r")
    assert datetime.fromisoformat(renewed["expires_at"]) == NOW + timedelta(minutes=10)


async def test_a_refresh_token_that_amazon_replaces_is_kept() -> None:
    found, _ = connector(tokens(refresh_token="Atzr|next"))

    assert (await found.refresh(ACCESS, now=NOW))["refresh_token"] == "Atzr|next"


async def test_a_seller_who_took_the_authorization_back_must_link_again() -> None:
    found, _ = connector(lwa("invalid_grant"))

    with pytest.raises(AuthorizationError, match="Link the store again"):
        await found.refresh(ACCESS, now=NOW)


@pytest.mark.parametrize(
    ("error", "status"), [("invalid_client", 401), ("invalid_client", 400), ("unauthorized_client", 400)]
)
async def test_an_app_secret_that_was_rotated_is_no_sellers_fault(error: str, status: int) -> None:
    found, _ = connector(lwa(error, status))

    with pytest.raises(TransientError, match="AMAZON_CLIENT_SECRET"):
        await found.refresh(ACCESS, now=NOW)


@pytest.mark.parametrize(
    "reply",
    [
        answer(status=500),
        answer(status=429),
        answer(b"<html>"),
        answer(b"<html>", status=400),
        answer({"expires_in": 1}),
    ],
)
async def test_a_token_endpoint_that_is_away_ends_nothing(reply: Reply) -> None:
    found, _ = connector(reply)

    with pytest.raises(TransientError):
        await found.refresh(ACCESS, now=NOW)


def test_the_callback_carries_the_state_and_amazon_begins_no_linking() -> None:
    found, _ = connector()

    assert found.read_state({"state": "s"}) == "s"
    assert found.read_state({}) == ""
    with pytest.raises(LinkingRefused, match="from Sync Order"):
        found.read_installation({"selling_partner_id": "A1"}, now=NOW)


def test_an_access_shows_no_token() -> None:
    assert "Atz" not in repr(Access(ACCESS.store, SECRETS))
