"""What comes to the app's one address tells each receipt of a linked shop once, whatever else comes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, replace
from typing import Any

import pytest

from schemas.ids import SellerId
from services.ingest.contract.webhooks import Delivery
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import seal_secrets
from services.kit.clock import ManualClock
from services.kit.http.problems import Problem
from tests.ingest.platforms.etsy.shop import ACCESS, HOUR_AGO, NOW, Shop, connector
from tests.ingest.workbench import Ingestion, linked_store

KEY = b"k" * 24
SECRET = "whsec_" + base64.b64encode(KEY).decode()
SHOP_ID = ACCESS.secrets["shop_id"]


@dataclass
class Desk:
    """One ingest process, and an Etsy shop of two receipts."""

    ingest: Ingestion
    shop: Shop

    async def link(self, store_id: str = "st-1", **changes: Any) -> Store:
        store = replace(linked_store(store_id), platform="etsy", external_id=SHOP_ID, **changes)
        await self.ingest.stores.add(store)
        self.ingest.memory.secrets[store_id] = seal_secrets(self.ingest.vault, store_id, ACCESS.secrets)
        return store

    async def take(self, delivery: Delivery) -> str:
        return await self.ingest.webhooks.take_for_app("etsy", delivery)

    @property
    def told(self) -> list[tuple[str, str]]:
        """The receipts and revisions that were told, each revision once."""
        return list(dict.fromkeys((event.order.external_id, event.event_id) for event in self.ingest.told))


def desk() -> Desk:
    shop, clock = Shop({7: 1, 8: 2}), ManualClock(NOW)
    found, _ = connector(shop.answer, etsy_webhook_secret=SECRET)
    return Desk(Ingestion({"etsy": found}, clock), shop)


def event(receipt: int, *, shop_id: str = SHOP_ID, name: str = "order.paid", ident: str = "msg_1") -> Delivery:
    path = f"https://api.etsy.com/v3/application/shops/{shop_id}/receipts/{receipt}"
    body = json.dumps({"event_type": name, "resource_url": path, "shop_id": shop_id}).encode()
    at = str(int(NOW.timestamp()))
    digest = hmac.new(KEY, f"{ident}.{at}.".encode() + body, hashlib.sha256).digest()
    headers = {"webhook-id": ident, "webhook-timestamp": at, "webhook-signature": base64.b64encode(digest).decode()}
    return Delivery(headers, body)


async def test_an_event_before_the_shop_is_linked_is_taken_and_tells_nothing() -> None:
    found = desk()

    before = await found.take(event(7))
    await found.link()
    after = await found.take(event(7))

    assert (before, after) == ("unknown_store", "published")
    assert [receipt for receipt, _ in found.told] == ["7"]


async def test_an_event_of_another_shop_or_of_one_that_left_tells_nothing() -> None:
    found = desk()
    store = await found.link()

    other = await found.take(event(7, shop_id="5"))
    await found.ingest.linking.unlink(store)
    left = await found.take(event(7))

    assert (other, left) == ("unknown_store", "unlinked")
    assert found.told == []


async def test_a_shop_that_two_sellers_linked_is_told_to_both() -> None:
    found = desk()
    await found.link()
    await found.link("st-2", seller_id=SellerId("seller-2"))

    await found.take(event(7))

    assert {event.order.store_id for event in found.ingest.told} == {"st-1", "st-2"}


@pytest.mark.parametrize("ident", ["msg_1", "msg_2"])
async def test_an_event_again_under_its_own_or_another_id_is_no_news(ident: str) -> None:
    found = desk()
    await found.link()

    for delivery in (event(7), event(7, ident=ident), event(7, name="order.shipped", ident=ident)):
        await found.take(delivery)

    assert len(found.told) == 1


async def test_events_in_the_wrong_order_tell_the_receipt_as_it_is_and_never_as_it_was() -> None:
    found = desk()
    await found.link()
    found.shop.fields[7] = {"status": "Canceled", "updated_timestamp": HOUR_AGO + 60}

    for name in ("order.canceled", "order.paid"):
        await found.take(event(7, name=name, ident=name))

    assert len(found.told) == 1
    assert all(event.order.cancelled_at is not None for event in found.ingest.told)


async def test_a_receipt_that_vanished_is_no_error_and_no_deletion() -> None:
    found = desk()
    await found.link()

    assert await found.take(event(9)) == "gone"
    assert found.told == []
    assert found.ingest.gone == []


async def test_one_bit_changed_anywhere_is_refused() -> None:
    found, genuine = desk(), event(7)
    await found.link()

    for place in range(0, len(genuine.body) * 8, 7):
        body = bytearray(genuine.body)
        body[place // 8] ^= 1 << place % 8
        with pytest.raises(Problem) as refused:
            await found.take(replace(genuine, body=bytes(body)))
        assert refused.value.status == 401

    assert found.told == []
