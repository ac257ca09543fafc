"""eBay's refusals become errors named by their remedy, and the app's calls a day are kept."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from deploy.sandbox.ebay.quotas import PER_DAY
from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import Window
from services.ingest.platforms.ebay.budgets import FULFILLMENT, NOTIFICATION, never_above
from services.ingest.platforms.ebay.connector import EbayConnector
from services.ingest.platforms.ebay.settings import EbaySettings
from services.ingest.platforms.ebay.tokens import A_DAY
from services.kit.clock import ManualClock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer, OversizedAnswer, RefusedAddress
from services.kit.limits import MemoryLimits
from tests.ingest.platforms.ebay.shop import ACCESS, HOUR_AGO, NOW, Shop, connector, refusal
from tests.ingest.platforms.twin_http import Asked, Reply, ScriptedHttp, answer

RESET = (NOW + timedelta(hours=15)).isoformat().replace("+00:00", "Z")


def rate(remaining: int, limit: int = 100_000) -> dict[str, Any]:
    return {"limit": limit, "remaining": remaining, "reset": RESET}


async def read(reply: Reply) -> None:
    """Read a page of an account whose list answers so."""
    shop = Shop({1: 1})

    def answered(asked: Asked) -> HttpAnswer:
        if not asked.url.partition("?")[0].endswith("/order"):
            return shop.answer(asked)
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, HttpAnswer) else reply(asked)

    found, _ = connector(answered)
    await found.read_page(ACCESS, Window(HOUR_AGO, NOW), after=None, way="poll")


async def test_a_call_carries_the_sellers_token_and_asks_for_json() -> None:
    shop = Shop({1: 1})
    found, _ = connector(shop.answer)

    await found.read_order(ACCESS, "1", way="poll")

    assert shop.asked[-1].headers == {"Authorization": "Bearer user-token", "Accept": "application/json"}


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_asks_for_the_seller(status: int) -> None:
    with pytest.raises(AuthorizationError, match="Link the store again"):
        await read(refusal(1100, status=status))


@pytest.mark.parametrize(
    "reply",
    [
        refusal(30500, status=500),
        answer(status=503),
        answer(status=409),
        refusal(30800),
        answer(b"<html>", status=400),
        answer({"errors": "?"}, status=400),
        answer(b"<html>"),
        answer(b"", status=200),
        TransientError("no connection"),
        OversizedAnswer("too much"),
        RefusedAddress("private"),
    ],
)
async def test_what_may_pass_is_tried_again_by_the_caller(reply: Reply) -> None:
    with pytest.raises(TransientError):
        await read(reply)


async def test_a_declined_call_is_named_by_ebays_number_and_not_hurried() -> None:
    with pytest.raises(TransientError, match="30800") as refused:
        await read(refusal(30800))

    assert refused.value.retry_after == 300


@pytest.mark.parametrize(("text", "seconds"), [("3", 3), ("0", 0), ("99999999", 3600), ("", 1), ("soon", 1), ("-1", 1)])
async def test_a_refused_call_is_waited_for_within_bounds(text: str, seconds: float) -> None:
    with pytest.raises(TransientError) as refused:
        await read(answer(status=429, headers={"Retry-After": text}))

    assert refused.value.retry_after == seconds


async def test_refusals_without_a_word_are_waited_for_ever_longer() -> None:
    clock = ManualClock(NOW)
    shop = Shop({1: 1}, meanwhile=lambda _number: refusal(2001, status=429))
    found, _ = connector(shop.answer, clock=clock)
    waits = []

    for _ in range(11):
        with pytest.raises(TransientError) as refused:
            await found.read_page(ACCESS, Window(HOUR_AGO, NOW), after=None, way="poll")
        waits.append(refused.value.retry_after)
        clock.advance(1000)

    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


async def test_a_call_that_goes_through_makes_the_next_refusal_a_first_one() -> None:
    clock, refuses = ManualClock(NOW), iter((True, True, False, True))
    shop = Shop({1: 1}, meanwhile=lambda _number: refusal(2001, status=429) if next(refuses) else None)
    found, _ = connector(shop.answer, clock=clock)
    waits: list[float | None] = []

    for _ in range(4):
        try:
            await found.read_page(ACCESS, Window(HOUR_AGO, NOW), after=None, way="poll")
        except TransientError as error:
            waits.append(error.retry_after)
        clock.advance(1000)

    assert waits == [1, 2, 1]


async def test_after_a_refused_call_no_account_of_the_app_calls() -> None:
    shop = Shop({1: 1}, meanwhile=lambda _number: answer(status=429, headers={"Retry-After": "30"}))
    found, _ = connector(shop.answer)

    for _ in range(2):
        with pytest.raises(TransientError):
            await found.read_page(ACCESS, Window(HOUR_AGO, NOW), after=None, way="poll")

    assert len(shop.queries) == 1


async def test_when_the_days_calls_are_used_up_none_is_sent_until_the_reset() -> None:
    clock = ManualClock(NOW)
    shop = Shop({1: 1}, rate=rate(0))
    found, _ = connector(shop.answer, clock=clock)

    with pytest.raises(TransientError) as refused:
        await found.read_order(ACCESS, "1", way="poll")
    shop.rate = rate(100_000)
    clock.advance(15 * 3600 + 1)

    assert refused.value.retry_after == pytest.approx(15 * 3600)
    assert not [asked for asked in shop.asked if "/order/" in asked.url]
    assert await found.read_order(ACCESS, "1", way="poll") is not None


async def test_a_refusal_with_nothing_left_waits_for_the_reset() -> None:
    shop = Shop({1: 1}, rate=rate(50_000))
    found, _ = connector(shop.answer)

    def used_up(_number: int) -> HttpAnswer:
        shop.rate = rate(0)
        return refusal(2001, status=429)

    shop.meanwhile = used_up
    with pytest.raises(TransientError) as refused:
        await found.read_page(ACCESS, Window(HOUR_AGO, NOW), after=None, way="poll")

    assert len(shop.queries) == 1
    assert refused.value.retry_after == pytest.approx(15 * 3600)


async def test_of_an_apis_kinds_of_calls_the_scarcest_counts() -> None:
    shop = Shop({1: 1})
    resources = [{"name": name, "rates": [rate(left)]} for name, left in (("a", 90_000), ("b", 0), ("c", 9_000))]
    told = answer({"rateLimits": [{"apiName": "fulfillment", "resources": resources}]})
    found, _ = connector(lambda asked: told if "rate_limit" in asked.url else shop.answer(asked))

    with pytest.raises(TransientError):
        await found.read_order(ACCESS, "1", way="poll")


async def test_a_small_quota_is_never_overdrawn_whatever_else_spends_it() -> None:
    left = 12
    shop = Shop({1: 1}, rate=rate(left, 20))
    sent = 0

    def answered(asked: Asked) -> HttpAnswer:
        nonlocal left, sent
        if "/order/" in asked.url:
            # Somebody else of the same app spends a call for each of ours.
            left, sent = left - 2, sent + 1
            shop.rate = rate(max(left, 0), 20)
        return shop.answer(asked)

    found, _ = connector(answered)
    results = [
        await asyncio.gather(found.read_order(ACCESS, "1", way="poll"), return_exceptions=True) for _ in range(20)
    ]

    assert sent == 6
    assert isinstance(results[-1][0], TransientError)


class SlowHttp(ScriptedHttp):
    """Holds every call for an order back, so that eBay has not counted it yet."""

    def __init__(self, shop: Shop) -> None:
        super().__init__(shop.answer)
        self.answered = asyncio.Event()

    async def request(self, method: str, url: str, **sent: Any) -> HttpAnswer:
        answered = await super().request(method, url, **sent)
        if "/order/" in url:
            await self.answered.wait()
        return answered


async def test_calls_under_way_are_counted_besides_what_ebay_says_is_left() -> None:
    # Somebody else of the same app spends a call between any two of our questions what is left.
    shop, clock = Shop({1: 1}, rates=[rate(left, 20) for left in (8, 7, 6, 5, 4)]), ManualClock(NOW)
    http = SlowHttp(shop)
    settings = EbaySettings(_env_file=None, ebay_client_id="client", ebay_client_secret="secret")
    found = EbayConnector(settings, Tools(http, clock, MemoryLimits(clock)))

    calls = [asyncio.create_task(found.read_order(ACCESS, "1", way="poll")) for _ in range(20)]
    for _ in range(50):
        await asyncio.sleep(0)
    http.answered.set()
    await asyncio.gather(*calls, return_exceptions=True)

    assert sum("/order/" in asked.url for asked in http.asked) == 5


@pytest.mark.parametrize(
    "reply", [answer(status=500), answer(b"<html>"), answer({"rateLimits": 7}), answer(status=401)]
)
async def test_analytics_that_do_not_answer_stop_no_reading(reply: HttpAnswer) -> None:
    shop = Shop({1: 1})
    found, _ = connector(lambda asked: reply if "rate_limit" in asked.url else shop.answer(asked))

    assert await found.read_order(ACCESS, "1", way="poll") is not None


async def test_ebay_is_asked_what_is_left_now_and_then_and_not_at_every_call() -> None:
    clock = ManualClock(NOW)
    shop = Shop({1: 1}, rate=rate(90_000))
    found, _ = connector(shop.answer, clock=clock)

    for _ in range(30):
        await found.read_order(ACCESS, "1", way="poll")
    clock.advance(301)
    await found.read_order(ACCESS, "1", way="poll")

    asked = [asked.url for asked in shop.asked if "rate_limit" in asked.url]
    assert (
        asked
        == ["https://api.ebay.com/developer/analytics/v1_beta/rate_limit/?api_context=sell&api_name=fulfillment"] * 2
    )


async def test_the_apps_own_token_is_kept_for_its_two_hours() -> None:
    clock = ManualClock(NOW)
    shop = Shop({1: 1}, rate=rate(90_000))
    found, _ = connector(shop.answer, clock=clock)

    for _ in range(10):
        await found.read_order(ACCESS, "1", way="poll")
        clock.advance(600)

    tokens = [asked for asked in shop.asked if asked.url.endswith("/oauth2/token")]
    assert len(tokens) == 1
    assert tokens[0].form == {"grant_type": "client_credentials", "scope": "https://api.ebay.com/oauth/api_scope"}


def test_the_calls_of_a_day_are_those_that_the_stand_in_counts_by_the_documents() -> None:
    ours = {"fulfillment": FULFILLMENT.a_day, "notification": NOTIFICATION.a_day, **A_DAY}

    assert {name: PER_DAY[name] for name in ours} == ours


def test_no_24_hours_hold_more_calls_than_a_day_has() -> None:
    limit = never_above(1_000)

    assert limit.capacity + limit.rate * 86_400 <= 1_000
