"""What a store is told of a parcel in each of its ways, to the letter, and how lost calls are gone on from."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ingest.contract.connector import Tools
from services.ingest.contract.parcels import KnownParcel, Parcel, PushRefused, Shipping, Standing
from services.ingest.platforms.woocommerce.connector import WooCommerceConnector
from services.ingest.platforms.woocommerce.parcel_names import PROVIDERS, plugin_name
from services.ingest.platforms.woocommerce.parcel_ways import BELIEVED_FOR, PLUGINS
from services.kit.clock import ManualClock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer
from services.kit.limits import MemoryLimits
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.specs import document, needs_specs
from tests.ingest.platforms.twin_http import Asked, ScriptedHttp, answer
from tests.ingest.platforms.woocommerce.shop import ACCESS, INDEX, NOW, asked_of, error

NUMBER, SECOND = "9400111899223100000001", "1Z999AA10123456784"
FULFILLMENTS = "/wc/v3/orders/(?P<order_id>[\\d]+)/fulfillments"
NEW, AST, V2, V1 = (f"{way.namespace}/orders/(?P<order_id>[\\d]+)/shipment-trackings" for way in PLUGINS)
LISTED = {"United States": {"USPS": "https://example.com/%1$s", "Fedex": "https://example.com/%1$s"}, "Austria": []}
URL = f"https://tools.usps.com/go/TrackConfirmAction?tLabels={NUMBER}"
LINE = {"id": 5, "name": "Mug", "product_id": 9, "quantity": 3, "total": "30.00", "meta_data": []}


@dataclass
class Store:
    """One order 7 of a store that serves `routes`, and what was written to it."""

    routes: tuple[str, ...] = ()
    order: dict[str, Any] = field(default_factory=dict)
    parcels: list[dict[str, Any]] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    products: list[dict[str, Any]] = field(default_factory=list)
    index: Any = None
    #: The answers to writes by the end of their path, instead of doing them, in turn.
    lost: dict[str, list[HttpAnswer | Exception]] = field(default_factory=dict)
    written: list[tuple[str, str, Any]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        usual: dict[str, Any] = json.loads(payload("woocommerce", "processing.json"))
        given = {"id": 7, "line_items": [dict(LINE)], "meta_data": [], "refunds": []}
        self.order = usual | given | self.order
        self.clock = ManualClock(NOW)
        self.http = ScriptedHttp(self.answer)
        self.connector = WooCommerceConnector(Tools(self.http, self.clock, MemoryLimits(self.clock)))

    def answer(self, asked: Asked) -> HttpAnswer:
        path, query = asked_of(asked)
        end = path.rpartition("/")[2]
        self.asked.append(f"{asked.method} {path}")
        if path in {"/", ""}:
            routes: dict[str, Any] = {route: {} for route in self.routes}
            return answer(INDEX | {"routes": routes} if self.index is None else self.index)
        if asked.method != "GET":
            self.written.append((asked.method, path + ("?notify" if query.get("notify_customer") else ""), asked.json))
            if self.lost.get(end):
                found = self.lost[end].pop(0)
                if isinstance(found, Exception):
                    raise found
                return found
            return self._write(asked, path)
        if path == "/wc/v3/products":
            return answer(self.products)
        if end == "notes":
            return answer(self.notes)
        if end == "providers":
            return answer(LISTED)
        if end in {"fulfillments", "shipment-trackings"}:
            space = path.partition("/orders/")[0]
            served = any(route.startswith(space) and route.endswith(end) for route in self.routes)
            return answer(self.parcels) if served else error("rest_no_route", 404)
        return answer(self.order)

    def _write(self, asked: Asked, path: str) -> HttpAnswer:
        end = path.rpartition("/")[2]
        if end == "notes":
            self.notes.append(asked.json)
        elif end == "shipment-trackings":
            name = asked.json.get("tracking_provider") or asked.json["custom_tracking_provider"]
            self.parcels.append({"tracking_id": "ab1", "tracking_provider": name, **asked.json})
            return answer(self.parcels[-1], status=201)
        elif end == "fulfillments":
            self.parcels.append({"id": 12, **asked.json})
            return answer(self.parcels[-1], status=201)
        elif path == "/wc/v3/orders/7":
            self.order |= {"meta_data": asked.json["meta_data"]}
            self.order |= {"status": asked.json["status"]} if "status" in asked.json else {}
        elif asked.method == "DELETE":
            self.parcels = [each for each in self.parcels if each["tracking_id"] != end]
        else:
            self.parcels = [each | asked.json for each in self.parcels]
            return answer(self.parcels[0])
        return answer(self.order)

    async def read(self) -> Shipping:
        found = await self.connector.parcels.read(ACCESS, "7")
        assert found is not None
        return found

    async def write(self, **given: Any) -> str | None:
        return await self.connector.parcels.write(ACCESS, parcel(**given), await self.read())

    async def refused(self, **given: Any) -> PushRefused:
        with pytest.raises(PushRefused) as caught:
            await self.write(**given)
        return caught.value


def parcel(**given: Any) -> Parcel:
    usual: dict[str, Any] = {
        "number": 1,
        "tracking_number": NUMBER,
        "carrier": "usps",
        "carrier_name": "USPS",
        "shipped_at": datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
        "lines": {"5": 3},
        "notify_buyer": True,
    }
    return Parcel("7", **(usual | given))


def kept(*entries: tuple[str, dict[str, int]], noted: bool = True) -> dict[str, Any]:
    value = [{"tracking_number": number, "lines": lines, "noted": noted} for number, lines in entries]
    return {"key": "_ordersync_tracking", "value": value}


def fulfillment(number: str, units: int, *, made: int = 12, done: bool = True) -> dict[str, Any]:
    values = {"_items": [{"item_id": 5, "qty": units}], "_tracking_number": number, "_custom": "keep me"}
    meta = [{"key": key, "value": value} for key, value in values.items()]
    return {"id": made, "status": "fulfilled", "is_fulfilled": done, "meta_data": meta}


async def test_a_fulfilment_has_its_units_number_address_and_provider_under_both_keys() -> None:
    store = Store((FULFILLMENTS,))

    made = await store.write(tracking_number=" 9400 1118-9922 3100 000 001")

    [(method, path, body)] = store.written
    assert made == "12"
    assert (method, path) == ("POST", "/wc/v3/orders/7/fulfillments?notify")
    assert (body["status"], body["is_fulfilled"]) == ("fulfilled", True)
    assert {meta["key"]: meta["value"] for meta in body["meta_data"]} == {
        "_items": [{"item_id": 5, "qty": 3}],
        "_tracking_number": NUMBER,
        "_tracking_url": URL,
        "_shipment_provider": "usps",
        "_shipping_provider": "usps",
    }


async def test_a_buyer_who_is_not_to_be_told_is_not_named_in_a_fulfilment() -> None:
    store = Store((FULFILLMENTS,))

    await store.write(notify_buyer=False)

    assert [path for _, path, _ in store.written] == ["/wc/v3/orders/7/fulfillments"]


async def test_a_replaced_number_keeps_all_else_that_its_fulfilment_says() -> None:
    store = Store((FULFILLMENTS,), parcels=[fulfillment(SECOND, 3)])

    await store.write(replaces=SECOND)

    [(method, path, body)] = store.written
    meta = {entry["key"]: entry["value"] for entry in body["meta_data"]}
    assert (method, path) == ("POST", "/wc/v3/orders/7/fulfillments/12?notify")
    assert (meta["_custom"], meta["_tracking_number"]) == ("keep me", NUMBER)
    assert meta["_items"] == [{"item_id": 5, "qty": 3}]
    assert (await store.read()).has(NUMBER)


@pytest.mark.parametrize(
    ("units", "lines", "told"),
    [(0, {"5": 3}, 3), (1, {"5": 3}, 2), (1, {}, 2), (0, {"5": 1}, 1), (0, {"5": 9, "6": 1}, 3)],
)
async def test_no_more_is_fulfilled_than_is_left(units: int, lines: dict[str, int], told: int) -> None:
    store = Store((FULFILLMENTS,), parcels=[fulfillment("", units, done=False)] if units else [])

    await store.write(lines=lines)

    meta = {entry["key"]: entry["value"] for entry in store.written[0][2]["meta_data"]}
    assert meta["_items"] == [{"item_id": 5, "qty": told}]


async def test_what_was_fulfilled_by_other_means_is_final() -> None:
    store = Store((FULFILLMENTS,), parcels=[fulfillment("", 3)])

    value = await store.refused()

    assert (value.remedy, value.code) == ("final", "SHIPPED_BY_HAND")
    assert store.written == []


async def test_a_plugin_gets_the_number_before_the_order_is_completed_for_that_mail_shows_it() -> None:
    store = Store((NEW,))

    made = await store.write()

    assert made == "ab1"
    assert store.written == [
        (
            "POST",
            "/wc-shipment-tracking/v3/orders/7/shipment-trackings",
            {"tracking_number": NUMBER, "date_shipped": "2026-11-22", "tracking_provider": "USPS"},
        ),
        ("PUT", "/wc/v3/orders/7", {"meta_data": [kept((NUMBER, {"5": 3}), noted=False)], "status": "completed"}),
    ]


async def test_a_carrier_that_the_plugin_does_not_list_has_its_name_and_address() -> None:
    store = Store((NEW,))

    await store.write(carrier="ups", carrier_name="UPS", tracking_number=SECOND, shipped_at=NOW + timedelta(days=3))

    assert store.written[0][2] == {
        "tracking_number": SECOND,
        "date_shipped": "2026-11-23",
        "custom_tracking_provider": "UPS",
        "custom_tracking_link": f"https://www.ups.com/track?tracknum={SECOND}",
    }


async def test_a_provider_that_the_plugin_lists_and_does_not_take_has_a_name_and_address_too() -> None:
    store = Store((NEW,), lost={"shipment-trackings": [error("rest_invalid_param", 400)]})

    await store.write()

    assert store.written[1][2]["custom_tracking_provider"] == "USPS"
    assert len(store.parcels) == 1


async def test_a_plugin_that_was_told_before_the_call_got_lost_is_not_told_again() -> None:
    store = Store((NEW,), lost={"7": [TransientError("cut")]})
    with pytest.raises(TransientError):
        await store.write()

    before = await store.read()
    await store.write()

    assert not before.has(NUMBER)
    assert [method for method, _, _ in store.written] == ["POST", "PUT", "PUT"]
    assert (await store.read()).parcels == (KnownParcel(NUMBER, "ab1", "USPS", {"5": 3}),)


async def test_a_number_that_the_seller_gave_the_plugin_is_known_once_the_order_is_completed() -> None:
    theirs = [{"tracking_id": "cd2", "tracking_provider": "USPS", "tracking_number": NUMBER}]

    assert not (await Store((NEW,), parcels=theirs).read()).has(NUMBER)
    assert (await Store((NEW,), parcels=theirs, order={"status": "completed"}).read()).has(NUMBER)


async def test_a_replaced_number_leaves_the_plugin() -> None:
    theirs = [{"tracking_id": "cd2", "tracking_provider": "UPS", "tracking_number": SECOND}]
    order = {"status": "completed", "meta_data": [kept((SECOND, {"5": 3}), noted=False)]}
    store = Store((NEW,), parcels=theirs, order=order)

    await store.write(replaces=SECOND)

    assert store.written[0][:2] == ("DELETE", "/wc-shipment-tracking/v3/orders/7/shipment-trackings/cd2")
    assert [known.tracking_number for known in (await store.read()).parcels] == [NUMBER]
    assert "status" not in store.written[-1][2]


async def test_a_store_without_plugins_has_the_number_in_the_order_and_the_buyer_a_note() -> None:
    store = Store()

    made = await store.write()

    assert made is None
    assert store.written == [
        ("PUT", "/wc/v3/orders/7", {"meta_data": [kept((NUMBER, {"5": 3}))], "status": "completed"}),
        ("POST", "/wc/v3/orders/7/notes", {"note": f"Shipped with USPS {NUMBER}: {URL}", "customer_note": True}),
    ]
    assert (await store.read()).parcels == (KnownParcel(NUMBER, lines={"5": 3}),)


@pytest.mark.parametrize("effect", [False, True])
async def test_a_note_that_got_lost_is_written_once_and_the_order_is_not_written_again(*, effect: bool) -> None:
    store = Store(lost={"notes": [TransientError("cut")]})
    with pytest.raises(TransientError):
        await store.write()
    if effect:
        store.notes.append(store.written[-1][2])

    before = await store.read()
    if not before.has(NUMBER):
        await store.write()

    assert before.has(NUMBER) is effect
    assert len(store.notes) == 1
    assert [method for method, _, _ in store.written] == ["PUT", "POST"] + ([] if effect else ["POST"])


async def test_a_buyer_who_is_not_to_be_told_gets_no_note() -> None:
    store = Store()

    await store.write(notify_buyer=False)

    assert store.notes[0]["customer_note"] is False


@pytest.mark.parametrize("routes", [(), (NEW,)])
async def test_an_order_is_completed_by_its_last_parcel(routes: tuple[str, ...]) -> None:
    store = Store(routes)

    await store.write(lines={"5": 2})
    between = await store.read()
    await store.write(lines={"5": 1}, tracking_number=SECOND, number=2)

    puts = [body for method, _, body in store.written if method == "PUT"]
    assert (between.standing, between.has(NUMBER)) == ("open", True)
    assert [body.get("status") for body in puts] == [None, "completed"]
    assert [entry["lines"] for entry in puts[-1]["meta_data"][0]["value"]] == [{"5": 2}, {"5": 1}]
    # Whatever else is sent along is calculated or overwritten anew.
    assert {name for body in puts for name in body} == {"meta_data", "status"}


@pytest.mark.parametrize(("virtual", "status"), [(True, "completed"), (False, None)])
async def test_a_product_that_is_not_shipped_keeps_no_order_open(*, virtual: bool, status: str | None) -> None:
    other = LINE | {"id": 6, "product_id": 10}
    store = Store(order={"line_items": [dict(LINE), other]}, products=[{"id": 10, "virtual": virtual}])

    await store.write()

    assert store.written[0][2].get("status") == status


async def test_units_that_were_given_back_keep_no_order_open() -> None:
    refund = {"line_items": [{"quantity": -1, "meta_data": [{"key": "_refunded_item_id", "value": "5"}]}]}
    store = Store(order={"refunds": [{"id": 1, "total": "-10.00"}]})
    answered = store.answer
    store.http.replies = [lambda asked: answer([refund]) if "/refunds" in asked.url else answered(asked)]

    await store.write(lines={"5": 2})

    assert store.written[0][2]["status"] == "completed"


@pytest.mark.parametrize(
    ("fields", "standing"),
    [
        ({}, "open"),
        ({"status": "completed"}, "shipped"),
        ({"status": "pending"}, "on_hold"),
        ({"status": "on-hold"}, "on_hold"),
        ({"status": "failed"}, "on_hold"),
        ({"status": "checkout-draft"}, "on_hold"),
        ({"status": "awaiting-proof"}, "on_hold"),
        ({"status": "cancelled"}, "cancelled"),
        ({"status": "trash"}, "cancelled"),
        ({"status": "refunded", "date_completed_gmt": None}, "cancelled"),
        ({"status": "refunded", "date_completed_gmt": "2026-11-22T10:00:00"}, "shipped"),
        ({"needs_processing": False, "shipping": [], "shipping_lines": []}, "exempt"),
        ({"meta_data": [kept((NUMBER, {"5": 3}))]}, "shipped"),
    ],
)
async def test_what_may_be_shipped_is_what_the_status_says(fields: dict[str, Any], standing: Standing) -> None:
    assert (await Store(order=fields).read()).standing == standing


@pytest.mark.parametrize(
    ("routes", "path"),
    [
        ((FULFILLMENTS, NEW), "/wc/v3/orders/7/fulfillments"),
        ((NEW, AST), "/wc-shipment-tracking/v3/orders/7/shipment-trackings"),
        ((AST,), "/wc-ast/v3/orders/7/shipment-trackings"),
        ((V1, V2), "/wc/v2/orders/7/shipment-trackings"),
        ((V1,), "/wc/v1/orders/7/shipment-trackings"),
    ],
)
@pytest.mark.parametrize("shows", [True, False], ids=["index", "hidden"])
async def test_a_stores_way_is_found_in_its_index_and_tried_where_that_is_hidden(
    routes: tuple[str, ...], path: str, *, shows: bool
) -> None:
    store = Store(routes, index=None if shows else {"code": "rest_not_logged_in"})

    await store.write()

    assert store.written[0][1].partition("?")[0] == path


async def test_a_stores_way_is_asked_for_once_an_hour() -> None:
    store = Store()
    for _ in range(3):
        await store.read()
    store.routes = (FULFILLMENTS,)
    store.clock.advance(BELIEVED_FOR.total_seconds())

    await store.write()

    assert store.asked.count("GET /") == 2
    assert store.written[0][1] == "/wc/v3/orders/7/fulfillments?notify"


async def test_a_plugin_that_is_gone_leaves_its_parcels_and_the_note() -> None:
    theirs = [{"tracking_id": "cd2", "tracking_provider": "UPS", "tracking_number": SECOND}]
    store = Store((NEW,), order={"meta_data": [{"key": "_wc_shipment_tracking_items", "value": theirs}]})
    await store.read()
    store.routes = ()

    shipping = await store.read()
    await store.write()

    assert shipping.has(SECOND)
    assert [path for _, path, _ in store.written] == ["/wc/v3/orders/7", "/wc/v3/orders/7/notes"]


async def test_a_plugin_that_goes_while_it_is_told_is_looked_for_anew() -> None:
    store = Store((NEW,), lost={"shipment-trackings": [error("rest_no_route", 404)]})
    with pytest.raises(TransientError):
        await store.write()
    store.routes = ()

    await store.write()

    assert store.notes


async def test_a_user_who_may_not_see_fulfilments_tells_by_note() -> None:
    store = Store((FULFILLMENTS,))
    answered = store.answer
    cannot = error("woocommerce_rest_cannot_view", 403)
    store.http.replies = [lambda asked: cannot if "/fulfillments" in asked.url else answered(asked)]

    await store.write()

    assert store.notes


@pytest.mark.parametrize(
    ("reply", "meaning"),
    [
        (error("woocommerce_fulfillment_invalid", 400), ("seller", "REFUSED", False)),
        (error("woocommerce_rest_authentication_error", 401), ("seller", "RIGHT_MISSING", True)),
        (error("woocommerce_rest_cannot_create", 403), ("seller", "RIGHT_MISSING", True)),
        (error("woocommerce_rest_order_invalid_id", 404), ("wait", "CONFLICT", False)),
    ],
)
async def test_a_refusal_says_who_can_help(reply: HttpAnswer, meaning: Any) -> None:
    value = await Store((FULFILLMENTS,), lost={"fulfillments": [reply]}).refused()

    assert (value.remedy, value.code, value.store_wide) == meaning


async def test_a_key_that_was_deleted_is_the_sellers() -> None:
    with pytest.raises(AuthorizationError):
        await Store(lost={"7": [error("woocommerce_rest_cannot_view", 401)]}).write()


async def test_a_turn_that_does_not_come_is_no_call_whose_outcome_nobody_knows() -> None:
    store = Store(lost={"7": [answer({}, status=503, headers={"Retry-After": "900"})]})
    shipping = await store.read()
    with pytest.raises(TransientError):
        await store.connector.parcels.write(ACCESS, parcel(), shipping)

    writing = asyncio.create_task(store.connector.parcels.write(ACCESS, parcel(), shipping))
    for _ in range(5_000):
        await asyncio.sleep(0)
        store.clock.advance(0.05)
        if writing.done():
            break

    with pytest.raises(PushRefused) as caught:
        await writing
    assert (caught.value.remedy, caught.value.code) == ("wait", "BUSY")
    assert len(store.written) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
async def test_what_a_host_may_have_done_is_neither_taken_nor_refused(status: int) -> None:
    with pytest.raises(TransientError):
        await Store((FULFILLMENTS,), lost={"fulfillments": [error("busy", status)]}).write()


@pytest.mark.parametrize("value", ["words", [1, {"tracking_number": 5}], [{"lines": 3}], {"0": {}}])
async def test_what_others_write_under_our_key_stops_nothing(value: Any) -> None:
    shipping = await Store(order={"meta_data": [{"key": "_ordersync_tracking", "value": value}]}).read()

    assert (shipping.standing, shipping.parcels) == ("open", ())


@pytest.mark.parametrize(
    ("carrier", "name"), [("usps", "USPS"), ("fedex", "Fedex"), ("ups", None), (None, None), ("dhl", None)]
)
def test_a_provider_is_named_as_the_plugin_lists_it(carrier: str | None, name: str | None) -> None:
    assert plugin_name(carrier, LISTED) == name
    assert plugin_name(carrier, []) is None


@needs_specs
async def test_a_fulfilment_has_the_form_of_the_documented_one() -> None:
    wanted = document("woocommerce/examples/fulfillment__create_request.json")
    store = Store((FULFILLMENTS,))

    await store.write(carrier="ups")

    body = store.written[0][2]
    assert set(body) == set(wanted)
    assert {meta["key"] for meta in wanted["meta_data"]} <= {meta["key"] for meta in body["meta_data"]}
    assert PROVIDERS["ups"] == {meta["key"]: meta["value"] for meta in wanted["meta_data"]}["_shipping_provider"]


@needs_specs
async def test_the_documented_fulfilment_is_read() -> None:
    told = document("woocommerce/examples/fulfillment__response.json")

    shipping = await Store((FULFILLMENTS,), parcels=[told]).read()

    assert shipping.parcels == (KnownParcel("1Z999AA1234567890", "12", None, {}),)


@needs_specs
async def test_a_note_and_an_order_are_written_by_fields_that_exist() -> None:
    store = Store()
    await store.write()

    (_, _, order), (_, _, note) = store.written

    assert set(order) <= set(document("woocommerce/examples/order__retrieve_an_order.json"))
    assert set(note) <= set(document("woocommerce/examples/order_note__create_an_order_note.json"))


async def test_further_units_under_a_number_are_another_fulfilment_and_no_mail() -> None:
    store = Store((FULFILLMENTS,), parcels=[fulfillment(NUMBER, 1)])

    shipping = await store.read()
    await store.write(lines={"5": 2}, notify_buyer=False)

    assert store.connector.parcels.adds_units
    assert (shipping.parcels[0].lines, shipping.left) == ({"5": 1}, {"5": 2})
    [(method, path, body)] = store.written
    meta = {entry["key"]: entry["value"] for entry in body["meta_data"]}
    assert (method, path) == ("POST", "/wc/v3/orders/7/fulfillments")
    assert (meta["_tracking_number"], meta["_items"]) == (NUMBER, [{"item_id": 5, "qty": 2}])


async def test_the_ways_that_complete_an_order_leave_nothing_to_add() -> None:
    assert (await Store().read()).left is None
