"""getOrders and getOrder over HTTP: filters, bounds, pages, and what a list does not tell."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import pytest

pytestmark = pytest.mark.integration

ORDERS = "/sell/fulfillment/v1/order"


class Ebay(Protocol):
    """The fixture's client; see conftest."""

    base: str
    store: dict[str, Any]
    token: str

    async def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **sent: Any) -> Any: ...
    async def orders(self, criteria: str = "", **query: Any) -> Any: ...
    async def get(self, order: str) -> Any: ...
    async def control(self, method: str, path: str, /, **body: Any) -> Any: ...
    async def create(self, state: str = "ready", *, count: int = 1, **options: Any) -> list[str]: ...
    async def order(self, state: str = "ready", **options: Any) -> str: ...
    async def change(self, order: str, action: str, **change: Any) -> Any: ...
    async def truth(self, order: str) -> Any: ...
    async def open_seller(self, **body: Any) -> Ebay: ...


def at(*, ago: timedelta = timedelta(0)) -> str:
    moment = datetime.now(UTC) - ago
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def ids(answer: Any) -> list[str]:
    return [order["orderId"] for order in answer.json["orders"]]


async def test_a_list_without_limit_has_fifty_and_names_the_next_page_in_full(ebay: Ebay) -> None:
    created = await ebay.create(count=120, created_over="PT1H")

    first = await ebay.orders()
    second = await ebay.call("GET", first.json["next"])
    third = await ebay.call("GET", second.json["next"])

    assert [len(page.json["orders"]) for page in (first, second, third)] == [50, 50, 20]
    assert (first.json["total"], first.json["limit"], first.json["offset"]) == (120, 50, 0)
    assert "prev" not in first.json
    assert "next" not in third.json
    assert third.json["prev"] == second.json["href"]
    assert sorted(ids(first) + ids(second) + ids(third)) == sorted(created)


async def test_lists_are_sorted_by_nothing_that_a_client_could_stop_at(ebay: Ebay) -> None:
    await ebay.create(count=60, created_over="PT6H")

    page = (await ebay.orders(limit=60)).json["orders"]

    for name in ("creationDate", "lastModifiedDate"):
        times = [order[name] for order in page]
        assert times not in (sorted(times), sorted(times, reverse=True))


async def test_both_bounds_are_inclusive_and_the_end_may_be_open(ebay: Ebay) -> None:
    order = await ebay.order(created_ago="PT10M")
    created = (await ebay.get(order)).json["creationDate"]
    later = created.replace(".000Z", ".001Z")

    assert ids(await ebay.orders(f"creationdate:[{created}..{created}]")) == [order]
    assert ids(await ebay.orders(f"creationdate:[{created}..]")) == [order]
    assert ids(await ebay.orders(f"creationdate:[{later}..]")) == []


async def test_a_changed_order_moves_by_its_change_and_stays_by_its_creation(ebay: Ebay) -> None:
    order = await ebay.order(created_ago="PT2H")
    recently = f"[{at(ago=timedelta(minutes=5))}..]"
    before = ids(await ebay.orders(f"lastmodifieddate:{recently}"))

    await ebay.change(order, "note", text="Leave it at the door")

    assert before == []
    assert ids(await ebay.orders(f"lastmodifieddate:{recently}")) == [order]
    assert ids(await ebay.orders(f"creationdate:{recently}")) == []


async def test_only_the_creation_date_counts_when_both_dates_are_given(ebay: Ebay) -> None:
    order = await ebay.order(created_ago="PT2H")
    day, minute = at(ago=timedelta(days=1)), at(ago=timedelta(minutes=1))

    answer = await ebay.orders(f"creationdate:[{day}..],lastmodifieddate:[{minute}..]")

    assert ids(answer) == [order]


async def test_without_dates_the_last_ninety_days_of_creation_are_listed(ebay: Ebay) -> None:
    young, old = await ebay.order(created_ago="P89D"), await ebay.order(created_ago="P91D")

    unfiltered = ids(await ebay.orders())
    by_date = ids(await ebay.orders(f"creationdate:[{at(ago=timedelta(days=100))}..]"))

    assert unfiltered == [young]
    assert sorted(by_date) == sorted([young, old])


async def test_nothing_is_older_than_two_years(ebay: Ebay) -> None:
    old = await ebay.order(created_ago="P731D")

    refused = await ebay.orders(f"creationdate:[{at(ago=timedelta(days=731))}..]")

    assert (refused.status, refused.error_id) == (400, 30830)
    assert (await ebay.get(old)).status == 404
    assert ids(await ebay.orders(orderIds=old)) == []


