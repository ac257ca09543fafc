"""Shopify's refusals become errors named by their remedy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from services.ingest.platforms.shopify.client import ShopifyClient, TooDear
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer, OversizedAnswer
from tests.ingest.platforms.twin_http import Reply, ScriptedHttp, answer
from tests.ingest.toolbox import HastyClock, toolbox

SHOP = "store.myshopify.com"
TOKEN = "shpat_canary"


def client(*replies: Reply, **settings: Any) -> tuple[ShopifyClient, ScriptedHttp, HastyClock]:
    http, clock = ScriptedHttp(*replies), HastyClock()
    return (
        ShopifyClient(ShopifySettings(_env_file=None, **settings), toolbox(http, clock)),
        http,
        clock,
    )


async def ask(found: ShopifyClient, variables: Mapping[str, object] | None = None) -> dict[str, Any]:
    return await found.graphql(SHOP, TOKEN, "query Q { shop { name } }", variables or {}, operation="Q")


def cost(requested: float, available: float, *, maximum: float = 2000, rate: float = 100) -> dict[str, Any]:
    status = {"maximumAvailable": maximum, "currentlyAvailable": available, "restoreRate": rate}
    return {"cost": {"requestedQueryCost": requested, "actualQueryCost": None, "throttleStatus": status}}


def refused(code: str, data: object = None, **extensions: Any) -> HttpAnswer:
    errors = [{"message": "refused", "extensions": {"code": code}}]
    return answer({"errors": errors, "data": data, "extensions": extensions})


async def test_a_query_goes_to_the_shop_with_its_token() -> None:
    found, http, _ = client(answer({"data": {"shop": {"name": "A"}}}))

    data = await ask(found, {"a": 1})

    [asked] = http.asked
    assert data == {"shop": {"name": "A"}}
    assert asked.url == f"https://{SHOP}/admin/api/2026-10/graphql.json"
    assert asked.headers["X-Shopify-Access-Token"] == TOKEN
    assert asked.json["variables"] == {"a": 1}


async def test_another_base_url_is_told_which_shop_is_meant() -> None:
    found, http, _ = client(answer({"data": {"shop": {}}}), platform_url_shopify="http://127.0.0.1:9/")

    await ask(found)

    assert http.asked[0].url == "http://127.0.0.1:9/admin/api/2026-10/graphql.json"
    assert http.asked[0].headers["X-Forwarded-Host"] == SHOP


@pytest.mark.parametrize("status", [401, 402, 403, 423])
async def test_a_refusal_that_only_the_seller_mends_asks_for_the_seller(status: int) -> None:
    found, _, _ = client(answer({"errors": "[API] Invalid API key or access token"}, status=status))

    with pytest.raises(AuthorizationError) as error:
        await ask(found)

    assert "ink the store again" in str(error.value) or "link it again" in str(error.value)
    assert TOKEN not in str(error.value)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
async def test_a_passing_refusal_is_tried_again(status: int) -> None:
    found, http, clock = client(answer(status=status, headers={"Retry-After": "2.0"}), answer({"data": {"shop": {}}}))

    await ask(found)

    assert len(http.asked) == 2
    assert clock.waits == [2.0]


async def test_a_long_wait_is_left_to_the_caller() -> None:
    found, http, _ = client(answer(status=429, headers={"Retry-After": "60"}))

    with pytest.raises(TransientError) as error:
        await ask(found)

    assert error.value.retry_after == 60
    assert len(http.asked) == 1


@pytest.mark.parametrize(("text", "wait"), [("soon", 1.0), ("", 1.0), ("nan", 1.0), ("-5", 0.1)])
async def test_a_senseless_retry_after_does_no_harm(text: str, wait: float) -> None:
    found, _, clock = client(answer(status=503, headers={"Retry-After": text}), answer({"data": {"shop": {}}}))

    await ask(found)

    assert clock.waits == [wait]


async def test_an_endless_retry_after_is_cut() -> None:
    found, _, _ = client(answer(status=503, headers={"Retry-After": "inf"}))

    with pytest.raises(TransientError) as error:
        await ask(found)

    assert error.value.retry_after == 120


async def test_throttling_is_waited_out_by_what_the_answer_says() -> None:
    throttled = refused("THROTTLED", **cost(500, available=200))
    found, http, clock = client(throttled, answer({"data": {"shop": {}}, "extensions": cost(500, 1500)}))

    await ask(found)

    assert len(http.asked) == 2
    assert sum(clock.waits) == pytest.approx(3.0)


async def test_the_budget_is_waited_for_before_shopify_has_to_refuse() -> None:
    found, http, clock = client(answer({"data": {"shop": {}}, "extensions": cost(400, available=100)}))

    await ask(found)
    assert clock.waits == []
    await ask(found)

    assert clock.waits == [3.0]
    assert len(http.asked) == 2


async def test_each_store_has_a_budget_of_its_own() -> None:
    found, _, clock = client(answer({"data": {"shop": {}}, "extensions": cost(400, available=0)}))

    await ask(found)
    await found.graphql("other.myshopify.com", TOKEN, "query Q { shop { name } }", {}, operation="Q")

    assert clock.waits == []


async def test_a_query_that_is_too_dear_says_so() -> None:
    found, _, _ = client(refused("MAX_COST_EXCEEDED"))

    with pytest.raises(TooDear):
        await ask(found)


async def test_an_answer_too_large_to_hold_must_be_asked_for_in_parts() -> None:
    found, _, _ = client(OversizedAnswer("too much"))

    with pytest.raises(TooDear):
        await ask(found)


async def test_hidden_buyers_leave_the_rest_of_the_order_readable() -> None:
    data = {"orders": {"nodes": [{"email": None}]}}
    found, _, _ = client(refused("ACCESS_DENIED", data=data))

    assert await ask(found) == data


async def test_hidden_buyers_beside_another_error_are_no_answer() -> None:
    errors = [{"message": "no", "extensions": {"code": code}} for code in ("ACCESS_DENIED", "INTERNAL_SERVER_ERROR")]
    found, _, _ = client(answer({"errors": errors, "data": {"orders": {"nodes": []}}}))

    with pytest.raises(TransientError, match="INTERNAL_SERVER_ERROR"):
        await ask(found)


@pytest.mark.parametrize("data", [None, {"orders": None}, {"ordersCount": {"count": 3}, "orders": None}])
async def test_a_missing_scope_asks_for_the_seller(data: object) -> None:
    found, _, _ = client(refused("ACCESS_DENIED", data=data))

    with pytest.raises(AuthorizationError):
        await ask(found)


@pytest.mark.parametrize("code", ["INTERNAL_SERVER_ERROR", "", "SOMETHING_NEW"])
async def test_another_error_may_pass(code: str) -> None:
    found, _, _ = client(refused(code, data={"orders": {}}))

    with pytest.raises(TransientError):
        await ask(found)


async def test_an_inactive_shop_asks_for_the_seller() -> None:
    found, _, _ = client(refused("SHOP_INACTIVE"))

    with pytest.raises(AuthorizationError):
        await ask(found)


@pytest.mark.parametrize("body", [b"<html>Down for maintenance</html>", b'{"data": {"sh', b"[]", b"", b"null"])
async def test_an_answer_that_is_no_answer_may_pass(body: bytes) -> None:
    found, http, _ = client(answer(body))

    with pytest.raises(TransientError) as error:
        await ask(found)

    assert len(http.asked) > 1
    assert "html" not in str(error.value)


async def test_another_version_than_asked_is_reported_once() -> None:
    found, _, _ = client(answer({"data": {"shop": {}}}, headers={"X-Shopify-API-Version": "2027-01"}))

    with capture_logs() as events:
        await ask(found)
        await ask(found)

    assert [event for event in events if event["event"] == "shopify.version_differed"] == [
        {"event": "shopify.version_differed", "log_level": "warning", "asked": "2026-10", "served": "2027-01"}
    ]


async def test_what_a_query_costs_is_expected_before_shopify_has_said_so() -> None:
    found, http, clock = client(answer({"data": {"shop": {}}}))

    for _ in range(2):
        await found.graphql(SHOP, TOKEN, "query Q { shop { name } }", {}, operation="Q", points=600)

    assert clock.waits == [pytest.approx((1200 - 1000) / 50)]
    assert len(http.asked) == 2


async def test_shopifys_own_reckoning_corrects_what_a_query_is_expected_to_cost() -> None:
    found, _, clock = client(answer({"data": {"shop": {}}, "extensions": cost(400, available=500)}))

    await found.graphql(SHOP, TOKEN, "query Q { shop { name } }", {}, operation="Q", points=100)
    await found.graphql(SHOP, TOKEN, "query Q { shop { name } }", {}, operation="Q", points=200)

    assert sum(clock.waits) == pytest.approx((800 - 500) / 100)


async def test_what_a_query_did_not_cost_in_the_end_is_there_for_the_next() -> None:
    status = {"maximumAvailable": 2000, "currentlyAvailable": 1900, "restoreRate": 100}
    spent = {"cost": {"requestedQueryCost": 900, "actualQueryCost": 100, "throttleStatus": status}}
    found, http, clock = client(answer({"data": {"shop": {}}, "extensions": spent}))

    for _ in range(4):
        await found.graphql(SHOP, TOKEN, "query Q { shop { name } }", {}, operation="Q", points=900)

    assert clock.waits == []
    assert len(http.asked) == 4


async def test_a_token_that_never_ends_is_refused_with_what_to_do() -> None:
    words = "[API] Non-expiring access tokens are no longer accepted for the Admin API."
    found, _, _ = client(answer({"errors": words}, status=403))

    with pytest.raises(AuthorizationError, match="never ends") as error:
        await ask(found)

    assert "Link the store again" in str(error.value) or "link the store again" in str(error.value)


@pytest.mark.parametrize(("status", "word"), [(402, "froze"), (423, "locked")])
async def test_a_closed_store_is_no_refused_grant(status: int, word: str) -> None:
    found, _, _ = client(answer({"errors": "Unavailable Shop"}, status=status))

    with pytest.raises(AuthorizationError, match=word):
        await found.token(SHOP, {"grant_type": "refresh_token"})
