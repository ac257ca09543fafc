"""Daily quotas: counted, told by the Analytics API and by nothing else, refused with 429 until they are whole again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol

import pytest

from deploy.sandbox.ebay.quotas import Quotas

LIMITS = "/developer/analytics/v1_beta/rate_limit/"


class Ebay(Protocol):
    """The fixture's client; see conftest."""

    store: dict[str, Any]

    async def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **sent: Any) -> Any: ...
    async def orders(self, criteria: str = "", **query: Any) -> Any: ...
    async def exchange(self, **form: str) -> Any: ...
    async def control(self, method: str, path: str, /, **body: Any) -> Any: ...
    async def as_app(self) -> Ebay: ...


def test_a_quota_is_whole_again_at_its_hour() -> None:
    now = [1_800_000_000.0]
    quotas = Quotas(lambda: now[0], per_day={"fulfillment": 2})

    admitted = [quotas.admit("fulfillment") for _ in range(3)]
    now[0] = quotas.ends_at

    assert admitted == [True, True, False]
    assert quotas.remaining("fulfillment") == 2
    assert quotas.ends_at - now[0] == 86_400
    assert int(now[0]) % 86_400 == 8 * 3_600


@pytest.mark.integration
async def test_calls_over_the_quota_are_429_without_a_word_of_when_to_return(ebay: Ebay) -> None:
    await ebay.control("POST", "/settings", per_day={"fulfillment": 2})

    answers = [await ebay.orders() for _ in range(3)]

    assert [each.status for each in answers] == [200, 200, 429]
    assert answers[2].error_id == 2001
    assert "retry-after" not in answers[2].headers
    assert not [name for each in answers for name in each.headers if "limit" in name]
    books = await ebay.control("GET", "/books")
    assert (books["api_calls"], books["api_calls_over_budget"]) == (3, 1)


@pytest.mark.integration
async def test_what_is_left_is_told_by_the_analytics_api(ebay: Ebay) -> None:
    app = await ebay.as_app()
    await ebay.orders()

    answer = await app.call("GET", f"{LIMITS}?api_context=sell&api_name=fulfillment")
    other = await app.call("GET", f"{LIMITS}?api_context=buy&api_name=browse")

    [limit] = answer.json["rateLimits"]
    [rate] = limit["resources"][0]["rates"]
    assert (limit["apiContext"], limit["apiName"]) == ("sell", "Fulfillment")
    assert (rate["limit"], rate["remaining"], rate["timeWindow"]) == (100_000, 99_999, 86_400)
    assert datetime.fromisoformat(rate["reset"]).hour == 8
    assert other.status == 204


@pytest.mark.integration
async def test_limits_can_be_turned_off(ebay: Ebay) -> None:
    await ebay.control("POST", "/settings", per_day={"fulfillment": 0})
    limited = await ebay.orders()

    await ebay.control("POST", "/settings", limits=False)

    assert limited.status == 429
    assert (await ebay.orders()).status == 200


@pytest.mark.integration
async def test_tokens_have_quotas_of_their_own(ebay: Ebay) -> None:
    await ebay.control("POST", "/settings", per_day={"refresh_token": 1})
    refresh = {"grant_type": "refresh_token", "refresh_token": ebay.store["tokens"]["refresh_token"]}

    answers = [await ebay.exchange(**refresh) for _ in range(2)]

    assert [each.status for each in answers] == [200, 429]


@pytest.mark.integration
async def test_refused_calls_are_in_the_books(ebay: Ebay) -> None:
    await ebay.call("GET", "/sell/fulfillment/v1/order", headers={"Authorization": "Bearer nothing"})

    assert (await ebay.control("GET", "/books"))["api_calls_refused"] == 1
