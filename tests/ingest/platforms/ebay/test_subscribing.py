"""Notifications are set up once for the app and once a seller, and set up again where eBay gave up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import Ailment, Mended, Subscribed
from services.ingest.platforms.ebay.connector import EbayConnector
from services.kit.clock import ManualClock
from services.kit.errors import AuthorizationError, TransientError
from tests.ingest.platforms.ebay.desk import Desk
from tests.ingest.platforms.ebay.notices import APP_URL
from tests.ingest.platforms.ebay.shop import ACCESS, NOW, VERIFICATION_TOKEN, connector, refusal

TOPICS = ("ORDER_CONFIRMATION", "AUTHORIZATION_REVOCATION")
SELLER, APP = "Bearer user-token", "Bearer app-token"


def at(desk: Desk, **given: Any) -> EbayConnector:
    return connector(desk.answer, **given)[0]


async def subscribe(found: EbayConnector, access: Access = ACCESS) -> tuple[str, ...]:
    return (await looked(found, access)).topics


async def looked(found: EbayConnector, access: Access = ACCESS) -> Subscribed:
    return await found.subscribe(access, callback_url="https://sync.example.com/webhooks/ebay/store-1", app_url=APP_URL)


async def test_the_first_seller_makes_the_destination_and_the_account_deletion_too() -> None:
    desk = Desk()

    topics = await subscribe(at(desk))

    assert topics == TOPICS
    [(number, destination)] = desk.destinations.items()
    assert destination == {
        "name": "sync-order",
        "status": "ENABLED",
        "deliveryConfig": {"endpoint": APP_URL, "verificationToken": VERIFICATION_TOKEN},
    }
    payload = {"format": "JSON", "schemaVersion": "1.0", "deliveryProtocol": "HTTPS"}
    wanted = {"status": "ENABLED", "destinationId": number, "payload": payload}
    assert list(desk.subscriptions[APP].values()) == [wanted | {"topicId": "MARKETPLACE_ACCOUNT_DELETION"}]
    assert list(desk.subscriptions[SELLER].values()) == [wanted | {"topicId": topic} for topic in TOPICS]


async def test_a_repetition_changes_nothing_even_in_another_process() -> None:
    desk = Desk()
    await subscribe(at(desk))
    before = desk.calls()

    topics = await subscribe(at(desk))

    assert topics == TOPICS
    assert desk.calls() == before


async def test_hourly_repetitions_cost_few_of_the_days_calls() -> None:
    desk, clock = Desk(), ManualClock(NOW)
    found = at(desk, clock=clock)
    sellers = [replace(ACCESS, store=replace(ACCESS.store, external_id=str(number))) for number in range(20)]

    for _ in range(24):
        for seller in sellers:
            assert await subscribe(found, seller) == TOPICS
        clock.advance(3600)

    assert len(desk.asked) < 24 * (20 + 3)


async def test_many_sellers_are_looked_at_less_often_so_that_the_days_calls_last() -> None:
    desk, clock = Desk(), ManualClock(NOW)
    found = at(desk, clock=clock)
    sellers = [replace(ACCESS, store=replace(ACCESS.store, external_id=str(number))) for number in range(250)]
    for seller in sellers:
        await subscribe(found, seller)
    desk.asked.clear()

    for _ in range(24):
        clock.advance(3600)
        for seller in sellers:
            assert await subscribe(found, seller) == TOPICS

    assert 2500 < len(desk.asked) < 3500


@pytest.mark.parametrize(("status", "ailment"), [("MARKED_DOWN", "disabled"), ("DISABLED", "paused")])
async def test_a_destination_that_was_down_is_told_to_each_seller_once(status: str, ailment: Ailment) -> None:
    desk, clock = Desk(), ManualClock(NOW)
    found = at(desk, clock=clock)
    other = Access(replace(ACCESS.store, external_id="Other"), {**ACCESS.secrets, "access_token": "other-token"})
    await subscribe(found)
    await subscribe(found, other)
    desk.destinations["destination-1"]["status"] = status
    clock.advance(3600)

    told = [await looked(found, access) for access in (ACCESS, other, ACCESS, other)]

    assert [one.mended for one in told] == [tuple(Mended(topic, ailment) for topic in TOPICS)] * 2 + [(), ()]


async def test_what_was_wrong_with_a_sellers_subscriptions_is_told() -> None:
    desk, clock = Desk(), ManualClock(NOW)
    found = at(desk, clock=clock)
    await subscribe(found)
    first, second = desk.subscriptions[SELLER].values()
    told = []
    for broken, found_so in (
        (first, {"status": "DISABLED"}),
        (second, {"status": "MARKED_DOWN"}),
        (first, {"destinationId": "elsewhere"}),
        (None, {}),
    ):
        if broken is None:
            desk.subscriptions[SELLER].clear()
        else:
            broken.update(found_so)
        clock.advance(600)
        told.append((await looked(found)).mended)

    assert told == [
        (Mended(TOPICS[0], "paused"),),
        (Mended(TOPICS[1], "disabled"),),
        (Mended(TOPICS[0], "wrong_address"),),
        tuple(Mended(topic, "missing") for topic in TOPICS),
    ]


async def test_another_seller_uses_the_same_destination() -> None:
    desk = Desk()
    found = at(desk)
    other = Access(replace(ACCESS.store, external_id="Other"), {**ACCESS.secrets, "access_token": "other-token"})

    await subscribe(found)
    await subscribe(found, other)

    assert len(desk.destinations) == 1
    assert len(desk.subscriptions["Bearer other-token"]) == 2


async def test_a_seller_who_links_again_is_subscribed_again() -> None:
    desk = Desk()
    found = at(desk)
    await subscribe(found)
    desk.subscriptions[SELLER].clear()

    await subscribe(found, Access(ACCESS.store, {**ACCESS.secrets, "refresh_token": "another"}))

    assert len(desk.subscriptions[SELLER]) == 2


@pytest.mark.parametrize("status", ["MARKED_DOWN", "DISABLED"])
async def test_a_destination_that_was_marked_down_is_enabled_again(status: str) -> None:
    desk, clock = Desk(), ManualClock(NOW)
    found = at(desk, clock=clock)
    await subscribe(found)
    desk.destinations["destination-1"]["status"] = status

    clock.advance(3600)
    await subscribe(found)

    assert desk.destinations["destination-1"]["status"] == "ENABLED"


async def test_a_changed_verification_token_is_registered() -> None:
    desk = Desk()
    await subscribe(at(desk))

    await subscribe(at(desk, ebay_verification_token="w" * 40))

    assert desk.destinations["destination-1"]["deliveryConfig"]["verificationToken"] == "w" * 40


async def test_a_subscription_that_is_disabled_or_goes_elsewhere_is_put_right() -> None:
    desk = Desk()
    await subscribe(at(desk))
    first, second = desk.subscriptions[SELLER].values()
    first["status"], second["destinationId"] = "DISABLED", "elsewhere"

    await subscribe(at(desk))

    assert [first["status"], second["destinationId"]] == ["ENABLED", "destination-1"]


async def test_lists_are_read_to_their_end() -> None:
    desk = Desk(page=2)
    for number in range(5):
        config = {"endpoint": f"https://other.example.com/{number}"}
        desk.destinations[f"other-{number}"] = {"status": "ENABLED", "deliveryConfig": config}
    await subscribe(at(desk))

    await subscribe(at(desk))

    assert len(desk.destinations) == 6


@pytest.mark.parametrize("status", [400, 403])
async def test_a_topic_that_ebay_refuses_is_no_end_of_access(status: int) -> None:
    desk = Desk(instead={("POST", "/subscription"): refusal(195011, status=status)})

    assert await subscribe(at(desk)) == ()


async def test_a_subscription_that_exists_already_is_one() -> None:
    desk = Desk(instead={("POST", "/subscription"): refusal(195012, status=409)})

    assert await subscribe(at(desk)) == TOPICS


@pytest.mark.parametrize(("number", "word"), [(195020, "PUBLIC_URL"), (195003, "EBAY_ALERT_EMAIL"), (195021, "195021")])
async def test_a_destination_that_is_refused_says_what_to_set(number: int, word: str) -> None:
    desk = Desk(instead={("POST", "/destination"): refusal(number, status=409)})

    with pytest.raises(TransientError, match=word):
        await subscribe(at(desk))


async def test_a_destination_that_is_marked_down_while_a_seller_is_subscribed_is_looked_at_at_once() -> None:
    desk = Desk()
    found = at(desk)
    await subscribe(found)
    desk.destinations["destination-1"]["status"] = "MARKED_DOWN"
    desk.instead[("POST", "/subscription")] = refusal(195015, status=409)
    other = Access(replace(ACCESS.store, external_id="Other"), {**ACCESS.secrets, "access_token": "other-token"})

    with pytest.raises(TransientError, match="195015"):
        await subscribe(found, other)
    desk.instead.clear()

    assert await subscribe(found, other) == TOPICS
    assert desk.destinations["destination-1"]["status"] == "ENABLED"


async def test_without_a_verification_token_nothing_is_subscribed() -> None:
    desk = Desk()

    assert await subscribe(at(desk, ebay_verification_token="")) == ()
    assert desk.asked == []


async def test_alerts_go_where_the_installation_says() -> None:
    desk = Desk()

    await subscribe(at(desk, ebay_alert_email="ops@example.com"))
    before = desk.calls()
    await subscribe(at(desk, ebay_alert_email="ops@example.com"))

    assert desk.alert_email == "ops@example.com"
    assert desk.calls() == before


async def test_access_that_ended_is_told() -> None:
    desk = Desk(instead={("GET", "/subscription"): refusal(1001, status=401)})
    await_app = Desk()
    found = connector(
        lambda asked: (desk if asked.headers.get("Authorization") == SELLER else await_app).answer(asked)
    )[0]

    with pytest.raises(AuthorizationError):
        await subscribe(found)


async def test_unlinking_takes_the_sellers_subscriptions_and_leaves_the_apps() -> None:
    desk = Desk()
    found = at(desk)
    await subscribe(found)

    await found.unsubscribe(ACCESS)

    assert desk.subscriptions[SELLER] == {}
    assert len(desk.subscriptions[APP]) == 1
    assert await subscribe(found) == TOPICS
    assert len(desk.subscriptions[SELLER]) == 2


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_unlinking_is_silent_when_access_is_gone(status: int) -> None:
    desk = Desk(instead={("GET", "/subscription"): refusal(1001, status=status)})

    await at(desk).unsubscribe(ACCESS)

    assert desk.calls() == []
