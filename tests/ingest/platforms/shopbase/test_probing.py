"""The seller is told what the store may do, and what to do about what it may not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from schemas.stores import Capability
from services.ingest.contract.stores import Access
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.shopbase.shop import ACCESS, KEYS, PRIVATE_ACCESS, STORE, TOKEN, connector
from tests.ingest.platforms.twin_http import answer

ORDER = json.loads(payload("shopbase", "paid.json"))
DIGITAL = json.loads(payload("shopbase", "digital_without_address.json"))


async def probe(orders: Any, access: Access = ACCESS) -> dict[str, Capability]:
    found = await connector(answer({"orders": orders}))[0].probe(access)
    return {capability.name: capability for capability in found}


@pytest.mark.parametrize(
    ("orders", "allowed"),
    [
        ([DIGITAL, ORDER], True),
        ([ORDER | {"shipping_address": None}], False),
        ([DIGITAL], None),
        ([], None),
        (None, None),
    ],
)
async def test_one_address_is_proof_and_no_order_tells_nothing(orders: Any, allowed: bool | None) -> None:  # noqa: FBT001
    found = (await probe(orders))["addresses"]

    assert found.allowed is allowed
    assert bool(found.detail) is not bool(allowed)


@pytest.mark.parametrize(
    ("access", "allowed"),
    [
        (ACCESS, True),
        (Access(STORE, TOKEN | {"scope": "read_orders"}), False),
        (PRIVATE_ACCESS, None),
    ],
)
async def test_tracking_needs_the_scope_that_writes_orders(access: Access, allowed: bool | None) -> None:  # noqa: FBT001
    assert (await probe([], access))["tracking"].allowed is allowed


async def test_webhooks_need_a_secret_to_be_verified_by() -> None:
    bare = Access(STORE, {name: value for name, value in KEYS.items() if name != "shared_secret"})

    assert (await probe([], PRIVATE_ACCESS))["webhooks"].allowed is True
    assert (await probe([], bare))["webhooks"].allowed is False
