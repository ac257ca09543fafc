"""Drafts by API over twins: what is typed is kept as it is, sealed, for its seller alone, and forgotten when asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from schemas.privacy import PrivacyRequested
from schemas.stores import StoreSettings
from services.ingest.adapters.memory.drafts import MemoryDrafts
from services.ingest.drafts.draft import MOST_DRAFTS
from services.ingest.drafts.erasing import DraftErasing
from services.ingest.drafts.routes import DraftApi, draft_routes
from services.ingest.platforms.direct.connector import DirectConnector
from services.ingest.stores.access import AccessCache
from services.ingest.stores.linking import NewStore
from services.kit.clock import ManualClock
from services.kit.errors import UnreadableMessage
from services.kit.health import Health
from services.kit.http.server import build_app, serve
from services.kit.kafka.subscriber import Record
from services.kit.keys import MemoryKeyRing
from services.kit.metrics import Metrics
from tests.ingest.workbench import SELLER, START, Ingestion

#: The API is served on loopback, over twins.
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

TYPED = {"ship_to.name": "Buyer 0042", "ship_to.postal_code": "not one", "items.0.quantity": "-1"}


@dataclass
class Desk:
    """A seller's client, with a direct store."""

    session: aiohttp.ClientSession
    keys: MemoryKeyRing
    key: str
    drafts: MemoryDrafts
    clock: ManualClock
    store_id: str

    async def call(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        async with self.session.request(method, path, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None) if response.status != 204 else None

    async def keep(self, draft_id: str = "draft-0001", **body: Any) -> tuple[int, Any]:
        return await self.call("PUT", f"/v1/drafts/{draft_id}", {"fields": TYPED, **body})


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    clock, keys, drafts = ManualClock(START), MemoryKeyRing(), MemoryDrafts()
    ingest = Ingestion({"direct": DirectConnector()}, clock)
    store = await ingest.linking.link_with_credentials(NewStore(SELLER, "direct", "Mine", None, StoreSettings()), {})
    api = DraftApi(drafts, AccessCache(ingest.stores, ingest.vault, clock), ingest.vault, clock)
    server = await serve(build_app(draft_routes(api), keys=keys, metrics=Metrics(), health=Health()), "127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield Desk(session, keys, keys.grant(SELLER), drafts, clock, store.store_id)
    await server.stop()


async def test_what_was_typed_comes_back_as_it_was_right_or_wrong(desk: Desk) -> None:
    status, kept = await desk.keep(title="W-1", store_id=desk.store_id)
    desk.clock.advance(60)
    await desk.keep(title="W-2", fields={"reference": "W-2"})
    await desk.keep("draft-0002")

    assert (status, kept["fields"]) == (200, TYPED)
    assert (await desk.call("GET", "/v1/drafts/draft-0001"))[1]["fields"] == {"reference": "W-2"}
    listed = (await desk.call("GET", "/v1/drafts"))[1]["items"]
    assert {(item["draft_id"], item["title"]) for item in listed} == {("draft-0001", "W-2"), ("draft-0002", "")}


async def test_nothing_of_it_can_be_read_where_it_is_kept(desk: Desk) -> None:
    await desk.keep(title="Buyer 0042")

    [draft] = desk.drafts.drafts.values()

    assert b"Buyer 0042" not in draft.sealed
    assert "Buyer" not in repr(draft)


async def test_another_sellers_drafts_are_not_there(desk: Desk) -> None:
    await desk.keep()
    other = desk.keys.grant("seller-2")

    assert (await desk.call("GET", "/v1/drafts/draft-0001", key=other))[0] == 404
    assert (await desk.call("GET", "/v1/drafts", key=other))[1] == {"items": []}
    assert (await desk.call("DELETE", "/v1/drafts/draft-0001", key=other))[0] == 204
    assert (await desk.call("DELETE", "/v1/drafts/draft-0001"))[0] == 204
    assert (await desk.call("GET", "/v1/drafts/draft-0001"))[0] == 404
    assert (await desk.call("GET", "/v1/drafts", key=desk.keys.grant(SELLER, ["orders:read"])))[0] == 403


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("draft-0001", {"fields": {"note": "x" * 5001}}),
        ("draft-0001", {"fields": {f"note-{n}": "é" * 2500 for n in range(50)}}),
        ("draft-0001", {"fields": {}, "other": 1}),
        ("short", {"fields": {}}),
    ],
)
async def test_a_draft_has_its_bounds(desk: Desk, path: str, body: Any) -> None:
    status, problem = await desk.call("PUT", f"/v1/drafts/{path}", body)

    assert (status, problem["code"]) == (422, "invalid_request")
    assert desk.drafts.drafts == {}


async def test_a_seller_has_so_many_drafts_and_no_more(desk: Desk) -> None:
    for number in range(MOST_DRAFTS):
        await desk.keep(f"draft-{number:04}")

    status, problem = await desk.keep("draft-more")

    assert (status, problem["code"]) == (409, "too_many_drafts")
    assert (await desk.keep("draft-0000"))[0] == 200


async def test_requests_of_buyers_reach_drafts_by_store_and_by_order(desk: Desk) -> None:
    await desk.keep("draft-own1", store_id=desk.store_id, reference="W-1")
    await desk.keep("draft-copy", copied_from="shopify:st-9:77")
    await desk.keep("draft-kept")
    await desk.keep("draft-shop", store_id="st-7")

    await DraftErasing(desk.drafts).handle(
        [
            _asked("erase_buyer", order_keys=(f"direct:{desk.store_id}:W-1", "shopify:st-9:77")),
            _asked("erase_store", store_id="st-7"),
            _asked("data", store_id=desk.store_id),
        ]
    )

    assert [place[1] for place in desk.drafts.drafts] == ["draft-kept"]


async def test_a_request_that_says_nothing_is_told_from_a_failure(desk: Desk) -> None:
    with pytest.raises(UnreadableMessage):
        await DraftErasing(desk.drafts).handle([Record("privacy.requests", 0, 0, "k", b"{}", {}, 0)])


def _asked(kind: str, **changes: Any) -> Record:
    request = PrivacyRequested(
        **{"event_id": "e", "occurred_at": START, "request_id": "r", "kind": kind, "platform": "direct"} | changes
    )
    return Record("privacy.requests", 0, 0, "k", request.model_dump_json().encode(), {}, 0)
