"""A store is linked only after its access was proved, and each refusal says what to do."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from services.ingest.contract.stores import LinkingRefused
from services.ingest.platforms.shopbase.linking import shop_domain
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.platforms.shopbase.shop import ACCESS, DOMAIN, NOW, PRIVATE_ACCESS, SHOP, connector
from tests.ingest.platforms.twin_http import Asked, answer

CALLBACK = "https://sync.example.com/oauth/shopbase/callback"
TOKEN = answer({"access_token": "canary", "scope": "read_orders,write_orders"})
COUNT = answer({"count": 1})
KEYS = {"shop": "store", "api_key": "key", "password": "pass", "shared_secret": "hush"}


def signed(query: dict[str, str], *, secret: str = "secret", encoded: bool = False) -> dict[str, str]:
    pairs = sorted(query.items())
    text = urlencode(pairs) if encoded else "&".join(f"{name}={value}" for name, value in pairs)
    return query | {"hmac": hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()}


def callback(**changes: str) -> dict[str, str]:
    stamp = str(int(NOW.timestamp()))
    return signed({"code": "a-code", "shop": DOMAIN, "state": "s", "timestamp": stamp} | changes)


async def complete(query: dict[str, str], *replies: Any) -> Any:
    found, http, _ = connector(*replies)
    grant = await found.complete_authorization(query, memory={"shop": DOMAIN}, callback_url=CALLBACK, now=NOW)
    return grant, http


def test_the_consent_page_is_the_shops_own() -> None:
    found = connector()[0]

    start = found.start_authorization({"shop": "Store"}, state="s", callback_url=CALLBACK, now=NOW)

    address = urlsplit(start.url)
    assert (address.hostname, address.path) == (DOMAIN, "/admin/oauth/authorize")
    assert dict(parse_qsl(address.query)) == {
        "client_id": "client",
        "scope": "read_orders,write_orders",
        "redirect_uri": CALLBACK,
        "state": "s",
    }
    assert start.memory == {"shop": DOMAIN}


def test_an_installation_without_an_app_says_what_to_set() -> None:
    found = connector(shopbase_client_id="")[0]

    with pytest.raises(LinkingRefused, match="SHOPBASE_CLIENT_ID"):
        found.start_authorization({"shop": "store"}, state="s", callback_url=CALLBACK, now=NOW)


@pytest.mark.parametrize("entered", ["store", " Store.onshopbase.com ", "https://store.onshopbase.com/admin/orders"])
def test_a_shop_is_known_however_it_is_typed(entered: str) -> None:
    assert shop_domain(entered) == DOMAIN


@pytest.mark.parametrize(
    "entered",
    [
        "",
        "store.example.com",
        "a.onshopbase.com.evil.example",
        "a b",
        "evil.example/.onshopbase.com",
        "a@onshopbase.com",
    ],
)
def test_what_is_no_shop_is_refused(entered: str) -> None:
    with pytest.raises(LinkingRefused, match=r"onshopbase\.com"):
        shop_domain(entered)


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_code_is_exchanged_at_the_address_that_ends_in_json(wrapped: bool) -> None:  # noqa: FBT001
    grant, http = await complete(callback(), TOKEN, answer({"shop": SHOP} if wrapped else SHOP), COUNT)

    exchange = http.asked[0]
    assert (exchange.method, exchange.url) == ("POST", f"https://{DOMAIN}/admin/oauth/access_token.json")
    assert exchange.json == {"client_id": "client", "client_secret": "secret", "code": "a-code"}
    assert (grant.external_id, grant.name, grant.currency) == (DOMAIN, "A store", "USD")
    assert (grant.time_zone, grant.access_ends_at) == ("America/New_York", None)
    assert grant.secrets == {
        "kind": "public",
        "shop": DOMAIN,
        "access_token": "canary",
        "scope": "read_orders,write_orders",
        "shop_id": "7",
    }
    assert [asked.url.partition("?")[0].rpartition("/admin")[2] for asked in http.asked[1:]] == [
        "/shop.json",
        "/orders/count.json",
    ]
    assert "canary" not in repr(grant)


async def test_a_callback_is_believed_whether_values_are_signed_as_sent_or_decoded() -> None:
    query = {"code": "a+/=", "shop": DOMAIN, "state": "s", "timestamp": str(int(NOW.timestamp()))}

    for encoded in (False, True):
        grant, _ = await complete(signed(query, encoded=encoded), TOKEN, answer(SHOP), COUNT)
        assert grant.external_id == DOMAIN


@pytest.mark.parametrize(
    ("query", "word"),
    [
        (callback() | {"code": "another"}, "signed"),
        (callback() | {"hmac": ""}, "signed"),
        (callback() | {"hmac": callback()["hmac"].upper()}, "signed"),
        (callback(shop="other.onshopbase.com"), "another store"),
        (callback(timestamp=str(int(NOW.timestamp()) - 16 * 60)), "too old"),
        (callback(timestamp=str(int(NOW.timestamp()) + 16 * 60)), "too old"),
        (callback(timestamp="soon"), "too old"),
        (callback(code=""), "not granted"),
    ],
)
async def test_a_callback_that_is_not_right_links_nothing(query: dict[str, str], word: str) -> None:
    found, http, _ = connector(TOKEN, answer(SHOP), COUNT)

    with pytest.raises(LinkingRefused, match=word):
        await found.complete_authorization(query, memory={"shop": DOMAIN}, callback_url=CALLBACK, now=NOW)

    assert http.asked == []


async def test_a_platforms_clock_that_is_wrong_by_minutes_stops_nobody() -> None:
    for minutes in (-5, 5):
        query = callback(timestamp=str(int(NOW.timestamp()) + 60 * minutes))
        grant, _ = await complete(query, TOKEN, answer(SHOP), COUNT)
        assert grant.external_id == DOMAIN


async def test_without_a_secret_no_callback_is_believed() -> None:
    found = connector(TOKEN, shopbase_client_secret="")[0]
    query = {"code": "c", "shop": DOMAIN, "state": "s", "timestamp": str(int(NOW.timestamp()))}

    with pytest.raises(LinkingRefused, match="signed"):
        await found.complete_authorization(
            signed(query, secret=""), memory={"shop": DOMAIN}, callback_url=CALLBACK, now=NOW
        )


@pytest.mark.parametrize(
    ("replies", "word"),
    [
        ([answer({"error": "used"}, status=400)], "used up"),
        ([answer({"scope": "read_orders"})], "no access token"),
        ([answer({"access_token": "canary", "scope": "read_products"})], "read_orders"),
        ([TOKEN, answer({"error": "who"}, status=401)], "Link the store again"),
        ([TOKEN, answer(SHOP | {"onshopbase_domain": "other.onshopbase.com"})], "another store"),
        ([TOKEN, answer(SHOP), answer({"error": "scope"}, status=403)], "read_orders"),
    ],
)
async def test_what_proves_nothing_is_refused(replies: list[Any], word: str) -> None:
    with pytest.raises(LinkingRefused, match=word):
        await complete(callback(), *replies)


async def test_a_write_scope_alone_includes_reading() -> None:
    grant, _ = await complete(
        callback(), answer({"access_token": "canary", "scope": "write_orders"}), answer(SHOP), COUNT
    )

    assert grant.secrets["scope"] == "write_orders"


@pytest.mark.parametrize("status", [429, 503])
async def test_a_platform_that_is_away_is_asked_again(status: int) -> None:
    with pytest.raises(TransientError):
        await complete(callback(), answer({}, status=status))


async def test_a_private_app_is_proved_by_key_and_password() -> None:
    found, http, _ = connector(answer(SHOP), COUNT)

    grant = await found.link_with_credentials(KEYS, now=NOW)

    assert grant.secrets == {
        "kind": "private",
        "shop": DOMAIN,
        "api_key": "key",
        "password": "pass",
        "shared_secret": "hush",
        "shop_id": "7",
    }
    assert http.asked[0].headers["Authorization"].startswith("Basic ")


async def test_a_private_apps_token_is_taken_too() -> None:
    found, http, _ = connector(answer(SHOP), COUNT)

    await found.link_with_credentials({"shop": "store", "access_token": "token"}, now=NOW)

    assert http.asked[0].headers["X-ShopBase-Access-Token"] == "token"


@pytest.mark.parametrize(
    ("credentials", "word"),
    [
        ({"shop": "store"}, "Manage private apps"),
        ({"shop": "store", "api_key": "key"}, "Manage private apps"),
        (KEYS | {"shop": "store.example.com"}, r"onshopbase\.com"),
        (KEYS | {"password": "line\nbreak"}, "copy key and password"),
        (KEYS | {"api_key": "a:b"}, "copy key and password"),
    ],
)
async def test_credentials_that_cannot_be_right_are_refused_without_a_call(
    credentials: dict[str, str], word: str
) -> None:
    found, http, _ = connector(answer(SHOP), COUNT)

    with pytest.raises(LinkingRefused, match=word):
        await found.link_with_credentials(credentials, now=NOW)

    assert http.asked == []


@pytest.mark.parametrize(("status", "word"), [(401, "copy key and password"), (402, "plan"), (404, "no such store")])
async def test_a_refused_private_app_tells_what_to_do(status: int, word: str) -> None:
    found = connector(answer({}, status=status))[0]

    with pytest.raises(LinkingRefused, match=word):
        await found.link_with_credentials(KEYS, now=NOW)


def test_a_visit_from_shopbase_is_believed_by_signature_and_age() -> None:
    found = connector()[0]
    visit = {"shop": DOMAIN, "timestamp": str(int(NOW.timestamp()))}

    assert found.read_installation(signed(visit), now=NOW) == {"shop": DOMAIN}
    for wrong in (visit, signed(visit) | {"shop": "other.onshopbase.com"}, signed(visit | {"timestamp": "1"})):
        with pytest.raises(LinkingRefused, match="Install the app from ShopBase again"):
            found.read_installation(wrong, now=NOW)


def test_access_never_ends_by_itself() -> None:
    assert not connector()[0].refresh_due(ACCESS.secrets, now=NOW)


async def test_access_that_was_refused_once_gets_a_second_look() -> None:
    found = connector(answer(SHOP))[0]

    assert await found.refresh(PRIVATE_ACCESS, now=NOW) == PRIVATE_ACCESS.secrets
    with pytest.raises(AuthorizationError, match="Link the store again"):
        await connector(answer({}, status=401))[0].refresh(ACCESS, now=NOW)


async def test_a_store_record_that_cannot_be_read_is_asked_for_again() -> None:
    def reply(_: Asked) -> Any:
        return answer({"name": ["a", "list"]})

    with pytest.raises(TransientError, match="name"):
        await connector(reply)[0].refresh(ACCESS, now=NOW)
