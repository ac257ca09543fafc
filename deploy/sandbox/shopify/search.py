"""Shopify's search syntax for orders: `field:comparator'value'` terms joined by AND (or a space), OR, NOT.

Source: shopify.dev/docs/api/usage/search-syntax and QueryRoot.orders. A field that orders do not have is
ignored and reported as a warning, as the platform does.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from deploy.sandbox.shopify.paging import BadRequestError
from deploy.sandbox.shopify.world import Order

Condition = Callable[[Order], bool]

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<open>\() | (?P<close>\)) | (?P<minus>-(?=\w+:)) |
        (?:(?P<field>\w+):)?(?P<sign>>=|<=|>|<)?
        (?:'(?P<single>(?:\\.|[^'\\])*)'|"(?P<double>(?:\\.|[^"\\])*)"|(?P<bare>[^\s()'"]+))
    )""",
    re.VERBOSE,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "": operator.eq,
}
_TIMES: dict[str, Callable[[Order], datetime]] = {
    "created_at": lambda order: order.created_at,
    "updated_at": lambda order: order.updated_at,
    "processed_at": lambda order: order.created_at,
}


@dataclass(slots=True)
class Span:
    """The widest range of a time that can match, in seconds since the epoch; both ends included."""

    start: float = 0.0
    end: float = float("inf")


@dataclass(slots=True)
class Search:
    """A parsed search: the condition, a span by time field to seek by, and fields that were ignored."""

    matches: Condition
    spans: dict[str, Span] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


@lru_cache(maxsize=512)
def parse_search(text: str, zone: ZoneInfo) -> Search:
    """Parse a search; times without an offset are taken in the shop's `zone`."""
    return _Parser(text, zone).parse()


class _Parser:
    def __init__(self, text: str, zone: ZoneInfo) -> None:
        self._zone = zone
        self._tokens = _tokens(text)
        self._search = Search(_always)
        self._depth = 0

    def parse(self) -> Search:
        if self._tokens:
            self._search.matches = self._either()
        if self._tokens:
            raise BadRequestError("Invalid search query")
        return self._search

    def _either(self) -> Condition:
        options = [self._both()]
        while self._is_word("OR"):
            self._tokens.pop(0)
            # A span may only be narrowed by what every match fulfils.
            self._search.spans.clear()
            self._depth += 1
            options.append(self._both())
            self._depth -= 1
        return options[0] if len(options) == 1 else lambda order: any(option(order) for option in options)

    def _both(self) -> Condition:
        conditions = [self._one()]
        while self._tokens and not self._is_word("OR") and not self._tokens[0].get("close"):
            if self._is_word("AND"):
                self._tokens.pop(0)
            conditions.append(self._one())
        return conditions[0] if len(conditions) == 1 else lambda order: all(one(order) for one in conditions)

    def _one(self) -> Condition:
        if not self._tokens:
            raise BadRequestError("Invalid search query")
        if self._is_word("NOT") or self._tokens[0].get("minus"):
            self._tokens.pop(0)
            self._depth += 1
            condition = self._one()
            self._depth -= 1
            return lambda order: not condition(order)
        token = self._tokens.pop(0)
        if token.get("open"):
            return self._group()
        return self._term(token)

    def _group(self) -> Condition:
        self._depth += 1
        condition = self._either()
        self._depth -= 1
        if not self._tokens or not self._tokens.pop(0).get("close"):
            raise BadRequestError("Invalid search query")
        return condition

    def _is_word(self, word: str) -> bool:
        return bool(self._tokens) and self._tokens[0].get("bare") == word and not self._tokens[0].get("field")

    def _term(self, token: dict[str, str]) -> Condition:
        name, sign = token.get("field", ""), token.get("sign", "")
        value = _unquoted(token)
        if name in _TIMES:
            return self._time(name, sign, value)
        if name == "id":
            return _has_id(sign, value)
        make = _FIELDS.get(name)
        if make is None:
            self._search.ignored.append(name)
            return _always
        return make(value)

    def _time(self, name: str, sign: str, value: str) -> Condition:
        moment = _moment(value, self._zone)
        if self._depth == 0:
            span = self._search.spans.setdefault(name, Span())
            if sign in {">", ">=", ""}:
                span.start = max(span.start, moment)
            if sign in {"<", "<=", ""}:
                span.end = min(span.end, moment)
        compare, read = _COMPARE[sign], _TIMES[name]
        return lambda order: compare(read(order).timestamp(), moment)


def _always(_order: Order) -> bool:
    return True


def _tokens(text: str) -> list[dict[str, str]]:
    tokens: list[dict[str, str]] = []
    place = 0
    text = text.rstrip()
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise BadRequestError("Invalid search query")
        tokens.append({name: part for name, part in found.groupdict().items() if part is not None})
        place = found.end()
    return tokens


def _unquoted(token: dict[str, str]) -> str:
    quoted = token.get("single", token.get("double"))
    return token.get("bare", "") if quoted is None else re.sub(r"\\(.)", r"\1", quoted)


def _moment(value: str, zone: ZoneInfo) -> float:
    try:
        if len(value) == len("2026-11-01"):
            return datetime.combine(date.fromisoformat(value), time(), zone).timestamp()
        found = datetime.fromisoformat(value)
    except ValueError as error:
        raise BadRequestError("Invalid search query: not a date") from error
    return (found if found.tzinfo else found.replace(tzinfo=zone)).timestamp()


def _has_id(sign: str, value: str) -> Condition:
    if not value.isdecimal():
        raise BadRequestError("Invalid search query: not an id")
    number, compare = int(value), _COMPARE[sign]
    return lambda order: compare(order.id, number)


def _is_status(value: str) -> Condition:
    match value.lower():
        case "open" | "not_closed":
            return lambda order: order.cancelled_at is None
        case "cancelled":
            return lambda order: order.cancelled_at is not None
        case "any":
            return _always
    return lambda _order: False


def _is_financial(value: str) -> Condition:
    wanted = value.upper()
    return lambda order: order.financial == wanted


_FULFILLMENT = {
    "SHIPPED": "FULFILLED",
    "PARTIAL": "PARTIALLY_FULFILLED",
    "UNSHIPPED": "UNFULFILLED",
}


def _is_fulfillment(value: str) -> Condition:
    wanted = _FULFILLMENT.get(value.upper(), value.upper())
    return lambda order: order.fulfillment_status == wanted


def _is_test(value: str) -> Condition:
    wanted = value.lower() == "true"
    return lambda order: order.test == wanted


def _is_name(value: str) -> Condition:
    wanted = value.removeprefix("#")
    return lambda order: str(order.number) == wanted


def _is_tagged(value: str) -> Condition:
    return lambda order: value in order.tags


def _has_sku(value: str) -> Condition:
    return lambda order: any(line.sku == value for line in order.lines)


def _mentions(value: str) -> Condition:
    wanted = value.removeprefix("#").lower()

    def found(order: Order) -> bool:
        words = f"{order.number} {order.buyer.name} {order.buyer.email}" if order.buyer else str(order.number)
        return wanted in words.lower()

    return found


_FIELDS: dict[str, Callable[[str], Condition]] = {
    "status": _is_status,
    "financial_status": _is_financial,
    "fulfillment_status": _is_fulfillment,
    "test": _is_test,
    "name": _is_name,
    "tag": _is_tagged,
    "sku": _has_sku,
    "": _mentions,
}
