"""The Amazon connector keeps the contract where Amazon has nothing to say: it calls no address."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.ingest.contract.webhooks import Delivery, NotOurs, SignatureRefused
from services.ingest.platforms.amazon import PLATFORM
from services.ingest.platforms.amazon.queue import AmazonQueue
from services.ingest.platforms.amazon.settings import AmazonSettings
from services.ingest.platforms.etsy.settings import EtsySettings
from tests.ingest.platforms.amazon.shop import NOW, STORE, connector

DELIVERY = Delivery(headers={}, body=b'{"NotificationType": "ORDER_CHANGE"}')


async def test_whatever_comes_to_a_webhook_address_is_not_amazons() -> None:
    found, _ = connector()

    assert found.greet(DELIVERY) is None
    with pytest.raises(SignatureRefused):
        await found.verify_webhook(None, DELIVERY, now=NOW)
    assert isinstance(found.read_webhook(STORE, DELIVERY, now=NOW), NotOurs)
    assert isinstance(found.read_app_webhook(DELIVERY, now=NOW), NotOurs)


def test_windows_end_before_what_amazon_does_not_look_at_yet_and_begin_before_what_it_lists_late() -> None:
    found, _ = connector()

    assert found.pace.settle > timedelta(minutes=2)
    assert found.pace.overlap >= timedelta(minutes=10)


def test_a_change_is_listed_within_five_minutes_where_the_budget_allows() -> None:
    found, _ = connector()

    assert found.pace.settle + found.pace.interval < timedelta(minutes=5)


async def test_there_is_a_listener_only_where_there_is_a_queue() -> None:
    assert PLATFORM.listen is not None
    url = "https://sqs.us-east-1.amazonaws.com/444455556666/queue1"

    listener = PLATFORM.listen(AmazonSettings(_env_file=None, amazon_sqs_queue_url=url))

    assert PLATFORM.listen(AmazonSettings(_env_file=None)) is None
    assert isinstance(listener, AmazonQueue)
    await listener.close()


def test_only_amazons_settings_make_the_connector() -> None:
    assert PLATFORM.listen is not None

    with pytest.raises(TypeError):
        PLATFORM.listen(EtsySettings(_env_file=None))
