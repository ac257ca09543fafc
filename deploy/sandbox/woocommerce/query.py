"""What a list of orders is asked for, refused with WordPress' 400 where it is malformed or out of bounds."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from deploy.sandbox.woocommerce.orders import TRASH, Order
from deploy.sandbox.woocommerce.routing import invalid
from deploy.sandbox.woocommerce.site import Site

MAX_PER_PAGE = 100
_ORDER_BY = ("date", "id", "include", "title", "slug", "modified")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|z|[+-]\d{2}(?::?\d{2})?)?")
#: Since when a list can be asked for by time of change; before, the parameters are ignored without a word.
_MODIFIED_SINCE = (5, 8)
_SOME = ("any", TRASH)
#: The column that each bound is on, and whether it is a lower one.
_BOUNDS = {
    "after": ("created", True),
    "before": ("created", False),
    "modified_after": ("modified", True),
    "modified_before": ("modified", False),
}

Test = Callable[[Order], bool]


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: `offset` beats the page number."""

    number: int
    size: int
    offset: int | None

    @property
    def start(self) -> int:
        """The place of its first row."""
        return (self.number - 1) * self.size if self.offset is None else self.offset


def parse_page(query: Mapping[str, str]) -> Page:
    """`page`, `per_page` (10 by default, 100 at most) and `offset`."""
    offset = _number(query, "offset", default=-1) if query.get("offset") else None
    return Page(_number(query, "page", default=1, low=1), _page_size(query), offset)


def parse_ids(query: Mapping[str, str], name: str) -> list[int]:
    """A list of ids, with commas or repeated as `name[]`."""
    texts = _texts(query, name)
    for place, text in enumerate(texts):
        if not text.isdecimal():
            raise invalid(name, f"{name}[{place}] is not of type integer.", "rest_invalid_type")
    return [int(text) for text in texts]


def tests_of(site: Site, query: Mapping[str, str]) -> list[Test]:
    """What an order must pass to be listed."""
    tests = [_status_test(site, query), *_time_tests(site, query)]
    if ids := parse_ids(query, "include"):
        wanted = frozenset(ids)
        tests.append(lambda order: order.id in wanted)
    if ids := parse_ids(query, "exclude"):
        unwanted = frozenset(ids)
        tests.append(lambda order: order.id not in unwanted)
    if query.get("customer"):
        customer = _number(query, "customer", default=0)
        tests.append(lambda order: order.customer_id == customer)
    if query.get("product"):
        product = _number(query, "product", default=0)
        tests.append(lambda order: any(product in (line.product_id, line.variation_id) for line in order.lines))
    if parse_ids(query, "parent"):
        tests.append(lambda _order: False)
    if text := query.get("search", "").lower():
        tests.append(lambda order: _is_found(order, text))
    return tests


def sort_orders(site: Site, query: Mapping[str, str], orders: list[Order]) -> None:
    """Put the orders in the asked sequence: newest first by default."""
    allowed = _ORDER_BY if site.options.orderby_modified else _ORDER_BY[:-1]
    by = _choice(query, "orderby", default="date", choices=allowed)
    descending = _choice(query, "order", default="desc", choices=("asc", "desc")) == "desc"
    if by == "include":
        places = {number: place for place, number in enumerate(parse_ids(query, "include"))}
        orders.sort(key=lambda order: places.get(order.id, 0))
        return
    columns = {"date": ("created", "id"), "modified": ("modified", "id")}.get(by, ("id",))
    orders.sort(key=operator.attrgetter(*columns), reverse=descending)


def decimals(query: Mapping[str, str]) -> int | None:
    """`dp`, or None for the store's own setting."""
    return _number(query, "dp", default=0) if query.get("dp") else None


