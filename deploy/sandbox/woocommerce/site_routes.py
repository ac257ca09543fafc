"""What a store tells of itself: its version and settings, and the products behind the lines of orders."""

from __future__ import annotations

from typing import Any

from deploy.sandbox.catalog_of_goods import DOWNLOAD, GIFT_CARD, GOODS, LEGACY, Good
from deploy.sandbox.woocommerce.goods import price, product_id
from deploy.sandbox.woocommerce.query import parse_ids, parse_page
from deploy.sandbox.woocommerce.routing import Call, Reply, Route, WpError, reply_fields
from deploy.sandbox.woocommerce.site import Site, symbol
from deploy.sandbox.woocommerce.wire import decimal

_PRODUCTS = "/wc/v3/products"
_BY_ID = {product_id(good): good for good in (*GOODS, LEGACY, DOWNLOAD, GIFT_CARD)}


def site_routes() -> list[Route]:
    """Endpoints that only read."""
    return [
        Route("GET", "/wc/v3/system_status", _system_status),
        Route("GET", "/wc/v3/data/currencies/current", _currency),
        Route("GET", _PRODUCTS, _products, "list"),
        Route("GET", rf"{_PRODUCTS}/(?P<id>[\d]+)", _product),
    ]


def index(site: Site, routes: list[Route]) -> dict[str, Any]:
    """The public index: namespaces and routes tell which plugins are active."""
    served = [route for route in routes if not route.plugins or any(site.has(plugin) for plugin in route.plugins)]
    spaces = dict.fromkeys("/".join(route.pattern.split("/")[1:3]) for route in served)
    shown: dict[str, Any] = {}
    for route in served:
        entry = shown.setdefault(route.pattern, {"namespace": "/".join(route.pattern.split("/")[1:3]), "methods": []})
        entry["methods"].append(route.method)
    return {
        "name": site.options.title,
        "description": "",
        "url": site.url,
        "home": site.url,
        "gmt_offset": str(_offset_hours(site)),
        "timezone_string": site.options.time_zone,
        "namespaces": ["oembed/1.0", *spaces, "wp/v2"],
        "authentication": [],
        "routes": shown,
    }


def _offset_hours(site: Site) -> float:
    offset = site.clock.now().astimezone(site.zone).utcoffset()
    hours = offset.total_seconds() / 3600 if offset else 0.0
    return int(hours) if hours.is_integer() else hours


async def _system_status(call: Call) -> Reply:
    site = call.site
    shown = {
        "environment": {
            "home_url": site.url,
            "site_url": site.url,
            "version": site.options.wc_version,
            "wp_version": site.wordpress,
            "wp_cron": True,
            "default_timezone": "UTC",
        },
        "active_plugins": [{"plugin": f"{name}/{name}.php", "name": name} for name in site.options.plugins],
        "settings": {
            "api_enabled": False,
            "currency": site.options.currency,
            "currency_symbol": symbol(site.options.currency),
            "number_of_decimals": site.options.price_decimals,
            "HPOS_enabled": site.options.orders_storage == "hpos",
            "HPOS_sync_enabled": False,
        },
    }
    return Reply(reply_fields(shown, call.query))


async def _currency(call: Call) -> Reply:
    code = call.site.options.currency
    return Reply({"code": code, "name": code, "symbol": symbol(code)})


async def _products(call: Call) -> Reply:
    page = parse_page(call.query)
    wanted = parse_ids(call.query, "include") or list(_BY_ID)
    found = [_payload(call.site, _BY_ID[number]) for number in wanted if number in _BY_ID]
    return Reply([reply_fields(shown, call.query) for shown in found[page.start : page.start + page.size]])


async def _product(call: Call) -> Reply:
    good = _BY_ID.get(int(call.ids[0]))
    if good is None:
        raise WpError("woocommerce_rest_product_invalid_id", "Invalid ID.", status=404)
    return Reply(reply_fields(_payload(call.site, good), call.query))


def _payload(site: Site, good: Good) -> dict[str, Any]:
    """The product behind a line; only here can be seen that nothing has to be shipped."""
    number = product_id(good)
    return {
        "id": number,
        "name": good.title,
        "type": "simple" if good in (DOWNLOAD, GIFT_CARD) else "variable",
        "status": "publish",
        "sku": good.sku,
        "price": decimal(price(good.price, site.options.currency), site.options.price_decimals),
        "virtual": good in (DOWNLOAD, GIFT_CARD),
        "downloadable": good is DOWNLOAD,
        "variations": [] if good in (DOWNLOAD, GIFT_CARD) else [number + 1],
        "_links": {"self": [{"href": f"{site.url}/wp-json{_PRODUCTS}/{number}"}]},
    }
