"""What a store may do is found out by asking it."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.stores import Capability
from services.kit.errors import AuthorizationError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.twin_http import Asked, answer
from tests.ingest.platforms.woocommerce.shop import ACCESS, INDEX, asked_of, connector, error

STATUS: dict[str, Any] = {
    "environment": {"version": "11.0.1"},
    "settings": {"currency": "EUR", "HPOS_enabled": True},
    "active_plugins": [{"plugin": "woocommerce-product-addons/woocommerce-product-addons.php"}],
}
MISSING = error("woocommerce_rest_shop_order_invalid_id", 404)


async def probe(**replies: Any) -> dict[str, Capability]:
    """Probe a store; replies by what is asked: index, status, webhooks, write, orders."""
    told = {"": INDEX, "orders": [], "system_status": STATUS, "webhooks": [], "PUT": MISSING} | replies

    def site(asked: Asked) -> HttpAnswer:
        path, _ = asked_of(asked)
        reply = told["PUT"] if asked.method == "PUT" else told[path.rpartition("/")[2]]
        return reply if isinstance(reply, HttpAnswer) else answer(reply)

    return {found.name: found for found in await connector(site)[0].probe(ACCESS)}


async def test_a_key_for_reading_and_writing_may_all() -> None:
    found = await probe()

    allowed = {name: capability.allowed for name, capability in found.items()}
    assert allowed == {
        "addresses": True,
        "history": True,
        "tracking": True,
        "webhooks": True,
        "changes": True,
        "edits": True,
        "plugin:fulfillments": False,
        "plugin:shipment-tracking": False,
        "plugin:advanced-shipment-tracking": False,
        "plugin:product-addons": True,
    }


async def test_a_key_that_may_only_read_sends_no_tracking() -> None:
    found = await probe(PUT=error("woocommerce_rest_authentication_error", 401))

    assert found["tracking"].allowed is False
    assert "Read/Write" in found["tracking"].detail


async def test_the_write_that_is_tried_changes_no_order() -> None:
    seen: list[str] = []

    def site(asked: Asked) -> HttpAnswer:
        seen.append(f"{asked.method} {asked_of(asked)[0]}")
        return MISSING if asked.method == "PUT" else answer([] if "orders" in asked.url else INDEX)

    await connector(site)[0].probe(ACCESS)

    assert [one for one in seen if not one.startswith("GET")] == ["PUT /wc/v3/orders/0"]


async def test_a_user_who_may_not_manage_woocommerce_gets_no_webhooks() -> None:
    refused = error("woocommerce_rest_cannot_view", 403)

    found = await probe(webhooks=refused, system_status=refused)

    assert found["webhooks"].allowed is False
    assert (found["changes"].allowed, found["edits"].allowed) == (None, None)


async def test_a_version_before_the_filter_by_change_time_is_told() -> None:
    found = await probe(system_status=STATUS | {"environment": {"version": "5.7.1"}})

    assert found["changes"].allowed is False
    assert "5.7.1" in found["changes"].detail


async def test_post_storage_which_hides_edits_is_told() -> None:
    found = await probe(system_status=STATUS | {"settings": {"HPOS_enabled": False}})

    assert found["edits"].allowed is False
    assert "webhook" in found["edits"].detail


@pytest.mark.parametrize(
    ("plugin", "namespace", "route"),
    [
        ("fulfillments", "wc/v3", "/wc/v3/orders/(?P<order_id>[\\d]+)/fulfillments"),
        ("shipment-tracking", "wc-shipment-tracking/v3", "/wc-shipment-tracking/v3/orders/(?P<order_id>[\\d]+)/x"),
        ("shipment-tracking", "wc/v2", "/wc/v2/orders/(?P<order_id>[\\d]+)/shipment-trackings"),
        ("advanced-shipment-tracking", "wc-ast/v3", "/wc-ast/v3/orders"),
    ],
)
async def test_tracking_plugins_are_told_by_the_index(plugin: str, namespace: str, route: str) -> None:
    index = INDEX | {"namespaces": ["wc/v3", namespace], "routes": {route: {}}}

    found = await probe(**{"": index})

    present = {name for name, capability in found.items() if name.startswith("plugin:") and capability.allowed}
    assert present == {f"plugin:{plugin}", "plugin:product-addons"}


async def test_an_index_that_is_not_shown_leaves_plugins_unknown() -> None:
    found = await probe(**{"": answer(b"<html>")})

    assert not any(name.startswith("plugin:") for name in found)


async def test_a_dead_key_is_told_as_such() -> None:
    with pytest.raises(AuthorizationError):
        await probe(orders=error("woocommerce_rest_cannot_view", 401))
