"""A store is linked by its own page or by a pasted key, and no key is believed before it opened that very store."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from services.ingest.contract.stores import LinkingRefused
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.twin_http import Asked, Reply, answer
from tests.ingest.platforms.woocommerce.shop import (
    ACCESS,
    INDEX,
    KEY,
    NOW,
    SECRET,
    URL,
    access,
    asked_of,
    connector,
    error,
)

CALLBACK = "https://sync.example.com/oauth/woocommerce/callback"
KEYS = {
    "key_id": "1",
    "user_id": "a state",
    "consumer_key": KEY,
    "consumer_secret": SECRET,
    "key_permissions": "read_write",
}
PASTED = {"store_url": URL, "consumer_key": KEY, "consumer_secret": SECRET}


class Site:
    """A store that takes its key in one way, at one form of address."""

    def __init__(self, *, takes: str = "header", permalinks: str = "pretty", **index: Any) -> None:
        self.takes = takes
        self.permalinks = permalinks
        self.index = INDEX | index
        self.refusal = error("woocommerce_rest_cannot_view", 401)

    def answer(self, asked: Asked) -> HttpAnswer:
        path, query = asked_of(asked)
        if ("rest_route" in asked.url) != (self.permalinks == "plain"):
            return answer(b"<html>Not found</html>", status=404)
        if path == "/":
            return answer(self.index)
        ways = {
            "header": "Authorization" in asked.headers,
            "query": "consumer_key" in query,
            "oauth": "oauth_nonce" in query,
        }
        if not ways.get(self.takes):
            return self.refusal
        if path == "/wc/v3/system_status":
            return answer({"settings": {"currency": "EUR"}})
        return answer([])


async def complete(*replies: Reply, memory: dict[str, str] | None = None, **callback: str) -> Any:
    found, http = connector(*replies)
    grant = await found.complete_authorization(
        KEYS | callback, memory={"store_url": URL} if memory is None else memory, callback_url=CALLBACK, now=NOW
    )
    return grant, http.asked


def start(request: dict[str, str], callback_url: str = CALLBACK) -> Any:
    return connector()[0].start_authorization(request, state="a state", callback_url=callback_url, now=NOW)


def test_the_seller_is_sent_to_the_stores_own_page_with_all_that_it_needs() -> None:
    found = start({"store_url": "Store.example.com/"})

    parts = urlsplit(found.url)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "store.example.com", "/wc-auth/v1/authorize")
    assert parse_qs(parts.query) == {
        "app_name": ["Sync Order"],
        "scope": ["read_write"],
        "user_id": ["a state"],
        "return_url": [f"{CALLBACK}/return"],
        "callback_url": [CALLBACK],
    }
    assert found.memory["store_url"] == URL


def test_keys_are_not_asked_for_over_plain_http() -> None:
    with pytest.raises(LinkingRefused, match="PUBLIC_URL"):
        start({"store_url": URL}, callback_url="http://sync.example.com/oauth/woocommerce/callback")


def test_the_state_is_the_user_id_that_the_store_echoes() -> None:
    found, _ = connector()

    assert found.read_state(KEYS) == "a state"
    assert found.read_state({"state": "a state"}) == ""


async def test_a_key_that_opens_the_store_is_believed() -> None:
    grant, asked = await complete(Site().answer)

    assert (grant.external_id, grant.name, grant.currency, grant.time_zone) == (
        "store.example.com",
        "Ada's Store",
        "EUR",
        "Europe/Berlin",
    )
    assert grant.access_ends_at is None
    assert grant.secrets["permissions"] == "read_write"
    assert {urlsplit(one.url).netloc for one in asked} == {"store.example.com"}


async def test_a_forged_callback_brings_a_key_that_opens_nothing() -> None:
    site = Site(takes="nothing")

    with pytest.raises(LinkingRefused, match="does not accept this key"):
        await complete(site.answer)


async def test_a_callback_names_no_store_of_its_own() -> None:
    grant, asked = await complete(Site().answer, store_url="https://evil.example.net")

    assert grant.external_id == "store.example.com"
    assert not any("evil" in one.url for one in asked)


@pytest.mark.parametrize(
    ("callback", "memory", "words"),
    [
        ({"success": "0"}, None, "not granted"),
        ({"consumer_key": ""}, None, "ck_"),
        ({"consumer_secret": "cs_\r\nX: 1"}, None, "cs_"),
        ({}, {}, "Start linking again"),
    ],
)
async def test_a_callback_without_a_usable_key_says_what_to_do(
    callback: dict[str, str], memory: dict[str, str] | None, words: str
) -> None:
    with pytest.raises(LinkingRefused, match=words):
        await complete(Site().answer, memory=memory, **callback)


@pytest.mark.parametrize(("way", "calls"), [("header", 1), ("query", 2)])
async def test_the_way_that_the_host_lets_through_is_found_and_remembered(way: str, calls: int) -> None:
    found, http = connector(Site(takes=way).answer)

    grant = await found.link_with_credentials(PASTED, now=NOW)

    assert grant.secrets["auth"] == way
    assert len([one for one in http.asked if "per_page" in one.url]) == calls


async def test_a_store_without_tls_is_signed_for_by_the_home_that_it_tells() -> None:
    home = "http://www.store.example.com"
    found, http = connector(Site(takes="oauth", home=home).answer)

    grant = await found.link_with_credentials(PASTED | {"store_url": "http://store.example.com"}, now=NOW)

    assert (grant.secrets["auth"], grant.secrets["home"]) == ("oauth", home)
    assert all(SECRET not in one.url and "Authorization" not in one.headers for one in http.asked)


async def test_a_wrong_secret_is_told_and_not_written_into_logs() -> None:
    site = Site(takes="nothing")
    site.refusal = error("woocommerce_rest_authentication_error", 401)
    found, http = connector(site.answer)

    with pytest.raises(LinkingRefused, match="secret does not belong"):
        await found.link_with_credentials(PASTED, now=NOW)

    assert not any("consumer_secret" in one.url for one in http.asked)


async def test_a_store_with_plain_permalinks_is_found() -> None:
    found, _ = connector(Site(permalinks="plain").answer)

    grant = await found.link_with_credentials(PASTED, now=NOW)

    assert grant.secrets["permalinks"] == "plain"


async def test_a_store_that_sends_us_to_www_is_that_store() -> None:
    def site(asked: Asked) -> HttpAnswer:
        if "://www." not in asked.url:
            return answer(status=301, headers={"Location": asked.url.replace("://", "://www.")})
        return Site().answer(asked)

    grant = await connector(site)[0].link_with_credentials(PASTED, now=NOW)

    assert (grant.external_id, grant.secrets["store_url"]) == ("www.store.example.com", "https://www.store.example.com")


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (answer(b"<html>Welcome</html>"), "Permalinks"),
        (answer(status=301, headers={"Location": "https://evil.example.net/wp-json/"}), "Permalinks"),
        (answer({"namespaces": ["wp/v2"]}), "activate WooCommerce"),
    ],
)
async def test_an_address_without_woocommerce_says_what_to_do(reply: HttpAnswer, words: str) -> None:
    found, http = connector(reply)

    with pytest.raises(LinkingRefused, match=words):
        await found.link_with_credentials(PASTED, now=NOW)

    assert all(urlsplit(one.url).netloc == "store.example.com" for one in http.asked)
    assert all("consumer" not in one.url and "Authorization" not in one.headers for one in http.asked)


async def test_an_index_that_is_closed_to_strangers_does_not_stop_linking() -> None:
    def site(asked: Asked) -> HttpAnswer:
        return error("rest_not_logged_in", 401) if asked_of(asked)[0] == "/" else Site().answer(asked)

    grant = await connector(site)[0].link_with_credentials(PASTED, now=NOW)

    assert grant.name == "store.example.com"


async def test_a_key_whose_user_sees_no_settings_links_without_a_currency() -> None:
    def site(asked: Asked) -> HttpAnswer:
        if "system_status" in asked.url:
            return error("woocommerce_rest_cannot_view", 403)
        return Site().answer(asked)

    grant = await connector(site)[0].link_with_credentials(PASTED, now=NOW)

    assert grant.currency is None


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_store_in_trouble_is_linked_later(status: int) -> None:
    found, _ = connector(answer(status=status))

    with pytest.raises(TransientError):
        await found.link_with_credentials(PASTED, now=NOW)


async def test_an_html_page_with_status_200_proves_no_key() -> None:
    def site(asked: Asked) -> HttpAnswer:
        return answer(b"<html>") if "/orders" in asked.url else Site().answer(asked)

    with pytest.raises(TransientError, match="firewall"):
        await connector(site)[0].link_with_credentials(PASTED, now=NOW)


async def test_every_store_gets_a_webhook_secret_of_its_own_without_escapes() -> None:
    found = [(await complete(Site().answer))[0].secrets["webhook_secret"] for _ in range(3)]

    assert len(set(found)) == 3
    assert all(len(secret) >= 40 and not set(secret) & set("&<>\"'") for secret in found)


async def test_a_plugins_statuses_are_remembered_from_the_start_of_linking() -> None:
    memory = dict(start({"store_url": URL, "statuses": "printed=processing"}).memory)

    grant, _ = await complete(Site().answer, memory=memory)

    assert grant.secrets["statuses"] == "printed=processing"


async def test_a_host_that_begins_to_strip_headers_is_followed() -> None:
    found, _ = connector(Site(takes="query").answer)

    secrets = await found.refresh(ACCESS, now=NOW)

    assert secrets == {**ACCESS.secrets, "auth": "query"}
    assert not found.refresh_due(ACCESS.secrets, now=NOW)


async def test_a_deleted_key_ends_access_with_a_sentence() -> None:
    found, _ = connector(Site(takes="nothing").answer)

    with pytest.raises(AuthorizationError, match="Connect the store again"):
        await found.refresh(ACCESS, now=NOW)


async def test_an_api_that_is_not_found_refuses_no_key() -> None:
    found, _ = connector(answer(b"<html>Maintenance</html>"))

    with pytest.raises(TransientError):
        await found.refresh(access(auth="query"), now=NOW)


def test_nothing_is_installed_from_woocommerces_side() -> None:
    with pytest.raises(LinkingRefused):
        connector()[0].read_installation({}, now=NOW)
