"""What the Admin API answers: orders by search and page, costs, and refusals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .conftest import Client

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

PAGE = """query(
  $first: Int!, $after: String, $q: String, $sort: OrderSortKeys = UPDATED_AT, $reverse: Boolean = false
) {
  orders(first: $first, after: $after, query: $q, sortKey: $sort, reverse: $reverse) {
    pageInfo { hasNextPage endCursor }
    nodes { id legacyResourceId name createdAt updatedAt displayFinancialStatus test }
  }
}"""


async def _all(client: Client, *, first: int = 7, **asked: Any) -> list[dict[str, Any]]:
    """Page to the end."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await client.ask(PAGE, first=first, after=after, **asked))["orders"]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return found
        after = page["pageInfo"]["endCursor"]


async def _make(client: Client, count: int, **asked: Any) -> list[str]:
    made = await client.control("POST", f"/stores/{client.store['store']}/orders", count=count, **asked)
    return list(made["ids"])


async def test_paging_to_the_end_gives_every_order_once_in_order_of_change(client: Client) -> None:
    made = await _make(client, 40, created_over="PT1H")

    found = await _all(client)

    assert sorted(order["legacyResourceId"] for order in found) == sorted(made)
    changed = [(order["updatedAt"], int(order["legacyResourceId"])) for order in found]
    assert changed == sorted(changed)


async def test_reverse_paging_gives_the_same_orders_backwards(client: Client) -> None:
    await _make(client, 20, created_over="PT1H")

    forwards = await _all(client, sort="CREATED_AT")
    backwards = await _all(client, sort="CREATED_AT", reverse=True)

    assert backwards == forwards[::-1]


async def test_an_order_that_changes_while_one_pages_appears_again_at_the_end(client: Client) -> None:
    made = await _make(client, 6, state="ready", created_over="PT1H")
    first = (await client.ask(PAGE, first=3))["orders"]

    await client.change(made[0], "note", note="hello")
    rest = (await client.ask(PAGE, first=10, after=first["pageInfo"]["endCursor"]))["orders"]["nodes"]

    assert [order["legacyResourceId"] for order in rest] == [*made[3:], made[0]]


async def test_a_window_of_update_times_is_closed_on_both_ends(client: Client) -> None:
    await _make(client, 60, created_over="PT1H", state="ready")
    everything = await _all(client)
    low, high = everything[10]["updatedAt"], everything[30]["updatedAt"]

    found = await _all(client, q=f"updated_at:>='{low}' AND updated_at:<='{high}'")

    assert found == [order for order in everything if low <= order["updatedAt"] <= high]
    assert len(found) >= 21


@pytest.mark.parametrize(
    ("search", "states"),
    [
        ("financial_status:pending", {"unpaid_pending"}),
        ("financial_status:paid test:true", {"test"}),
        ("financial_status:pending OR financial_status:authorized", {"unpaid_pending", "unpaid_authorized"}),
        ("status:cancelled", {"cancelled"}),
        ("status:open -financial_status:paid", {"unpaid_pending", "unpaid_authorized"}),
        ("NOT (financial_status:paid OR financial_status:refunded)", {"unpaid_pending", "unpaid_authorized"}),
        ("", {"ready", "unpaid_pending", "unpaid_authorized", "cancelled", "test"}),
    ],
)
async def test_searches_find_what_they_say(client: Client, search: str, states: set[str]) -> None:
    ids = {
        await client.order(state): state
        for state in ("ready", "unpaid_pending", "unpaid_authorized", "cancelled", "test")
    }

    found = await _all(client, q=search)

    assert {ids[order["legacyResourceId"]] for order in found} == states


async def test_an_id_beyond_what_floats_hold_is_found_exactly(client: Client) -> None:
    made = await _make(client, 5, state="ready")

    [found] = await _all(client, q=f"id:{made[2]}")

    assert int(found["legacyResourceId"]) > 2**53
    assert found["legacyResourceId"] == made[2]


async def test_a_field_that_orders_do_not_have_is_ignored_with_a_warning(client: Client) -> None:
    await client.order()

    answer = (await client.post(PAGE, first=5, q="colour:red")).json

    assert len(answer["data"]["orders"]["nodes"]) == 1
    assert answer["extensions"]["search"][0]["warnings"][0]["field"] == "colour"


