"""An Etsy shop is linked by authorization code with PKCE, and its tokens are kept fresh."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from services.ingest.contract.stores import Access, LinkingRefused
from services.ingest.platforms.etsy.linking import challenge
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.platforms.etsy.shop import ACCESS, NOW, connector
from tests.ingest.platforms.twin_http import Reply, answer

CALLBACK = "https://sync.example.com/oauth/etsy/callback"
TOKENS = {"access_token": "42.canary", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "42.canary-r"}
ME = {"user_id": 42, "shop_id": 40000001}
SHOP = {"shop_id": 40000001, "shop_name": "AShop", "currency_code": "EUR"}


async def complete(*replies: Reply, callback: dict[str, str] | None = None) -> Any:
    found, http = connector(*replies)
    grant = await found.complete_authorization(
        {"code": "c0de"} if callback is None else callback,
        memory={"verifier": "v" * 43},
        callback_url=CALLBACK,
        now=NOW,
    )
    return grant, http


def test_the_challenge_is_the_one_of_rfc_7636_appendix_b() -> None:
    assert challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_the_consent_page_gets_the_challenge_and_never_the_verifier() -> None:
    found, _ = connector()

    start = found.start_authorization({}, state="s t", callback_url=CALLBACK, now=NOW)

    address = urlsplit(start.url)
    verifier = start.memory["verifier"]
    assert (address.scheme, address.netloc, address.path) == ("https", "www.etsy.com", "/oauth/connect")
    assert dict(parse_qsl(address.query)) == {
        "response_type": "code",
        "client_id": "key",
        "redirect_uri": CALLBACK,
        "scope": "transactions_r transactions_w shops_r",
        "state": "s t",
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    assert 43 <= len(verifier) <= 128
    assert verifier not in repr(start)


def test_no_two_links_share_a_verifier() -> None:
    found, _ = connector()

    starts = [found.start_authorization({}, state="s", callback_url=CALLBACK, now=NOW) for _ in range(2)]

    assert starts[0].memory != starts[1].memory


def test_without_an_app_nobody_is_sent_to_etsy() -> None:
    found, _ = connector(etsy_shared_secret="")

    with pytest.raises(LinkingRefused, match="ETSY_SHARED_SECRET"):
        found.start_authorization({}, state="s", callback_url=CALLBACK, now=NOW)


async def test_a_code_becomes_tokens_and_the_shop_they_open() -> None:
    grant, http = await complete(answer(TOKENS), answer(ME), answer(SHOP))

    token, me, shop = http.asked
    assert token.url == "https://api.etsy.com/v3/public/oauth/token"
    assert token.form == {
        "grant_type": "authorization_code",
        "client_id": "key",
        "redirect_uri": CALLBACK,
        "code": "c0de",
        "code_verifier": "v" * 43,
    }
    assert me.url == "https://api.etsy.com/v3/application/users/me"
    assert shop.url == "https://api.etsy.com/v3/application/shops/40000001"
    for asked in (me, shop):
        assert asked.headers == {"x-api-key": "key:secret", "Authorization": "Bearer 42.canary"}
    assert (grant.external_id, grant.name, grant.currency) == ("40000001", "AShop", "EUR")
    assert grant.secrets["shop_id"] == "40000001"
    assert "canary" not in repr(grant)


@pytest.mark.parametrize("callback", [{"error": "access_denied"}, {}, {"state": "s"}])
async def test_a_callback_without_a_code_is_refused(callback: dict[str, str]) -> None:
    with pytest.raises(LinkingRefused):
        await complete(answer(TOKENS), callback=callback)


@pytest.mark.parametrize(
    "replies",
    [
        (answer({"error": "invalid_grant"}, status=400),),
        (answer(TOKENS), answer({"user_id": 42, "shop_id": None})),
        (answer(TOKENS), answer({"error": "not found"}, status=404)),
        (answer(TOKENS), answer({"error": "insufficient_scope"}, status=403)),
    ],
)
async def test_what_does_not_lead_to_a_shop_is_refused_with_a_sentence(replies: tuple[Reply, ...]) -> None:
    with pytest.raises(LinkingRefused) as refused:
        await complete(*replies)

    assert str(refused.value).endswith(".")
    assert "canary" not in str(refused.value)


async def test_credentials_cannot_be_pasted() -> None:
    found, _ = connector()

    with pytest.raises(LinkingRefused):
        await found.link_with_credentials({"access_token": "x"}, now=NOW)


async def test_a_refresh_returns_both_new_tokens_and_keeps_the_shop() -> None:
    found, http = connector(answer(TOKENS | {"access_token": "42.new", "refresh_token": "42.newer"}))

    secrets = await found.refresh(ACCESS, now=NOW)

    assert http.asked[0].form == {"grant_type": "refresh_token", "client_id": "key", "refresh_token": "42.r"}
    assert secrets == {
        "access_token": "42.new",
        "refresh_token": "42.newer",
        "expires_at": (NOW + timedelta(hours=1)).isoformat(),
        "shop_id": "40000001",
    }


async def test_a_token_whose_end_is_not_told_is_taken_to_live_an_hour() -> None:
    untold = {name: value for name, value in TOKENS.items() if name != "expires_in"}
    found, _ = connector(answer(untold))

    secrets = await found.refresh(ACCESS, now=NOW)

    assert secrets["expires_at"] == (NOW + timedelta(hours=1)).isoformat()


def test_a_refresh_is_due_before_the_hour_is_over() -> None:
    found, _ = connector()

    assert not found.refresh_due(ACCESS.secrets, now=NOW)
    assert found.refresh_due(ACCESS.secrets, now=NOW + timedelta(minutes=56))


@pytest.mark.parametrize(("status", "error"), [(400, "invalid_grant"), (401, "invalid_client"), (403, "forbidden")])
async def test_a_refused_refresh_asks_for_the_seller(status: int, error: str) -> None:
    found, _ = connector(answer({"error": error, "error_description": "42.canary"}, status=status))

    with pytest.raises(AuthorizationError, match="Link the store again") as refused:
        await found.refresh(Access(ACCESS.store, {**ACCESS.secrets, "refresh_token": "42.canary"}), now=NOW)

    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "reply", [answer(status=500), answer(status=429), answer(b"<html>"), answer({"expires_in": 1})]
)
async def test_a_token_endpoint_that_cannot_answer_is_asked_again(reply: Reply) -> None:
    found, _ = connector(reply)

    with pytest.raises(TransientError):
        await found.refresh(ACCESS, now=NOW)


@pytest.mark.parametrize(("query", "state"), [({"state": "a b"}, "a b"), ({"code": "c"}, "")])
def test_the_state_is_read_from_the_callback(query: dict[str, str], state: str) -> None:
    found, _ = connector()

    assert found.read_state(query) == state


def test_no_visit_begins_at_etsy() -> None:
    found, _ = connector()

    with pytest.raises(LinkingRefused, match="add a store"):
        found.read_installation({"shop_id": "1"}, now=NOW)
