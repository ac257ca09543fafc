"""Destinations, subscriptions, and ORDER_CHANGE on its way to a queue."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web

from tests.deploy.sandbox.amazon.linked import Answer, Client

pytestmark = pytest.mark.integration

ARN = "arn:aws:sqs:us-east-1:444455556666:orders"
DESTINATIONS = "/notifications/v1/destinations"
SUBSCRIPTIONS = "/notifications/v1/subscriptions"


async def destination(amazon: Client, **body: Any) -> Answer:
    asked = {"name": "orders", "resourceSpecification": {"sqs": {"arn": ARN}}} | body
    return await amazon.call("POST", DESTINATIONS, token=await amazon.grantless(), json=asked)


async def subscribe(amazon: Client, kind: str = "ORDER_CHANGE", **body: Any) -> Answer:
    made = await destination(amazon)
    asked = {"payloadVersion": "1.0", "destinationId": made.json["payload"]["destinationId"]} | body
    return await amazon.call("POST", f"{SUBSCRIPTIONS}/{kind}", json=asked)


def wanted(**fields: Any) -> dict[str, Any]:
    return {"eventFilter": {"eventFilterType": "ORDER_CHANGE"} | fields}


async def told(amazon: Client) -> list[dict[str, Any]]:
    found = await amazon.control("GET", "/notifications")
    return [each["body"] for each in found["notifications"]]


async def test_a_destination_is_made_once_and_can_be_deleted(amazon: Client) -> None:
    made = await destination(amazon)
    again = await destination(amazon)
    token = await amazon.grantless()
    path = f"{DESTINATIONS}/{made.json['payload']['destinationId']}"

    listed = await amazon.call("GET", DESTINATIONS, token=token)
    deleted = await amazon.call("DELETE", path, token=token)

    assert made.json["payload"]["resource"] == {"sqs": {"arn": ARN}}
    assert again.status == 409
    assert listed.json["payload"] == [made.json["payload"]]
    assert deleted.status == 200
    assert (await amazon.call("GET", path, token=token)).status == 404


@pytest.mark.parametrize(
    "resource",
    [
        {},
        {"sqs": {"arn": "orders"}},
        {"sqs": {"arn": f"{ARN}.fifo"}},
        {"sqs": {"arn": ARN}, "eventBridge": {"region": "us-east-1", "accountId": "1"}},
    ],
)
async def test_only_standard_queues_are_destinations(amazon: Client, resource: dict[str, Any]) -> None:
    assert (await destination(amazon, resourceSpecification=resource)).status == 400


async def test_orders_change_is_not_for_event_bridge(amazon: Client) -> None:
    bus = {"eventBridge": {"region": "us-east-1", "accountId": "444455556666"}}
    made = await destination(amazon, resourceSpecification=bus)
    body = {"payloadVersion": "1.0", "destinationId": made.json["payload"]["destinationId"]}

    assert (await amazon.call("POST", f"{SUBSCRIPTIONS}/ORDER_CHANGE", json=body)).status == 400


async def test_a_subscription_is_made_once_read_and_deleted(amazon: Client) -> None:
    made = await subscribe(amazon, processingDirective=wanted(orderChangeTypes=["OrderStatusChange"]))
    payload = made.json["payload"]
    body = {"payloadVersion": "1.0", "destinationId": payload["destinationId"]}
    token, kind = await amazon.grantless(), f"{SUBSCRIPTIONS}/ORDER_CHANGE"

    again = await amazon.call("POST", kind, json=body)
    read = await amazon.call("GET", kind)
    listed = await amazon.call("GET", SUBSCRIPTIONS, params={"notificationTypes": "ORDER_CHANGE"})
    by_id = await amazon.call("GET", f"{kind}/{payload['subscriptionId']}", token=token)
    by_seller = await amazon.call("DELETE", f"{kind}/{payload['subscriptionId']}")
    deleted = await amazon.call("DELETE", f"{kind}/{payload['subscriptionId']}", token=token)

    assert (made.status, again.status) == (200, 409)
    assert read.json["payload"] == by_id.json["payload"] == payload
    assert listed.json["payload"]["subscriptions"] == [payload]
    assert (by_seller.status, deleted.status) == (403, 200)
    assert (await amazon.call("GET", kind)).status == 404


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("MFN_ORDER_STATUS_CHANGE", {}),
        ("ORDER_STATUS_CHANGE", {}),
        ("ORDER_CHANGE", {"payloadVersion": "2.0"}),
        ("ORDER_CHANGE", {"destinationId": "nonsense"}),
        ("ORDER_CHANGE", {"processingDirective": {"eventFilter": {}}}),
        ("ORDER_CHANGE", {"processingDirective": wanted(orderChangeTypes=["Everything"])}),
        ("ORDER_CHANGE", {"processingDirective": wanted() | {"filterExpression": "true"}}),
        ("ORDER_CHANGE", {"processingDirective": {"filterExpression": "x" * 257}}),
    ],
)
async def test_a_subscription_that_is_not_as_documented_is_400(amazon: Client, kind: str, body: dict[str, Any]) -> None:
    assert (await subscribe(amazon, kind, **body)).status == 400


@pytest.mark.parametrize(
    "query", [{}, {"notificationTypes": "ORDER_CHANGE", "pageSize": "29"}, {"notificationTypes": "A,B"}]
)
async def test_subscriptions_are_listed_by_one_type_in_pages_of_30_to_100(
    amazon: Client, query: dict[str, str]
) -> None:
    assert (await amazon.call("GET", SUBSCRIPTIONS, params=query)).status == 400


async def test_nothing_is_told_without_a_subscription(amazon: Client) -> None:
    await amazon.order()

    assert await told(amazon) == []


async def test_every_change_of_the_status_is_told_in_the_words_of_v0(amazon: Client) -> None:
    await subscribe(amazon)
    order = await amazon.order("unpaid_pending")
    await amazon.change(order, "pay")
    await amazon.change(order, "cancel")

    changes = [each["Payload"]["OrderChangeNotification"] for each in await told(amazon)]

    assert [change["Summary"]["OrderStatus"] for change in changes] == ["Pending", "Unshipped", "Canceled"]
    assert {change["OrderChangeType"] for change in changes} == {"OrderStatusChange"}
    assert changes[0]["Summary"]["PurchaseDate"] is None
    assert {change["AmazonOrderId"] for change in changes} == {order}
    assert {change["SellerId"] for change in changes} == {amazon.store["store"]}


async def test_a_buyers_wish_is_told_item_by_item(amazon: Client) -> None:
    await subscribe(amazon, processingDirective=wanted(orderChangeTypes=["BuyerRequestedChange"]))
    order = await amazon.order("many_lines")
    first, second = (await amazon.one(order))["orderItems"][:2]

    await amazon.change(order, "request_cancel", lines=[first["orderItemId"], second["orderItemId"]])

    changes = [each["Payload"]["OrderChangeNotification"] for each in await told(amazon)]
    assert [change["NotificationLevel"] for change in changes] == ["OrderItemLevel"] * 2
    assert all(change["Summary"]["OrderItems"][0]["IsBuyerRequestedCancel"] for change in changes)


async def test_the_filter_keeps_other_marketplaces_out(amazon: Client) -> None:
    await subscribe(amazon, processingDirective=wanted(marketplaceIds=["A2EUQ1WTGCTBG2"]))

    await amazon.order("ready")
    canadian = await amazon.order("other_currency")

    [only] = await told(amazon)
    assert only["Payload"]["OrderChangeNotification"]["AmazonOrderId"] == canadian


async def test_no_notification_carries_personal_data_or_prices(amazon: Client) -> None:
    await subscribe(amazon)
    order = await amazon.order()
    shown = await amazon.one(order)

    text = json.dumps(await told(amazon), ensure_ascii=False)

    assert shown["buyer"]["buyerEmail"] not in text
    assert shown["recipient"]["deliveryAddress"]["addressLine1"] not in text
    assert "amount" not in text


async def test_a_message_may_come_twice_with_one_id_or_not_at_all(amazon: Client) -> None:
    await subscribe(amazon)
    await amazon.control("POST", "/faults", kind="duplicate_webhooks", count=1)
    await amazon.order()
    await amazon.control("DELETE", "/faults")
    await amazon.control("POST", "/faults", kind="drop_webhooks", count=1)
    await amazon.order()

    ids = [each["NotificationMetadata"]["NotificationId"] for each in await told(amazon)]

    assert len(ids) == 2
    assert len(set(ids)) == 1


async def test_messages_may_come_in_another_order(amazon: Client) -> None:
    await subscribe(amazon)
    order = await amazon.order("unpaid_pending")
    await amazon.control("POST", "/faults", kind="disordered_webhooks", count=1)
    await amazon.change(order, "pay")

    statuses = [each["Payload"]["OrderChangeNotification"]["Summary"]["OrderStatus"] for each in await told(amazon)]

    assert statuses == ["Unshipped", "Pending"]


async def test_a_test_notification_needs_a_known_destination_and_a_scenario(amazon: Client) -> None:
    made = await destination(amazon)
    known = made.json["payload"]["destinationId"]
    path = f"{SUBSCRIPTIONS}/ORDER_CHANGE/testNotification"
    good = {"payloadVersion": "1.0", "testScenario": "Shipped"}

    sent = await amazon.call("POST", path, json={"destinationId": known, "testNotification": good})
    unknown = await amazon.call("POST", path, json={"destinationId": "x", "testNotification": good})
    empty = await amazon.call("POST", path, json={"destinationId": known, "testNotification": {}})

    assert (sent.status, unknown.status, empty.status) == (200, 400, 400)
    assert len(await told(amazon)) == 1


async def test_messages_are_handed_to_the_queue_and_tried_again(amazon: Client) -> None:
    received: list[dict[str, Any]] = []
    enough = asyncio.Event()

    async def receive(request: web.Request) -> web.Response:
        assert request.headers["X-Amz-Target"] == "AmazonSQS.SendMessage"
        received.append(json.loads(await request.read()))
        if len(received) == 2:
            enough.set()
        return web.json_response({"MessageId": "1"}, status=503 if len(received) == 1 else 200)

    app = web.Application()
    app.router.add_post("/", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    endpoint = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await amazon.control("POST", "/settings", sqs_endpoint=endpoint, queue_url=f"{endpoint}444455556666/orders")
    await subscribe(amazon)

    order = await amazon.order()
    await asyncio.wait_for(enough.wait(), timeout=10)
    await runner.cleanup()

    first, second = received
    assert first == second
    assert first["QueueUrl"].endswith("/444455556666/orders")
    change = json.loads(first["MessageBody"])["Payload"]["OrderChangeNotification"]
    assert change["AmazonOrderId"] == order
