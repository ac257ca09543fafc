from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from services.eligibility.api import Api, api_routes
from services.eligibility.app import routes_document
from services.kit.health import Health
from services.kit.http.server import build_app, serve
from services.kit.keys import MemoryKeyRing
from services.kit.metrics import Metrics
from tests.eligibility.workbench import KEY, SELLER, SKU, STORE, Bench
from tests.schemas.orders import NOON, order_item, raw_order

#: The API is served on loopback, over the repository's twin.
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@dataclass
class Asked:
    """A seller's client, and another seller's key."""

    bench: Bench
    session: aiohttp.ClientSession
    key: str
    other_key: str

    async def __call__(
        self, method: str, path: str, body: Any = None, *, other: bool = False, expect: int = 200
    ) -> Any:
        headers = {"Authorization": f"Bearer {self.other_key if other else self.key}"}
        async with self.session.request(method, path, json=body, headers=headers) as response:
            answered = await response.json(content_type=None) if response.status != 204 else None
            assert response.status == expect, answered
            return answered


@pytest.fixture
async def ask(bench: Bench) -> AsyncIterator[Asked]:
    keys = MemoryKeyRing()
    api = Api(bench.repository, judge=bench.judge, sealer=bench.sealer, clock=bench.clock)
    app = build_app(api_routes(api), keys=keys, metrics=Metrics(), health=Health())
    server = await serve(app, "127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield Asked(bench, session, keys.grant(SELLER), keys.grant("seller-2"))
    await server.stop()


async def test_a_decision_tells_every_reason_in_plain_words(ask: Asked) -> None:
    await ask.bench.arrive(raw_order(payment="pending", items=(order_item(sku="X"),)))

    view = await ask("GET", f"/v1/orders/{KEY}/decision")

    assert (view["outcome"], view["number"], view["production"]) == ("held", 1, None)
    assert [reason["code"] for reason in view["reasons"]] == ["PAYMENT_PENDING", "ITEM_NOT_MATCHED"]
    assert view["reasons"][0]["sentence"] == "The buyer has not paid yet (the platform says: pending)."
    assert view["reasons"][1]["rechecked_by"] == ["match", "catalog", "revision"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/v1/orders/{KEY}/decision", None),
        ("POST", f"/v1/orders/{KEY}/approve", None),
        ("POST", f"/v1/orders/{KEY}/hold", None),
        ("POST", f"/v1/orders/{KEY}/release", None),
        ("POST", f"/v1/orders/{KEY}/pay", None),
        ("POST", f"/v1/orders/{KEY}/address-confirmation", None),
        ("POST", f"/v1/orders/{KEY}/address", {"name": "B", "line1": "1", "country": "US"}),
        ("POST", "/v1/matches", {"sku": "X", "store_id": STORE, "production_sku": SKU}),
    ],
)
async def test_another_sellers_things_do_not_exist(ask: Asked, method: str, path: str, body: Any) -> None:
    await ask.bench.arrive(raw_order(payment="pending"))

    problem = await ask(method, path, body, other=True, expect=404)

    assert problem["code"] in {"order_not_found", "store_not_found"}


async def test_a_hold_is_said_and_judged_by(ask: Asked) -> None:
    await ask.bench.arrive(raw_order(payment="pending"))

    view = await ask("POST", f"/v1/orders/{KEY}/hold", expect=202)
    await ask.bench.judge_again()

    assert (view["held_by_seller"], view["reassessing"]) == (True, True)
    assert await ask.bench.reasons() == ["PAYMENT_PENDING", "HELD_BY_SELLER"]


async def test_a_released_order_cannot_be_held(ask: Asked) -> None:
    await ask.bench.arrive(raw_order())

    problem = await ask("POST", f"/v1/orders/{KEY}/hold", expect=409)

    assert problem["code"] == "already_released"


async def test_many_approvals_get_one_result_each(ask: Asked) -> None:
    await ask.bench.arrive(raw_order(payment="pending"))

    answered = await ask("POST", "/v1/approvals", {"keys": [KEY, "shopify:st-1:none"]}, expect=202)

    assert answered == {
        "items": [
            {"order_key": KEY, "result": "approved", "number": 1},
            {"order_key": "shopify:st-1:none", "result": "not_found", "number": None},
        ],
        "next": None,
    }


