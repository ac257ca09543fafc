"""Finds out what a store may do: what our key is good for, how its orders tell changes, and which plugins it has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.stores import Capability
from services.ingest.contract.stores import Access
from services.ingest.platforms.woocommerce.client import KeyRefused, NotUnderstood, WooCommerceClient, json_of
from services.ingest.platforms.woocommerce.signing import Door

#: Since this version lists can be filtered by change time.
_FILTERS_SINCE = (5, 8)
_READ_ONLY = "Our key may only read: connect the store again with a Read/Write key, so that tracking numbers reach it."
_NO_WEBHOOKS = "Our key's user may not manage WooCommerce: orders come by polling every few minutes."
_OLD = "WooCommerce {version} cannot list what changed, so that every sync reads all orders: update it to 5.8 or later."
_POSTS = (
    "Orders are kept in WordPress' posts, where an edited address or line moves no change time: it reaches us by "
    "webhook, and when open orders are read again every few hours. High-performance order storage tells every change."
)


async def probe(client: WooCommerceClient, access: Access) -> tuple[Capability, ...]:
    """Ask the store. What its key may not see is a Capability that could not be found out."""
    door = Door.of(access.secrets)
    await client.ask(door, "GET", "/wc/v3/orders", {"per_page": 1})
    status = await _readable(client, door, "/wc/v3/system_status")
    webhooks = await _readable(client, door, "/wc/v3/webhooks", {"per_page": 1})
    index = json_of(await client.index(door.address, door.permalinks))
    return (
        # Who may read orders sees all of them, with the addresses.
        Capability(name="addresses", allowed=True),
        Capability(name="history", allowed=True, detail="All orders of the store can be read."),
        await _tracking(client, door),
        Capability(name="webhooks", allowed=webhooks is not None, detail="" if webhooks is not None else _NO_WEBHOOKS),
        *_changes(status if isinstance(status, dict) else {}),
        *_plugins(index if isinstance(index, dict) else {}, status if isinstance(status, dict) else {}),
    )


async def _readable(
    client: WooCommerceClient, door: Door, path: str, query: Mapping[str, object] | None = None
) -> object | None:
    try:
        answer = await client.ask(door, "GET", path, query)
    except (KeyRefused, NotUnderstood):
        return None
    return answer.value if answer is not None else None


async def _tracking(client: WooCommerceClient, door: Door) -> Capability:
    """Write to an order that cannot be: a key that may not write is refused before anybody looks for it."""
    try:
        await client.ask(door, "PUT", "/wc/v3/orders/0", json={})
    except KeyRefused:
        return Capability(name="tracking", allowed=False, detail=_READ_ONLY)
    except NotUnderstood:
        pass
    return Capability(name="tracking", allowed=True)


def _changes(status: Mapping[str, Any]) -> Iterable[Capability]:
    environment, settings = status.get("environment"), status.get("settings")
    version = environment.get("version") if isinstance(environment, dict) else None
    known = _numbers(version) if isinstance(version, str) else None
    if known is not None:
        old = known < _FILTERS_SINCE
        yield Capability(name="changes", allowed=not old, detail=_OLD.format(version=version) if old else "")
    else:
        yield Capability(name="changes", allowed=None, detail="The store does not tell its version.")
    stored = settings.get("HPOS_enabled") if isinstance(settings, dict) else None
    if isinstance(stored, bool):
        yield Capability(name="edits", allowed=stored, detail="" if stored else _POSTS)
    else:
        yield Capability(name="edits", allowed=None, detail="The store does not tell how it keeps orders.")


def _plugins(index: Mapping[str, Any], status: Mapping[str, Any]) -> Iterable[Capability]:
    namespaces = set(index.get("namespaces") or ())
    routes = [str(route) for route in index.get("routes") or ()]
    if not namespaces and not routes:
        return
    tracking = "wc-shipment-tracking/v3" in namespaces or any("shipment-trackings" in route for route in routes)
    found = {
        "fulfillments": any(route.startswith("/wc/v3/orders/") and "/fulfillments" in route for route in routes),
        "shipment-tracking": tracking,
        "advanced-shipment-tracking": any(str(name).startswith("wc-ast/") for name in namespaces),
    }
    for name, present in found.items():
        yield Capability(name=f"plugin:{name}", allowed=present)
    active = status.get("active_plugins")
    if isinstance(active, list):
        files = [str(plugin.get("plugin", "")) for plugin in active if isinstance(plugin, dict)]
        present = any("product-add" in file for file in files)
        yield Capability(name="plugin:product-addons", allowed=present)


def _numbers(version: str) -> tuple[int, ...] | None:
    parts = version.split(".")[:2]
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else None
