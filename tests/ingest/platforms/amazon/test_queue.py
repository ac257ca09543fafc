"""Notifications name orders to read again, each once, and leave the queue only when that is done."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.webhooks import Hint, MisreadHint
from services.ingest.platforms.amazon.queue import AmazonQueue, order_named
from services.ingest.platforms.amazon.settings import AmazonSettings
from services.kit.errors import TransientError


def notice(order: str = "902-1845936-5435065", **fields: Any) -> str:
    change = {
        "NotificationLevel": "OrderLevel",
        "SellerId": "A1B2C3D4E5F6G7",
        "AmazonOrderId": order,
        "OrderChangeType": "OrderStatusChange",
        "OrderChangeTrigger": {"TimeOfOrderChange": None, "ChangeReason": None},
        "Summary": {"MarketplaceId": "ATVPDKIKX0DER", "OrderStatus": "Unshipped", "PurchaseDate": None},
    }
    message = {
        "NotificationVersion": "1.0",
        "NotificationType": "ORDER_CHANGE",
        "PayloadVersion": "1.0",
        "EventTime": "2026-11-23T09:00:00.109Z",
        "Payload": {"OrderChangeNotification": change},
        "NotificationMetadata": {"NotificationId": "d0e9e693-c3ad-4373-979f-ed4ec98dd746"},
    }
    return json.dumps(message | fields)


def test_a_message_names_seller_and_order_whatever_times_are_null() -> None:
    assert order_named(notice()) == ("A1B2C3D4E5F6G7", "902-1845936-5435065")


def test_a_message_about_something_else_names_nothing() -> None:
    assert order_named(notice(NotificationType="ANY_OFFER_CHANGED")) is None


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ("", "body"),
        ("[]", "body"),
        ('{"NotificationType": "ORDER_CH', "body"),
        (notice(Payload={}), "Payload.OrderChangeNotification"),
        (notice(order=""), "Payload.OrderChangeNotification.AmazonOrderId"),
    ],
)
def test_a_message_that_cannot_be_read_says_where(body: str, path: str) -> None:
    with pytest.raises(UnreadablePayload) as refused:
        order_named(body)

    assert refused.value.path == path


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@asynccontextmanager
async def queue(endpoint: str, *messages: str, name: str) -> AsyncIterator[tuple[AmazonQueue, Any]]:
    """A queue of the SQS server with messages in it, and a client that looks at it from outside."""
    settings = AmazonSettings(
        _env_file=None,
        amazon_sqs_queue_url=f"{endpoint}/123456789012/{name}",
        amazon_sqs_endpoint=endpoint,
        amazon_aws_access_key_id=SecretStr("key"),
        amazon_aws_secret_access_key=SecretStr("secret"),
    )
    found = AmazonQueue(settings, wait=0)
    try:
        client = await found._opened()
        await client.create_queue(QueueName=name)
        for body in messages:
            await client.send_message(QueueUrl=settings.amazon_sqs_queue_url, MessageBody=body)
        yield found, client
    finally:
        await found.close()


async def left(found: AmazonQueue, client: Any) -> int:
    """How many messages the queue holds, hidden ones included."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    url = found._settings.amazon_sqs_queue_url
    attributes = (await client.get_queue_attributes(QueueUrl=url, AttributeNames=names))["Attributes"]
    return sum(int(attributes[name]) for name in names)


async def receive_all(found: AmazonQueue) -> list[Hint | MisreadHint]:
    news: list[Hint | MisreadHint] = []
    for _ in range(5):
        news += await found.receive()
    return news


@pytest.mark.integration
async def test_an_order_stays_in_the_queue_until_it_is_done(endpoint: str) -> None:
    async with queue(endpoint, notice(), name="stays") as (found, client):
        [hint] = await receive_all(found)
        assert isinstance(hint, Hint)
        assert (hint.store_external_id, hint.order_external_id) == ("A1B2C3D4E5F6G7", "902-1845936-5435065")
        assert await left(found, client) == 1

        await found.done((hint.receipt,))

        assert await left(found, client) == 0


@pytest.mark.integration
async def test_several_messages_about_one_order_are_one_hint_and_leave_together(endpoint: str) -> None:
    other = notice("902-0000000-0000001")
    async with queue(endpoint, notice(), notice(), other, notice(), name="together") as (found, client):
        news = [hint for hint in await found.receive() if isinstance(hint, Hint)]

        await found.done(tuple(hint.receipt for hint in news))

        assert sorted(hint.order_external_id for hint in news) == ["902-0000000-0000001", "902-1845936-5435065"]
        assert await left(found, client) == 0


@pytest.mark.integration
async def test_what_is_not_ours_leaves_with_the_next_look_and_what_is_unreadable_when_it_is_kept(endpoint: str) -> None:
    async with queue(endpoint, notice(NotificationType="FEE_PROMOTION"), "<html>", name="leaves") as (found, client):
        [misread] = await found.receive()
        assert isinstance(misread, MisreadHint)
        assert (misread.unreadable.path, misread.unreadable.body) == ("body", "<html>")
        assert await left(found, client) == 2

        assert await found.receive() == ()
        assert await left(found, client) == 1
        await found.done((misread.receipt,))

        assert await left(found, client) == 0


@pytest.mark.integration
async def test_more_messages_than_one_look_gives_all_come_and_go(endpoint: str) -> None:
    orders = [f"902-0000000-{number:07d}" for number in range(25)]
    async with queue(endpoint, *map(notice, orders), name="many") as (found, client):
        hints = [hint for hint in await receive_all(found) if isinstance(hint, Hint)]

        await found.done(tuple(hint.receipt for hint in hints))

        assert sorted(hint.order_external_id for hint in hints) == orders
        assert await left(found, client) == 0


@pytest.mark.integration
async def test_a_queue_that_does_not_exist_is_told_by_its_setting(endpoint: str) -> None:
    async with queue(endpoint, name="exists") as (found, _):
        settings = found._settings.model_copy(update={"amazon_sqs_queue_url": f"{endpoint}/123456789012/nowhere"})
        lost = AmazonQueue(settings, wait=0)

        with pytest.raises(TransientError, match="AMAZON_SQS_QUEUE_URL"):
            await lost.receive()
        await lost.close()


@pytest.mark.integration
async def test_a_queue_that_is_away_is_waited_for() -> None:
    settings = AmazonSettings(
        _env_file=None,
        amazon_sqs_queue_url="http://127.0.0.1:9/123456789012/away",
        amazon_sqs_endpoint="http://127.0.0.1:9",
        amazon_aws_access_key_id=SecretStr("key"),
        amazon_aws_secret_access_key=SecretStr("secret"),
    )
    found = AmazonQueue(settings, wait=0)

    with pytest.raises(TransientError, match="away"):
        await found.receive()
    await found.close()
