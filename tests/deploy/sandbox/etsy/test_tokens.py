"""The stand-in's OAuth: what Etsy's clients must get right to keep a seller connected."""

from __future__ import annotations

import base64
import hashlib

import pytest

from deploy.sandbox.etsy.tokens import ACCESS_SECONDS, REFRESH_SECONDS, App, OAuthError, Tokens

VERIFIER = "v" * 64
REDIRECT = "https://orders.example.com/oauth/etsy/callback"
SELLER = 1234


class Time:
    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def tokens(time: Time) -> Tokens:
    tokens = Tokens(time)
    tokens.apps["key"] = App(1, "key", "secret", {REDIRECT})
    return tokens


def challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def asked(**changes: str) -> dict[str, str]:
    return {
        "response_type": "code",
        "client_id": "key",
        "redirect_uri": REDIRECT,
        "scope": "transactions_r shops_r",
        "state": "once",
        "code_challenge": challenge(VERIFIER),
        "code_challenge_method": "S256",
    } | changes


def redeemed(code: str, **changes: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "client_id": "key",
        "redirect_uri": REDIRECT,
        "code": code,
        "code_verifier": VERIFIER,
    } | changes


def refresh(token: object) -> dict[str, str]:
    return {"grant_type": "refresh_token", "client_id": "key", "refresh_token": str(token)}


def test_a_code_gives_tokens_that_begin_with_the_users_number(tokens: Tokens) -> None:
    code = tokens.consent(asked(), user_id=SELLER)

    reply = tokens.exchange(redeemed(code))

    assert str(reply["access_token"]).startswith("1234.")
    assert reply["expires_in"] == 3600
    assert tokens.bearer(str(reply["access_token"]), keystring="key").scopes == {"transactions_r", "shops_r"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"client_id": "other"},
        {"redirect_uri": REDIRECT + "/"},
        {"code_challenge_method": "plain"},
        {"code_challenge": ""},
        {"state": ""},
        {"scope": "everything"},
        {"response_type": "token"},
    ],
)
def test_the_consent_page_refuses_what_is_not_exact(tokens: Tokens, wrong: dict[str, str]) -> None:
    with pytest.raises(OAuthError):
        tokens.consent(asked(**wrong), user_id=SELLER)


@pytest.mark.parametrize("wrong", [{"code_verifier": "w" * 64}, {"redirect_uri": "https://elsewhere.example.com"}])
def test_a_code_is_bound_to_its_verifier_and_redirect(tokens: Tokens, wrong: dict[str, str]) -> None:
    code = tokens.consent(asked(), user_id=SELLER)

    with pytest.raises(OAuthError, match="invalid_grant"):
        tokens.exchange(redeemed(code, **wrong))


def test_a_verifier_of_fewer_than_43_characters_is_refused(tokens: Tokens) -> None:
    code = tokens.consent(asked(code_challenge=challenge("short")), user_id=SELLER)

    with pytest.raises(OAuthError, match="PKCE"):
        tokens.exchange(redeemed(code, code_verifier="short"))


def test_a_code_works_once(tokens: Tokens) -> None:
    code = tokens.consent(asked(), user_id=SELLER)
    tokens.exchange(redeemed(code))

    with pytest.raises(OAuthError, match="invalid_grant"):
        tokens.exchange(redeemed(code))


def test_a_refresh_kills_the_old_refresh_token_at_once(tokens: Tokens) -> None:
    first = tokens.exchange(redeemed(tokens.consent(asked(), user_id=SELLER)))

    second = tokens.exchange(refresh(first["refresh_token"]))

    assert second["refresh_token"] != first["refresh_token"]
    with pytest.raises(OAuthError, match="invalid_grant"):
        tokens.exchange(refresh(first["refresh_token"]))


def test_an_access_token_lasts_an_hour_and_a_refresh_token_ninety_days(tokens: Tokens, time: Time) -> None:
    first = tokens.exchange(redeemed(tokens.consent(asked(), user_id=SELLER)))
    time.seconds += ACCESS_SECONDS

    with pytest.raises(OAuthError) as expired:
        tokens.bearer(str(first["access_token"]), keystring="key")
    second = tokens.exchange(refresh(first["refresh_token"]))
    time.seconds += REFRESH_SECONDS

    assert expired.value.status == 401
    with pytest.raises(OAuthError, match="invalid_grant"):
        tokens.exchange(refresh(second["refresh_token"]))


def test_a_revoked_seller_loses_every_token(tokens: Tokens) -> None:
    reply = tokens.exchange(redeemed(tokens.consent(asked(), user_id=SELLER)))

    tokens.revoke(SELLER)

    with pytest.raises(OAuthError, match="invalid_token"):
        tokens.bearer(str(reply["access_token"]), keystring="key")
    with pytest.raises(OAuthError, match="invalid_grant"):
        tokens.exchange(refresh(reply["refresh_token"]))


def test_another_apps_token_is_not_known(tokens: Tokens) -> None:
    reply = tokens.exchange(redeemed(tokens.consent(asked(), user_id=SELLER)))

    with pytest.raises(OAuthError, match="invalid_token"):
        tokens.bearer(str(reply["access_token"]), keystring="another")
