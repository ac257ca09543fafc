"""The usage plans: what a bucket holds, what refills it, and whose it is."""

from __future__ import annotations

from typing import Any

import pytest

from deploy.sandbox.amazon.usage import Usage
from tests.deploy.sandbox.amazon.linked import Client


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def burst(usage: Usage, operation: Any, *, seller: str = "A1", client: str = "c") -> int:
    """How many calls pass at once."""
    passed = 0
    while usage.admit(operation, seller=seller, client=client):
        passed += 1
    return passed


@pytest.mark.parametrize(
    ("operation", "calls"), [("searchOrders", 20), ("getOrder", 30), ("confirmShipment", 10), ("createDestination", 5)]
)
def test_a_bucket_holds_the_documented_burst(operation: str, calls: int) -> None:
    assert burst(Usage(Time()), operation) == calls


def test_a_search_comes_back_after_three_minutes_not_before() -> None:
    time = Time()
    usage = Usage(time)
    burst(usage, "searchOrders")

    time.seconds = 178.0
    early = burst(usage, "searchOrders")
    time.seconds = 179.0
    due = burst(usage, "searchOrders")

    assert (early, due) == (0, 1)


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    time = Time()
    usage = Usage(time)
    burst(usage, "getOrder")

    time.seconds = 100_000.0

    assert burst(usage, "getOrder") == 30


def test_sellers_apps_and_operations_have_buckets_of_their_own() -> None:
    usage = Usage(Time())
    burst(usage, "searchOrders")

    assert burst(usage, "searchOrders", seller="A2") == 20
    assert burst(usage, "searchOrders", client="d") == 20
    assert burst(usage, "getOrder") == 30


@pytest.mark.integration
async def test_the_twenty_first_search_is_429_without_a_wait(amazon: Client) -> None:
    answers = [await amazon.search() for _ in range(21)]
    books = await amazon.control("GET", "/books")

    refused = answers[20]
    assert [answer.status for answer in answers[:20]] == [200] * 20
    assert answers[0].headers["x-amzn-ratelimit-limit"] == "0.0056"
    assert (refused.status, refused.json["errors"][0]["code"]) == (429, "QuotaExceeded")
    assert refused.json["errors"][0]["message"] == "You exceeded your quota for the requested resource."
    assert "retry-after" not in refused.headers
    assert "x-amzn-ratelimit-limit" not in refused.headers
    assert books["api_calls_over_budget"] == 1


@pytest.mark.integration
async def test_a_wait_is_told_only_if_set_so(amazon: Client) -> None:
    await amazon.control("POST", "/settings", rates={"searchOrders": [0.01, 1]}, retry_after=True)
    await amazon.search()

    refused = await amazon.search()

    assert (refused.status, refused.headers["retry-after"]) == (429, "100")


@pytest.mark.integration
async def test_the_header_tells_the_rate_in_effect_and_can_be_missing(amazon: Client) -> None:
    await amazon.control("POST", "/settings", rates={"searchOrders": [5, 50]})
    told = await amazon.search()
    await amazon.control("POST", "/settings", rate_header=False)
    silent = await amazon.search()

    assert told.headers["x-amzn-ratelimit-limit"] == "5.0"
    assert "x-amzn-ratelimit-limit" not in silent.headers


@pytest.mark.integration
async def test_without_limits_every_call_passes(amazon: Client) -> None:
    await amazon.control("POST", "/settings", limits=False)

    answers = [await amazon.search() for _ in range(25)]

    assert {answer.status for answer in answers} == {200}
    assert float(answers[-1].headers["x-amzn-ratelimit-limit"]) >= 1000
