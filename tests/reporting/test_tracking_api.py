"""A seller reads how each parcel's number gets to its platform, takes it as a file, and asks for another try."""

from __future__ import annotations

import csv
import io
from typing import Any

import orjson
import pytest

from schemas.audits import SYNC_REQUEST, TrackingRetryRequested
from services.reporting.tracking_answers import is_retryable
from services.reporting.tracking_export import guarded
from tests.reporting.conftest import Site
from tests.reporting.facts import SELLER, STORE, at, decided, key, pushed, store, stuck, update

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

OTHER = "seller-2"


@pytest.fixture
async def filled(site: Site) -> Site:
    await site.take(
        store(),
        decided(key(1)),
        update("shipped", key(1)),
        pushed("verified", key(1)),
        stuck(order=key(2), minute=11, shipped_at=at(8)),
        stuck(order=key(3), minute=12, shipped_at=at(7), tracking_number="=HYPERLINK(1)"),
        pushed("off", key(4), shipped_at=at(6), code="VOIDED", problem="The label was voided."),
        pushed("queued", key(5, store="store-2"), shipped_at=at(5), code="NUMBER_REFUSED", problem="Elsewhere."),
        pushed("verified", key(6), seller_id=OTHER),
    )
    return site


async def got(site: Site, path: str, *, seller: str = SELLER) -> Any:
    async with site.client(site.keys.grant(seller, ["reports:read"])) as client, client.get(path) as answer:
        assert answer.status == 200, await answer.text()
        return orjson.loads(await answer.read())


async def asked(site: Site, body: dict[str, str], *, scope: str = "tracking:write") -> int:
    key_text = site.keys.grant(SELLER, [scope])
    async with site.client(key_text) as client, client.post("/v1/tracking/retries", json=body) as answer:
        return answer.status


def requests(site: Site) -> list[tuple[str, str | None, str | None]]:
    heard = [SYNC_REQUEST.validate_json(message.value) for message in site.publisher.published]
    return [(one.store_id, one.push_id, one.code) for one in heard if isinstance(one, TrackingRetryRequested)]


@pytest.mark.parametrize(
    ("query", "orders"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("?state=needs_attention", [2, 3]),
        ("?code=NUMBER_REFUSED", [2, 3, 5]),
        ("?code=NUMBER_REFUSED&store=store-2", [5]),
        ("?platform=etsy&from=2026-03-01T12:06:00Z&to=2026-03-01T12:08:00Z", [3, 4]),
        ("?platform=shopify", []),
    ],
)
async def test_parcels_are_filtered(filled: Site, query: str, orders: list[int]) -> None:
    found = await got(filled, f"/v1/tracking{query}")

    assert [int(parcel["external_id"]) - 1000 for parcel in found["items"]] == orders


async def test_a_list_is_paged_without_losing_one(filled: Site) -> None:
    first = await got(filled, "/v1/tracking?limit=3")
    rest = await got(filled, f"/v1/tracking?limit=3&cursor={first['next']}")

    assert [parcel["push_id"] for parcel in first["items"] + rest["items"]] == [
        parcel["push_id"] for parcel in (await got(filled, "/v1/tracking"))["items"]
    ]
    assert rest["next"] is None


async def test_parcels_are_counted_by_reason_with_what_to_do(filled: Site) -> None:
    summary = await got(filled, "/v1/tracking/summary")

    states = {state: parcels for state, parcels in summary["states"].items() if parcels}
    assert (summary["parcels"], states) == (5, {"needs_attention": 2, "queued": 1, "verified": 1, "off": 1})
    first = summary["counts"][0]
    assert (first["store_id"], first["parcels"], first["retryable"]) == (STORE, 2, True)
    assert first["title"] == "The number is not one that it takes"
    assert first["remedy"] == "The platform does not take this number. Correct it and try again."
    assert [count["retryable"] for count in summary["counts"] if count["code"] == "VOIDED"] == [False]


async def test_another_sellers_parcels_are_not_there(filled: Site) -> None:
    assert [parcel["external_id"] for parcel in (await got(filled, "/v1/tracking", seller=OTHER))["items"]] == ["1006"]
    assert await asked(filled, {"push_id": f"push-{key(6)}"}) == 404