@pytest.mark.parametrize(
    ("criteria", "error_id"),
    [
        ("lastmodifieddate:[{hour}..{ahead}]", 30850),
        ("lastmodifieddate:[{ahead}..]", 30850),
        ("lastmodifieddate:[{minute}..{hour}]", 30840),
        ("lastmodifieddate:[..{hour}]", 30820),
        ("lastmodifieddate:[2026-01-01..]", 30810),
        ("lastmodifieddate:[2026-01-01T00:00:00.000..]", 30810),
        ("lastmodifieddate:{hour}", 30800),
        ("modifieddate:[{hour}..]", 30700),
        ("orderfulfillmentstatus:NOT_STARTED", 30800),
        ("orderfulfillmentstatus:{{FULFILLED}}", 30800),
        ("orderfulfillmentstatus:{{NOT_STARTED|FULFILLED}}", 30800),
    ],
)
async def test_each_rule_of_the_filter_has_its_own_refusal(ebay: Ebay, criteria: str, error_id: int) -> None:
    times = {
        "hour": at(ago=timedelta(hours=1)),
        "minute": at(ago=timedelta(minutes=1)),
        "ahead": at(ago=timedelta(seconds=-30)),
    }

    answer = await ebay.orders(criteria.format(**times))

    assert (answer.status, answer.error_id) == (400, error_id)
    assert answer.json["errors"][0]["category"] == "REQUEST"


@pytest.mark.parametrize(
    ("query", "error_id"),
    [
        ({"limit": 201}, 31100),
        ({"limit": 0}, 31100),
        ({"limit": "many"}, 31100),
        ({"offset": -1}, 31000),
        ({"fieldGroups": "ALL"}, 32800),
        ({"orderIds": ",".join(["13-00000-00000"] * 51)}, 30900),
    ],
)
async def test_limits_of_the_other_parameters(ebay: Ebay, query: dict[str, Any], error_id: int) -> None:
    answer = await ebay.orders(**query)

    assert (answer.status, answer.error_id) == (400, error_id)


async def test_brackets_and_bars_must_be_percent_encoded(ebay: Ebay) -> None:
    raw = f"{ORDERS}?filter=lastmodifieddate:[{at(ago=timedelta(hours=1))}..]"

    strict = await ebay.call("GET", raw)
    await ebay.control("POST", "/settings", strict_encoding=False)
    lenient = await ebay.call("GET", raw)

    assert (strict.status, strict.error_id) == (400, 30800)
    assert lenient.status == 200


async def test_the_two_combinations_of_fulfilment_states(ebay: Ebay) -> None:
    fresh = await ebay.order()
    begun, done = await ebay.order("partly_shipped"), await ebay.order("shipped_elsewhere")

    open_ones = ids(await ebay.orders("orderfulfillmentstatus:{NOT_STARTED|IN_PROGRESS}"))
    sent_ones = ids(await ebay.orders("orderfulfillmentstatus:{FULFILLED|IN_PROGRESS}"))

    assert sorted(open_ones) == sorted([fresh, begun])
    assert sorted(sent_ones) == sorted([begun, done])


async def test_order_ids_make_all_other_parameters_ignored(ebay: Ebay) -> None:
    first, second = await ebay.create(count=2)

    answer = await ebay.orders("nonsense:[..]", orderIds=f"{second},{first}", limit=999)

    assert ids(answer) == [second, first]


async def test_cancel_requests_are_told_of_single_orders_only(ebay: Ebay) -> None:
    order = await ebay.order()

    await ebay.change(order, "cancel_request")

    [listed] = (await ebay.orders()).json["orders"]
    single = (await ebay.get(order)).json
    assert listed["cancelStatus"] == {"cancelState": "IN_PROGRESS", "cancelRequests": []}
    [asked] = single["cancelStatus"]["cancelRequests"]
    assert (asked["cancelRequestState"], asked["cancelInitiator"]) == ("REQUESTED", "Buyer")


async def test_a_tax_number_is_told_of_single_orders_only(ebay: Ebay) -> None:
    italian = await ebay.open_seller(marketplace="EBAY_IT")
    order = await italian.order()

    [listed] = (await italian.orders()).json["orders"]
    single = (await italian.get(order)).json

    assert "taxIdentifier" not in listed["buyer"]
    assert single["buyer"]["taxIdentifier"]["taxIdentifierType"] == "CODICE_FISCALE"


def _ship_to(answer: Any) -> Any:
    return answer.json["fulfillmentStartInstructions"][0]["shippingStep"]["shipTo"]


