"""The Shipment Tracking extension: its own namespace in newer versions, below wc/v1 and wc/v2 in older ones."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from deploy.sandbox.woocommerce.order_routes import find_order
from deploy.sandbox.woocommerce.orders import Order, Tracking
from deploy.sandbox.woocommerce.routing import Call, Reply, Route, WpError, invalid
from deploy.sandbox.woocommerce.wire import local

#: Names by country with their tracking pages; the name is what a client sends.
PROVIDERS = {
    "United States": {
        "USPS": "https://tools.usps.com/go/TrackConfirmAction?tLabels=%1$s",
        "UPS": "https://www.ups.com/track?tracknum=%1$s",
        "Fedex": "https://www.fedex.com/apps/fedextrack/?tracknumbers=%1$s",
    },
    "Germany": {"DHL Intraship (DE)": "https://www.dhl.de/de/privatkunden.html?piececode=%1$s"},
    "United Kingdom": {"Royal Mail": "https://www.royalmail.com/track-your-item#/tracking-results/%1$s"},
}
_PAGES = {name: page for pages in PROVIDERS.values() for name, page in pages.items()}
_META = "_wc_shipment_tracking_items"
_ROUTES = (
    ("/wc-shipment-tracking/v3", ("shipment-tracking", "advanced-shipment-tracking")),
    ("/wc-ast/v3", ("advanced-shipment-tracking",)),
    ("/wc/v1", ("shipment-tracking", "shipment-tracking-wc-v2")),
    ("/wc/v2", ("shipment-tracking", "shipment-tracking-wc-v2")),
)
#: What the advanced plugin does to the order when told so.
_STATUS_SHIPPED = {"1": "completed"}


def tracking_routes() -> list[Route]:
    """Every endpoint under each namespace that some version of the plugin answers."""
    found: list[Route] = []
    for namespace, plugins in _ROUTES:
        base = rf"{namespace}/orders/(?P<order_id>[\d]+)/shipment-trackings"
        found += [
            Route("GET", base, _list, "list", plugins),
            Route("POST", base, _create, "create", plugins),
            Route("GET", rf"{base}/providers", _providers, "view", plugins),
            Route("GET", rf"{base}/(?P<id>[a-fA-F0-9]{{0,64}})", _one, "view", plugins),
            Route("DELETE", rf"{base}/(?P<id>[a-fA-F0-9]{{0,64}})", _delete, "delete", plugins),
        ]
    return found


@dataclass(frozen=True, slots=True)
class _Asked:
    number: str
    provider: str
    custom: bool
    link: str


async def _list(call: Call) -> Reply:
    return Reply([_payload(parcel) for parcel in find_order(call).trackings])


async def _providers(call: Call) -> Reply:
    find_order(call)
    return Reply(PROVIDERS)


async def _one(call: Call) -> Reply:
    return Reply(_payload(_find(call, find_order(call))))


async def _create(call: Call) -> Reply:
    """A parcel of the whole order: the plugin knows no quantities, and leaves the order's status as it is."""
    order, asked = find_order(call), _parse(call)
    if call.site.has("advanced-shipment-tracking") and str(call.given.get("replace_tracking", "0")) == "1":
        order.trackings.clear()
    shipped = str(call.given.get("date_shipped") or "") or (local(call.site.now(), call.site.zone) or "")[:10]
    parcel = Tracking(
        secrets.token_hex(16), asked.provider, asked.number, asked.link, shipped, call.site.now(), asked.custom
    )
    order.trackings.append(parcel)
    call.behind.desk.books.count("fulfillments")
    _saved(call, order)
    where = f"{call.site.url}/wp-json{call.path}/{parcel.id}"
    return Reply(_payload(parcel), status=201, headers={"Location": where})


async def _delete(call: Call) -> Reply:
    order = find_order(call)
    parcel = _find(call, order)
    order.trackings.remove(parcel)
    _saved(call, order)
    return Reply(_payload(parcel))


def _parse(call: Call) -> _Asked:
    given = call.given
    number = str(given.get("tracking_number") or "")
    if not number:
        message = "Missing parameter(s): tracking_number"
        raise WpError("rest_missing_callback_param", message, status=400, params=["tracking_number"])
    if custom := str(given.get("custom_tracking_provider") or ""):
        link = str(given.get("custom_tracking_link") or "").replace("%1$s", number)
        return _Asked(number, custom, custom=True, link=link)
    provider = str(given.get("tracking_provider") or "")
    if provider not in _PAGES:
        raise invalid("tracking_provider", "tracking_provider is not a known provider.", "rest_not_in_enum")
    return _Asked(number, provider, custom=False, link=_PAGES[provider].replace("%1$s", number))


def _saved(call: Call, order: Order) -> None:
    desk = call.behind.desk
    before = order.status
    if call.site.has("advanced-shipment-tracking"):
        desk.set_status(order, _STATUS_SHIPPED.get(str(call.given.get("status_shipped", "0")), order.status))
    desk.set_meta(order, _META, [_kept(parcel) for parcel in order.trackings])
    desk.save(order, moves=order.status != before)


def _find(call: Call, order: Order) -> Tracking:
    parcel = next((parcel for parcel in order.trackings if parcel.id == call.ids[1]), None)
    if parcel is None:
        raise WpError("woocommerce_rest_order_shipment_tracking_invalid_id", "Invalid resource ID.", status=404)
    return parcel


def _payload(parcel: Tracking) -> dict[str, Any]:
    return {
        "tracking_id": parcel.id,
        "tracking_provider": parcel.provider,
        "tracking_link": parcel.link,
        "tracking_number": parcel.number,
        "date_shipped": parcel.shipped,
    }


def _kept(parcel: Tracking) -> dict[str, Any]:
    """As the plugin keeps it in the order's meta data."""
    return {
        "tracking_provider": "" if parcel.custom else parcel.provider.lower().replace(" ", "-"),
        "custom_tracking_provider": parcel.provider if parcel.custom else "",
        "custom_tracking_link": parcel.link if parcel.custom else "",
        "tracking_number": parcel.number,
        "date_shipped": str(parcel.at),
        "tracking_id": parcel.id,
    }
