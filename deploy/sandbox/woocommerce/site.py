"""One store: how its host, version and plugins differ from others', and everything that it keeps."""

from __future__ import annotations

import functools
import html
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from deploy.sandbox.clock import SandboxClock
from deploy.sandbox.woocommerce.orders import CUSTOM_STATUS, STATUSES, Order

PLUGINS = (
    "fulfillments",
    "shipment-tracking",
    "shipment-tracking-wc-v2",
    "advanced-shipment-tracking",
    "product-addons",
)
PERMISSIONS = ("read", "write", "read_write")
#: WordPress releases that were current with each release line of WooCommerce.
_WORDPRESS = {"5": "5.8.1", "7": "6.1.9"}
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "KWD": "د.ك", "CAD": "$", "AUD": "$"}


@dataclass(frozen=True, slots=True)
class Options:
    """How a store differs; ValueError when a choice does not exist.

    `https` False serves signed requests only; `auth` "query" is a host that strips the Authorization header;
    `failures_reset` and `orderby_modified` choose between readings that no documentation settles.
    """

    title: str = "Sandbox store"
    currency: str = "USD"
    time_zone: str = "America/New_York"
    price_decimals: int = 2
    tax_percent: int = 0
    prices_include_tax: bool = False
    auth: str = "header"
    https: bool = True
    orders_storage: str = "hpos"
    wc_version: str = "11.0.1"
    permalinks: str = "pretty"
    plugins: tuple[str, ...] = ("product-addons",)
    clock_skew: int = 0
    cached: bool = False
    number_prefix: str = ""
    quiet: bool = False
    denies: bool = False
    past_end: str = "empty"
    failures_reset: bool = True
    orderby_modified: bool = True

    def __post_init__(self) -> None:
        """Refuse what no store is like."""
        _one_of("auth", self.auth, ("header", "query"))
        _one_of("orders_storage", self.orders_storage, ("hpos", "posts"))
        _one_of("permalinks", self.permalinks, ("pretty", "plain"))
        _one_of("past_end", self.past_end, ("empty", "error"))
        _release(self.wc_version)
        for plugin in self.plugins:
            _one_of("plugins", plugin, PLUGINS)
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"time_zone {self.time_zone} is not known") from error

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Options:
        """Read the options among a control request's fields."""
        given = {name: body[name] for name in cls.__dataclass_fields__ if name in body}
        if "plugins" in given:
            given["plugins"] = tuple(given["plugins"])
        return cls(**given)

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, to compare."""
        return _release(self.wc_version)


@dataclass(frozen=True, slots=True)
class Key:
    """A REST API key of one WordPress user."""

    id: int
    consumer_key: str
    consumer_secret: str = field(repr=False)
    permissions: str = "read_write"

    def may(self, method: str) -> bool:
        """Whether the key's permission covers an HTTP method."""
        if self.permissions == "read_write":
            return True
        return (self.permissions == "read") == (method in ("GET", "HEAD"))


@dataclass(slots=True)
class Hook:
    """A webhook; `pending_ping` until a ping was answered with exactly 200."""

    id: int
    name: str
    topic: str
    delivery_url: str
    secret: str = field(repr=False)
    created: int
    modified: int
    status: str = "active"
    failures: int = 0
    pending_ping: bool = True

    @property
    def signing_key(self) -> bytes:
        """The secret with the five special characters' entities undone, which is what signs."""
        text = self.secret
        for entity in ("&lt;", "&gt;", "&quot;", "&#039;", "&amp;"):
            text = text.replace(entity, html.unescape(entity))
        return text.encode()


@dataclass(slots=True)
class Site:
    """A store's memory; `url` is its home address without a slash at the end."""

    name: str
    url: str
    options: Options
    clock: SandboxClock
    orders: dict[int, Order] = field(default_factory=dict)
    gone: list[Order] = field(default_factory=list)
    keys: dict[str, Key] = field(default_factory=dict)
    hooks: dict[int, Hook] = field(default_factory=dict)
    nonces: dict[str, int] = field(default_factory=dict)
    #: What a page cache keeps by address: when it was answered, and the answer.
    cache: dict[str, tuple[int, Any]] = field(default_factory=dict)
    #: The user behind keys and webhooks lost the right to see orders.
    demoted: bool = False
    #: Requests being answered at this moment.
    busy: int = 0
    _ids: Iterator[int] = field(default_factory=lambda: count(1))
    _last_id: int = 30
    _last_number: int = 1000

    @property
    def zone(self) -> ZoneInfo:
        """The store's time zone."""
        return ZoneInfo(self.options.time_zone)

    @property
    def wordpress(self) -> str:
        """The WordPress release below."""
        return _WORDPRESS.get(self.options.wc_version.partition(".")[0], "7.0.4")

    @property
    def statuses(self) -> tuple[str, ...]:
        """Every status that an order can have here, trash aside."""
        return (*STATUSES, CUSTOM_STATUS)

    def now(self) -> int:
        """The store's own clock in Unix seconds, which may be wrong."""
        return int(self.clock.seconds()) + self.options.clock_skew

    def has(self, plugin: str) -> bool:
        """Whether a plugin is active; the core's fulfilments exist since 10.1 only."""
        if plugin == "fulfillments" and self.options.release < (10, 1):
            return False
        return plugin in self.options.plugins

    def next_post(self, step: int = 1) -> int:
        """An id from the sequence that orders share with products and refunds, so that orders' ids have gaps."""
        self._last_id += step
        return self._last_id

    def next_id(self) -> int:
        """An id of a line, a note or an entry of meta data."""
        return next(self._ids)

    def next_number(self, order_id: int) -> str:
        """The number that people see: the id, unless a plugin counts on its own."""
        if not self.options.number_prefix:
            return str(order_id)
        self._last_number += 1
        return f"{self.options.number_prefix}{self._last_number}"

    def new_key(self, permissions: str) -> Key:
        """Create an API key."""
        key = Key(self.next_id(), "ck_" + secrets.token_hex(20), "cs_" + secrets.token_hex(20), permissions)
        self.keys[key.consumer_key] = key
        return key


@functools.lru_cache
def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def symbol(currency: str) -> str:
    """A currency's sign, or its code where no sign is known."""
    return _SYMBOLS.get(currency, currency)


def _one_of(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be of {', '.join(choices)}")
