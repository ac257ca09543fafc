"""Etsy's refusals become errors named by their remedy, and its budget is kept."""

from __future__ import annotations

from typing import Any

import pytest

from services.ingest.contract.reading import Window
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import OversizedAnswer, RefusedAddress
from tests.ingest.platforms.etsy.shop import ACCESS, NOW, connector
from tests.ingest.platforms.twin_http import Reply, answer

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


async def test_when_the_days_calls_are_used_up_none_is_sent() -> None:
    headers = {"X-Limit-Per-Second": "10", "X-Remaining-This-Second": "9", "x-remaining-today": "0"}
    found, http = connector(answer(EMPTY, headers=headers))

    await found.read_order(ACCESS, "1", way="poll")
    with pytest.raises(TransientError, match="day"):
        await found.read_order(ACCESS, "1", way="poll")

    assert len(http.asked) == 1
