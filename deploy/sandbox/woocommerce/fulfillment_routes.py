"""The core's own fulfilments, served where the feature is switched on: v3 below an order, v4 on their own."""

from __future__ import annotations

from typing import Any

from deploy.sandbox.woocommerce.orders import Fulfillment, Meta, Order
from deploy.sandbox.woocommerce.routing import Call, Reply, Route, WpError
from deploy.sandbox.woocommerce.wire import gmt

#: Slugs of some providers that the core knows, with their tracking pages; "other" is for any other.
PROVIDERS = {
    "usps": ("USPS", "https://tools.usps.com/go/TrackConfirmAction?tLabels="),
    "ups": ("UPS", "https://www.ups.com/track?tracknum="),
    "fedex": ("FedEx", "https://www.fedex.com/fedextrack/?trknbr="),
    "dhl": ("DHL", "https://www.dhl.com/en/express/tracking.html?AWB="),
    "royal-mail": ("Royal Mail", "https://www.royalmail.com/track-your-item#/tracking-results/"),
    "canada-post": ("Canada Post", "https://www.canadapost-postescanada.ca/track-reperage/en#/search?searchFor="),
}
_PLUGIN = ("fulfillments",)
_OF_ORDER = r"/wc/v3/orders/(?P<order_id>[\d]+)/fulfillments"
_V3 = rf"{_OF_ORDER}/(?P<fulfillment_id>[\d]+)"
_V4 = "/wc/v4/fulfillments"


def fulfillment_routes() -> list[Route]:
    """Every endpoint; without the feature none of them exists."""
    return [
        Route("GET", _OF_ORDER, _list, "list", _PLUGIN),
        Route("POST", _OF_ORDER, _create, "create", _PLUGIN),
        Route("GET", rf"{_OF_ORDER}/lookup", _lookup, "view", _PLUGIN),
        Route("GET", _V3, _one, "view", _PLUGIN),
        Route("PUT", _V3, _update, "edit", _PLUGIN),
        Route("POST", _V3, _update, "edit", _PLUGIN),
        Route("DELETE", _V3, _delete, "delete", _PLUGIN),
        Route("GET", rf"{_V3}/metadata", _metadata, "view", _PLUGIN),
        Route("GET", rf"{_V4}/providers", _providers, "view", _PLUGIN),
        Route("GET", _V4, _list_v4, "list", _PLUGIN),
        Route("POST", _V4, _create_v4, "create", _PLUGIN),
    ]


async def _list(call: Call) -> Reply:
    return _shown(_order(call))


async def _list_v4(call: Call) -> Reply:
    return _shown(_named_order(call, call.given.get("order_id") or call.given.get("entity_id")))


async def _create(call: Call) -> Reply:
    return _made(call, _order(call))


async def _create_v4(call: Call) -> Reply:
    return _made(call, _named_order(call, call.given.get("order_id") or call.given.get("entity_id")))


async def _one(call: Call) -> Reply:
    order = _order(call)
    return Reply(_payload(order, _find(call, order)))


async def _update(call: Call) -> Reply:
    """Keys of meta data that are not listed are removed; a parcel that had left is told of anew when asked to."""
    order = _order(call)
    sent = _find(call, order)
    given = call.body
    meta = _meta(call, given, {meta.key: meta.id for meta in sent.meta}) if "meta_data" in given else sent.meta
    status = given.get("status", sent.status)
    _check(order, Fulfillment(sent.id, status, _is_fulfilled(given, sent), sent.updated, meta), ignore=sent.id)
    sent.status, sent.is_fulfilled, sent.meta = status, _is_fulfilled(given, sent), meta
    sent.updated = call.site.now()
    _notify(call, order, sent)
    call.behind.desk.save(order)
    return Reply(_payload(order, sent))


async def _delete(call: Call) -> Reply:
    """Kept, and marked as deleted: its units are free again."""
    order = _order(call)
    _find(call, order).deleted = call.site.now()
    call.behind.desk.save(order)
    return Reply({"message": "Fulfillment deleted successfully."})


async def _metadata(call: Call) -> Reply:
    return Reply(_meta_payload(_find(call, _order(call))))


async def _lookup(call: Call) -> Reply:
    """What the number looks like; the store asks nobody."""
    _order(call)
    number = str(call.given.get("tracking_number") or "")
    slug = "ups" if number.startswith("1Z") else "usps" if number.startswith("9") else ""
    if not slug:
        raise WpError("woocommerce_rest_invalid_tracking_number", "No tracking information found.", status=404)
    url = PROVIDERS[slug][1] + number
    return Reply(
        {"tracking_number_details": {"tracking_number": number, "shipping_provider": slug, "tracking_url": url}}
    )


