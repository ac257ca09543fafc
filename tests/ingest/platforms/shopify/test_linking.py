"""A Shopify store is linked in three ways, and its tokens are kept fresh."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from services.ingest.contract.stores import Access, LinkingRefused
from services.ingest.platforms.shopify.connector import ShopifyConnector
from services.ingest.platforms.shopify.linking import SCOPES, is_signed
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.kit.clock import ManualClock
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.platforms.shopify.shop import ACCESS, DOMAIN, NOW
from tests.ingest.platforms.twin_http import Reply, ScriptedHttp, answer
from tests.ingest.toolbox import toolbox

CALLBACK = "https://sync.example.com/oauth/shopify/callback"
TOKENS = {
    "access_token": "shpat_canary",
    "scope": "read_orders",
    "expires_in": 3600,
    "refresh_token": "shprt_canary",
    "refresh_token_expires_in": 7776000,
}


def shop_answer(domain: str = DOMAIN, scopes: tuple[str, ...] = ("read_orders",)) -> Reply:
    shop = {"name": "A store", "myshopifyDomain": domain, "currencyCode": "EUR", "ianaTimezone": "Europe/Paris"}
    granted = {"accessScopes": [{"handle": scope} for scope in scopes]}
    return answer({"data": {"shop": shop, "currentAppInstallation": granted}})


def connector(*replies: Reply, **settings: Any) -> tuple[ShopifyConnector, ScriptedHttp]:
    given = {"shopify_client_id": "app", "shopify_client_secret": "hush"} | settings
    http = ScriptedHttp(*replies)
    return ShopifyConnector(ShopifySettings(_env_file=None, **given), toolbox(http, ManualClock(NOW))), http


def callback(secret: str = "hush", **changes: str) -> dict[str, str]:
    query = {
        "code": "c0de",
        "host": "YWRtaW4=",
        "shop": DOMAIN,
        "state": "a b&c",
        "timestamp": str(int(NOW.timestamp())),
    }
    query |= changes
    text = urlencode(sorted(query.items()))
    return query | {"hmac": hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()}


async def complete(found: ShopifyConnector, query: dict[str, str], shop: str = DOMAIN) -> Any:
    return await found.complete_authorization(query, memory={"shop": shop}, callback_url=CALLBACK, now=NOW)


@pytest.mark.parametrize("entered", [DOMAIN, "store", " STORE.myshopify.com ", "https://store.myshopify.com/"])
def test_the_consent_page_is_the_shops_own(entered: str) -> None:
    found, _ = connector()

    start = found.start_authorization({"shop": entered}, state="s t", callback_url=CALLBACK, now=NOW)

    address = urlsplit(start.url)
    assert (address.scheme, address.netloc, address.path) == ("https", DOMAIN, "/admin/oauth/authorize")
    assert dict(parse_qsl(address.query)) == {
        "client_id": "app",
        "scope": "read_orders,read_merchant_managed_fulfillment_orders,write_merchant_managed_fulfillment_orders",
        "redirect_uri": CALLBACK,
        "state": "s t",
    }
    assert start.memory == {"shop": DOMAIN}


def test_scopes_that_an_installation_needs_besides_are_asked_for_and_none_twice() -> None:
    found, _ = connector(shopify_extra_scopes="read_all_orders,read_orders,write_assigned_fulfillment_orders")

    start = found.start_authorization({"shop": DOMAIN}, state="s", callback_url=CALLBACK, now=NOW)

    assert dict(parse_qsl(urlsplit(start.url).query))["scope"].split(",") == [
        *SCOPES,
        "read_all_orders",
        "write_assigned_fulfillment_orders",
    ]


def test_another_base_url_is_told_the_shop_in_the_address() -> None:
    found, _ = connector(platform_url_shopify="http://127.0.0.1:9")

    start = found.start_authorization({"shop": DOMAIN}, state="s", callback_url=CALLBACK, now=NOW)

    assert start.url.startswith(f"http://127.0.0.1:9/admin/oauth/authorize?shop={DOMAIN}&")


@pytest.mark.parametrize(
    "shop",
    [
        "",
        "evil.example.com",
        "store.myshopify.com.evil.example",
        "a.store.myshopify.com",
        "_store.myshopify.com",
        "a/b",
        "-x",
        "store.myshopify.com@evil.example",
        "a b",
    ],
)
def test_an_address_that_is_no_shopify_store_is_refused_before_any_request(shop: str) -> None:
    found, _ = connector()

    with pytest.raises(LinkingRefused):
        found.start_authorization({"shop": shop}, state="s", callback_url=CALLBACK, now=NOW)


def test_without_an_app_nobody_is_sent_to_shopify() -> None:
    found, _ = connector(shopify_client_id="")

    with pytest.raises(LinkingRefused, match="SHOPIFY_CLIENT_ID"):
        found.start_authorization({"shop": DOMAIN}, state="s", callback_url=CALLBACK, now=NOW)


async def test_a_code_becomes_an_expiring_pair_of_tokens() -> None:
    found, http = connector(answer(TOKENS), shop_answer())

    grant = await complete(found, callback())

    assert http.asked[0].url == f"https://{DOMAIN}/admin/oauth/access_token"
    assert http.asked[0].json == {"client_id": "app", "client_secret": "hush", "code": "c0de", "expiring": "1"}
    assert (grant.external_id, grant.name, grant.currency, grant.time_zone) == (
        DOMAIN,
        "A store",
        "EUR",
        "Europe/Paris",
    )
    assert grant.secrets["refresh_token"] == "shprt_canary"
    assert "canary" not in repr(grant)


async def test_the_secret_before_a_rotation_may_still_have_signed() -> None:
    found, _ = connector(answer(TOKENS), shop_answer(), shopify_client_secret_old="older")

    assert (await complete(found, callback("older"))).external_id == DOMAIN


@pytest.mark.parametrize(
    "query",
    [
        callback("wrong"),
        callback() | {"code": "another"},
        callback() | {"hmac": ""},
        callback() | {"hmac": "é"},
        callback() | {"extra": "1"},
        {name: value for name, value in callback().items() if name != "hmac"},
    ],
)
async def test_a_callback_that_shopify_did_not_sign_is_refused(query: dict[str, str]) -> None:
    found, http = connector(answer(TOKENS))

    with pytest.raises(LinkingRefused):
        await complete(found, query)

    assert http.asked == []


def test_pairs_cannot_be_smuggled_into_one_value() -> None:
    signed = callback(code="c0de&host=x")

    smuggled = signed | {"code": "c0de", "host": "x"}

    assert is_signed(signed, secrets=("hush",))
    assert not is_signed(smuggled, secrets=("hush",))


@pytest.mark.parametrize("seconds", [-91, 91])
async def test_a_callback_older_or_newer_than_90_seconds_is_refused(seconds: int) -> None:
    found, _ = connector(answer(TOKENS))

    with pytest.raises(LinkingRefused, match="too old"):
        await complete(found, callback(timestamp=str(int(NOW.timestamp()) + seconds)))


@pytest.mark.parametrize("timestamp", ["", "soon", "9" * 400, "-1", "1e9", "²"])
async def test_a_callback_with_a_senseless_time_is_refused(timestamp: str) -> None:
    found, _ = connector(answer(TOKENS))

    with pytest.raises(LinkingRefused):
        await complete(found, callback(timestamp=timestamp))


async def test_a_callback_about_another_shop_is_refused() -> None:
    found, _ = connector(answer(TOKENS))

    with pytest.raises(LinkingRefused):
        await complete(found, callback(shop="other.myshopify.com"))


async def test_a_custom_apps_token_is_proven_before_it_is_kept() -> None:
    found, http = connector(shop_answer())

    grant = await found.link_with_credentials(
        {"shop": "store", "access_token": "shpat_canary", "webhook_secret": "own"}, now=NOW
    )

    assert http.asked[0].headers["X-Shopify-Access-Token"] == "shpat_canary"
    assert dict(grant.secrets) == {
        "kind": "custom",
        "shop": DOMAIN,
        "access_token": "shpat_canary",
        "webhook_secret": "own",
    }
    assert not found.refresh_due(grant.secrets, now=NOW + timedelta(days=4000))


async def test_client_credentials_give_a_token_of_a_day_that_is_asked_for_again() -> None:
    day = {"access_token": "first", "scope": "read_orders", "expires_in": 86399}
    found, http = connector(answer(day), shop_answer(), answer(day | {"access_token": "second"}))

    grant = await found.link_with_credentials({"shop": DOMAIN, "client_id": "own", "client_secret": "hush"}, now=NOW)
    renewed = await found.refresh(Access(ACCESS.store, grant.secrets), now=NOW)

    assert grant.secrets["webhook_secret"] == "hush"
    assert not found.refresh_due(grant.secrets, now=NOW + timedelta(hours=23))
    assert found.refresh_due(grant.secrets, now=NOW + timedelta(hours=24))
    assert renewed == {**grant.secrets, "access_token": "second"}
    assert http.asked[-1].json == {"client_id": "own", "client_secret": "hush", "grant_type": "client_credentials"}


@pytest.mark.parametrize(
    "credentials",
    [{}, {"shop": DOMAIN}, {"shop": DOMAIN, "client_id": "x"}, {"shop": "evil.example", "access_token": "t"}],
)
async def test_unusable_credentials_are_refused_before_any_request(credentials: dict[str, str]) -> None:
    found, http = connector(shop_answer())

    with pytest.raises(LinkingRefused):
        await found.link_with_credentials(credentials, now=NOW)

    assert http.asked == []


@pytest.mark.parametrize(
    "reply", [answer(status=401), shop_answer(domain="other.myshopify.com"), shop_answer(scopes=("read_products",))]
)
async def test_a_token_that_does_not_open_the_stores_orders_is_refused(reply: Reply) -> None:
    found, _ = connector(reply)

    with pytest.raises(LinkingRefused) as refused:
        await found.link_with_credentials({"shop": DOMAIN, "access_token": "shpat_canary"}, now=NOW)

    assert "canary" not in str(refused.value)


async def test_a_refused_code_asks_to_start_again() -> None:
    found, _ = connector(answer({"error": "invalid_request"}, status=400))

    with pytest.raises(LinkingRefused):
        await complete(found, callback())


async def test_both_tokens_rotate_together() -> None:
    found, http = connector(answer(TOKENS | {"access_token": "new", "refresh_token": "newer"}))
    old = {"kind": "offline", "shop": DOMAIN, "access_token": "a", "refresh_token": "r", "expires_at": NOW.isoformat()}

    secrets = await found.refresh(Access(ACCESS.store, old), now=NOW)

    assert http.asked[0].json == {
        "client_id": "app",
        "client_secret": "hush",
        "grant_type": "refresh_token",
        "refresh_token": "r",
    }
    assert (secrets["access_token"], secrets["refresh_token"]) == ("new", "newer")
    assert not found.refresh_due(secrets, now=NOW)
    assert found.refresh_due(secrets, now=NOW + timedelta(minutes=56))


async def test_a_public_apps_token_that_never_ends_is_exchanged_for_a_pair_that_rotates() -> None:
    found, http = connector(answer(TOKENS | {"access_token": "new", "refresh_token": "newer"}))
    old = {"kind": "offline", "shop": DOMAIN, "access_token": "shpat_old"}

    secrets = await found.refresh(Access(ACCESS.store, old), now=NOW)

    assert found.refresh_due(old, now=NOW)
    assert not found.refresh_due(secrets, now=NOW)
    assert (secrets["access_token"], secrets["refresh_token"]) == ("new", "newer")
    assert http.asked[0].json == {
        "client_id": "app",
        "client_secret": "hush",
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": "shpat_old",
        "subject_token_type": "urn:shopify:params:oauth:token-type:offline-access-token",
        "requested_token_type": "urn:shopify:params:oauth:token-type:offline-access-token",
        "expiring": "1",
    }


@pytest.mark.parametrize(("told", "seconds"), [({"expires_in": 7200}, 7200), ({}, 3600), ({"expires_in": None}, 3600)])
async def test_a_token_ends_when_shopify_says_or_else_after_an_hour(told: dict[str, Any], seconds: int) -> None:
    found, _ = connector(answer({"access_token": "new", "refresh_token": "newer"} | told))
    old = {"kind": "offline", "shop": DOMAIN, "access_token": "a", "refresh_token": "r"}

    secrets = await found.refresh(Access(ACCESS.store, old), now=NOW)

    assert secrets["expires_at"] == (NOW + timedelta(seconds=seconds)).isoformat()


@pytest.mark.parametrize("status", [500, 502, 504, 429])
async def test_a_token_endpoint_that_is_away_is_asked_again(status: int) -> None:
    found, _ = connector(answer(status=status))
    old = {"kind": "offline", "shop": DOMAIN, "refresh_token": "r"}

    with pytest.raises(TransientError):
        await found.refresh(Access(ACCESS.store, old), now=NOW)


@pytest.mark.parametrize("kind", ["offline", "custom"])
async def test_access_that_cannot_be_refreshed_asks_for_the_seller(kind: str) -> None:
    found, _ = connector(answer({"error": "invalid_grant"}, status=400))
    old = {"kind": kind, "shop": DOMAIN, "refresh_token": "shprt_canary"}

    with pytest.raises(AuthorizationError) as refused:
        await found.refresh(Access(ACCESS.store, old), now=NOW)

    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(("query", "state"), [({"state": "a b"}, "a b"), ({"code": "c"}, ""), ({}, "")])
def test_the_state_is_read_from_the_callback(query: dict[str, str], state: str) -> None:
    found, _ = connector()

    assert found.read_state(query) == state


async def test_a_token_answer_that_was_lost_leaves_the_former_refresh_token_usable() -> None:
    lost = TransientError("no whole answer")
    found, http = connector(lost, answer(TOKENS | {"access_token": "new", "refresh_token": "newer"}))
    old = {"kind": "offline", "shop": DOMAIN, "access_token": "a", "refresh_token": "r"}

    with pytest.raises(TransientError):
        await found.refresh(Access(ACCESS.store, old), now=NOW)
    secrets = await found.refresh(Access(ACCESS.store, old), now=NOW)

    assert [asked.json["refresh_token"] for asked in http.asked] == ["r", "r"]
    assert secrets["refresh_token"] == "newer"
