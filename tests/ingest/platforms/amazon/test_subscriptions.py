"""A seller's notifications are sent to our queue, once, and only where there is one."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import Mended, Subscribed
from services.ingest.platforms.amazon.settings import AmazonSettings
from services.ingest.platforms.amazon.subscriptions import queue_arn
from services.kit.errors import TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.amazon.shop import ACCESS, SECRETS, STORE, connector, tokens
from tests.ingest.platforms.twin_http import Asked, answer

QUEUE = "https://sqs.us-east-2.amazonaws.com/444455556666/queue1"
ARN = "arn:aws:sqs:us-east-2:444455556666:queue1"
SETTINGS: dict[str, Any] = {"amazon_sqs_queue_url": QUEUE, "amazon_sqs_region": "us-east-2"}


class Amazon:
    """Amazon's notifications API, with its two kinds of tokens."""

    def __init__(self) -> None:
        self.destinations: list[dict[str, Any]] = []
        self.subscriptions: list[dict[str, Any]] = []
        self.bodies: list[Any] = []
        self.calls: list[str] = []
        self.hides_destinations = 0
        self.refuses_app_tokens = 0

    def answer(self, asked: Asked) -> HttpAnswer:
        path = asked.url.partition("amazon.com")[2].partition("?")[0]
        self.calls.append(f"{asked.method} {path}")
        if path == "/auth/o2/token":
            assert asked.form["grant_type"] == "client_credentials"
            assert asked.form["scope"] == "sellingpartnerapi::notifications"
            return tokens(access_token="Atza|app", refresh_token=None)
        by_app = asked.headers["x-amz-access-token"] == "Atza|app"
        needs_app = path.endswith("/destinations") or asked.method == "DELETE"
        if by_app != needs_app or (by_app and self.refuses_app_tokens > 0):
            self.refuses_app_tokens -= 1
            return answer({"errors": [{"code": "Unauthorized", "message": ""}]}, status=403)
        return self._destinations(asked) if path.endswith("/destinations") else self._subscriptions(asked, path)

    def _destinations(self, asked: Asked) -> HttpAnswer:
        if asked.method == "GET":
            self.hides_destinations -= 1
            return answer({"payload": [] if self.hides_destinations >= 0 else self.destinations})
        self.bodies.append(asked.json)
        name, resource = asked.json["name"], asked.json["resourceSpecification"]
        if any(held["name"] == name or held["resource"] == resource for held in self.destinations):
            return answer({"errors": [{"code": "Conflict", "message": ""}]}, status=409)
        made = {"destinationId": f"d-{len(self.destinations) + 1}", "name": name, "resource": resource}
        self.destinations.append(made)
        return answer({"payload": made})

    def _subscriptions(self, asked: Asked, path: str) -> HttpAnswer:
        if asked.method == "GET":
            assert asked.url.endswith("/subscriptions?notificationTypes=ORDER_CHANGE")
            return answer({"payload": {"subscriptions": self.subscriptions}})
        if asked.method == "DELETE":
            self.subscriptions = [one for one in self.subscriptions if not path.endswith(one["subscriptionId"])]
            return answer({})
        self.bodies.append(asked.json)
        made = {"subscriptionId": "s-1", "payloadVersion": "1.0", "destinationId": asked.json["destinationId"]}
        self.subscriptions.append(made)
        return answer({"payload": made})


async def subscribed(amazon: Amazon, access: Access = ACCESS, **settings: Any) -> tuple[str, ...]:
    return (await looked(amazon, access, **settings)).topics


async def looked(amazon: Amazon, access: Access = ACCESS, **settings: Any) -> Subscribed:
    found, _ = connector(amazon.answer, **(SETTINGS | settings))
    return await found.subscribe(access, callback_url="https://example.com/w", app_url="https://example.com/w")


async def test_without_a_queue_nothing_is_subscribed() -> None:
    amazon = Amazon()

    assert await subscribed(amazon, amazon_sqs_queue_url="") == ()
    assert amazon.calls == []


async def test_the_queue_is_made_known_and_the_seller_subscribed() -> None:
    amazon = Amazon()

    assert await subscribed(amazon) == ("ORDER_CHANGE",)
    destination, subscription = amazon.bodies
    assert destination["resourceSpecification"] == {"sqs": {"arn": ARN}}
    assert subscription == {
        "payloadVersion": "1.0",
        "destinationId": "d-1",
        "processingDirective": {
            "eventFilter": {
                "eventFilterType": "ORDER_CHANGE",
                "orderChangeTypes": ["OrderStatusChange", "BuyerRequestedChange"],
            }
        },
    }


