"""A visit that began in Shopify's app store is taken when Shopify signed it, and not long ago."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlencode, urlsplit

import pytest

from services.ingest.contract.stores import LinkingRefused
from services.ingest.platforms.shopify.linking import is_signed
from tests.ingest.platforms.shopify.shop import DOMAIN, NOW
from tests.ingest.platforms.shopify.test_linking import CALLBACK, connector


def installation(secret: str = "hush", **changes: str) -> dict[str, str]:
    query = {"host": "YWRtaW4=", "shop": DOMAIN, "timestamp": str(int(NOW.timestamp()))} | changes
    text = urlencode(sorted(query.items()))
    return query | {"hmac": hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()}


def test_a_visit_that_began_in_shopify_says_which_shop_installs() -> None:
    found, _ = connector()

    request = found.read_installation(installation(), now=NOW)
    start = found.start_authorization(request, state="s", callback_url=CALLBACK, now=NOW)

    assert urlsplit(start.url).netloc == DOMAIN


@pytest.mark.parametrize(
    "query",
    [
        installation("wrong"),
        installation() | {"shop": "other.myshopify.com"},
        installation() | {"hmac": installation()["hmac"].upper()},
        {name: value for name, value in installation().items() if name != "hmac"},
        {},
    ],
)
def test_a_visit_that_shopify_did_not_sign_is_refused(query: dict[str, str]) -> None:
    found, _ = connector()

    with pytest.raises(LinkingRefused, match="not signed"):
        found.read_installation(query, now=NOW)


@pytest.mark.parametrize("seconds", [-91, 91])
def test_a_visit_older_or_newer_than_90_seconds_is_refused_and_clocks_are_named(seconds: int) -> None:
    found, _ = connector()
    query = installation(timestamp=str(int(NOW.timestamp()) + seconds))

    with pytest.raises(LinkingRefused, match=r"too old.* clock"):
        found.read_installation(query, now=NOW)


@pytest.mark.parametrize("seconds", [-90, 90])
def test_a_visit_of_90_seconds_ago_is_taken(seconds: int) -> None:
    found, _ = connector()
    query = installation(timestamp=str(int(NOW.timestamp()) + seconds))

    assert found.read_installation(query, now=NOW) == {"shop": DOMAIN}


def test_a_signed_visit_for_what_is_no_shop_is_refused() -> None:
    found, _ = connector()

    with pytest.raises(LinkingRefused, match=r"myshopify\.com"):
        found.read_installation(installation(shop="evil.example.com"), now=NOW)


def test_without_an_apps_secret_no_visit_is_genuine() -> None:
    found, _ = connector(shopify_client_secret="")

    with pytest.raises(LinkingRefused):
        found.read_installation(installation(""), now=NOW)


def test_what_else_is_called_signature_is_not_signed() -> None:
    assert is_signed(installation() | {"signature": "an older scheme's"}, secrets=("hush",))
