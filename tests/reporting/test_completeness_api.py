"""The API says how complete stores are, shows audits, and asks ingest for what a seller wishes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from schemas.audits import SYNC_REQUEST, AuditRequested, SyncRequest, SyncRequested
from schemas.sessions import Window
from services.kit.errors import TransientError
from tests.reporting.conftest import Site
from tests.reporting.facts import (
    SELLER,
    STORE,
    at,
    audit_finished,
    audit_progressed,
    audit_started,
    decided,
    differing,
    found,
    key,
    outcome,
    polled,
    store,
)

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

PERIOD = {"from": "2026-02-27", "to": "2026-02-28", "zone": "Eastern", "by": "updated"}
#: The same in UTC: clocks in New York are five hours behind.
MOMENTS = Window.model_validate({"start": "2026-02-27T05:00:00Z", "end": "2026-03-01T05:00:00Z"})
READS = ["/v1/completeness", f"/v1/completeness/{STORE}", "/v1/audits", "/v1/audits/audit-1"]
WRITES = [f"/v1/completeness/{STORE}/audits", f"/v1/completeness/{STORE}/syncs"]


@pytest.fixture
async def filled(site: Site) -> Site:
    """A store that is complete but for an order of minute -30 that an audit could not settle."""
    await site.take(
        store(platform_name="Etsy"),
        *polled("p", outcome(1), through=-2, next_at=at(3), next_because="it is busy", healed="The webhook was gone."),
        decided(key(1)),
        audit_started("exact", minute=-1, window=MOMENTS),
        audit_progressed("exact", listed=7, held=7),
        audit_finished("exact"),
        *differing("audit-1", found(3, minute=-30), minute=5, scope="week"),
    )
    return site


async def get(site: Site, path: str, *, seller: str = SELLER, **query: str) -> tuple[int, Any]:
    async with site.client(site.keys.grant(seller)) as client, client.get(path, params=query) as answer:
        return answer.status, orjson.loads(await answer.read())


async def post(site: Site, path: str, body: Any, *, seller: str = SELLER, name: str | None = None) -> tuple[int, Any]:
    headers = {"Idempotency-Key": name} if name else {}
    key = site.keys.grant(seller, ["syncs:write"])
    async with site.client(key) as client, client.post(path, json=body, headers=headers) as answer:
        return answer.status, orjson.loads(await answer.read())


def asked(site: Site) -> list[SyncRequest]:
    assert {message.topic for message in site.publisher.published} <= {"sync.requests"}
    assert {message.key for message in site.publisher.published} <= {STORE}
    return [SYNC_REQUEST.validate_json(message.value) for message in site.publisher.published]


@pytest.mark.parametrize("path", READS)
async def test_reading_needs_the_reports_scope(filled: Site, path: str) -> None:
    async with filled.client(filled.keys.grant(SELLER, ["syncs:write"])) as client, client.get(path) as answer:
        assert answer.status == 403


@pytest.mark.parametrize("path", WRITES)
async def test_asking_needs_a_scope_of_its_own(filled: Site, path: str) -> None:
    key = filled.keys.grant(SELLER, ["reports:read"])
    async with filled.client(key) as client, client.post(path, json=PERIOD) as answer:
        assert answer.status == 403
    assert asked(filled) == []


async def test_a_store_says_through_when_it_is_complete_why_not_further_and_when_it_is_read_next(filled: Site) -> None:
    _, stores = await get(filled, "/v1/stores")
    _, body = await get(filled, "/v1/completeness")

    [item] = body["items"]
    complete = item["completeness"]
    assert stores["items"][0]["completeness"] == complete
    assert (complete["complete_from"], complete["complete_through"]) == ("2026-03-01T11:00:00Z", "2026-03-01T11:30:00Z")
    assert (complete["behind_seconds"], complete["late"], complete["audit_id"]) == (1800, False, "audit-1")
    assert complete["because"].startswith("1 order that Etsy changed then or later differs, and an audit could not")
    assert (complete["next_sync_at"], complete["next_sync_because"]) == ("2026-03-01T12:03:00Z", "it is busy")
    assert complete["last_healed"]["sentence"] == "The webhook was gone."
    assert [(audit["audit_id"], audit["state"]) for audit in item["audits"]] == [
        ("audit-1", "differs"),
        ("exact", "agreed"),
    ]
    assert item["open_differences"] == 1


async def test_a_period_is_counted_beside_the_audits_that_hold_it(filled: Site) -> None:
    _, exact = await get(filled, f"/v1/completeness/{STORE}", **PERIOD)
    _, within = await get(
        filled,
        f"/v1/completeness/{STORE}",
        **{"from": "2026-03-01T11:00:00Z", "to": "2026-03-01T12:00:01Z", "by": "updated"},
    )
    _, alone = await get(filled, f"/v1/completeness/{STORE}", **PERIOD | {"by": "created"})

    assert exact["period"]["from"] == "2026-02-27T05:00:00Z"
    assert exact["period"]["zone"] == "America/New_York"
    assert (exact["ours"], exact["exact"], [audit["listed"] for audit in exact["audits"]]) == (0, True, [7])
    # It is not over, and the audit of the last hour holds what can have been audited of it.
    assert (within["ours"], within["exact"], [audit["audit_id"] for audit in within["audits"]]) == (
        1,
        False,
        ["audit-1"],
    )
    assert (alone["audits"], alone["sentence"]) == ([], "No audit has compared this period yet. Ask for one.")


async def test_an_audit_shows_each_order_that_differs(filled: Site) -> None:
    _, audit = await get(filled, "/v1/audits/audit-1")
    _, listed = await get(filled, "/v1/audits", state="differs")

    assert [item["audit_id"] for item in listed["items"]] == ["audit-1"]
    [order] = audit["found"]
    assert (order["external_id"], order["finding"], order["here"]) == ("1003", "missing", False)
    assert audit["sentence"] == "1 order still differs. The next audit tries again."


@pytest.mark.parametrize(
    ("path", "code"),
    [("/v1/audits/no-such", "audit_not_found"), ("/v1/completeness/no-such", "store_not_found")],
)
async def test_an_unknown_thing_is_404_with_a_code(filled: Site, path: str, code: str) -> None:
    status, body = await get(filled, path, **({} if "audits" in path else PERIOD))

    assert (status, body["code"]) == (404, code)


@pytest.mark.parametrize("path", ["/v1/audits/audit-1", f"/v1/completeness/{STORE}"])
async def test_another_sellers_thing_is_404(filled: Site, path: str) -> None:
    status, _ = await get(filled, path, seller="seller-2", **({} if "audits" in path else PERIOD))

    assert status == 404


async def test_an_audit_is_asked_for_in_the_sellers_own_time(filled: Site) -> None:
    status, body = await post(filled, f"/v1/completeness/{STORE}/audits", PERIOD)

    [request] = asked(filled)
    assert status == 202
    assert isinstance(request, AuditRequested)
    assert (request.audit_id, request.window, request.by) == (body["audit_id"], MOMENTS, "updated")
    assert (request.seller_id, request.store_id) == (SELLER, STORE)
    assert body["link"] == f"/v1/audits/{body['audit_id']}"


async def test_a_sync_is_asked_for_in_the_sellers_own_words(filled: Site) -> None:
    status, body = await post(filled, f"/v1/completeness/{STORE}/syncs", PERIOD)

    [request] = asked(filled)
    assert status == 202
    assert isinstance(request, SyncRequested)
    assert (request.sync_id, request.start, request.end, request.zone) == (
        body["sync_id"],
        "2026-02-27",
        "2026-02-28",
        "Eastern",
    )


@pytest.mark.parametrize(("path", "name"), [(WRITES[0], "audit_id"), (WRITES[1], "sync_id")])
async def test_a_repeated_wish_is_the_same_wish(filled: Site, path: str, name: str) -> None:
    _, first = await post(filled, path, PERIOD, name="monday")
    _, again = await post(filled, path, PERIOD, name="monday")
    _, other = await post(filled, path, PERIOD, name="tuesday")

    assert first[name] == again[name] != other[name]
    assert len({request.event_id for request in asked(filled)}) == 2


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"zone": "Atlantis"}, "unknown_zone"),
        ({"from": "2026-02-30"}, "malformed_period"),
        ({"to": "2026-02-01"}, "period_reversed"),
        ({"from": "2027-01-01", "to": "2027-01-02"}, "period_in_future"),
        ({"by": "shipped"}, "invalid_request"),
    ],
)
@pytest.mark.parametrize("path", WRITES)
async def test_a_period_that_means_nothing_is_refused(
    filled: Site, path: str, changed: dict[str, str], code: str
) -> None:
    status, body = await post(filled, path, PERIOD | changed)

    assert (status, body["code"]) == (422, code)
    assert asked(filled) == []


@pytest.mark.parametrize("path", WRITES)
async def test_nothing_is_asked_of_a_store_that_gives_no_access(filled: Site, path: str) -> None:
    foreign, _ = await post(filled, path, PERIOD, seller="seller-2")
    await filled.take(store(state="reconnect", changed_at=at(1)))
    resting, body = await post(filled, path, PERIOD)

    assert (foreign, resting, body["code"]) == (404, 422, "store_not_linked")
    assert asked(filled) == []


@pytest.mark.parametrize("path", WRITES)
async def test_a_wish_that_kafka_did_not_take_is_not_confirmed(filled: Site, path: str) -> None:
    filled.publisher.fail_with(TransientError("kafka is away", retry_after=1))

    status, _ = await post(filled, path, PERIOD)

    assert status == 503