async def test_the_file_has_every_parcel_and_no_cell_that_a_spreadsheet_runs(filled: Site) -> None:
    key_text = filled.keys.grant(SELLER, ["reports:read"])
    async with filled.client(key_text) as client, client.get("/v1/tracking/export?state=needs_attention") as answer:
        text = (await answer.read()).decode("utf-8-sig")

    rows = list(csv.DictReader(io.StringIO(text)))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="tracking.csv"'
    assert [row["tracking_number"] for row in rows] == ["9400111", "'=HYPERLINK(1)"]
    assert rows[0]["shipped_at"] == "2026-03-01T12:08:00+00:00"


@pytest.mark.parametrize("cell", ["=1", "+1", "-1", "@a", "\t=1", "\r=1", " =1", "＝1"])  # noqa: RUF001
def test_a_cell_that_begins_a_formula_is_kept_from_it(cell: str) -> None:
    assert guarded(cell) == f"'{cell}"


async def test_one_parcel_is_asked_for_again_where_its_store_is(filled: Site) -> None:
    status = await asked(filled, {"push_id": f"push-{key(2)}"})

    assert (status, requests(filled)) == (202, [(STORE, f"push-{key(2)}", None)])


@pytest.mark.parametrize(
    ("body", "stores"),
    [
        ({"code": "NUMBER_REFUSED"}, [STORE, "store-2"]),
        ({"code": "NUMBER_REFUSED", "store_id": STORE}, [STORE]),
        ({"code": "VOIDED"}, []),
        ({"code": "NOBODY_SAID_SO"}, []),
    ],
)
async def test_all_with_a_code_are_asked_for_once_a_store(
    filled: Site, body: dict[str, str], stores: list[str]
) -> None:
    assert await asked(filled, body) == 202

    assert requests(filled) == [(store_id, None, body["code"]) for store_id in stores]


@pytest.mark.parametrize("body", [{}, {"code": "A", "push_id": "b"}])
async def test_what_names_no_parcel_or_two_things_is_refused(filled: Site, body: dict[str, str]) -> None:
    assert (await asked(filled, body), requests(filled)) == (422, [])


async def test_asking_needs_the_scope_that_it_needs_at_ingest(filled: Site) -> None:
    assert await asked(filled, {"code": "NUMBER_REFUSED"}, scope="reports:read") == 403


async def test_an_order_shows_its_parcels_and_its_deadline(filled: Site) -> None:
    await filled.take(decided(key(2), summary=decided(key(2)).summary.model_copy(update={"ship_by": at(60)})))

    found = await got(filled, "/v1/orders?deadline=at_risk")
    detail = await got(filled, f"/v1/orders/{key(2)}")

    [order] = found["items"]
    assert (order["deadline"], order["ship_by"]) == ("at_risk", "2026-03-01T13:00:00Z")
    assert [parcel["state"] for parcel in order["tracking"]] == ["needs_attention"]
    assert detail["tracking"] == order["tracking"]
    assert detail["timeline"][-1]["sentence"] == (
        "USPS 9400111 needs you. The platform does not take this number. Correct it and try again."
    )
    assert (await got(filled, "/v1/orders?deadline=late"))["items"] == []


async def test_a_deadline_that_a_platform_tells_when_it_is_asked_of_a_parcel_is_the_orders(filled: Site) -> None:
    told = stuck(order=key(2), step=9, minute=11, ship_by=at(60))
    await filled.take(decided(key(2)), update("shipped", key(2)), told)

    [order] = (await got(filled, "/v1/orders?deadline=at_risk"))["items"]
    alerts = (await got(filled, "/v1/alerts"))["items"]

    assert (order["order_key"], order["deadline"], order["ship_by"]) == (key(2), "at_risk", "2026-03-01T13:00:00Z")
    assert [alert["orders"] for alert in alerts if alert["code"] == "SHIP_BY_AT_RISK"] == [1]


def test_a_parcel_that_nobody_wants_to_hear_of_is_not_offered_again() -> None:
    assert not is_retryable("off", "NOT_WANTED")
    assert is_retryable("off", "SWITCHED_OFF")
