"""A probe says what an Amazon authorization shows, from orders that wait to be sent."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from schemas.stores import Capability
from services.ingest.contract.stores import Access
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.platforms.amazon.shop import ACCESS, EMPTY, SECRETS, STORE, connector
from tests.ingest.platforms.twin_http import Reply, answer

HIDDEN: dict[str, Any] = {"recipient": {"deliveryAddress": {"city": "Springfield", "countryCode": "US"}}}
SHOWN: dict[str, Any] = {
    "recipient": {"deliveryAddress": {"addressLine1": "12 Sample Street"}},
    "buyer": {"buyerEmail": "relay-1@marketplace.example.com"},
}


async def probed(*orders: dict[str, Any], access: Access = ACCESS, **settings: Any) -> dict[str, Capability]:
    found, _ = connector(answer({"orders": list(orders)}), **settings)
    return {capability.name: capability for capability in await found.probe(access)}


@pytest.mark.parametrize(
    ("orders", "expected"),
    [([], None), ([HIDDEN], False), ([HIDDEN, SHOWN], True), ([{}], False)],
)
async def test_visible_is_what_an_order_shows_and_unknown_what_no_order_tells(
    orders: list[dict[str, Any]], expected: object
) -> None:
    found = await probed(*orders)

    assert (found["addresses"].allowed, found["emails"].allowed) == (expected, expected)


async def test_a_missing_role_is_named() -> None:
    assert "Direct-to-Consumer Delivery" in (await probed(HIDDEN))["addresses"].detail


async def test_whether_tracking_is_taken_is_not_known_before_it_is_tried() -> None:
    assert (await probed(SHOWN))["tracking"].allowed is None


async def test_news_come_by_a_queue_or_by_polling_only() -> None:
    url = "https://sqs.us-east-1.amazonaws.com/444455556666/queue1"

    assert (await probed())["webhooks"].allowed is False
    assert (await probed(amazon_sqs_queue_url=url))["webhooks"].allowed is True


async def test_how_far_back_orders_go_depends_on_the_region() -> None:
    far_east = Access(STORE, SECRETS | {"region": "fe"})

    assert "two years" in (await probed())["history"].detail
    assert "2016" in (await probed(access=far_east))["history"].detail


async def test_a_probe_asks_once_for_orders_that_the_seller_has_to_send() -> None:
    found, http = connector(answer(EMPTY))

    await found.probe(Access(STORE, SECRETS | {"marketplaces": "ATVPDKIKX0DER"}))

    [asked] = http.asked
    assert dict(parse_qsl(urlsplit(asked.url).query)) == {
        "lastUpdatedAfter": "2026-11-09T09:00:00Z",
        "fulfillmentStatuses": "UNSHIPPED,PARTIALLY_SHIPPED",
        "fulfilledBy": "MERCHANT",
        "maxResultsPerPage": "10",
        "includedData": "BUYER,RECIPIENT,FULFILLMENT",
        "marketplaceIds": "ATVPDKIKX0DER",
    }


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (answer(status=403), AuthorizationError),
        (answer(status=503), TransientError),
        (answer(status=400), TransientError),
        (answer({"orders": None}), TransientError),
    ],
)
async def test_a_probe_that_is_not_answered_is_for_later(reply: Reply, error: type[Exception]) -> None:
    found, _ = connector(reply)

    with pytest.raises(error):
        await found.probe(ACCESS)
