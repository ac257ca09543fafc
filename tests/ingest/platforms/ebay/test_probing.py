"""After linking, the seller sees what their account may do, found out by real calls."""

from __future__ import annotations

from typing import Any

import pytest

from schemas.stores import Capability
from services.ingest.contract.stores import Access
from services.kit.errors import AuthorizationError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.ebay.shop import ACCESS, Shop, connector
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.twin_http import Asked, answer


async def probed(
    *orders: bytes, subscriptions: HttpAnswer | None = None, access: Access = ACCESS, **settings: Any
) -> tuple[dict[str, Capability], list[Asked]]:
    asked_for: list[Asked] = []
    listed = b'{"total": 1, "orders": [' + b",".join(orders) + b"]}"

    def answered(asked: Asked) -> HttpAnswer:
        asked_for.append(asked)
        if "/subscription" in asked.url:
            return subscriptions or answer({"total": 0, "subscriptions": []})
        return answer(listed) if "/order?" in asked.url else Shop().answer(asked)

    found, _ = connector(answered, **settings)
    return {capability.name: capability for capability in await found.probe(access)}, asked_for


async def test_a_seller_with_orders_sees_that_everything_works() -> None:
    found, asked = await probed(payload("ebay", "paid.json"))

    allowed = {name: capability.allowed for name, capability in found.items()}
    assert allowed == {"addresses": True, "tracking": True, "history": True, "webhooks": True}
    assert {request.method for request in asked if "oauth2" not in request.url} == {"GET"}


async def test_without_an_order_nobody_knows_whether_addresses_show() -> None:
    found, _ = await probed()

    assert found["addresses"].allowed is None
    assert "90 days" in found["addresses"].detail


async def test_the_seller_is_told_how_far_back_orders_go_and_what_is_not_pushed() -> None:
    found, _ = await probed(payload("ebay", "paid.json"))

    assert "two years" in found["history"].detail
    assert "polling" in found["webhooks"].detail


async def test_a_consent_without_the_writing_scope_sends_no_tracking() -> None:
    access = Access(ACCESS.store, {**ACCESS.secrets, "scopes": "sell.fulfillment.readonly"})

    found, _ = await probed(access=access)

    assert found["tracking"].allowed is False
    assert "Link the store again" in found["tracking"].detail


async def test_an_installation_without_a_token_says_what_to_set() -> None:
    found, _ = await probed(ebay_verification_token="")

    assert found["webhooks"].allowed is False
    assert "EBAY_VERIFICATION_TOKEN" in found["webhooks"].detail


async def test_a_refused_subscription_is_told_as_one() -> None:
    found, _ = await probed(subscriptions=answer(status=403))

    assert found["webhooks"].allowed is False


async def test_access_that_ended_is_no_capability() -> None:
    found, _ = connector(lambda asked: answer(status=401) if "/order?" in asked.url else Shop().answer(asked))

    with pytest.raises(AuthorizationError):
        await found.probe(ACCESS)