async def _providers(_call: Call) -> Reply:
    return Reply({slug: {"label": name, "icon": "", "value": slug} for slug, (name, _) in PROVIDERS.items()})


def _order(call: Call) -> Order:
    return _named_order(call, call.ids[0])


def _named_order(call: Call, number: Any) -> Order:
    text = str(number or "")
    order = call.site.orders.get(int(text)) if text.isdecimal() else None
    if order is None:
        raise WpError("woocommerce_rest_order_invalid_id", "Invalid order ID.", status=404)
    return order


def _shown(order: Order) -> Reply:
    return Reply([_payload(order, sent) for sent in order.fulfillments if sent.deleted is None])


def _made(call: Call, order: Order) -> Reply:
    given = call.body
    sent = Fulfillment(
        id=call.site.next_id(),
        status=str(given.get("status") or ("fulfilled" if given.get("is_fulfilled") else "unfulfilled")),
        is_fulfilled=_is_fulfilled(given, None),
        updated=call.site.now(),
        meta=_meta(call, given, {}),
    )
    _check(order, sent)
    order.fulfillments.append(sent)
    _notify(call, order, sent)
    call.behind.desk.books.count("fulfillments")
    call.behind.desk.set_meta(order, "_fulfillment_status", _state(order))
    call.behind.desk.save(order)
    return Reply(_payload(order, sent), status=201)


def _is_fulfilled(given: dict[str, Any], known: Fulfillment | None) -> bool:
    if "is_fulfilled" in given:
        return bool(given["is_fulfilled"])
    return given.get("status") == "fulfilled" or (known is not None and known.is_fulfilled and "status" not in given)


def _notify(call: Call, order: Order, sent: Fulfillment) -> None:
    if sent.is_fulfilled and call.flag("notify_customer"):
        sent.notified = True
        call.behind.desk.books.mail(call.site.name, order.id, sent.value("_tracking_number"))


def _meta(call: Call, given: dict[str, Any], known: dict[str, int]) -> list[Meta]:
    entries = given.get("meta_data") or ()
    return [Meta(known.get(entry["key"]) or call.site.next_id(), entry["key"], entry.get("value")) for entry in entries]


def _check(order: Order, sent: Fulfillment, *, ignore: int = 0) -> None:
    """Items must be named, be the order's, and not be more than what no other fulfilment has."""
    items = sent.value("_items")
    if not isinstance(items, list) or not items:
        raise _refused("The fulfillment should contain at least one item.")
    taken = _taken(order, ignore=ignore)
    for item in items:
        line = order.line(int(item.get("item_id") or 0))
        units = int(item.get("qty") or 0)
        if line is None or units <= 0:
            raise _refused("Invalid item.")
        taken[line.id] = taken.get(line.id, 0) + units
        if taken[line.id] > order.left(line):
            raise _refused("The quantity of an item is more than what is left to fulfill.")


def _refused(message: str) -> WpError:
    return WpError("woocommerce_fulfillment_invalid", message, status=400)


def _taken(order: Order, *, ignore: int = 0) -> dict[int, int]:
    taken: dict[int, int] = {}
    for sent in order.fulfillments:
        if sent.deleted is None and sent.id != ignore:
            for item in sent.value("_items") or ():
                taken[int(item["item_id"])] = taken.get(int(item["item_id"]), 0) + int(item["qty"])
    return taken


def _state(order: Order) -> str:
    taken = _taken(order)
    whole = all(taken.get(line.id, 0) >= order.left(line) for line in order.lines if not line.virtual)
    return "fulfilled" if whole else "partially_fulfilled"


def _find(call: Call, order: Order) -> Fulfillment:
    number = int(call.ids[1])
    found = next((sent for sent in order.fulfillments if sent.id == number and sent.deleted is None), None)
    if found is None:
        raise WpError("404", "Fulfillment not found.", status=400)
    return found


def _payload(order: Order, sent: Fulfillment) -> dict[str, Any]:
    return {
        "id": sent.id,
        "entity_type": "WC_Order",
        "entity_id": str(order.id),
        "status": sent.status,
        "is_fulfilled": sent.is_fulfilled,
        "date_updated": gmt(sent.updated),
        "date_deleted": gmt(sent.deleted),
        "meta_data": _meta_payload(sent),
    }


def _meta_payload(sent: Fulfillment) -> list[dict[str, Any]]:
    return [{"id": meta.id, "key": meta.key, "value": meta.value} for meta in sent.meta]
