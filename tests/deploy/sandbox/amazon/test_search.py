"""searchOrders: bounds, filters, pages, and what the last two minutes hide."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.deploy.sandbox.amazon.linked import ORDERS, Client, instant

pytestmark = pytest.mark.integration


def ids(answer: Any) -> list[str]:
    assert answer.status == 200, answer.json
    return [order["orderId"] for order in answer.json["orders"]]


async def all_pages(amazon: Client, **query: str) -> list[Any]:
    query.setdefault("lastUpdatedAfter", instant(-86_400))
    pages = [await amazon.search(**query)]
    while token := pages[-1].json.get("pagination", {}).get("nextToken"):
        pages.append(await amazon.search(**query, paginationToken=token))
    return pages


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"createdAfter": -600, "lastUpdatedAfter": -600},
        {"createdAfter": -600, "lastUpdatedBefore": -300},
        {"lastUpdatedAfter": -600, "createdBefore": -300},
        {"lastUpdatedAfter": -300, "lastUpdatedBefore": -600},
        {"lastUpdatedAfter": -600, "lastUpdatedBefore": -60},
        {"createdAfter": -600, "createdBefore": -110},
        {"createdBefore": -600},
    ],
)
async def test_bounds_that_the_documentation_forbids_are_400(amazon: Client, query: dict[str, int]) -> None:
    answer = await amazon.call("GET", ORDERS, params={name: instant(at) for name, at in query.items()})

    assert (answer.status, answer.json["errors"][0]["code"]) == (400, "InvalidInput")


@pytest.mark.parametrize(
    "query",
    [
        {"maxResultsPerPage": "0"},
        {"maxResultsPerPage": "101"},
        {"maxResultsPerPage": "ten"},
        {"includedData": "EVERYTHING"},
        {"fulfillmentStatuses": "Canceled"},
        {"fulfilledBy": "MFN"},
        {"marketplaceIds": "US"},
        {"marketplaceIds": ",".join(["ATVPDKIKX0DER"] * 51)},
        {"lastUpdatedAfter": "2026-11-01"},
        {"lastUpdatedAfter": "2026-11-01T00:00:00"},
        {"lastUpdatedAfter": "TEST_CASE_400"},
        {"paginationToken": "nonsense"},
    ],
)
async def test_values_that_the_documentation_does_not_know_are_400(amazon: Client, query: dict[str, str]) -> None:
    answer = await amazon.search(**query)

    assert (answer.status, set(answer.json["errors"][0])) == (400, {"code", "message", "details"})


async def test_a_list_that_is_not_joined_by_commas_is_400(amazon: Client) -> None:
    twice = [("lastUpdatedAfter", instant(-600)), ("includedData", "BUYER"), ("includedData", "RECIPIENT")]

    assert (await amazon.call("GET", ORDERS, params=twice)).status == 400


async def test_an_order_is_listed_two_minutes_after_it_was_made(amazon: Client) -> None:
    order = await amazon.order(ago="PT0S")

    early = await amazon.search()
    await amazon.control("POST", "/clock", advance="PT2M10S")
    late = await amazon.search()

    assert ids(early) == []
    assert ids(late) == [order]


async def test_the_answer_tells_the_upper_bound_that_it_kept(amazon: Client) -> None:
    before = instant(-125)
    open_end = await amazon.search()
    asked = "2026-11-01T10:00:00.250Z"
    closed = await amazon.search(lastUpdatedAfter="2026-11-01T09:00:00Z", lastUpdatedBefore=asked)
    created = await amazon.search(createdAfter=instant(-600))

    assert before < open_end.json["lastUpdatedBefore"] < instant(-119)
    assert closed.json["lastUpdatedBefore"] == asked
    assert "createdBefore" in created.json
    assert "lastUpdatedBefore" not in created.json


@pytest.mark.parametrize("family", ["created", "lastUpdated"])
async def test_both_bounds_are_inclusive(amazon: Client, family: str) -> None:
    order = await amazon.order()
    at = (await amazon.one(order))[f"{family}Time"]

    found = await amazon.search(**{f"{family}After": at, f"{family}Before": at})

    assert ids(found) == [order]


async def test_a_young_lower_bound_finds_nothing_or_is_400(amazon: Client) -> None:
    lenient = await amazon.search(lastUpdatedAfter=instant(-10))
    await amazon.control("POST", "/settings", refuse_recent_after=True)
    strict = await amazon.search(lastUpdatedAfter=instant(-10))

    assert ids(lenient) == []
    assert strict.status == 400


async def test_filters_take_lists(amazon: Client) -> None:
    states = ("ready", "cancelled", "fulfilled_by_amazon", "unpaid_pending", "other_currency")
    made = {state: await amazon.order(state) for state in states}

    by_status = await amazon.search(fulfillmentStatuses="PENDING,CANCELLED")
    by_whom = await amazon.search(fulfilledBy="AMAZON")
    by_market = await amazon.search(marketplaceIds="A2EUQ1WTGCTBG2")

    assert set(ids(by_status)) == {made["cancelled"], made["unpaid_pending"]}
    assert ids(by_whom) == [made["fulfilled_by_amazon"]]
    assert ids(by_market) == [made["other_currency"]]


async def test_a_marketplace_of_others_is_403(amazon: Client) -> None:
    answer = await amazon.search(marketplaceIds="A1PA6795UKMFR9")

    assert answer.status == 403


async def test_pages_meet_every_order_once_and_the_last_has_no_token(amazon: Client) -> None:
    made = await amazon.orders("mixed", count=230, created_over="PT1H")

    pages = await all_pages(amazon)

    assert [len(page.json["orders"]) for page in pages] == [100, 100, 30]
    assert sorted(order for page in pages for order in ids(page)) == sorted(made)
    assert pages[-1].json["pagination"] == {}
    assert len({page.json["lastUpdatedBefore"] for page in pages}) == 1


async def test_a_single_page_has_no_pagination(amazon: Client) -> None:
    await amazon.orders(count=2)

    assert "pagination" not in (await amazon.search()).json


@pytest.mark.parametrize("shuffled", [False, True])
async def test_no_order_is_promised_within_a_page(amazon: Client, *, shuffled: bool) -> None:
    await amazon.control("POST", "/settings", shuffle_pages=shuffled)
    await amazon.orders(count=40, created_over="PT1H")

    pages = await all_pages(amazon, maxResultsPerPage="20")

    times = [[order["lastUpdatedTime"] for order in page.json["orders"]] for page in pages]
    assert all(page != sorted(page) for page in times)
    assert (max(times[0]) < min(times[1])) is not shuffled


async def test_a_token_may_be_used_again_and_ends_after_a_day(amazon: Client) -> None:
    await amazon.orders(count=3)
    query = {"lastUpdatedAfter": instant(-86_400), "maxResultsPerPage": "1"}
    token = (await amazon.search(**query)).json["pagination"]["nextToken"]

    first, second = [await amazon.search(**query, paginationToken=token) for _ in range(2)]
    await amazon.control("POST", "/clock", advance="PT24H1S")
    await amazon.renew()
    late = await amazon.search(**query, paginationToken=token)

    assert ids(first) == ids(second)
    assert (late.status, late.json["errors"][0]["details"]) == (400, "paginationToken has expired.")


async def test_a_token_comes_with_the_parameters_that_it_was_given_for(amazon: Client) -> None:
    await amazon.orders(count=3)
    query = {"lastUpdatedAfter": instant(-86_400), "maxResultsPerPage": "1"}
    token = (await amazon.search(**query)).json["pagination"]["nextToken"]

    other = await amazon.search(**query, paginationToken=token, fulfilledBy="AMAZON")
    alone = await amazon.call("GET", ORDERS, params={"paginationToken": token})
    await amazon.control("POST", "/settings", token_alone=True)
    allowed = await amazon.call("GET", ORDERS, params={"paginationToken": token})

    assert (other.status, alone.status, allowed.status) == (400, 400, 200)


async def test_an_order_that_changes_meanwhile_leaves_the_pages_for_a_later_window(amazon: Client) -> None:
    made = await amazon.orders(count=4, created_over="PT1H")
    query = {"lastUpdatedAfter": instant(-86_400), "maxResultsPerPage": "2"}
    first = await amazon.search(**query)
    last = made[-1]

    await amazon.change(last, "address", address={"city": "Elsewhere"})
    second = await amazon.search(**query, paginationToken=first.json["pagination"]["nextToken"])
    await amazon.control("POST", "/clock", advance="PT3M")
    later = await amazon.search(lastUpdatedAfter=first.json["lastUpdatedBefore"])

    assert last not in ids(first) + ids(second)
    assert ids(later) == [last]


async def test_an_order_may_appear_later_than_its_times_say(amazon: Client) -> None:
    await amazon.control("POST", "/settings", appearance_lag=600)
    order = await amazon.order(ago="PT5M")

    early = await amazon.search()
    await amazon.control("POST", "/clock", advance="PT6M")
    late = await amazon.search()

    assert (ids(early), ids(late)) == ([], [order])


async def test_an_address_may_arrive_later_and_moves_the_change_time(amazon: Client) -> None:
    await amazon.control("POST", "/settings", address_lag=600)
    order = await amazon.order(ago="PT5M")

    early = await amazon.one(order)
    await amazon.control("POST", "/clock", advance="PT8M")
    late = await amazon.one(order)

    assert "recipient" not in early
    assert late["recipient"]["deliveryAddress"]["addressLine1"]
    assert late["lastUpdatedTime"] > early["lastUpdatedTime"]


async def test_orders_older_than_two_years_are_not_found(amazon: Client) -> None:
    await amazon.order(ago="P731D")
    recent = await amazon.order(ago="P700D")

    found = await amazon.search(createdAfter="2020-01-01T00:00:00Z")

    assert ids(found) == [recent]


async def test_the_far_east_keeps_orders_since_2016(amazon: Client) -> None:
    tokyo = await amazon.open_store(region="fe")
    old = await tokyo.order(ago="P1500D")

    assert ids(await tokyo.search(createdAfter="2016-01-01T00:00:00Z")) == [old]


async def test_an_empty_page_is_followed_by_the_rest(amazon: Client) -> None:
    made = await amazon.orders(count=4)
    await amazon.control("POST", "/faults", kind="empty_page", count=1)

    pages = await all_pages(amazon, maxResultsPerPage="2")

    assert [len(page.json["orders"]) for page in pages] == [0, 2, 2]
    assert sorted(order for page in pages for order in ids(page)) == sorted(made)


async def test_a_repeated_row_is_the_last_of_the_page_before(amazon: Client) -> None:
    made = await amazon.orders(count=4)
    await amazon.control("POST", "/faults", kind="repeated_row", count=1, path="paginationToken")

    pages = await all_pages(amazon, maxResultsPerPage="2")

    found = [order for page in pages for order in ids(page)]
    assert len(found) == 5
    assert set(found) == set(made)


async def test_a_moved_row_is_found_in_the_next_window(amazon: Client) -> None:
    made = await amazon.orders(count=4)
    await amazon.control("POST", "/faults", kind="moved_row", count=1)

    pages = await all_pages(amazon, maxResultsPerPage="2")
    await amazon.control("POST", "/clock", advance="PT3M")
    later = await amazon.search(lastUpdatedAfter=pages[-1].json["lastUpdatedBefore"])

    found = [order for page in pages for order in ids(page)]
    assert len(found) == 3
    assert set(found) | set(ids(later)) == set(made)


async def test_times_come_with_and_without_milliseconds(amazon: Client) -> None:
    await amazon.orders(count=20)

    times = [order["createdTime"] for order in (await amazon.search()).json["orders"]]

    assert any(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", at) for at in times)
    assert any(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", at) for at in times)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/orders/2026-01-01/orders/TEST_CASE_400", 400),
        ("/orders/2026-01-01/orders/902-1845936-5435065", 404),
        ("/orders/2026-01-01/orders/902-1845936-5435065/cancellation", 404),
    ],
)
async def test_what_does_not_exist_answers_in_the_same_form(amazon: Client, path: str, status: int) -> None:
    answer = await amazon.call("GET", path)

    assert answer.status == status
    assert set(answer.json["errors"][0]) == {"code", "message", "details"}
    assert answer.headers["x-amzn-requestid"]


@pytest.mark.parametrize("date", ["", "2026-11-23T12:00:00Z"])
async def test_a_call_names_its_date_in_amazons_form(amazon: Client, date: str) -> None:
    headers = {"x-amz-access-token": amazon.access, "x-amz-date": date}
    query = {"createdAfter": instant(-600)}

    strict = await amazon.send("GET", ORDERS, headers=headers, params=query)
    await amazon.control("POST", "/settings", strict_headers=False)
    lenient = await amazon.send("GET", ORDERS, headers=headers, params=query)

    assert (strict.status, lenient.status) == (400, 200)


async def test_a_fault_spoils_an_answer(amazon: Client) -> None:
    await amazon.control("POST", "/faults", kind="html_200", count=1)

    spoilt = await amazon.search()

    assert (spoilt.status, spoilt.json) == (200, None)
    assert (await amazon.search()).status == 200
