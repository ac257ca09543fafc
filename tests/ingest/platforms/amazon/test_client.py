"""Amazon's refusals become errors named by their remedy, and each seller's budget is kept."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import Any, get_args

import pytest
from structlog.testing import capture_logs

from deploy.sandbox.amazon.usage import PLANS, Operation
from services.ingest.contract.reading import Window
from services.ingest.contract.stores import Access
from services.ingest.platforms.amazon.client import USAGE_PLANS
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import OversizedAnswer, RefusedAddress
from tests.ingest.platforms.amazon.shop import ACCESS, EMPTY, LATEST, NOW, SECRETS, STORE, connector, order_id
from tests.ingest.platforms.twin_http import Reply, answer
from tests.ingest.toolbox import HastyClock

WINDOW = Window(LATEST - timedelta(hours=1), LATEST)
QUOTA = {"errors": [{"code": "QuotaExceeded", "message": "You exceeded your quota.", "details": ""}]}


def refusal(code: str, status: int, details: str = "", **headers: str) -> Any:
    return answer({"errors": [{"code": code, "message": "no", "details": details}]}, status=status, headers=headers)


async def read(*replies: Reply) -> None:
    found, _ = connector(*replies)
    await found.read_page(ACCESS, WINDOW, after=None, way="poll")


async def test_every_call_carries_the_token_the_date_and_who_calls_and_no_signature() -> None:
    found, http = connector(answer(EMPTY))

    await found.read_page(ACCESS, WINDOW, after=None, way="poll")

    assert http.asked[0].headers == {
        "x-amz-access-token": "Atza|a",
        "x-amz-date": "20261123T090000Z",
        "User-Agent": "SyncOrder/1 (Language=Python)",
    }


@pytest.mark.parametrize(
    ("region", "host"),
    [("na", "sellingpartnerapi-na"), ("eu", "sellingpartnerapi-eu"), ("fe", "sellingpartnerapi-fe")],
)
async def test_each_region_has_an_address_of_its_own(region: str, host: str) -> None:
    found, http = connector(answer(EMPTY))

    await found.read_page(Access(STORE, SECRETS | {"region": region}), WINDOW, after=None, way="poll")

    assert http.asked[0].url.startswith(f"https://{host}.amazon.com/orders/2026-01-01/orders?")


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_asks_for_other_access(status: int) -> None:
    with pytest.raises(AuthorizationError, match="Link the store again"):
        await read(refusal("Unauthorized", status, "The access token you provided has expired."))


@pytest.mark.parametrize(
    "reply",
    [
        answer(status=500),
        answer(status=503),
        answer(status=404),
        answer(b"<html>"),
        answer(b'{"orders": [{"orde'),
        answer([]),
        answer({"orders": None}),
        answer({"payload": {"Orders": []}}),
        refusal("InvalidInput", 400),
        refusal("RequestTooLarge", 413),
        refusal("UnsupportedMediaType", 415),
        TransientError("no connection"),
        OversizedAnswer("too much"),
        RefusedAddress("private"),
    ],
)
async def test_what_may_pass_is_tried_again_by_the_caller(reply: Reply) -> None:
    with pytest.raises(TransientError):
        await read(reply)


@pytest.mark.parametrize("status", [400, 413, 415])
async def test_a_request_that_is_refused_as_it_is_does_not_spend_the_budget_in_a_hurry(status: int) -> None:
    with pytest.raises(TransientError) as refused:
        await read(refusal("InvalidInput", status))

    assert (refused.value.retry_after or 0) >= 900


@pytest.mark.parametrize("status", [500, 503])
async def test_a_failure_of_amazons_is_tried_again_soon_or_when_it_says(status: int) -> None:
    with pytest.raises(TransientError) as failed:
        await read(refusal("InternalFailure", status))
    with pytest.raises(TransientError) as told:
        await read(refusal("InternalFailure", status, **{"Retry-After": "7"}))

    assert 15 <= (failed.value.retry_after or 0) <= 16.5
    assert told.value.retry_after == 7


async def test_an_order_that_cannot_be_read_as_asked_is_no_crash() -> None:
    found, _ = connector(refusal("InvalidInput", 400))

    with pytest.raises(TransientError, match="getOrder with 400"):
        await found.read_order(ACCESS, order_id(1), way="poll")


async def test_without_a_retry_after_the_wait_is_one_interval_of_the_rate_and_not_all_come_at_once() -> None:
    with pytest.raises(TransientError) as refused:
        await read(answer(QUOTA, status=429))

    assert 178 <= (refused.value.retry_after or 0) <= 197


async def test_without_a_retry_after_the_rate_that_the_refusal_tells_counts() -> None:
    with pytest.raises(TransientError) as refused:
        await read(answer(QUOTA, status=429, headers={"x-amzn-RateLimit-Limit": "0.1"}))

    assert 10 <= (refused.value.retry_after or 0) <= 11


@pytest.mark.parametrize(("text", "seconds"), [("3", 3), ("0", 0), ("99999999", 900), ("-1", 900)])
async def test_a_retry_after_is_honoured_within_bounds(text: str, seconds: float) -> None:
    with pytest.raises(TransientError) as refused:
        await read(answer(QUOTA, status=429, headers={"Retry-After": text}))

    assert refused.value.retry_after == seconds


async def test_after_a_refused_call_none_of_that_operation_is_sent_for_that_seller_but_others_are() -> None:
    found, http = connector(answer(QUOTA, status=429), answer(EMPTY))
    other = Access(STORE, SECRETS | {"seller_id": "A9Z8Y7X6W5V4U3"})

    for _ in range(2):
        with pytest.raises(TransientError):
            await found.read_page(ACCESS, WINDOW, after=None, way="poll")
    await found.read_page(other, WINDOW, after=None, way="poll")
    http.replies[:] = [answer(status=404)]
    await found.read_order(ACCESS, order_id(1), way="poll")

    assert len(http.asked) == 3


@pytest.mark.parametrize(("operation", "burst"), [("searchOrders", 20), ("getOrder", 30)])
async def test_the_burst_is_spent_and_then_the_next_call_waits_for_its_interval(operation: str, burst: int) -> None:
    clock = HastyClock(NOW)
    found, http = connector(answer({"orders": [], "order": {}}), clock=clock)

    async def call() -> None:
        if operation == "getOrder":
            await found.read_order(ACCESS, order_id(1), way="poll")
        else:
            await found.read_page(ACCESS, WINDOW, after=None, way="poll")

    for _ in range(burst):
        await call()
    assert clock.waits == []

    if operation == "getOrder":
        await call()
        assert clock.waits == [pytest.approx(1 / (0.5 * 0.95))]
    else:
        with pytest.raises(TransientError) as refused:
            await call()
        assert refused.value.retry_after == pytest.approx(1 / (0.0056 * 0.95))
        assert len(http.asked) == burst


def test_the_usage_plans_are_those_that_the_stand_in_keeps_by_the_documents() -> None:
    assert {operation: PLANS[operation] for operation in get_args(Operation) if operation in USAGE_PLANS} == USAGE_PLANS


async def test_the_rate_that_amazon_tells_replaces_the_documented_one_and_the_burst_stays() -> None:
    found, _ = connector(answer(EMPTY, headers={"x-amzn-RateLimit-Limit": "0.05"}))

    for _ in range(USAGE_PLANS["searchOrders"][1]):
        await found.read_page(ACCESS, WINDOW, after=None, way="poll")
    with pytest.raises(TransientError) as refused:
        await found.read_page(ACCESS, WINDOW, after=None, way="poll")

    assert refused.value.retry_after == pytest.approx(1 / (0.05 * 0.95))


@pytest.mark.parametrize("told", ["", "0", "-1", "nan", "soon"])
async def test_a_rate_that_is_not_told_leaves_the_documented_one(told: str) -> None:
    found, _ = connector(answer(EMPTY, headers={"x-amzn-RateLimit-Limit": told}))

    for _ in range(20):
        await found.read_page(ACCESS, WINDOW, after=None, way="poll")
    with pytest.raises(TransientError) as refused:
        await found.read_page(ACCESS, WINDOW, after=None, way="poll")

    assert refused.value.retry_after == pytest.approx(188, abs=1)


async def test_every_answer_is_logged_by_amazons_id_of_the_request() -> None:
    with capture_logs() as logs:
        await read(answer(EMPTY, headers={"x-amzn-RequestId": "r-0"}))

    assert [(entry["event"], entry["request_id"]) for entry in logs] == [("amazon.answered", "r-0")]


async def test_a_refusal_is_logged_by_amazons_id_of_the_request_and_without_what_was_sent() -> None:
    with capture_logs() as logs, pytest.raises(AuthorizationError):
        await read(refusal("Unauthorized", 403, "buyer@example.com is denied.", **{"x-amzn-RequestId": "r-1"}))

    [entry] = logs
    assert (entry["event"], entry["request_id"], entry["codes"]) == ("amazon.refused", "r-1", ["Unauthorized"])
    assert "buyer@example.com" not in str(logs)
    assert "Atza|a" not in str(logs)


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 23 Nov 2026 09:00:00"])
async def test_an_answer_without_a_proper_date_tells_nothing_of_clocks(date: str) -> None:
    found, _ = connector(answer(EMPTY, headers={"Date": date}))

    await found.read_page(ACCESS, WINDOW, after=None, way="poll")

    assert found._client.ahead == timedelta()


@pytest.mark.parametrize(("seconds", "ahead"), [(3, 0), (-600, 0), (420, 420)])
async def test_only_a_clock_that_is_clearly_ahead_counts_as_ahead(seconds: int, ahead: int) -> None:
    date = format_datetime(NOW - timedelta(seconds=seconds), usegmt=True)
    found, _ = connector(answer(EMPTY, headers={"Date": date}))

    await found.read_page(ACCESS, WINDOW, after=None, way="poll")

    assert found._client.ahead == timedelta(seconds=ahead)


def test_secrets_are_in_no_repr() -> None:
    found, _ = connector()

    assert "Atz" not in repr(ACCESS)
    assert "secret'" not in repr(found._settings).replace("SecretStr", "")
