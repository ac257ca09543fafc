"""What a Shopify store may do is found out from its scopes and its newest orders."""

from __future__ import annotations

from typing import Any

import pytest

from services.ingest.contract.stores import Access
from services.ingest.platforms.shopify.connector import ShopifyConnector
from services.ingest.platforms.shopify.linking import SCOPES
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.kit.clock import ManualClock
from services.kit.errors import AuthorizationError
from tests.ingest.platforms.shopify.shop import ACCESS, DOMAIN, NOW, Shop
from tests.ingest.platforms.twin_http import ScriptedHttp, answer
from tests.ingest.toolbox import toolbox

SHOWN = {"requiresShipping": True, "shippingAddress": {"address1": "1 Main Street"}}
HIDDEN = {"requiresShipping": True, "shippingAddress": None}
DOWNLOAD = {"requiresShipping": False, "shippingAddress": None}


async def probed(shop: Shop, *, access: Access = ACCESS, **settings: Any) -> dict[str, tuple[bool | None, str]]:
    found = ShopifyConnector(
        ShopifySettings(_env_file=None, **settings), toolbox(ScriptedHttp(shop.answer), ManualClock(NOW))
    )
    return {known.name: (known.allowed, known.detail) for known in await found.probe(access)}


async def test_a_store_that_granted_everything_may_do_everything() -> None:
    found = await probed(Shop([SHOWN], scopes=(*SCOPES, "read_all_orders")))

    assert found == dict.fromkeys(("addresses", "tracking", "webhooks", "history"), (True, ""))


@pytest.mark.parametrize("whose", ["merchant_managed", "assigned", "third_party"])
async def test_tracking_needs_both_scopes_of_one_kind_of_location(whose: str) -> None:
    both = (f"read_{whose}_fulfillment_orders", f"write_{whose}_fulfillment_orders")

    allowed = await probed(Shop(scopes=("read_orders", *both)))
    halves = [await probed(Shop(scopes=("read_orders", half))) for half in both]

    assert allowed["tracking"] == (True, "")
    for found in halves:
        assert found["tracking"][0] is False
        assert "write_merchant_managed_fulfillment_orders" in found["tracking"][1]


async def test_the_seller_is_told_of_the_60_days_and_of_the_scope_that_ends_them() -> None:
    allowed, detail = (await probed(Shop(scopes=SCOPES)))["history"]

    assert allowed is False
    assert "60 days" in detail
    assert "read_all_orders" in detail


@pytest.mark.parametrize(
    ("orders", "allowed"),
    [([], None), ([DOWNLOAD], None), ([DOWNLOAD, SHOWN], True), ([HIDDEN, SHOWN], True), ([DOWNLOAD, HIDDEN], False)],
)
async def test_addresses_are_visible_where_an_order_that_ships_shows_one(
    orders: list[dict[str, Any]], *, allowed: bool | None
) -> None:
    found, detail = (await probed(Shop(orders)))["addresses"]

    assert found is allowed
    assert bool(detail) is (allowed is not True)


async def test_an_app_without_level_two_is_told_so_though_shopify_answers_with_errors() -> None:
    data = {"currentAppInstallation": {"accessScopes": []}, "orders": {"nodes": [HIDDEN]}}
    errors = [{"message": "not approved", "extensions": {"code": "ACCESS_DENIED"}}]
    http = ScriptedHttp(answer({"data": data, "errors": errors}))
    found = ShopifyConnector(ShopifySettings(_env_file=None), toolbox(http, ManualClock(NOW)))

    [addresses, *_] = await found.probe(ACCESS)

    assert (addresses.name, addresses.allowed) == ("addresses", False)
    assert "protected customer data" in addresses.detail


async def test_news_that_cannot_be_verified_is_the_sellers_to_mend() -> None:
    bare = Access(ACCESS.store, {"kind": "custom", "shop": DOMAIN, "access_token": "t"})

    without = (await probed(Shop(), access=bare))["webhooks"]
    with_app = (await probed(Shop(), access=bare, shopify_client_secret="hush"))["webhooks"]

    assert without[0] is False
    assert "webhook_secret" in without[1]
    assert with_app == (True, "")


async def test_a_probe_without_access_says_so() -> None:
    found = ShopifyConnector(
        ShopifySettings(_env_file=None), toolbox(ScriptedHttp(answer(status=401)), ManualClock(NOW))
    )

    with pytest.raises(AuthorizationError):
        await found.probe(ACCESS)
