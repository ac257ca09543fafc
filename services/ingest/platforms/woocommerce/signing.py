"""Proves our key to a store in one of the three ways that WooCommerce knows, and never sends its secret in the open.

Over TLS the pair goes in the Authorization header; where a host strips that, as query parameters, which end up in
access logs. Without TLS only OAuth 1.0a will do (one-legged, HMAC-SHA256, RFC 5849): it signs and shows no secret.
"""

from __future__ import annotations

import base64
import secrets as random_bytes
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from urllib.parse import quote, urlencode

from oauthlib import oauth1

from services.ingest.platforms.woocommerce.addresses import StoreAddress, store_address

Way = Literal["header", "query", "oauth"]
Permalinks = Literal["pretty", "plain"]
Method = Literal["GET", "POST", "PUT", "DELETE"]
#: The forms of addresses in which a WordPress may serve its API.
PERMALINKS: tuple[Permalinks, ...] = ("pretty", "plain")


@dataclass(frozen=True, slots=True)
class Door:
    """A store's API, and what opens it. `home` is what the store calls its own address: OAuth signs that one."""

    address: StoreAddress
    permalinks: Permalinks
    consumer_key: str
    consumer_secret: str = field(repr=False)
    way: Way = "header"
    home: str = ""

    @classmethod
    def of(cls, secrets: Mapping[str, str]) -> Door:
        """Read what `secrets` wrote."""
        return cls(
            address=store_address(secrets["store_url"]),
            permalinks="plain" if secrets.get("permalinks") == "plain" else "pretty",
            consumer_key=secrets["consumer_key"],
            consumer_secret=secrets["consumer_secret"],
            way=_way(secrets.get("auth", "")),
            home=secrets.get("home", ""),
        )

    def secrets(self) -> dict[str, str]:
        """Return it as a store's secrets are kept."""
        return {
            "store_url": self.address.url,
            "permalinks": self.permalinks,
            "consumer_key": self.consumer_key,
            "consumer_secret": self.consumer_secret,
            "auth": self.way,
            "home": self.home,
        }


@dataclass(frozen=True, slots=True)
class Signed:
    """A request that proves who sends it. `plain_http`: it shows no secret, so it may go without TLS."""

    url: str = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    plain_http: bool = False


def ways_to(address: StoreAddress) -> tuple[Way, ...]:
    """Return the ways to try, the safest first. Without TLS a secret must not be sent at all."""
    if address.scheme == "https":
        return ("header", "query")
    # On this machine nobody listens in between; a store there may stand behind a proxy that ends TLS.
    return ("header", "query", "oauth") if address.is_loopback else ("oauth",)


def api_url(base: str, permalinks: Permalinks, path: str, query: Mapping[str, str]) -> str:
    """Return the address of a route of the API."""
    if permalinks == "plain":
        return f"{base}/?{_encoded({'rest_route': path, **query})}"
    return f"{base}/wp-json{path}" + (f"?{_encoded(query)}" if query else "")


def sign(door: Door, method: Method, path: str, query: Mapping[str, str], *, now: datetime) -> Signed:
    """Return the request as the store lets it through. `now` must be the store's own time, within 15 minutes."""
    base = door.address.url
    match door.way:
        case "header":
            pair = base64.b64encode(f"{door.consumer_key}:{door.consumer_secret}".encode()).decode()
            return Signed(api_url(base, door.permalinks, path, query), {"Authorization": f"Basic {pair}"})
        case "query":
            keys = {"consumer_key": door.consumer_key, "consumer_secret": door.consumer_secret}
            return Signed(api_url(base, door.permalinks, path, {**query, **keys}))
        case "oauth":
            signed = _oauth(door, method, api_url(door.home or base, door.permalinks, path, query), now=now)
            bare, _, signed_query = signed.partition("?")
            return Signed(f"{_swapped(bare, door)}?{signed_query}", plain_http=True)


def _oauth(door: Door, method: Method, url: str, *, now: datetime) -> str:
    client = oauth1.Client(
        door.consumer_key,
        client_secret=door.consumer_secret,
        signature_method=oauth1.SIGNATURE_HMAC_SHA256,
        signature_type=oauth1.SIGNATURE_TYPE_QUERY,
        nonce=random_bytes.token_hex(16),
        timestamp=str(int(now.timestamp())),
    )
    signed: str = client.sign(url, http_method=method)[0]
    return signed


def _swapped(url: str, door: Door) -> str:
    """Return the address that is called for one that was signed: the store may know itself by another."""
    return door.address.url + url.removeprefix(door.home) if door.home else url


def _encoded(query: Mapping[str, str]) -> str:
    return urlencode(query, quote_via=quote)


def _way(text: str) -> Way:
    match text:
        case "query" | "oauth":
            return text
    return "header"