async def test_the_email_is_forgotten_after_14_days_and_the_person_after_90(ebay: Ebay) -> None:
    ages = {days: await ebay.order("adjusted", created_ago=f"P{days}D") for days in (13, 15, 89, 91)}

    shown = {days: _ship_to(await ebay.get(order)) for days, order in ages.items()}

    assert [days for days in ages if "email" in shown[days]] == [13]
    assert [days for days in ages if "fullName" in shown[days]] == [13, 15, 89]
    assert [days for days in ages if "primaryPhone" in shown[days]] == [13, 15, 89]
    assert [days for days in ages if "addressLine1" in shown[days]["contactAddress"]] == [13, 15, 89]
    assert all(shown[days]["contactAddress"]["city"] for days in ages)
    assert (await ebay.truth(ages[91]))["address_valid"] is False


async def test_the_remitted_tax_is_in_the_total_of_a_breakdown_only(ebay: Ebay) -> None:
    await ebay.create(count=20)
    taxed = next(each["orderId"] for each in (await ebay.orders()).json["orders"] if "ebayCollectAndRemitTax" in each)

    plain = (await ebay.get(taxed)).json["pricingSummary"]
    broken_down = (await ebay.call("GET", f"{ORDERS}/{taxed}?fieldGroups=TAX_BREAKDOWN")).json["pricingSummary"]

    assert "tax" not in plain
    total, tax = float(broken_down["total"]["value"]), float(broken_down["tax"]["value"])
    assert total == pytest.approx(float(plain["total"]["value"]) + tax)


async def test_an_uncompleted_checkout_is_in_no_list_until_it_is_paid(ebay: Ebay) -> None:
    order = await ebay.order("unpaid_checkout", created_ago="PT3H")
    hidden = (await ebay.get(order)).status, ids(await ebay.orders())

    await ebay.change(order, "pay")

    assert hidden == (404, [])
    [listed] = (await ebay.orders()).json["orders"]
    assert listed["orderPaymentStatus"] == "PAID"
    # Listed late, under the time of the purchase: only its change is recent.
    assert listed["creationDate"] < at(ago=timedelta(hours=2)) < listed["lastModifiedDate"]


async def test_orders_of_other_sellers_do_not_exist(ebay: Ebay) -> None:
    other = await ebay.open_seller()
    order = await other.order()

    answer = await ebay.get(order)

    assert (answer.status, answer.error_id) == (404, 32100)
    assert ids(await ebay.orders()) == []
    assert (await ebay.get("no-such-id")).status == 400


async def test_a_deleted_order_is_gone_and_stays_in_the_truth(ebay: Ebay) -> None:
    order = await ebay.order()

    await ebay.change(order, "delete")

    assert (await ebay.get(order)).status == 404
    assert (await ebay.truth(order))["deleted"]


async def test_the_search_may_lag_behind_the_single_order(ebay: Ebay) -> None:
    await ebay.control("POST", "/settings", list_lag=60)
    order = await ebay.order()

    assert ids(await ebay.orders()) == []
    assert (await ebay.get(order)).status == 200


async def test_a_clock_behind_the_clients_calls_the_present_the_future(ebay: Ebay) -> None:
    await ebay.control("POST", "/settings", clock_skew=-180)

    answer = await ebay.orders(f"lastmodifieddate:[{at(ago=timedelta(hours=1))}..{at(ago=timedelta(minutes=1))}]")

    assert answer.error_id == 30850
    told = datetime.strptime(answer.headers["date"], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC)
    assert timedelta(seconds=170) < datetime.now(UTC) - told < timedelta(seconds=190)


async def test_spoilt_pages_are_built_in_the_form_of_a_list(ebay: Ebay) -> None:
    await ebay.create(count=30, created_over="PT1H", created_ago="PT2M")
    window = f"lastmodifieddate:[{at(ago=timedelta(hours=2))}..{at(ago=timedelta(minutes=1))}]"
    whole = ids(await ebay.orders(window, limit=30))

    await ebay.control("POST", "/faults", kind="empty_page", count=1)
    empty = await ebay.orders(window, limit=10, offset=10)
    await ebay.control("POST", "/faults", kind="repeated_row", count=1)
    repeated = await ebay.orders(window, limit=10, offset=10)
    await ebay.control("POST", "/faults", kind="moved_row", count=1)
    first = await ebay.orders(window, limit=10, offset=0)
    second = await ebay.orders(window, limit=10, offset=10)

    assert (empty.json["orders"], empty.json["total"], "next" in empty.json) == ([], 30, True)
    assert ids(repeated) == whole[9:20]
    assert (ids(first), second.json["total"]) == (whole[:10], 29)
    # One row of those that follow moved up into the page that is read already.
    assert ids(second) == whole[11:21]


async def test_the_same_second_shows_the_same_change_time(ebay: Ebay) -> None:
    order = await ebay.order()
    now = datetime.now(UTC)
    await asyncio.sleep(1.02 - now.microsecond / 1_000_000)

    first = await ebay.change(order, "touch")
    second = await ebay.change(order, "touch")

    assert first["updated_at"] == second["updated_at"]
    assert first["updated_at"].endswith(".000Z")
