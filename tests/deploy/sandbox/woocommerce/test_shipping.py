"""The three ways to tell a store that a parcel left, each with its traps."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.integration

NUMBER = "9400111899223197428490"
OLD, NEW = "/wc/v2", "/wc-shipment-tracking/v3"


def fulfillment(*items: tuple[int, int], provider: str = "_shipment_provider") -> dict[str, Any]:
    return {
        "status": "fulfilled",
        "is_fulfilled": True,
        "meta_data": [
            {"key": "_items", "value": [{"item_id": item, "qty": units} for item, units in items]},
            {"key": "_tracking_number", "value": NUMBER},
            {"key": "_tracking_url", "value": f"https://example.com/{NUMBER}"},
            {"key": provider, "value": "usps"},
        ],
    }


async def two_units(store: Any) -> tuple[int, int, int]:
    """An order with several units left of its first line: ids of order and line, and the units."""
    order = await store.order("partly_refunded")
    line = (await store.truth(order))["lines"][0]
    return order, int(line["id"]), line["left"]


async def test_fulfilments_exist_only_where_the_feature_is_on(woo: Any) -> None:
    order = await woo.order()
    old = await woo.open_store(plugins=["fulfillments"], wc_version="7.9.0")
    old_order = await old.order()

    off = await woo.call("POST", f"orders/{order}/fulfillments", json=fulfillment((1, 1)))
    too_old = await old.call("GET", f"orders/{old_order}/fulfillments")

    assert (off.status, off.json["code"]) == (404, "rest_no_route")
    assert too_old.json["code"] == "rest_no_route"


@pytest.mark.parametrize(
    ("plugins", "namespace", "route"),
    [
        (["fulfillments"], "wc/v4", "/wc/v3/orders/(?P<order_id>[\\d]+)/fulfillments"),
        (["shipment-tracking"], "wc-shipment-tracking/v3", None),
        (["advanced-shipment-tracking"], "wc-ast/v3", None),
        (["shipment-tracking-wc-v2"], "wc/v2", "/wc/v2/orders/(?P<order_id>[\\d]+)/shipment-trackings"),
    ],
)
async def test_the_index_tells_which_plugins_are_active(
    woo: Any, plugins: list[str], namespace: str, route: str | None
) -> None:
    store = await woo.open_store(plugins=plugins)

    found = (await store.fetch("GET", f"{store.url}/wp-json/")).json
    plain = (await woo.fetch("GET", f"{woo.url}/wp-json/")).json

    assert namespace in found["namespaces"]
    assert namespace not in plain["namespaces"]
    assert route is None or route in found["routes"]


async def test_a_fulfilment_ships_some_units_and_mails_when_told_to(woo: Any) -> None:
    store = await woo.open_store(plugins=["fulfillments"])
    order, line, _ = await two_units(store)

    made = await store.call(
        "POST", f"orders/{order}/fulfillments", params={"notify_customer": "true"}, json=fulfillment((line, 1))
    )
    truth = await store.truth(order)
    books = await store.books()

    assert made.status == 201
    assert set(made.json) >= {"id", "entity_type", "entity_id", "status", "is_fulfilled", "date_deleted", "meta_data"}
    assert (made.json["entity_type"], made.json["entity_id"]) == ("WC_Order", str(order))
    [sent] = truth["shipments"]
    assert (sent["carrier"], sent["tracking_number"], sent["notified"]) == ("usps", NUMBER, True)
    assert sent["lines"] == {str(line): 1}
    assert (books["emails"], books["fulfillments"]) == (1, 1)
    assert truth["makeable"] is True
    assert (await store.call("GET", f"orders/{order}")).json["status"] == "processing"


async def test_the_providers_key_is_the_one_that_the_code_reads(woo: Any) -> None:
    store = await woo.open_store(plugins=["fulfillments"])
    order, line, _ = await two_units(store)

    await store.call("POST", f"orders/{order}/fulfillments", json=fulfillment((line, 1), provider="_shipping_provider"))

    [sent] = (await store.truth(order))["shipments"]
    assert (sent["carrier"], sent["notified"]) == (None, False)


async def test_more_than_is_left_cannot_be_fulfilled(woo: Any) -> None:
    store = await woo.open_store(plugins=["fulfillments"])
    order, line, left = await two_units(store)
    path = f"orders/{order}/fulfillments"

    too_many = await store.call("POST", path, json=fulfillment((line, left + 1)))
    nothing = await store.call("POST", path, json=fulfillment())
    stranger = await store.call("POST", path, json=fulfillment((line + 5000, 1)))
    made = await store.call("POST", path, json=fulfillment((line, left)))
    again = await store.call("POST", path, json=fulfillment((line, 1)))

    assert [answer.status for answer in (too_many, nothing, stranger, made, again)] == [400, 400, 400, 201, 400]
    assert set(again.json) == {"code", "message", "data"}


async def test_putting_meta_data_removes_the_keys_that_are_not_listed(woo: Any) -> None:
    store = await woo.open_store(plugins=["fulfillments"])
    order, line, _ = await two_units(store)
    made = (await store.call("POST", f"orders/{order}/fulfillments", json=fulfillment((line, 1)))).json
    kept = [meta for meta in made["meta_data"] if meta["key"] == "_items"]

    await store.call("PUT", f"orders/{order}/fulfillments/{made['id']}", json={"meta_data": kept})

    [listed] = (await store.call("GET", f"orders/{order}/fulfillments")).json
    assert listed["meta_data"] == kept
    assert (await store.truth(order))["shipments"][0]["tracking_number"] is None


async def test_a_deleted_fulfilment_frees_its_units(woo: Any) -> None:
    store = await woo.open_store(plugins=["fulfillments"])
    order, line, left = await two_units(store)
    path = f"orders/{order}/fulfillments"
    made = (await store.call("POST", path, json=fulfillment((line, left)))).json

    await store.call("DELETE", f"{path}/{made['id']}")
    gone = await store.call("GET", f"{path}/{made['id']}")
    again = await store.call("POST", path, json=fulfillment((line, left)))

    assert (gone.status, again.status) == (400, 201)
    assert len((await store.truth(order))["shipments"]) == 1


async def test_version_4_takes_the_order_in_the_body_or_the_query(woo: Any) -> None:
    store = await woo.open_store(plugins=["fulfillments"])
    order, line, _ = await two_units(store)
    body = fulfillment((line, 1)) | {"entity_type": "WC_Order", "entity_id": order}

    made = await store.call("POST", "/wc/v4/fulfillments", json=body)
    listed = await store.call("GET", "/wc/v4/fulfillments", params={"order_id": str(order)})
    providers = await store.call("GET", "/wc/v4/fulfillments/providers")

    assert [each["id"] for each in listed.json] == [made.json["id"]]
    assert "usps" in providers.json


async def test_tracking_of_the_extension_ships_the_whole_order_and_keeps_its_status(woo: Any) -> None:
    store = await woo.open_store(plugins=["shipment-tracking"])
    order = await store.order()
    path = f"{NEW}/orders/{order}/shipment-trackings"
    body = {"tracking_provider": "USPS", "tracking_number": NUMBER, "date_shipped": "2026-11-20"}

    made = await store.call("POST", path, json=body)
    listed = await store.call("GET", path)
    row = (await store.call("GET", f"orders/{order}")).json
    truth = await store.truth(order)

    assert made.status == 201
    assert made.headers["Location"].endswith(made.json["tracking_id"])
    names = {"tracking_id", "tracking_provider", "tracking_link", "tracking_number", "date_shipped"}
    assert set(made.json) == names
    assert NUMBER in made.json["tracking_link"]
    assert listed.json == [made.json]
    assert row["status"] == "processing"
    assert [meta["key"] for meta in row["meta_data"]] == ["_wc_shipment_tracking_items"]
    assert truth["shipments"][0]["lines"] == {line["id"]: line["left"] for line in truth["lines"]}
    assert (await store.books())["emails"] == 0


async def test_tracking_twice_is_two_parcels_and_deleting_takes_one_away(woo: Any) -> None:
    store = await woo.open_store(plugins=["shipment-tracking"])
    order = await store.order()
    path = f"{NEW}/orders/{order}/shipment-trackings"
    body = {
        "custom_tracking_provider": "Bike",
        "custom_tracking_link": "https://example.com/%1$s",
        "tracking_number": "7",
    }

    first = await store.call("POST", path, json=body)
    await store.call("POST", path, json=body)
    await store.call("DELETE", f"{path}/{first.json['tracking_id']}")

    assert first.json["tracking_link"] == "https://example.com/7"
    assert len((await store.truth(order))["shipments"]) == 1


async def test_tracking_needs_a_number_and_a_known_name(woo: Any) -> None:
    store = await woo.open_store(plugins=["shipment-tracking"])
    order = await store.order()
    path = f"{NEW}/orders/{order}/shipment-trackings"

    numberless = await store.call("POST", path, json={"tracking_provider": "USPS"})
    nameless = await store.call("POST", path, json={"tracking_provider": "usps", "tracking_number": "1"})
    providers = (await store.call("GET", f"{path}/providers")).json

    assert (numberless.status, nameless.status) == (400, 400)
    assert "%1$s" in providers["United States"]["USPS"]


async def test_older_versions_of_the_extension_answer_below_wc_v2_only(woo: Any) -> None:
    store = await woo.open_store(plugins=["shipment-tracking-wc-v2"])
    order = await store.order()
    body = {"tracking_provider": "USPS", "tracking_number": NUMBER}

    new = await store.call("POST", f"{NEW}/orders/{order}/shipment-trackings", json=body)
    old = await store.call("POST", f"{OLD}/orders/{order}/shipment-trackings", json=body)

    assert (new.status, new.json["code"], old.status) == (404, "rest_no_route", 201)


async def test_the_advanced_plugin_may_complete_the_order_and_replace_parcels(woo: Any) -> None:
    store = await woo.open_store(plugins=["advanced-shipment-tracking"])
    order = await store.order()
    path = f"{NEW}/orders/{order}/shipment-trackings"
    body = {"tracking_provider": "USPS", "tracking_number": NUMBER}

    await store.call("POST", path, json=body)
    await store.call("POST", path, json=body | {"replace_tracking": 1, "status_shipped": 1})

    truth = await store.truth(order)
    assert len(truth["shipments"]) == 1
    assert (await store.call("GET", f"orders/{order}")).json["status"] == "completed"


async def test_plain_stores_are_told_by_status_meta_data_and_a_note(woo: Any) -> None:
    order = await woo.order()
    body = {"status": "completed", "meta_data": [{"key": "_our_tracking", "value": NUMBER}]}

    row = (await woo.call("PUT", f"orders/{order}", json=body)).json
    await woo.call("PUT", f"orders/{order}", json=body)
    note = await woo.call("POST", f"orders/{order}/notes", json={"note": f"Shipped: {NUMBER}", "customer_note": True})
    notes = (await woo.call("GET", f"orders/{order}/notes", params={"type": "customer"})).json
    truth = await woo.truth(order)

    assert row["date_completed_gmt"] is not None
    assert (note.status, [each["note"] for each in notes]) == (201, [f"Shipped: {NUMBER}"])
    [sent] = truth["shipments"]
    assert (sent["tracking_number"], sent["notified"]) == (NUMBER, True)
    assert truth["makeable"] is True
    assert (await woo.books())["emails"] == 2


async def test_an_order_that_others_completed_is_not_to_be_made(woo: Any) -> None:
    order = await woo.order()

    truth = await woo.change(order, "complete")

    assert (truth["makeable"], truth["shipments"]) == (False, [])


async def test_a_note_needs_a_text(woo: Any) -> None:
    order = await woo.order()

    assert (await woo.call("POST", f"orders/{order}/notes", json={"customer_note": True})).status == 400


async def test_several_numbers_under_a_key_of_ones_own_are_several_parcels(woo: Any) -> None:
    order = await woo.order()
    entries = [{"tracking_number": NUMBER, "lines": {"5": 1}}, {"tracking_number": "1Z", "lines": []}]

    for count in (1, 2, 2):
        value = entries[:count]
        await woo.call("PUT", f"orders/{order}", json={"meta_data": [{"key": "_our_tracking", "value": value}]})

    truth = await woo.truth(order)
    whole = {line["id"]: line["left"] for line in truth["lines"]}
    assert [sent["tracking_number"] for sent in truth["shipments"]] == [NUMBER, "1Z"]
    assert [sent["lines"] for sent in truth["shipments"]] == [{"5": 1}, whole]
    assert (await woo.books())["fulfillments"] == 2


async def test_a_number_that_takes_anothers_place_under_that_key_is_the_only_one(woo: Any) -> None:
    order = await woo.order()

    for number in ("1Z", NUMBER):
        value = [{"tracking_number": number}]
        await woo.call("PUT", f"orders/{order}", json={"meta_data": [{"key": "_our_tracking", "value": value}]})

    assert [sent["tracking_number"] for sent in (await woo.truth(order))["shipments"]] == [NUMBER]


async def test_a_number_that_the_extension_has_is_no_parcel_of_its_own(woo: Any) -> None:
    store = await woo.open_store(plugins=["shipment-tracking"])
    order = await store.order()
    body = {"tracking_provider": "USPS", "tracking_number": NUMBER}

    await store.call("POST", f"{NEW}/orders/{order}/shipment-trackings", json=body)
    value = [{"tracking_number": NUMBER}]
    await store.call("PUT", f"orders/{order}", json={"meta_data": [{"key": "_our_tracking", "value": value}]})

    assert len((await store.truth(order))["shipments"]) == 1


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_fulfilment_that_is_changed_mails_again_when_told_to(woo: Any, method: str) -> None:
    store = await woo.open_store(plugins=["fulfillments"])
    order, line, _ = await two_units(store)
    path, body = f"orders/{order}/fulfillments", fulfillment((line, 1))
    made = (await store.call("POST", path, params={"notify_customer": "true"}, json=body)).json

    await store.call(method, f"{path}/{made['id']}", params={"notify_customer": "true"}, json=body)
    await store.call(method, f"{path}/{made['id']}", json=body)

    assert (await store.books())["emails"] == 2