async def test_the_rest_of_an_orders_lines_is_read_by_its_id(client: Client) -> None:
    order = await client.order("many_lines")
    query = """query($id: ID!, $after: String) { order(id: $id) { lineItems(first: 25, after: $after) {
      pageInfo { hasNextPage endCursor } nodes { id sku quantity } } } }"""
    lines: list[str] = []
    after = None

    while True:
        page = (await client.ask(query, id=f"gid://shopify/Order/{order}", after=after))["order"]["lineItems"]
        lines += [line["id"] for line in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]

    assert len(lines) == len(set(lines)) == 60


async def test_orders_older_than_sixty_days_need_a_scope(client: Client) -> None:
    await client.order(created_ago="P61D")
    seeing = await client.control("POST", "/stores", scopes=["read_orders", "read_all_orders"])

    hidden = await _all(client)
    client.store, client.token = seeing, seeing["custom_app"]["access_token"]
    await client.order(created_ago="P61D")

    assert hidden == []
    assert len(await _all(client)) == 1


async def test_a_lagging_search_index_hides_what_just_changed(client: Client) -> None:
    await client.control("POST", "/settings", search_lag=5)
    await client.order()

    before = await _all(client)
    client.stand_in.clock.advance(timedelta(seconds=10))

    assert (len(before), len(await _all(client))) == (0, 1)


async def test_fragments_and_aliases_are_understood(client: Client) -> None:
    order = await client.order()
    query = """query($id: ID!) {
      found: node(id: $id) { __typename id ... on Order { ...Names } ... on Shop { url } }
      nobody: order(id: "gid://shopify/Order/1") { id }
    }
    fragment Names on Order { name again: name }"""

    found = await client.ask(query, id=f"gid://shopify/Order/{order}")

    assert list(found["found"]) == ["__typename", "id", "name", "again"]
    assert found["found"]["name"] == found["found"]["again"] == "#1001"
    assert found["nobody"] is None


async def test_money_is_a_decimal_without_needless_zeros(client: Client) -> None:
    client.store = await client.control("POST", "/stores", currency="JPY")
    client.token = client.store["custom_app"]["access_token"]
    await client.order("gift_card_only")

    found = await client.ask(
        "{ orders(first: 1) { nodes { lineItems(first: 1) { nodes { originalUnitPriceSet { shopMoney "
        "{ amount currencyCode } presentmentMoney { amount currencyCode } } } } } } }"
    )

    [line] = found["orders"]["nodes"][0]["lineItems"]["nodes"]
    money = {"amount": "3750.0", "currencyCode": "JPY"}
    assert line["originalUnitPriceSet"] == {"shopMoney": money, "presentmentMoney": money}


async def test_every_answer_tells_its_cost_and_what_is_left(client: Client) -> None:
    await _make(client, 3)

    cost = (await client.post(PAGE, first=50)).json["extensions"]["cost"]

    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (50, 3)
    assert cost["throttleStatus"] == {"maximumAvailable": 2000, "currentlyAvailable": 1997, "restoreRate": 100}


