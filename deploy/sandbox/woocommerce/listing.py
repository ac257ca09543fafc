"""Lists orders page by page, by position: what changes between two pages is seen twice or not at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from urllib.parse import urlencode

from deploy.sandbox.faults import PageFault
from deploy.sandbox.woocommerce.orders import Order
from deploy.sandbox.woocommerce.payload import order_bytes, order_payload
from deploy.sandbox.woocommerce.query import Page, decimals, parse_page, sort_orders, tests_of
from deploy.sandbox.woocommerce.routing import Call, Reply, WpError, reply_fields
from deploy.sandbox.woocommerce.site import Site
from deploy.sandbox.woocommerce.wire import encode


def list_orders(call: Call, fault: PageFault | None) -> Reply:
    """The asked page of the orders that match, spoilt by a fault if one was drawn."""
    site, query = call.site, call.query
    page = parse_page(query)
    found = list(site.orders.values())
    for test in tests_of(site, query):
        found = [order for order in found if test(order)]
    sort_orders(site, query, found)
    rows = _rows(site, found, page, fault)
    if not rows and page.start and page.start >= len(found):
        return _past_the_end(site, len(found), page)
    body = b",".join(_row(call, order) for order in rows)
    return Reply(b"[" + body + b"]", headers=_paging_headers(call, len(found), page))


def _rows(site: Site, found: list[Order], page: Page, fault: PageFault | None) -> list[Order]:
    start = page.start
    rows = found[start : start + page.size]
    match fault:
        case "empty_page" if rows:
            return []
        case "repeated_row" if start:
            # An order arrived between two pages of a list that begins with the newest.
            return found[start - 1 : start - 1 + page.size]
        case "moved_row" if rows:
            # An order of this page changes before the next is read, so that another moves up into this one.
            rows[0].modified = max(site.now(), found[-1].modified + 1)
            rows[0].wire.clear()
    return rows


def _past_the_end(site: Site, total: int, page: Page) -> Reply:
    """Nothing, with a total of nothing on stores with order tables; some versions refuse instead."""
    refuse_past_end(site)
    shown = 0 if site.options.orders_storage == "hpos" else total
    pages = math.ceil(shown / page.size)
    return Reply(b"[]", headers={"X-WP-Total": str(shown), "X-WP-TotalPages": str(pages)})


def refuse_past_end(site: Site) -> None:
    """Raise WordPress' 400 for a page past the end of any list, on the versions that do."""
    if site.options.past_end == "error":
        message = "The page number requested is larger than the number of pages available."
        raise WpError("rest_post_invalid_page_number", message, status=400)


def _row(call: Call, order: Order) -> bytes:
    places = decimals(call.query)
    if call.query.get("_fields"):
        shown = call.site.options.price_decimals if places is None else places
        return encode(reply_fields(order_payload(call.site, order, shown), call.query))
    return order_bytes(call.site, order, places)


def _paging_headers(call: Call, total: int, page: Page) -> dict[str, str]:
    pages = math.ceil(total / page.size)
    headers = {"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)}
    links = []
    if page.number > 1:
        links.append(f'<{_address(call, min(page.number - 1, max(1, pages)))}>; rel="prev"')
    if page.number < pages:
        links.append(f'<{_address(call, page.number + 1)}>; rel="next"')
    return headers | ({"Link": ", ".join(links)} if links else {})


def _address(call: Call, number: int) -> str:
    hidden = ("consumer_key", "consumer_secret", "rest_route")
    asked: Mapping[str, str] = {name: value for name, value in call.query.items() if name not in hidden}
    query = urlencode({**asked, "page": str(number)})
    if call.site.options.permalinks == "plain":
        return f"{call.site.url}/index.php?rest_route={call.path}&{query}"
    return f"{call.site.url}/wp-json{call.path}?{query}"
