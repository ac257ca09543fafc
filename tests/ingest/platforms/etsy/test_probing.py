"""What an Etsy shop may do is found out from its recent receipts and its token's scopes."""

from __future__ import annotations

from typing import Any

import pytest

from services.kit.errors import AuthorizationError
from tests.ingest.platforms.etsy.shop import ACCESS, connector
from tests.ingest.platforms.twin_http import answer

PHYSICAL, DIGITAL = {"is_digital": False}, {"is_digital": True}
SHOWN = {"first_line": "1 Main Street", "formatted_address": "A\n1 Main Street", "transactions": [PHYSICAL]}
HIDDEN = {"first_line": None, "formatted_address": None, "name": "A buyer", "transactions": [PHYSICAL]}
DOWNLOAD = {"first_line": None, "formatted_address": None, "transactions": [DIGITAL]}
ALL = ("transactions_r", "transactions_w", "shops_r")


async def probed(*receipts: Any, scopes: tuple[str, ...] = ALL, **settings: Any) -> dict[str, tuple[bool | None, str]]:
    page = answer({"count": len(receipts), "results": list(receipts)})
    found, http = connector(page, answer({"scopes": list(scopes)}), **settings)
    known = {each.name: (each.allowed, each.detail) for each in await found.probe(ACCESS)}
    assert "was_paid=true&sort_on=updated&sort_order=desc" in http.asked[0].url
    assert (http.asked[1].form, http.asked[1].headers) == ({"token": "42.a"}, {"x-api-key": "key:secret"})
    return known


@pytest.mark.parametrize(
    ("receipts", "allowed"),
    [
        ((), None),
        ((DOWNLOAD,), None),
        ((SHOWN,), True),
        ((DOWNLOAD, SHOWN), True),
        ((HIDDEN,), False),
        ((DOWNLOAD, HIDDEN), False),
        (("nonsense", {}), None),
    ],
)
async def test_addresses_are_visible_where_a_parcels_receipt_shows_one(
    receipts: tuple[Any, ...], *, allowed: bool | None
) -> None:
    found = await probed(*receipts)

    assert found["addresses"][0] is allowed
    assert found["tracking"][0] is allowed
    assert bool(found["addresses"][1]) is (allowed is not True)


async def test_a_restricted_shops_seller_is_told_to_enter_tracking_in_shop_manager() -> None:
    assert "Shop Manager" in (await probed(HIDDEN))["tracking"][1]


async def test_without_the_scope_no_tracking_is_taken_though_addresses_show() -> None:
    found = await probed(SHOWN, scopes=("transactions_r", "shops_r"))

    assert found["addresses"] == (True, "")
    assert found["tracking"][0] is False
    assert "transactions_w" in found["tracking"][1]


@pytest.mark.parametrize(("secret", "allowed"), [("", False), ("whsec_a2V5", True)])
async def test_webhooks_need_an_endpoint_made_by_hand(secret: str, *, allowed: bool) -> None:
    found = await probed(etsy_webhook_secret=secret)

    assert found["webhooks"][0] is allowed
    assert ("webhook portal" in found["webhooks"][1]) is not allowed


async def test_a_probe_without_access_says_so() -> None:
    found, _ = connector(answer({"error": "invalid_token"}, status=401))

    with pytest.raises(AuthorizationError):
        await found.probe(ACCESS)


@pytest.mark.parametrize(
    ("told", "allowed"),
    [
        ({"scopes": ["transactions_r"]}, False),
        ({"scopes": "transactions_r shops_r"}, False),
        ({"scopes": "transactions_r,transactions_w"}, True),
        ({}, True),
        ({"scopes": None}, True),
    ],
)
async def test_the_scopes_are_read_in_whichever_form_and_are_no_reason_where_they_are_not(
    told: dict[str, object], *, allowed: bool
) -> None:
    found, _ = connector(answer({"count": 1, "results": [SHOWN]}), answer(told))

    [_, tracking, _] = await found.probe(ACCESS)

    assert (tracking.name, tracking.allowed) == ("tracking", allowed)