async def test_a_spent_bucket_throttles_with_status_200_and_refills_with_time(client: Client) -> None:
    await _make(client, 250)
    answers = [(await client.post(PAGE, first=250)).json for _ in range(9)]

    throttled = answers[-1]
    cost = throttled["extensions"]["cost"]
    wait = (cost["requestedQueryCost"] - cost["throttleStatus"]["currentlyAvailable"]) / 100
    client.stand_in.clock.advance(timedelta(seconds=wait))

    assert "data" in answers[-2]
    assert "data" not in throttled
    assert throttled["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert cost["actualQueryCost"] is None
    assert "data" in (await client.post(PAGE, first=250)).json
    assert client.stand_in.books["api_calls_over_budget"] == 1


async def test_the_bucket_has_no_end_with_limits_off(client: Client) -> None:
    await client.control("POST", "/settings", limits=False)
    await _make(client, 250)

    answers = [(await client.post(PAGE, first=250)).json for _ in range(12)]

    assert all("data" in answer for answer in answers)


async def test_a_query_that_could_cost_more_than_a_thousand_is_refused(client: Client) -> None:
    query = "{ orders(first: 50) { nodes { id lineItems(first: 50) { nodes { id } } } } }"

    answer = (await client.post(query)).json

    assert answer["errors"][0]["extensions"]["code"] == "MAX_COST_EXCEEDED"
    assert answer["errors"][0]["extensions"]["cost"] == 50 * (1 + 50)


async def test_orders_by_their_ids_stand_in_the_places_of_their_ids_and_each_costs_its_node(client: Client) -> None:
    first, second, gone = await _make(client, 3)
    await client.control("PATCH", f"/stores/{client.store['store']}/orders/{gone}", action="delete")
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Order { id lineItems(first: 4) { nodes { id } } } } }"
    ids = [f"gid://shopify/Order/{number}" for number in (second, gone, first, "5")]

    answer = (await client.post(query, ids=ids)).json
    too_many = (await client.post(query, ids=[*ids[:1]] * 251)).json

    assert [node and node["id"] for node in answer["data"]["nodes"]] == [ids[0], None, ids[2], None]
    assert answer["extensions"]["cost"]["requestedQueryCost"] == 4 * (1 + 4)
    assert "errors" in too_many


async def test_a_count_stops_at_its_limit_and_says_so(client: Client) -> None:
    await _make(client, 7)

    counted = await client.ask(
        "{ all: ordersCount(limit: null) { count precision } some: ordersCount(limit: 5) { count precision } }"
    )

    assert counted == {"all": {"count": 7, "precision": "EXACT"}, "some": {"count": 5, "precision": "AT_LEAST"}}


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("{ orders(first: 251) { nodes { id } } }", "first cannot exceed 250"),
        ("{ orders { nodes { id } } }", "you must provide one of first or last"),
        ('{ orders(first: 1, after: "x") { nodes { id } } }', "Invalid cursor"),
        ('{ orders(first: 1, query: "updated_at:>soon") { nodes { id } } }', "not a date"),
        ("{ orders(first: 1) { nodes { colour } } }", "Cannot query field 'colour'"),
        ("{ orders(first: 1) {", "Syntax Error"),
        ("{ shop @include(if: true) { name } }", "no directives"),
    ],
)
async def test_a_wrong_query_is_told_what_is_wrong(client: Client, query: str, said: str) -> None:
    answer = await client.post(query)

    assert answer.status == 200
    assert said in answer.json["errors"][0]["message"]


async def test_a_missing_scope_denies_access(client: Client) -> None:
    poor = await client.control("POST", "/stores", scopes=["read_merchant_managed_fulfillment_orders"])
    client.store, client.token = poor, poor["custom_app"]["access_token"]

    answer = (await client.post(PAGE, first=1)).json

    assert answer["data"] == {"orders": None}
    assert answer["errors"][0]["extensions"]["code"] == "ACCESS_DENIED"


async def test_buyers_are_withheld_from_apps_that_were_not_approved(client: Client) -> None:
    order = await client.order()
    client.stand_in.tokens.apps[client.store["custom_app"]["client_id"]].sees_buyers = False

    answer = (await client.post("{ orders(first: 1) { nodes { name email shippingAddress { zip } } } }")).json

    [found] = answer["data"]["orders"]["nodes"]
    assert found == {"name": (await client.truth())[order]["name"], "email": None, "shippingAddress": None}
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"ACCESS_DENIED"}


@pytest.mark.parametrize(("asked", "served"), [("2026-10", "2026-10"), ("2026-07", "2026-07"), ("2025-01", "2026-07")])
async def test_an_expired_version_falls_forward(client: Client, asked: str, served: str) -> None:
    answer = await client.post("{ shop { name } }", version=asked)

    assert answer.headers["X-Shopify-API-Version"] == served


@pytest.mark.parametrize("version", ["2027-01", "2026-08", "unstable"])
async def test_a_version_that_does_not_exist_is_not_found(client: Client, version: str) -> None:
    assert (await client.post("{ shop { name } }", version=version)).status == 404


async def test_times_are_whole_seconds_in_utc(client: Client) -> None:
    await client.order()

    [found] = await _all(client)

    made = datetime.strptime(found["createdAt"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - made) < timedelta(minutes=1)
