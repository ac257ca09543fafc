"""A store's webhooks are put right, however ShopBase has left them: one address a topic, each once."""

from __future__ import annotations

from typing import Any

import pytest

from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import Mended, Subscribed
from services.ingest.platforms.shopbase.subscriptions import TOPICS
from services.kit.errors import TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.shopbase.shop import ACCESS, KEYS, STORE, Shop, connector, reader
from tests.ingest.platforms.twin_http import Asked, answer

URL = "https://sync.example.com/webhooks/shopbase/store-1"


def webhook(number: int, topic: str, address: str) -> dict[int, dict[str, Any]]:
    return {number: {"id": number, "topic": topic, "address": address, "created_at": 1561694636}}


def subscribed(shop: Shop) -> list[tuple[str, str]]:
    return sorted((known["topic"], known["address"]) for known in shop.webhooks.values())


def wanted() -> list[tuple[str, str]]:
    return sorted((topic, f"{URL}/{topic.replace('/', '-')}") for topic in TOPICS)


async def subscribe(shop: Shop, access: Access = ACCESS) -> tuple[str, ...]:
    return (await looked(shop, access)).topics


async def looked(shop: Shop, access: Access = ACCESS, *, anew: bool = False) -> Subscribed:
    app_url = "https://sync.example.com/webhooks/shopbase"
    return await reader(shop).subscribe(access, callback_url=URL, app_url=app_url, anew=anew)


async def test_every_topic_gets_an_address_of_its_own() -> None:
    shop = Shop()

    topics = await subscribe(shop)

    assert topics == TOPICS
    assert subscribed(shop) == wanted()
    assert len({address for _, address in subscribed(shop)}) == len(TOPICS)
    assert {"orders/create", "orders/updated", "orders/delete", "refunds/create", "app/uninstalled"} <= set(topics)
    assert all(asked.json["webhook"]["format"] == "json" for asked in shop.asked if asked.method == "POST")


async def test_subscribing_again_only_looks() -> None:
    shop = Shop()
    await subscribe(shop)
    before, calls = dict(shop.webhooks), len(shop.asked)

    await subscribe(shop)

    assert shop.webhooks == before
    assert [asked.method for asked in shop.asked[calls:]] == ["GET"]


async def test_what_is_there_twice_or_points_elsewhere_is_taken_away_and_others_left() -> None:
    elsewhere = webhook(5, "orders/create", "https://other.example.com/hooks")
    another_store = webhook(6, "orders/create", "https://sync.example.com/webhooks/shopbase/store-11/orders-create")
    shop = Shop(
        webhooks=webhook(1, "orders/create", f"{URL}/orders-create")
        | webhook(2, "orders/create", f"{URL}/orders-create")
        | webhook(3, "orders/create", "https://former.example.com/webhooks/shopbase/store-1/orders-create")
        | webhook(4, "orders/paid", f"{URL}/orders-fulfilled")
        | webhook(7, "orders/create", URL)
        | elsewhere
        | another_store
    )

    await subscribe(shop)

    left = [(known["topic"], known["address"]) for known in (*elsewhere.values(), *another_store.values())]
    assert subscribed(shop) == sorted([*wanted(), *left])
    assert 1 in shop.webhooks


async def test_a_shop_with_many_webhooks_is_listed_to_the_end() -> None:
    shop = Shop()
    for number in range(1, 301):
        shop.webhooks |= webhook(number, "products/create", f"https://other.example.com/{number}")
    shop.webhooks |= webhook(400, "orders/create", f"{URL}/orders-create")

    await subscribe(shop)

    assert sum(known["topic"] == "orders/create" for known in shop.webhooks.values()) == 1


async def test_without_a_secret_that_could_verify_them_none_are_made() -> None:
    shop = Shop()
    secrets = {name: value for name, value in KEYS.items() if name != "shared_secret"}

    assert await subscribe(shop, Access(STORE, secrets)) == ()
    assert shop.asked == []


async def test_an_address_that_is_refused_is_told_with_shopbases_rules() -> None:
    found = connector(answer({"webhooks": []}), answer({"errors": {"address": ["canary"]}}, status=422))[0]

    with pytest.raises(TransientError, match="HTTPS") as refused:
        await found.subscribe(ACCESS, callback_url=URL, app_url="")

    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "listed", [answer({"errors": "x"}), answer({"webhooks": [{"id": "x"}]}), answer({}, status=404)]
)
async def test_a_list_that_cannot_be_read_subscribes_nothing_twice(listed: Any) -> None:
    found, http, _ = connector(listed)

    with pytest.raises(TransientError):
        await found.subscribe(ACCESS, callback_url=URL, app_url="")

    assert {asked.method for asked in http.asked} == {"GET"}


async def test_unsubscribing_leaves_none_of_this_store() -> None:
    shop = Shop(webhooks=webhook(5, "orders/create", "https://other.example.com/hooks"))
    await subscribe(shop)

    await reader(shop).unsubscribe(ACCESS)

    assert list(shop.webhooks) == [5]


async def test_a_webhook_that_will_not_go_stops_nothing() -> None:
    shop = Shop(
        webhooks=webhook(1, "orders/create", "https://former.example.com/webhooks/shopbase/store-1/orders-create")
    )

    def reply(asked: Asked) -> HttpAnswer:
        return answer({"error": "no"}, status=422) if asked.method == "DELETE" else shop.answer(asked)

    found = connector(reply)[0]

    assert (await found.subscribe(ACCESS, callback_url=URL, app_url="")).topics == TOPICS
    assert set(wanted()) <= set(subscribed(shop))
    await found.unsubscribe(ACCESS)


async def test_unsubscribing_without_access_is_nothing_to_do() -> None:
    await connector(answer({}, status=401))[0].unsubscribe(ACCESS)


async def test_what_was_wrong_is_told_and_what_was_right_is_not() -> None:
    shop = Shop()
    assert {one.ailment for one in (await looked(shop)).mended} == {"missing"}
    by_topic = {known["topic"]: known for known in shop.webhooks.values()}
    by_topic["orders/create"]["address"] = "https://former.example.com/webhooks/shopbase/store-1/orders-create"
    del shop.webhooks[by_topic["orders/paid"]["id"]]

    told = await looked(shop)

    assert set(told.mended) == {Mended("orders/create", "wrong_address"), Mended("orders/paid", "missing")}
    assert subscribed(shop) == wanted()
    assert await looked(shop) == Subscribed(TOPICS)


async def test_anew_each_webhook_is_made_before_the_one_goes_whose_secret_is_not_known() -> None:
    shop = Shop()
    await subscribe(shop)
    before, calls = set(shop.webhooks), len(shop.asked)

    told = await looked(shop, anew=True)

    methods = [asked.method for asked in shop.asked[calls:] if asked.method != "GET"]
    assert methods == ["POST"] * len(TOPICS) + ["DELETE"] * len(TOPICS)
    assert set(told.mended) == {Mended(topic, "wrong_secret") for topic in TOPICS}
    assert subscribed(shop) == wanted()
    assert not before & set(shop.webhooks)