def _status_test(site: Site, query: Mapping[str, str]) -> Test:
    """`any` leaves the trash out, and beside another status it is that one that counts."""
    asked = _texts(query, "status") or ["any"]
    known = (*_SOME, *site.statuses)
    for place, status in enumerate(asked):
        if status not in known:
            raise invalid("status", f"status[{place}] is not one of {', '.join(known)}.", "rest_not_in_enum")
    named = frozenset(asked) - {"any"}
    if named:
        return lambda order: order.status in named
    hidden = (TRASH,) if site.options.release < (8,) else (TRASH, "checkout-draft")
    return lambda order: order.status not in hidden


def _time_tests(site: Site, query: Mapping[str, str]) -> list[Test]:
    """Bounds are exclusive, to the second."""
    compares_gmt = query.get("dates_are_gmt", "false").lower() in ("true", "1", "yes")
    tests: list[Test] = []
    for name, (column, is_lower) in _BOUNDS.items():
        text = query.get(name)
        if not text or (column == "modified" and site.options.release < _MODIFIED_SINCE):
            continue
        tests.append(_bound(site, column, _bound_seconds(site, name, text), is_lower=is_lower, local=not compares_gmt))
    return tests


def _bound(site: Site, column: str, bound: int, *, is_lower: bool, local: bool) -> Test:
    """One bound on a column; every page asks it of every order, so the plain comparisons call nothing."""
    at = operator.attrgetter(column)
    match (local, is_lower):
        case (True, True):
            return lambda order: _wall(site, at(order)) > bound
        case (True, False):
            return lambda order: _wall(site, at(order)) < bound
        case (False, True):
            return lambda order: at(order) > bound
        case _:
            return lambda order: at(order) < bound


def _bound_seconds(site: Site, name: str, text: str) -> int:
    """The bound on the clock on the store's wall, as seconds as if that wall were in UTC.

    A bare value is taken as it stands; one with a zone is put into the store's time first. That value is then
    compared with the column asked for, which is why a zone and `dates_are_gmt` together miss changes.
    """
    if not _DATE.fullmatch(text):
        raise invalid(name, "Invalid date.", "rest_invalid_date")
    try:
        given = datetime.fromisoformat(text.upper().replace(" ", "T"))
    except ValueError:
        raise invalid(name, "Invalid date.", "rest_invalid_date") from None
    wall = given if given.tzinfo is None else given.astimezone(site.zone)
    return int(wall.replace(tzinfo=UTC).timestamp())


def _wall(site: Site, seconds: int) -> int:
    """A moment as the clock on the store's wall shows it, as seconds as if that wall were in UTC."""
    return int(datetime.fromtimestamp(seconds, site.zone).replace(tzinfo=UTC).timestamp())


def _is_found(order: Order, text: str) -> bool:
    names = (order.number, *order.billing.values(), *order.shipping.values())
    return any(text in name.lower() for name in names)


def _texts(query: Mapping[str, str], name: str) -> list[str]:
    parts = [value for key, value in query.items() if key in (name, f"{name}[]") or key.startswith(f"{name}[")]
    return [text.strip() for part in parts for text in part.split(",") if text.strip()]


def _page_size(query: Mapping[str, str]) -> int:
    size = _number(query, "per_page", default=10)
    if not 1 <= size <= MAX_PER_PAGE:
        message = "per_page must be between 1 (inclusive) and 100 (inclusive)"
        raise invalid("per_page", message, "rest_out_of_bounds")
    return size


def _number(query: Mapping[str, str], name: str, *, default: int, low: int = 0) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"-?\d+", text):
        raise invalid(name, f"{name} is not of type integer.", "rest_invalid_type")
    if int(text) < low:
        raise invalid(name, f"{name} must be greater than or equal to {low}", "rest_out_of_bounds")
    return int(text)


def _choice(query: Mapping[str, str], name: str, *, default: str, choices: tuple[str, ...]) -> str:
    text = query.get(name, default)
    if text not in choices:
        raise invalid(name, f"{name} is not one of {', '.join(choices)}.", "rest_not_in_enum")
    return text