@pytest.fixture
async def waiting(ask: Asked) -> Asked:
    """An order whose first decision said that it waits for approval; since then its buyer's payment became unsure."""
    await ask("PATCH", "/v1/settings", {"auto_approve": False})
    await ask.bench.arrive(raw_order())
    await ask.bench.arrive(raw_order(risk="investigate", revised_at=NOON + timedelta(seconds=1)))
    return ask


async def test_an_approval_of_what_the_seller_saw_is_refused_once_the_decision_has_changed(waiting: Asked) -> None:
    problem = await waiting("POST", f"/v1/orders/{KEY}/approve", {"number": 1}, expect=409)
    await waiting.bench.judge_again()

    assert problem["code"] == "decision_changed"
    assert "Read the order's decision again" in problem["detail"]
    assert await waiting.bench.reasons() == ["FRAUD_REVIEW", "NOT_APPROVED"]


async def test_an_approval_of_the_valid_decision_has_the_order_made(waiting: Asked) -> None:
    seen = await waiting("GET", f"/v1/orders/{KEY}/decision")

    await waiting("POST", f"/v1/orders/{KEY}/approve", {"number": seen["number"]}, expect=202)
    await waiting.bench.judge_again()

    assert seen["number"] == 2
    assert await waiting.bench.commands() == ["order.released"]


@pytest.mark.parametrize("body", [None, {}, {"number": None}])
async def test_an_approval_without_a_number_takes_the_order_as_it_stands(waiting: Asked, body: Any) -> None:
    await waiting("POST", f"/v1/orders/{KEY}/approve", body, expect=202)
    await waiting.bench.judge_again()

    assert await waiting.bench.commands() == ["order.released"]


async def test_of_many_approvals_each_is_bound_to_what_was_seen(waiting: Asked) -> None:
    await waiting.bench.arrive(raw_order(number="2"), raw_order(number="3"))
    items = [{"order_key": KEY, "number": 1}, {"order_key": "shopify:st-1:2", "number": 1}]

    answered = await waiting("POST", "/v1/approvals", {"keys": ["shopify:st-1:3"], "items": items}, expect=202)
    await waiting.bench.judge_again()

    assert {item["order_key"]: item["result"] for item in answered["items"]} == {
        "shopify:st-1:3": "approved",
        KEY: "decision_changed",
        "shopify:st-1:2": "approved",
    }
    assert await waiting.bench.commands() == ["order.released", "order.released"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"keys": []},
        {"items": [{"order_key": KEY, "number": 0}]},
        {"items": [{"order_key": KEY, "number": 1}, {"order_key": KEY, "number": 2}]},
        {"keys": [KEY], "items": [{"order_key": KEY, "number": 1}]},
        {"keys": [f"shopify:st-1:{number}" for number in range(1001)]},
    ],
)
async def test_approvals_name_each_order_once_and_not_too_many(ask: Asked, body: Any) -> None:
    problem = await ask("POST", "/v1/approvals", body, expect=422)

    assert problem["code"] == "invalid_request"


async def test_matches_are_made_listed_by_pages_and_forgotten(ask: Asked) -> None:
    for sku in ("A", "B", "C"):
        body = {"sku": sku, "production_sku": SKU, "designs": [{"area": "front", "url": "https://art.example/a"}]}
        await ask("POST", "/v1/matches", body, expect=201)

    first = await ask("GET", "/v1/matches?limit=2")
    second = await ask("GET", f"/v1/matches?limit=2&cursor={first['next']}")

    assert {match["sku"] for match in first["items"] + second["items"]} == {"A", "B", "C"}
    assert second["next"] is None
    await ask("DELETE", f"/v1/matches/{first['items'][0]['id']}", other=True, expect=404)
    await ask("DELETE", f"/v1/matches/{first['items'][0]['id']}", expect=204)
    assert len((await ask("GET", "/v1/matches"))["items"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"production_sku": SKU},
        {"sku": "A", "product_id": "P", "production_sku": SKU},
        {"sku": "A", "production_sku": SKU, "designs": [{"area": "front", "url": "javascript:alert(1)"}]},
        {"sku": "A", "production_sku": SKU, "designs": [{"area": "front", "url": "https://a.example/" + "x" * 2000}]},
        {"sku": "A", "production_sku": SKU, "designs": [{"area": "x" * 101, "url": "https://a.example/1.png"}]},
        {"sku": "", "production_sku": SKU},
        {"sku": "A", "production_sku": SKU, "unknown": 1},
    ],
)
async def test_a_match_names_one_thing_and_real_addresses(ask: Asked, body: Any) -> None:
    problem = await ask("POST", "/v1/matches", body, expect=422)

    assert problem["code"] == "invalid_request"


