"""Etsy's refusals become errors named by their remedy, and its budget is kept."""

from __future__ import annotations

from typing import Any

import pytest

from services.ingest.contract.reading import Window
from services.ingest.platforms.etsy.client import EtsyClient
from services.ingest.platforms.etsy.settings import EtsySettings
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import OversizedAnswer, RefusedAddress
from tests.ingest.platforms.etsy.shop import ACCESS, NOW, connector
from tests.ingest.platforms.twin_http import Reply, ScriptedHttp, answer
from tests.ingest.toolbox import HastyClock, toolbox

EMPTY: dict[str, Any] = {"count": 0, "results": []}


async def read(*replies: Reply) -> None:
    found, _ = connector(*replies)
    await found.read_page(ACCESS, Window(NOW, NOW.replace(hour=10)), after=None, way="poll")


async def test_every_call_carries_the_keystring_the_secret_and_the_token() -> None:
    found, http = connector(answer(EMPTY))

    await found.read_page(ACCESS, Window(NOW, NOW.replace(hour=10)), after=None, way="poll")

    assert http.asked[0].headers == {"x-api-key": "key:secret", "Authorization": "Bearer 42.a"}


@pytest.mark.parametrize(
    ("status", "problem"), [(401, "invalid_token"), (403, "insufficient_scope"), (403, "User is not authorized")]
)
async def test_a_refused_token_asks_for_the_seller(status: int, problem: str) -> None:
    with pytest.raises(AuthorizationError, match="Link the store again"):
        await read(answer({"error": problem}, status=status))


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (401, "Missing x-api-key header"),
        (403, "Shared secret is required in x-api-key header"),
        (403, "API key not found or not active, or incorrect shared secret for API key"),
    ],
)
async def test_a_refused_app_key_is_no_sellers_fault(status: int, problem: str) -> None:
    with pytest.raises(TransientError, match="ETSY_SHARED_SECRET"):
        await read(answer({"error": problem}, status=status))


@pytest.mark.parametrize(
    "reply",
    [
        answer(status=500),
        answer(status=503),
        answer(status=404),
        answer(b"<html>"),
        answer(b'{"count": 1, "res'),
        answer([]),
        answer({"count": None, "results": []}),
        answer({"count": 1, "results": None}),
        TransientError("no connection"),
        OversizedAnswer("too much"),
        RefusedAddress("private"),
    ],
)
async def test_what_may_pass_is_tried_again_by_the_caller(reply: Reply) -> None:
    with pytest.raises(TransientError):
        await read(reply)


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("3", 3, 4), ("", 1, 1.25), ("soon", 1, 1.25), ("99999999", 900, 1125), ("-1", 900, 1125)],
)
async def test_a_refused_call_is_waited_for_within_bounds_and_not_all_at_once(
    text: str, least: float, most: float
) -> None:
    with pytest.raises(TransientError) as refused:
        await read(answer(status=429, headers={"retry-after": text}))

    assert refused.value.retry_after is not None
    assert least <= refused.value.retry_after <= most


async def test_after_a_refused_call_no_store_of_the_app_calls() -> None:
    found, http = connector(answer(status=429, headers={"Retry-After": "30"}))

    for _ in range(2):
        with pytest.raises(TransientError):
            await found.read_order(ACCESS, "1", way="poll")

    assert len(http.asked) == 1


async def test_waits_after_a_refused_call_differ_so_that_not_all_come_back_at_once() -> None:
    waits = set()
    for _ in range(5):
        with pytest.raises(TransientError) as refused:
            await read(answer(status=429, headers={"retry-after": "60"}))
        waits.add(refused.value.retry_after)

    assert len(waits) > 1


async def counted(headers: dict[str, str], calls: int) -> list[float]:
    """The waits for so many calls at once to an app of these limits, by two connectors that share what they count."""
    http, clock = ScriptedHttp(answer(EMPTY, headers=headers)), HastyClock()
    tools = toolbox(http, clock)
    settings = EtsySettings(_env_file=None, etsy_keystring="key")
    processes = EtsyClient(settings, tools), EtsyClient(settings, tools)
    for place in range(calls):
        await processes[place % 2].get("t", "/users/me")
    return clock.waits


async def test_the_calls_a_second_are_those_that_etsy_tells_for_all_shops_and_processes_of_the_app() -> None:
    few = await counted({"x-limit-per-second": "5", "x-limit-per-day": "100000", "x-remaining-today": "99999"}, 40)
    many = await counted({"x-limit-per-second": "150", "x-limit-per-day": "100000", "x-remaining-today": "99999"}, 40)

    assert sum(few) > 40 / 5 * 0.8
    assert sum(many) < 1


async def test_a_second_that_is_used_up_is_waited_out() -> None:
    assert sum(await counted({"X-Remaining-This-Second": "0"}, 3)) >= 2


async def test_the_calls_a_day_are_those_that_etsy_tells() -> None:
    plenty, few = ({"x-limit-per-day": number, "x-remaining-today": number} for number in ("100000", "8"))

    await counted(plenty, 30)
    with pytest.raises(TransientError, match="day"):
        await counted(few, 30)


async def test_when_the_days_calls_are_used_up_none_is_sent() -> None:
    headers = {"X-Limit-Per-Second": "10", "X-Remaining-This-Second": "9", "x-remaining-today": "0"}
    found, http = connector(answer(EMPTY, headers=headers))

    await found.read_order(ACCESS, "1", way="poll")
    with pytest.raises(TransientError, match="day"):
        await found.read_order(ACCESS, "1", way="poll")

    assert len(http.asked) == 1
