"""What Shopify is told of a parcel, to the letter, and what its answers mean."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from graphql import build_client_schema, parse
from graphql.execution.values import get_variable_values

from services.ingest.contract.parcels import Parcel, PushRefused, Remedy, Shipping, Standing
from services.ingest.platforms.shopify import queries
from services.ingest.platforms.shopify.client import NotTaken, ShopifyClient
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.ingest.platforms.shopify.tracking import COMPANIES, MOST_LINES, ShopifyParcels
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer
from tests.ingest.platforms.shopify.shop import ACCESS
from tests.ingest.platforms.specs import document, needs_specs
from tests.ingest.platforms.twin_http import Asked, ScriptedHttp, answer
from tests.ingest.toolbox import HastyClock, toolbox

NUMBER, OTHER = "9400111899223100000001", "1Z999AA10123456784"
MINE, THEIRS = "gid://shopify/Location/1", "gid://shopify/Location/2"
LATER, LATEST = "2026-11-24T09:00:00Z", "2026-11-25T09:00:00Z"
MADE = {"fulfillment": {"id": "gid://shopify/Fulfillment/1"}, "userErrors": []}
REFUSED = {"fulfillment": None, "userErrors": [{"field": ["fulfillment"], "message": "It cannot be."}]}
DENIED = {"errors": [{"message": "denied", "extensions": {"code": "ACCESS_DENIED"}}], "data": {"order": None}}
THROTTLED = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}


def part(number: int, units: dict[str, int], **fields: Any) -> dict[str, Any]:
    """A fulfilment order that is open, of lines whose own ids are other ones than it gives them."""
    location = {"location": {"id": fields.pop("location", MINE)}}
    actions = [{"action": action} for action in fields.pop("actions", ["CREATE_FULFILLMENT", "HOLD"])]
    lines = [
        {
            "id": f"gid://shopify/FulfillmentOrderLineItem/{number}{line}",
            "remainingQuantity": count,
            "lineItem": {"id": f"gid://shopify/LineItem/{line}"},
        }
        for line, count in units.items()
    ]
    usual = {"status": "OPEN", "fulfillAt": None, "fulfillBy": None}
    known = {"id": gid(number), "supportedActions": actions, "assignedLocation": location, "lineItems": lines}
    return usual | known | fields


def gid(number: int) -> str:
    return f"gid://shopify/FulfillmentOrder/{number}"


def sent(*numbers: str | None, status: str = "SUCCESS", **fields: Any) -> dict[str, Any]:
    tracking = [{"number": number, "company": "USPS", "url": "https://example.com"} | fields for number in numbers]
    return {"id": f"gid://shopify/Fulfillment/{numbers[0]}", "status": status, "trackingInfo": tracking}


@dataclass
class Store:
    """One order, and what its mutations answer, in turn."""

    parts: list[dict[str, Any]] = field(default_factory=lambda: [part(1, {"7": 2})])
    sent: list[dict[str, Any]] = field(default_factory=list)
    answers: list[Any] = field(default_factory=lambda: [MADE])
    fields: dict[str, Any] = field(default_factory=dict)
    #: What is answered instead of fulfilment orders.
    denies: HttpAnswer | None = None
    #: Called at each mutation.
    meanwhile: Any = None
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        tools = toolbox(ScriptedHttp(self.answer), HastyClock())
        self.writer = ShopifyParcels(ShopifyClient(ShopifySettings(_env_file=None), tools))

    def answer(self, asked: Asked) -> HttpAnswer:
        operation = asked.json["query"].split()[1].split("(")[0]
        variables: dict[str, Any] = asked.json["variables"]
        self.asked.append((operation, variables))
        match operation:
            case "Parcels":
                return answer({"data": {"order": self.order(variables)}})
            case "ParcelLines":
                return answer({"data": {"order": {"fulfillments": [_with_lines(each) for each in self.sent]}}})
            case "Shipping" | "MoreParts":
                if self.denies:
                    return self.denies
                start, lines = int(variables.get("after") or 0), variables["lines"]
                shown = [_shown(each, lines) for each in self.parts]
                order = self.order(variables) if operation == "Shipping" else {}
                return answer(
                    {"data": {"order": order | {"fulfillmentOrders": _page(shown, start, variables["parts"])}}}
                )
            case "MorePartLines":
                [found] = [each for each in self.parts if each["id"] == variables["id"]]
                page = _page(found["lineItems"], int(variables["after"]), variables["lines"])
                return answer({"data": {"fulfillmentOrder": {"lineItems": page}}})
        return self.mutated("fulfillmentCreate" if operation == "Ship" else "fulfillmentTrackingInfoUpdate")

    def order(self, variables: dict[str, Any]) -> dict[str, Any]:
        usual = {"cancelledAt": None, "displayFinancialStatus": "PAID", "displayFulfillmentStatus": "UNFULFILLED"}
        return usual | {"fulfillments": self.sent[: variables["parcels"]]} | self.fields

    def mutated(self, name: str) -> HttpAnswer:
        if self.meanwhile:
            self.meanwhile()
        found = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(found, Exception):
            raise found
        if isinstance(found, HttpAnswer):
            return found
        return answer(found if "errors" in found else {"data": {name: found}})

    @property
    def written(self) -> list[dict[str, Any]]:
        return [variables for operation, variables in self.asked if operation in {"Ship", "Retrack"}]

    async def read(self) -> Shipping:
        found = await self.writer.read(ACCESS, "5")
        assert found is not None
        return found

    async def write(self, **given: Any) -> str | None:
        return await self.writer.write(ACCESS, parcel(**given), await self.read())


def _with_lines(each: dict[str, Any]) -> dict[str, Any]:
    nodes = [
        {"quantity": units, "lineItem": {"id": f"gid://shopify/LineItem/{line}"}}
        for line, units in each.get("units", {}).items()
    ]
    return {"id": each["id"], "fulfillmentLineItems": {"pageInfo": {"hasNextPage": False}, "nodes": nodes}}


def _shown(each: dict[str, Any], lines: int) -> dict[str, Any]:
    return each | {"lineItems": _page(each["lineItems"], 0, lines)}


def _page(nodes: list[Any], start: int, size: int) -> dict[str, Any]:
    info = {"hasNextPage": start + size < len(nodes), "endCursor": str(start + size)}
    return {"nodes": nodes[start : start + size], "pageInfo": info}


def parcel(**given: Any) -> Parcel:
    usual: dict[str, Any] = {
        "number": 1,
        "tracking_number": NUMBER,
        "carrier": "usps",
        "carrier_name": "USPS",
        "shipped_at": datetime(2026, 11, 22, 10, 0, tzinfo=UTC),
        "lines": {},
        "notify_buyer": True,
    }
    return Parcel("5", **(usual | given))


async def test_a_fulfilment_names_the_ids_of_the_fulfilment_orders_own_lines() -> None:
    store = Store([part(1, {"7": 2, "8": 1})])

    made = await store.write(lines={"7": 1})

    assert made == "gid://shopify/Fulfillment/1"
    assert store.written == [
        {
            "fulfillment": {
                "lineItemsByFulfillmentOrder": [
                    {
                        "fulfillmentOrderId": gid(1),
                        "fulfillmentOrderLineItems": [
                            {"id": "gid://shopify/FulfillmentOrderLineItem/17", "quantity": 1}
                        ],
                    }
                ],
                "trackingInfo": {"company": "USPS", "number": NUMBER},
                "notifyCustomer": True,
            }
        }
    ]


async def test_lines_are_taken_from_every_fulfilment_order_that_may_be_shipped() -> None:
    closed, cancelled = part(1, {"7": 5}, status="CLOSED"), part(2, {"7": 5}, status="CANCELLED")
    store = Store([closed, cancelled, part(3, {"7": 1}), part(4, {"7": 3}, status="IN_PROGRESS")])

    await store.write(lines={"7": 3})

    [asked] = store.written
    named = asked["fulfillment"]["lineItemsByFulfillmentOrder"]
    assert [(each["fulfillmentOrderId"], each["fulfillmentOrderLineItems"][0]["quantity"]) for each in named] == [
        (gid(3), 1),
        (gid(4), 2),
    ]


async def test_two_locations_are_two_fulfilments_of_one_number_and_one_mail() -> None:
    store = Store([part(1, {"7": 1}), part(2, {"8": 1}, location=THEIRS), part(3, {"9": 1})])

    await store.write(lines={"7": 1, "8": 1, "9": 1})

    assert [
        ([each["fulfillmentOrderId"] for each in asked["lineItemsByFulfillmentOrder"]], asked["notifyCustomer"])
        for asked in (asked["fulfillment"] for asked in store.written)
    ] == [([gid(1), gid(3)], True), ([gid(2)], False)]
    assert {asked["fulfillment"]["trackingInfo"]["number"] for asked in store.written} == {NUMBER}


async def test_a_location_that_is_refused_after_another_was_taken_is_read_again() -> None:
    store = Store([part(1, {"7": 1}), part(2, {"8": 1}, location=THEIRS)], answers=[MADE, REFUSED])

    with pytest.raises(TransientError):
        await store.write(lines={"7": 1, "8": 1})


async def test_what_is_in_a_fulfilment_is_read_where_something_is_left() -> None:
    done = sent(NUMBER) | {"units": {"7": 1}}
    left, whole = Store([part(2, {"8": 1}, location=THEIRS)], [done]), Store([part(2, {"8": 0})], [done])

    halfway, complete = await left.read(), await whole.read()

    assert ([known.lines for known in halfway.parcels], halfway.left) == ([{"7": 1}], {"8": 1})
    assert ([known.lines for known in complete.parcels], complete.left) == ([None], {})
    assert [operation for operation, _ in left.asked] == ["Shipping", "ParcelLines"]
    assert [operation for operation, _ in whole.asked] == ["Shipping"]


async def test_a_fulfilment_has_so_many_lines_at_most() -> None:
    assert MOST_LINES == 512
    units = {str(line): 1 for line in range(1000, 1000 + MOST_LINES + 1)}
    store = Store([part(1, units)])

    await store.write(lines=units)

    counts = [
        (len(each["fulfillmentOrderLineItems"]), asked["notifyCustomer"])
        for asked in (asked["fulfillment"] for asked in store.written)
        for each in asked["lineItemsByFulfillmentOrder"]
    ]
    assert counts == [(MOST_LINES, True), (1, False)]


async def test_all_fulfilment_orders_and_parcels_are_read() -> None:
    store = Store([part(number, {str(line): 1 for line in range(130)}) for number in range(12)])
    store.sent = [sent(str(number)) for number in range(30)]

    shipping = await store.read()
    await store.write()

    assert [known.tracking_number for known in shipping.parcels] == [str(number) for number in range(30)]
    named = [each for asked in store.written for each in asked["fulfillment"]["lineItemsByFulfillmentOrder"]]
    assert sum(len(each["fulfillmentOrderLineItems"]) for each in named) == 12 * 130


@pytest.mark.parametrize(
    ("parts", "fields", "standing"),
    [
        ([part(1, {"7": 1})], {}, "open"),
        ([part(1, {"7": 1}, status="IN_PROGRESS")], {}, "open"),
        ([part(1, {"7": 1}), part(2, {"8": 1}, status="ON_HOLD")], {}, "open"),
        ([part(1, {"7": 1})], {"cancelledAt": LATER}, "cancelled"),
        ([part(1, {"7": 1}, status="ON_HOLD")], {}, "on_hold"),
        ([part(1, {"7": 1}, status="SCHEDULED", fulfillAt=LATER)], {}, "on_hold"),
        ([part(1, {"7": 0}, status="CLOSED")], {"displayFulfillmentStatus": "FULFILLED"}, "shipped"),
        ([part(1, {"7": 1}, status="INCOMPLETE"), part(2, {"7": 0})], {}, "shipped"),
        ([part(1, {"7": 0}, status="CLOSED")], {"displayFinancialStatus": "REFUNDED"}, "cancelled"),
        ([part(1, {"7": 0}, status="CLOSED")], {"displayFinancialStatus": "VOIDED"}, "cancelled"),
        ([], {"displayFulfillmentStatus": "FULFILLMENT_NOT_REQUIRED"}, "shipped"),
        # Nothing of it is shown, or others are to ship it: whoever writes says so.
        ([], {}, "open"),
        ([part(1, {"7": 1}, actions=["REQUEST_FULFILLMENT"])], {}, "open"),
    ],
)
async def test_an_orders_standing(parts: list[Any], fields: dict[str, Any], standing: Standing) -> None:
    assert (await Store(parts, fields=fields).read()).standing == standing


async def test_a_schedule_tells_its_end_and_a_deadline_is_the_first() -> None:
    waiting = part(1, {"7": 1}, status="SCHEDULED", fulfillAt=LATER, fulfillBy=LATEST)
    over = part(2, {"7": 0}, status="CLOSED", fulfillBy=LATER)

    shipping = await Store([waiting, over]).read()

    assert shipping.until == datetime.fromisoformat(LATER)
    assert shipping.ship_by == datetime.fromisoformat(LATEST)


async def test_what_came_to_nothing_is_no_parcel() -> None:
    store = Store(
        sent=[sent(NUMBER, status=status) for status in ("CANCELLED", "ERROR", "FAILURE")] + [sent(None, OTHER)]
    )

    shipping = await store.read()

    fulfilment = "gid://shopify/Fulfillment/None"
    assert [(known.tracking_number, known.parcel_id) for known in shipping.parcels] == [
        (None, fulfilment),
        (OTHER, fulfilment),
    ]
    assert shipping.standing == "open"


@pytest.mark.parametrize("status", ["SUCCESS", "OPEN", "PENDING"])
async def test_what_stands_or_is_about_to_is_a_parcel(status: str) -> None:
    assert (await Store(sent=[sent(NUMBER, status=status)]).read()).has(NUMBER)


def test_every_company_is_spelled_as_shopify_lists_it() -> None:
    listed = (
        "USPS|UPS|FedEx|DHL Express|DHL eCommerce|Canada Post|Royal Mail|Evri|Australia Post|4PX|YunExpress|China Post|"
        "OnTrac"
    )

    assert set(COMPANIES.values()) == set(listed.split("|"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"carrier": "dhl-ecommerce", "carrier_name": "DHL"}, {"company": "DHL eCommerce"}),
        ({"carrier": "usps", "tracking_url": "https://example.com/a"}, {"company": "USPS"}),
        ({"carrier": "gls"}, {"company": "GLS", "url": f"https://gls-group.com/track/{NUMBER}"}),
        (
            {"carrier": None, "carrier_name": "Pigeon Post", "tracking_url": "https://example.com/a?b=c"},
            {"company": "Pigeon Post", "url": "https://example.com/a?b=c"},
        ),
        (
            {"carrier": None, "carrier_name": " ", "tracking_url": "see the label"},
            {"url": f"https://t.17track.net/en#nums={NUMBER}"},
        ),
        (
            {"carrier": "gls", "tracking_url": "http://[bad"},
            {"company": "GLS", "url": f"https://gls-group.com/track/{NUMBER}"},
        ),
    ],
)
async def test_a_company_that_shopify_does_not_know_comes_with_an_address(given: Any, expected: dict[str, str]) -> None:
    store = Store()

    await store.write(**given)

    [asked] = store.written
    assert asked["fulfillment"]["trackingInfo"] == {"number": NUMBER} | expected


async def test_a_number_takes_anothers_place_without_shipping_anything() -> None:
    store = Store([part(1, {"7": 0}, status="CLOSED")], [sent(OTHER)])

    await store.write(replaces=OTHER.lower(), notify_buyer=False)

    tracking = {"company": "USPS", "number": NUMBER}
    assert store.written == [{"id": f"gid://shopify/Fulfillment/{OTHER}", "tracking": tracking, "notify": False}]


@pytest.mark.parametrize(
    ("url", "carrier", "expected"),
    [
        (None, "gls", {"numbers": ["A1", NUMBER], "company": "GLS"}),
        (
            "https://example.com/a",
            "gls",
            {
                "numbers": ["A1", NUMBER],
                "company": "GLS",
                "urls": ["https://example.com/a", f"https://gls-group.com/track/{NUMBER}"],
            },
        ),
        ("https://example.com/a", "usps", {"numbers": ["A1", NUMBER], "company": "USPS"}),
    ],
)
async def test_a_fulfilment_of_several_numbers_keeps_the_others(url: Any, carrier: str, expected: Any) -> None:
    store = Store(sent=[sent("A1", OTHER, url=url)])

    await store.write(replaces=OTHER, carrier=carrier)

    assert store.written[0]["tracking"] == expected


@pytest.mark.parametrize(
    ("parts", "lines", "remedy", "code"),
    [
        ([part(1, {"7": 1}), part(2, {"8": 1}, status="ON_HOLD")], {"7": 1, "8": 1}, "wait", "ON_HOLD"),
        ([part(1, {"7": 1}, status="SCHEDULED")], {"7": 1}, "wait", "ON_HOLD"),
        ([part(1, {"7": 1}, actions=["REQUEST_FULFILLMENT"])], {"7": 1}, "seller", "NOT_OURS"),
        ([part(1, {"7": 1}, actions=["REQUEST_FULFILLMENT"])], {}, "seller", "NOT_OURS"),
        ([], {"7": 1}, "seller", "NOT_OURS"),
        ([part(1, {"7": 1})], {"8": 1}, "seller", "LINES_REFUSED"),
        ([part(1, {"7": 0}, status="CLOSED"), part(2, {"8": 1})], {"7": 1}, "final", "SHIPPED_BY_HAND"),
    ],
)
async def test_what_cannot_be_shipped_is_not_tried(
    parts: list[Any], lines: dict[str, int], remedy: Remedy, code: str
) -> None:
    store = Store(parts)

    with pytest.raises(PushRefused) as refused:
        await store.write(lines=lines)

    assert (refused.value.remedy, refused.value.code) == (remedy, code)
    assert store.written == []


async def test_an_app_without_the_scope_still_sees_what_was_sent() -> None:
    store = Store(sent=[sent(OTHER)], denies=answer(DENIED))

    shipping = await store.read()

    assert shipping.has(OTHER)
    with pytest.raises(PushRefused) as refused:
        await store.write()
    assert (refused.value.code, refused.value.store_wide) == ("RIGHT_MISSING", True)


@pytest.mark.parametrize("status", [401, 402, 403, 423])
async def test_a_store_that_is_closed_to_us_is_no_missing_right(status: int) -> None:
    with pytest.raises(AuthorizationError):
        await Store(denies=answer({}, status=status)).read()


@pytest.mark.parametrize("reply", [DENIED | {"data": {"fulfillmentCreate": None}}, answer({}, status=403)])
async def test_a_right_that_is_missing_stops_the_store(reply: Any) -> None:
    with pytest.raises(PushRefused) as refused:
        await Store(answers=[reply]).write()

    assert (refused.value.remedy, refused.value.code, refused.value.store_wide) == ("seller", "RIGHT_MISSING", True)


async def test_a_refusal_is_the_sellers_unless_the_order_changed_meanwhile() -> None:
    still, moved = Store(answers=[REFUSED]), Store(answers=[REFUSED])
    moved.meanwhile = lambda: moved.parts.append(part(9, {"7": 1}))

    for store, expected in ((still, ("seller", "REFUSED")), (moved, ("wait", "CONFLICT"))):
        with pytest.raises(PushRefused) as refused:
            await store.write()
        assert (refused.value.remedy, refused.value.code) == expected


@pytest.mark.parametrize(
    "reply",
    [
        TransientError("cut", retry_after=0),
        answer({}, status=500),
        answer({}, status=503, headers={"Retry-After": "0"}),
        answer(b"<html>"),
        {"fulfillment": None, "userErrors": []},
    ],
)
async def test_what_may_have_taken_effect_is_not_sent_again(reply: Any) -> None:
    store = Store(answers=[reply])

    with pytest.raises(TransientError) as error:
        await store.write()

    assert not isinstance(error.value, NotTaken)
    assert len(store.written) == 1


@pytest.mark.parametrize("reply", [THROTTLED, answer({}, status=429, headers={"Retry-After": "1"})])
async def test_what_had_no_turn_is_sent_when_it_has_one(reply: Any) -> None:
    store = Store(answers=[reply, MADE])

    assert await store.write() == "gid://shopify/Fulfillment/1"
    assert len(store.written) == 2


async def test_what_gets_no_turn_waits() -> None:
    store = Store(answers=[answer({}, status=429, headers={"Retry-After": "60"})])

    with pytest.raises(PushRefused) as refused:
        await store.write()

    assert (refused.value.remedy, refused.value.code) == ("wait", "BUSY")


async def test_access_that_was_taken_back_is_no_refusal() -> None:
    with pytest.raises(AuthorizationError):
        await Store(answers=[answer({}, status=401)]).write()


@needs_specs
@pytest.mark.parametrize("version", ["2026-07", "2026-10"])
async def test_what_we_send_is_what_the_schema_takes(version: str) -> None:
    schema = build_client_schema(document(f"shopify/admin_graphql_{version}_orders_excerpt.introspection.json")["data"])
    store = Store([part(1, {"7": 1}), part(2, {"8": 1}, location=THEIRS)], [sent("A1", OTHER)])
    await store.write(carrier="gls")
    await store.write(replaces=OTHER)

    documents = {"Ship": queries.SHIP, "Retrack": queries.RETRACK}
    for operation, variables in store.asked:
        if operation in documents:
            definitions = parse(documents[operation]).definitions[0].variable_definitions  # type: ignore[attr-defined]
            assert not isinstance(get_variable_values(schema, definitions, variables), list), operation
    assert {operation for operation, _ in store.asked} >= set(documents)