async def test_settings_change_only_what_is_named(ask: Asked) -> None:
    await ask("PATCH", "/v1/settings", {"auto_pay": False})

    assert await ask("GET", "/v1/settings") == {"auto_match": True, "auto_approve": True, "auto_pay": False}


async def test_the_rules_are_told(ask: Asked) -> None:
    rules = await ask("GET", "/v1/rules")

    assert len(rules["items"]) == 23
    assert rules["items"][0]["code"] == "CANCELLED"


async def test_a_top_up_counts_once_and_its_reference_stands_for_one_amount(ask: Asked) -> None:
    body = {"amount": "5.50", "currency": "USD", "reference": "wire-7"}
    await ask("POST", "/v1/balance/top-ups", body, expect=201)

    again = await ask("POST", "/v1/balance/top-ups", body, expect=201)
    problem = await ask("POST", "/v1/balance/top-ups", {**body, "amount": "6"}, expect=409)

    assert again["balances"] == [{"amount": "10005.50", "currency": "USD"}]
    assert problem["code"] == "reference_used"


@pytest.mark.parametrize("amount", ["0", "-1", "1.001", "1e3", "NaN", "x"])
async def test_no_amount_that_is_none_tops_up(ask: Asked, amount: str) -> None:
    body = {"amount": amount, "currency": "USD", "reference": "r"}

    await ask("POST", "/v1/balance/top-ups", body, expect=422)

    assert (await ask("GET", "/v1/balance"))["balances"] == [{"amount": "10000.00", "currency": "USD"}]


async def test_a_dry_run_counts_and_changes_nothing(ask: Asked, tmp_path: Path) -> None:
    orders = [raw_order(number="1", items=(order_item(sku="X"),)), raw_order(number="2", payment="pending")]
    await ask.bench.arrive(*orders)
    await ask("POST", "/v1/matches", {"sku": "X", "production_sku": SKU}, expect=201)

    dry = await ask("POST", "/v1/reassessments", {"dry_run": True}, expect=202)
    some = await ask("POST", "/v1/reassessments", {"dry_run": True, "reason_code": "PAYMENT_PENDING"}, expect=202)

    assert dry == {"dry_run": True, "orders": 2, "outcomes": {"eligible": 1, "held": 1}}
    assert some["orders"] == 1
    assert await ask.bench.commands() == []
    assert (await ask("GET", "/v1/balance"))["balances"] == [{"amount": "10000.00", "currency": "USD"}]


async def test_reassessments_are_requested(ask: Asked) -> None:
    await ask.bench.arrive(raw_order(payment="pending"))

    answered = await ask("POST", "/v1/reassessments", {"store_id": STORE}, expect=202)

    assert answered["orders"] == 1
    assert await ask.bench.judge_again() == 1


async def test_a_problem_never_repeats_what_was_sent(ask: Asked) -> None:
    problem = await ask(
        "POST", f"/v1/orders/{KEY}/address", {"name": "Ann Lee", "line1": "1 Main", "country": "USA"}, expect=422
    )

    assert "Ann" not in str(problem)
    assert "USA" not in str(problem)


def test_the_document_says_that_an_approval_needs_no_body_and_names_each_operation_once() -> None:
    paths = routes_document()["paths"]
    operations = [operation["operationId"] for methods in paths.values() for operation in methods.values()]

    assert paths["/v1/orders/{key}/approve"]["post"]["requestBody"]["required"] is False
    assert paths["/v1/approvals"]["post"]["requestBody"]["required"] is True
    assert len(set(operations)) == len(operations)


def test_the_document_names_every_resource() -> None:
    assert {
        "/v1/orders/{key}/decision",
        "/v1/orders/{key}/approve",
        "/v1/orders/{key}/hold",
        "/v1/orders/{key}/release",
        "/v1/orders/{key}/address",
        "/v1/orders/{key}/address-confirmation",
        "/v1/orders/{key}/pay",
        "/v1/approvals",
        "/v1/matches",
        "/v1/matches/{id}",
        "/v1/settings",
        "/v1/rules",
        "/v1/balance",
        "/v1/balance/top-ups",
        "/v1/reassessments",
    } <= routes_document()["paths"].keys()
