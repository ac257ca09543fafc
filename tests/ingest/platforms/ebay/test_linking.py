"""An eBay account is linked by consent under the app's RuName, and its first refresh token is kept for 18 months."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from services.ingest.contract.stores import Access, Grant, LinkingRefused
from services.ingest.platforms.ebay import tokens
from services.ingest.platforms.ebay.linking import SCOPES
from services.ingest.platforms.ebay.settings import EbaySettings
from services.kit.clock import ManualClock
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.platforms.ebay.shop import ACCESS, NOW, connector
from tests.ingest.platforms.twin_http import Reply, ScriptedHttp, answer

CALLBACK = "https://sync.example.com/oauth/ebay/callback"
CODE = "v^1.1#i^1#p^3#r^1#I^3#f^0#t^Ul4xMF=="
TOKENS = {
    "access_token": "canary-access",
    "expires_in": 7200,
    "token_type": "User Access Token",
    "refresh_token": "canary-refresh",
    "refresh_token_expires_in": 47_304_000,
}
USER = {"userId": "AbCdEfGhIjK", "username": "example_seller", "registrationMarketplaceId": "EBAY_GB"}


async def complete(*replies: Reply, callback: dict[str, str] | None = None) -> tuple[Grant, ScriptedHttp]:
    found, http = connector(*replies)
    grant = await found.complete_authorization(
        {"code": CODE, "state": "s"} if callback is None else callback, memory={}, callback_url=CALLBACK, now=NOW
    )
    return grant, http


async def refreshed(*replies: Reply, secrets: dict[str, str] | None = None) -> tuple[dict[str, str], ScriptedHttp]:
    found, http = connector(*replies)
    access = Access(ACCESS.store, {**ACCESS.secrets, **(secrets or {})})
    return dict(await found.refresh(access, now=NOW)), http


def test_the_consent_page_gets_the_runame_and_not_our_address() -> None:
    found, _ = connector()

    start = found.start_authorization({}, state="s t", callback_url=CALLBACK, now=NOW)

    address = urlsplit(start.url)
    assert (address.scheme, address.netloc, address.path) == ("https", "auth.ebay.com", "/oauth2/authorize")
    assert dict(parse_qsl(address.query)) == {
        "client_id": "client",
        "redirect_uri": "Example-ExampleA-SyncOr-abcdefg",
        "response_type": "code",
        "scope": " ".join(SCOPES),
        "state": "s t",
        "prompt": "login",
    }


def test_ebays_own_sandbox_has_a_consent_page_of_its_own() -> None:
    found, _ = connector(platform_url_ebay="https://api.sandbox.ebay.com/")

    start = found.start_authorization({}, state="s", callback_url=CALLBACK, now=NOW)

    assert start.url.startswith("https://auth.sandbox.ebay.com/oauth2/authorize?")


@pytest.mark.parametrize("missing", ["ebay_client_id", "ebay_client_secret", "ebay_runame"])
def test_without_an_app_the_operator_is_told_what_to_set(missing: str) -> None:
    empty: dict[str, Any] = {missing: ""}
    found, _ = connector(**empty)

    with pytest.raises(LinkingRefused, match="EBAY_RUNAME"):
        found.start_authorization({}, state="s", callback_url=CALLBACK, now=NOW)


def test_the_state_comes_back_in_the_query() -> None:
    found, _ = connector()

    assert found.read_state({"state": "s", "code": "c"}) == "s"
    assert found.read_state({"code": "c"}) == ""


async def test_a_code_is_exchanged_as_it_is_with_the_apps_key_beside_it() -> None:
    _, http = await complete(answer(TOKENS), answer(USER))

    asked = http.asked[0]
    assert (asked.method, asked.url) == ("POST", "https://api.ebay.com/identity/v1/oauth2/token")
    assert asked.headers["Authorization"] == "Basic Y2xpZW50OmNhbmFyeS1zZWNyZXQ="
    assert asked.form == {
        "grant_type": "authorization_code",
        "code": CODE,
        "redirect_uri": "Example-ExampleA-SyncOr-abcdefg",
    }


async def test_the_account_is_known_by_its_immutable_id() -> None:
    grant, http = await complete(answer(TOKENS), answer(USER))

    assert (grant.external_id, grant.name, grant.currency) == ("AbCdEfGhIjK", "example_seller", "GBP")
    assert http.asked[1].url == "https://apiz.ebay.com/commerce/identity/v1/user/"


async def test_the_seller_is_told_when_consent_ends_by_ebays_own_number() -> None:
    grant, _ = await complete(answer(TOKENS | {"refresh_token_expires_in": 86_400}), answer(USER))
    untold, _ = await complete(answer({**TOKENS, "refresh_token_expires_in": None}), answer(USER))

    assert grant.access_ends_at == NOW + timedelta(days=1)
    assert untold.access_ends_at == NOW + timedelta(seconds=47_304_000)


async def test_secrets_stay_out_of_what_is_printed() -> None:
    grant, _ = await complete(answer(TOKENS), answer(USER))

    assert "canary" not in repr(grant)
    assert "canary" not in repr(connector()[0].__dict__)


@pytest.mark.parametrize("callback", [{"error": "access_denied"}, {}, {"state": "s"}])
async def test_a_seller_who_declines_is_told_how_to_go_on(callback: dict[str, str]) -> None:
    with pytest.raises(LinkingRefused, match="Start linking again"):
        await complete(answer(TOKENS), callback=callback)


@pytest.mark.parametrize(
    "replies",
    [
        (answer({"error": "invalid_grant", "error_description": "expired"}, status=400),),
        (answer({"errors": [{"errorId": 1001}]}, status=400),),
        (answer({**TOKENS, "refresh_token": None}),),
        (answer(TOKENS), answer(status=403)),
        (answer(TOKENS), answer({"errors": []}, status=404)),
    ],
)
async def test_what_does_not_lead_to_an_account_is_refused_with_a_remedy(replies: tuple[Reply, ...]) -> None:
    with pytest.raises(LinkingRefused, match="again"):
        await complete(*replies)


@pytest.mark.parametrize(
    "replies",
    [
        (answer(status=500),),
        (answer(status=429, headers={"Retry-After": "3"}),),
        (answer(b"<html>", status=400),),
        (answer(b"<html>"),),
        (answer({"expires_in": 7200}),),
        (answer(TOKENS), answer(b"<html>")),
        (answer(TOKENS), answer({"username": "x"})),
        (TransientError("no connection"),),
    ],
)
async def test_what_may_pass_is_no_refusal(replies: tuple[Reply, ...]) -> None:
    with pytest.raises(TransientError):
        await complete(*replies)


async def test_a_refresh_keeps_the_first_refresh_token() -> None:
    reply = {"access_token": "newer", "expires_in": 600, "token_type": "User Access Token"}

    secrets, http = await refreshed(answer(reply))

    assert (secrets["access_token"], secrets["refresh_token"]) == ("newer", "refresh-token")
    assert secrets["expires_at"] == (NOW + timedelta(minutes=10)).isoformat()
    assert http.asked[0].form["refresh_token"] == "refresh-token"


async def test_a_refresh_token_that_does_come_is_taken() -> None:
    secrets, _ = await refreshed(answer(TOKENS))

    assert secrets["refresh_token"] == "canary-refresh"


async def test_a_refresh_asks_for_no_more_than_was_consented_to() -> None:
    _, http = await refreshed(answer(TOKENS), secrets={"scopes": SCOPES[0]})

    assert http.asked[0].form["scope"] == SCOPES[0]


@pytest.mark.parametrize(
    "problem", [{"error": "invalid_grant"}, {"error": "invalid_scope"}, {"errors": [{"errorId": 1}]}, {}]
)
async def test_a_grant_that_ended_asks_for_the_seller(problem: dict[str, Any]) -> None:
    with pytest.raises(AuthorizationError, match="Link the store again"):
        await refreshed(answer(problem, status=400))


@pytest.mark.parametrize(
    ("status", "problem"), [(401, "invalid_client"), (400, "invalid_client"), (400, "unauthorized_client")]
)
async def test_refused_app_keys_are_no_sellers_fault(status: int, problem: str) -> None:
    with pytest.raises(TransientError, match="EBAY_CLIENT_SECRET"):
        await refreshed(answer({"error": problem}, status=status))


async def test_a_token_is_refreshed_before_it_ends_and_not_at_every_call() -> None:
    found, _ = connector()
    due = {minutes: (NOW + timedelta(minutes=minutes)).isoformat() for minutes in (5, 60)}

    assert found.refresh_due({"expires_at": due[5]}, now=NOW)
    assert not found.refresh_due({"expires_at": due[60]}, now=NOW)


async def test_refreshes_stay_below_what_ebay_allows_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tokens.A_DAY, "refresh_token", 6)
    clock = ManualClock(NOW)
    found, http = connector(answer(TOKENS), clock=clock)

    for _ in range(3):
        await found.refresh(ACCESS, now=NOW)
    with pytest.raises(TransientError):
        await found.refresh(ACCESS, now=NOW)

    assert len(http.asked) == 3


async def test_ebay_gives_access_by_consent_only() -> None:
    found, _ = connector()

    with pytest.raises(LinkingRefused, match="authorization"):
        await found.link_with_credentials({"token": "x"}, now=NOW)
    with pytest.raises(LinkingRefused, match="authorization"):
        found.read_installation({"shop": "x"}, now=NOW)


@pytest.mark.parametrize("token", ["short", "v" * 81, "v" * 39 + "!"])
def test_a_verification_token_that_ebay_would_refuse_is_refused_at_once(token: str) -> None:
    with pytest.raises(ValueError, match="32 to 80"):
        EbaySettings(_env_file=None, ebay_verification_token=token)
