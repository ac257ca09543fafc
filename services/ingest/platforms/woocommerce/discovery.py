"""Finds a store's API and the way in which it takes our key: links of both forms, hosts that strip headers."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from services.ingest.contract.stores import LinkingRefused
from services.ingest.platforms.woocommerce.addresses import StoreAddress, leads_to
from services.ingest.platforms.woocommerce.client import KeyRefused, NotUnderstood, WooCommerceClient, json_of
from services.ingest.platforms.woocommerce.signing import PERMALINKS, Door, Permalinks, ways_to
from services.kit.errors import TransientError
from services.kit.http.client import HttpAnswer

NAMESPACE = "wc/v3"
_NO_API = (
    "No WooCommerce API answers at {place}. Check the address; in WordPress save Settings > Permalinks once more, and "
    "let a firewall or maintenance page pass what goes to /wp-json/."
)
_NO_WOOCOMMERCE = "The WordPress at {place} has no WooCommerce API (wc/v3): activate WooCommerce, version 3.5 or later."
_MOVED = "{place} sends us elsewhere. Enter the address at which your store really is."
_SECRET_REFUSED = "The consumer secret does not belong to this consumer key. Copy both again."  # noqa: S105 - a sentence
_KEY_REFUSED = (
    "The store does not accept this key. In WooCommerce > Settings > Advanced > REST API make a key with permission "
    "Read/Write for an administrator or shop manager, and copy both of its parts."
)
_CLOSED_TO_STRANGERS = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Api:
    """Where a store's API is, and what it shows strangers of itself."""

    address: StoreAddress
    permalinks: Permalinks
    index: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The site's title; its place where it has none."""
        title = self.index.get("name")
        return html.unescape(title).strip() if isinstance(title, str) and title.strip() else self.address.place

    @property
    def home(self) -> str:
        """The address under which the store knows itself; "" where it does not say."""
        home = self.index.get("home")
        return home.rstrip("/") if isinstance(home, str) and home.startswith(("http://", "https://")) else ""

    @property
    def time_zone(self) -> str | None:
        """The store's zone by name, where it has one by name."""
        zone = self.index.get("timezone_string")
        return zone if isinstance(zone, str) and zone else None


async def find_api(client: WooCommerceClient, address: StoreAddress, *, redirected: bool = False) -> Api:
    """Return the store's API. Raises LinkingRefused, saying what the seller can do, and TransientError."""
    for permalinks in PERMALINKS:
        answer = await client.index(address, permalinks)
        _refuse_trouble(answer)
        other = leads_to(address, answer.headers.get("location", "")) if 300 <= answer.status < 400 else None  # noqa: PLR2004
        if other is not None:
            if redirected:
                raise LinkingRefused(_MOVED.format(place=address.place))
            return await find_api(client, other, redirected=True)
        found = json_of(answer)
        if not isinstance(found, dict):
            continue
        if answer.status in _CLOSED_TO_STRANGERS:
            return Api(address, permalinks)
        namespaces = found.get("namespaces")
        if isinstance(namespaces, list):
            if NAMESPACE not in namespaces:
                raise LinkingRefused(_NO_WOOCOMMERCE.format(place=address.place))
            return Api(address, permalinks, found)
    raise LinkingRefused(_NO_API.format(place=address.place))


async def prove(client: WooCommerceClient, api: Api, *, consumer_key: str, consumer_secret: str) -> Door:
    """Return the door that the key opens, tried by reading orders. Raises LinkingRefused and TransientError."""
    door = Door(api.address, api.permalinks, consumer_key, consumer_secret, home=api.home)
    for way in ways_to(api.address):
        candidate = replace(door, way=way)
        try:
            answer = await client.ask(candidate, "GET", "/wc/v3/orders", {"per_page": 1})
        except KeyRefused as error:
            # The key was seen and its secret is wrong: to show it in another way would only write it into logs.
            if error.code == "woocommerce_rest_authentication_error" and way != "oauth":
                raise LinkingRefused(_SECRET_REFUSED) from error
            continue
        except NotUnderstood as error:
            raise LinkingRefused(_NO_API.format(place=api.address.place)) from error
        if answer is not None and isinstance(answer.value, list):
            return candidate
    raise LinkingRefused(_KEY_REFUSED)


def _refuse_trouble(answer: HttpAnswer) -> None:
    if answer.status == 429 or answer.status >= 500:  # noqa: PLR2004
        raise TransientError(f"The store's host answered {answer.status}")
