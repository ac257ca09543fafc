"""The shop's bucket is kept by its own answers, and each refusal says who can mend it."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from services.ingest.platforms.shopbase.client import LEAK, RESERVE, SIZE, budget
from services.kit.errors import AuthorizationError, TransientError
from services.kit.limits import Limit
from tests.ingest.platforms.shopbase.shop import ACCESS, DOMAIN, PRIVATE_ACCESS, connector
from tests.ingest.platforms.twin_http import answer

ORDER = answer({"order": {}})


def told(limit: str, **more: Any) -> Any:
    return answer({"order": {"id": 1}}, headers={"X-Sb-Shop-Api-Call-Limit": limit}, **more)


async def test_a_token_goes_in_shopbases_own_header() -> None:
    found, http, _ = connector(told("1/30"))

    await found.read_order(ACCESS, "1", way="poll")

    [asked] = http.asked
    assert asked.url == f"https://{DOMAIN}/admin/orders/1.json"
    assert asked.headers == {"X-ShopBase-Access-Token": "canary"}


async def test_a_private_app_shows_key_and_password() -> None:
    found, http, _ = connector(told("1/30"))

    await found.read_order(PRIVATE_ACCESS, "1", way="poll")

    assert http.asked[0].headers == {"Authorization": "Basic " + base64.b64encode(b"key:canary").decode()}


async def test_another_base_url_is_told_which_shop_is_meant() -> None:
    found, http, _ = connector(told("1/30"), platform_url_shopbase="http://127.0.0.1:9/")

    await found.read_order(ACCESS, "1", way="poll")

    assert http.asked[0].url == "http://127.0.0.1:9/admin/orders/1.json"
    assert http.asked[0].headers["X-Forwarded-Host"] == DOMAIN


async def test_each_call_takes_from_the_shops_bucket_of_thirty_that_leaks_two_a_second() -> None:
    found, _, limits = connector(told("1/30"))

    await found.read_order(ACCESS, "1", way="poll")

    assert (SIZE, LEAK) == (30, 2.0)
    assert limits.taken == [(f"shopbase|{DOMAIN}", Limit(SIZE - RESERVE, LEAK))]


@pytest.mark.parametrize(("header", "size", "available"), [("22/30", 28, 6), ("30/30", 28, 0), ("5/80", 78, 73)])
async def test_what_the_bucket_holds_is_learnt_from_each_answer(header: str, size: int, available: int) -> None:
    found, _, limits = connector(told(header))

    await found.read_order(ACCESS, "1", way="poll")

    assert limits.learnt == [(budget(DOMAIN), Limit(size, LEAK), available)]


@pytest.mark.parametrize("header", ["", "22", "a/b", "22/", "-1/30"])
async def test_a_bucket_that_is_not_told_is_not_guessed(header: str) -> None:
    found, _, limits = connector(told(header))

    await found.read_order(ACCESS, "1", way="poll")

    assert limits.learnt == []


@pytest.mark.parametrize(
    ("headers", "least", "most"),
    [
        ({"X-Sb-Shop-Api-Call-Limit": "30/30"}, 1.0, 2.0),
        ({"X-Sb-Shop-Api-Call-Limit": "34/30"}, 3.0, 4.0),
        ({}, 0.5, 1.5),
        ({"Retry-After": "7"}, 7.0, 7.5),
        ({"Retry-After": "1e9"}, 120.0, 120.5),
        ({"Retry-After": "nan"}, 120.0, 120.5),
        ({"Retry-After": "-5"}, 120.0, 120.5),
    ],
)
async def test_a_full_bucket_is_waited_out_whether_or_not_a_time_is_told(
    headers: dict[str, str], least: float, most: float
) -> None:
    found, _, limits = connector(answer({"error": "slow down"}, status=429, headers=headers))

    with pytest.raises(TransientError) as refused:
        await found.read_order(ACCESS, "1", way="poll")

    wait = refused.value.retry_after
    assert wait is not None
    assert least <= wait <= most
    assert limits.closed == [(budget(DOMAIN), wait)]


@pytest.mark.parametrize(
    ("status", "word"), [(401, "Link the store again"), (402, "plan"), (403, "read_orders"), (423, "locked")]
)
async def test_what_only_the_seller_can_mend_says_how(status: int, word: str) -> None:
    found, _, _ = connector(answer({"errors": "canary"}, status=status))

    with pytest.raises(AuthorizationError, match=word) as refused:
        await found.read_order(ACCESS, "1", way="poll")

    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_every_way_of_saying_yes_is_one(status: int) -> None:
    found, _, _ = connector(answer({"order": {"id": 7}}, status=status))

    order = await found.read_order(ACCESS, "7", way="poll")

    assert order is not None
    assert order.external_id == "7"


@pytest.mark.parametrize("status", [303, 400, 406, 422, 500, 501, 503, 504])
async def test_what_may_pass_is_tried_again(status: int) -> None:
    found, _, _ = connector(answer({"errors": "canary"}, status=status))

    with pytest.raises(TransientError) as refused:
        await found.read_order(ACCESS, "1", way="poll")

    assert "canary" not in str(refused.value)


async def test_html_with_status_200_is_tried_again() -> None:
    found, _, _ = connector(answer(b"<html>hello</html>"))

    with pytest.raises(TransientError):
        await found.read_order(ACCESS, "1", way="poll")