async def test_only_the_chosen_marketplaces_are_heard_of() -> None:
    amazon = Amazon()

    await subscribed(amazon, Access(STORE, SECRETS | {"marketplaces": "ATVPDKIKX0DER,A2EUQ1WTGCTBG2"}))

    event_filter = amazon.bodies[1]["processingDirective"]["eventFilter"]
    assert event_filter["marketplaceIds"] == ["ATVPDKIKX0DER", "A2EUQ1WTGCTBG2"]


async def test_subscribing_again_changes_nothing() -> None:
    amazon = Amazon()
    await subscribed(amazon)

    assert await subscribed(amazon) == ("ORDER_CHANGE",)
    assert (len(amazon.bodies), len(amazon.destinations), len(amazon.subscriptions)) == (2, 1, 1)


async def test_a_queue_that_another_process_made_known_meanwhile_is_used() -> None:
    amazon = Amazon()
    amazon.destinations = [{"destinationId": "d-9", "name": "x", "resource": {"sqs": {"arn": ARN}}}]
    amazon.hides_destinations = 1

    await subscribed(amazon)

    assert amazon.subscriptions[0]["destinationId"] == "d-9"


async def test_another_queue_is_another_destination_to_which_the_seller_is_moved() -> None:
    amazon = Amazon()
    await subscribed(amazon)

    told = await looked(amazon, amazon_sqs_queue_url=QUEUE.replace("queue1", "queue2"))

    assert [one["destinationId"] for one in amazon.subscriptions] == ["d-2"]
    assert told.mended == (Mended("ORDER_CHANGE", "wrong_address"),)


async def test_a_subscription_that_leads_elsewhere_is_replaced() -> None:
    amazon = Amazon()
    amazon.subscriptions = [{"subscriptionId": "s-0", "payloadVersion": "1.0", "destinationId": "elsewhere"}]

    told = [await looked(amazon) for _ in range(2)]

    assert [one["destinationId"] for one in amazon.subscriptions] == ["d-1"]
    assert told == [
        Subscribed(("ORDER_CHANGE",), (Mended("ORDER_CHANGE", "wrong_address"),)),
        Subscribed(("ORDER_CHANGE",)),
    ]


async def test_a_subscription_that_is_gone_is_told_as_missing() -> None:
    assert (await looked(Amazon())).mended == (Mended("ORDER_CHANGE", "missing"),)


async def test_the_apps_token_is_used_again_until_it_ends() -> None:
    amazon = Amazon()
    found, _ = connector(amazon.answer, **SETTINGS)

    for _ in range(3):
        await found.subscribe(ACCESS, callback_url="", app_url="")

    assert amazon.calls.count("POST /auth/o2/token") == 1


async def test_an_app_token_that_died_is_replaced_once() -> None:
    amazon = Amazon()
    amazon.refuses_app_tokens = 1

    assert await subscribed(amazon) == ("ORDER_CHANGE",)


async def test_an_app_that_amazon_refuses_is_no_sellers_fault() -> None:
    amazon = Amazon()
    amazon.refuses_app_tokens = 99

    with pytest.raises(TransientError, match="app"):
        await subscribed(amazon)


async def test_unsubscribing_deletes_what_is_ours() -> None:
    amazon = Amazon()
    await subscribed(amazon)
    found, _ = connector(amazon.answer, **SETTINGS)

    await found.unsubscribe(ACCESS)
    await found.unsubscribe(ACCESS)

    assert amazon.subscriptions == []


async def test_unsubscribing_without_access_is_done_already() -> None:
    found, http = connector(answer(status=403), **SETTINGS)

    await found.unsubscribe(ACCESS)

    assert len(http.asked) == 1


def test_a_fifo_queue_is_refused_because_amazon_sends_to_none() -> None:
    with pytest.raises(ValidationError, match="FIFO"):
        AmazonSettings(_env_file=None, amazon_sqs_queue_url=f"{QUEUE}.fifo")


def test_the_name_of_a_queue_follows_from_its_address() -> None:
    assert queue_arn(AmazonSettings(_env_file=None, **SETTINGS)) == ARN
