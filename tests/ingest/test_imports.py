"""Imports over twins: a file is uploaded, looked through, started, and its orders reach Kafka once."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from schemas.sessions import SESSION_EVENT, SessionFinished, SessionProgressed, SessionStarted
from schemas.stores import StoreSettings
from services.ingest.adapters.memory.given import MemoryGivenOrders
from services.ingest.adapters.memory.imports import MemoryImports
from services.ingest.direct.giving import Giving
from services.ingest.imports.files import ImportFiles
from services.ingest.imports.ports import ImportLease
from services.ingest.imports.routes import ImportApi, import_routes
from services.ingest.imports.runs import GONE, ImportRunner
from services.ingest.platforms.direct.connector import DirectConnector
from services.ingest.ports import LeaseLost
from services.ingest.schedule import Schedule
from services.ingest.stores.linking import NewStore
from services.kit.clock import ManualClock
from services.kit.errors import TransientError
from services.kit.health import Health
from services.kit.http.server import build_app, serve
from services.kit.keys import MemoryKeyRing
from services.kit.metrics import Metrics
from tests.ingest.platforms.direct.files.table_files import csv_of, made_of, row, xlsx_of
from tests.ingest.workbench import SELLER, START, Ingestion, linked_store

#: The API is served on loopback, over twins.
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

ORDERS = csv_of(row(), row(Reference="W-2", Quantity="none"), row(Reference="W-3", City="Zoë's Town"))


@dataclass
class Importer:
    """A seller's client with a direct store, and the process that runs its imports."""

    ingest: Ingestion
    clock: ManualClock
    imports: MemoryImports
    runner: ImportRunner
    session: aiohttp.ClientSession
    keys: MemoryKeyRing
    key: str
    store_id: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    async def call(self, method: str, path: str, *, key: str | None = None, **request: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        async with self.session.request(method, path, headers=headers, **request) as response:
            return response.status, await response.json(content_type=None)

    async def file(self, path: str) -> tuple[int, bytes]:
        async with self.session.get(path, headers={"Authorization": f"Bearer {self.key}"}) as response:
            return response.status, await response.read()

    async def upload(self, file: bytes | io.BytesIO, **request: Any) -> tuple[int, Any]:
        return await self.call("POST", "/v1/imports", params={"store_id": self.store_id}, data=file, **request)

    async def checked(self, file: bytes) -> Any:
        """The import of a file, looked through."""
        status, shown = await self.upload(file)
        assert status == 202, shown
        await self.run()
        return await self.shown(shown["import_id"])

    async def shown(self, import_id: str) -> Any:
        status, shown = await self.call("GET", f"/v1/imports/{import_id}")
        assert status == 200
        return shown

    async def start(self, import_id: str, **how: str) -> tuple[int, Any]:
        return await self.call("POST", f"/v1/imports/{import_id}/start", json=how)

    async def steered(self, held: Any, step: str, **how: str) -> tuple[int, Any]:
        path = f"/v1/imports/{held['import_id']}/{step}"
        return await self.call("POST", path, json=None if step == "cancel" else how)

    async def imported(self, file: bytes, **how: str) -> Any:
        """The import of a file, at its end."""
        held = await self.checked(file)
        status, _ = await self.start(held["import_id"], **how)
        assert status == 200
        await self.run()
        return await self.shown(held["import_id"])

    async def lease(self) -> ImportLease | None:
        now = self.clock.now()
        leases = await self.imports.claim(
            owner="process", platforms=["direct"], limit=1, now=now, until=now + timedelta(seconds=10)
        )
        return leases[0] if leases else None

    async def run(self) -> None:
        lease = await self.lease()
        assert lease is not None, "nothing is due"
        await self.runner.run(lease)

    async def sessions(self) -> list[Any]:
        await self.ingest.relay.drain()
        messages = [each for each in self.ingest.publisher.published if each.topic == "sync.sessions"]
        return [SESSION_EVENT.validate_json(message.value) for message in messages]

    @property
    def references(self) -> list[str]:
        """The orders that Kafka was told of, each as often as it was told."""
        return [event.order.external_id for event in self.ingest.told]


@pytest.fixture
async def importer() -> AsyncIterator[Importer]:
    clock, keys = ManualClock(START), MemoryKeyRing()
    ingest = Ingestion({"direct": DirectConnector()}, clock)
    given, imports = MemoryGivenOrders(), MemoryImports(ingest.memory)
    files = ImportFiles(imports, ingest.vault, clock)
    giving = Giving(given, ingest.seen, ingest.publisher, clock)
    runner = ImportRunner(imports, files, ingest.stores, giving, given, clock, ingest.metrics)
    schedule = Schedule(
        runner.run, imports, owner="p", platforms=["direct"], at_once=1, clock=clock, metrics=Metrics(), what="import"
    )
    api = ImportApi(imports, files, ingest.stores, given, schedule, clock)
    server = await serve(build_app(import_routes(api), keys=keys, metrics=Metrics(), health=Health()), "127.0.0.1", 0)
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        one = Importer(ingest, clock, imports, runner, session, keys, keys.grant(SELLER))
        new = NewStore(SELLER, "direct", "By hand", None, StoreSettings())
        one.store_id = (await ingest.linking.link_with_credentials(new, {})).store_id
        yield one
    await server.stop()


async def test_a_file_is_looked_through_before_anything_is_imported(importer: Importer) -> None:
    held = await importer.checked(ORDERS)

    assert held["state"] == "ready"
    assert held["tally"] == {"new": 2, "existing": 0, "changed": 0, "faulty": 1, "left_out": 0}
    assert held["progress"] == {"rows_done": 3, "rows": 3, "orders_done": 3, "orders": 3, "seconds_left": None}
    assert held["findings"]["form"] == "UTF-8, cells divided by commas"
    assert held["findings"]["columns"][0] == {"header": "Reference", "field": "Reference"}
    assert importer.ingest.publisher.published == []
    _, problems = await importer.call("GET", f"/v1/imports/{held['import_id']}/problems")
    assert problems["items"] == [
        {
            "reference": "W-2",
            "row": 3,
            "column": "Quantity",
            "problem": "It is not a whole number",
            "remedy": "Write how many, like 2.",
            "while_checking": True,
        }
    ]


async def test_a_preview_shows_what_each_row_would_become(importer: Importer) -> None:
    held = await importer.imported(csv_of(row(), row(Reference="W-3")))

    again = await importer.checked(ORDERS)
    _, preview = await importer.call("GET", f"/v1/imports/{again['import_id']}/preview")

    assert [(item["reference"], item["rows"], item["outcome"]) for item in preview["items"]] == [
        ("W-1", [2], "existing"),
        ("W-2", [3], "faulty"),
        ("W-3", [4], "changed"),
    ]
    assert preview["items"][0]["order"]["ship_to"]["city"] == "Springfield"
    assert preview["items"][1]["problems"][0]["column"] == "Quantity"
    assert preview["whole"]
    assert held["results"] == {"new": 2, "updated": 0, "existing": 0, "failed": 0}


async def test_what_is_right_is_imported_and_the_report_hears_of_every_order(importer: Importer) -> None:
    held = await importer.imported(ORDERS)

    begun, part, ended = await importer.sessions()
    assert sorted(importer.references) == ["W-1", "W-3"]
    assert {event.order.way for event in importer.ingest.told} == {"import"}
    assert (held["state"], held["results"]) == ("partial", {"new": 2, "updated": 0, "existing": 0, "failed": 1})
    assert isinstance(begun, SessionStarted)
    assert isinstance(part, SessionProgressed)
    assert isinstance(ended, SessionFinished)
    assert (begun.way, begun.session_id, ended.state) == ("import", held["import_id"], "partial")
    assert {(outcome.external_id, outcome.result) for outcome in part.outcomes} == {
        ("W-1", "new"),
        ("W-2", "failed"),
        ("W-3", "new"),
    }
    failed = next(outcome for outcome in part.outcomes if outcome.result == "failed")
    assert failed.problem == "Row 3, Quantity: It is not a whole number. Write how many, like 2."


async def test_the_same_file_again_imports_nothing_twice_and_says_so(importer: Importer) -> None:
    first = await importer.imported(ORDERS)
    importer.clock.advance(3600)

    held = await importer.imported(ORDERS)

    assert held["results"] == {"new": 0, "updated": 0, "existing": 2, "failed": 1}
    assert first["import_id"] in held["notices"][0]
    assert len({event.event_id for event in importer.ingest.told}) == 2


async def test_the_same_rows_in_another_file_import_nothing_twice(importer: Importer) -> None:
    await importer.imported(csv_of(row()))

    titles = list(row())
    cells: list[object] = [*row().values()]
    held = await importer.imported(xlsx_of(titles, cells, [*["W-9"], *cells[1:]]))

    assert held["notices"] == []
    assert held["results"] == {"new": 1, "updated": 0, "existing": 1, "failed": 0}


async def test_a_reference_with_other_content_is_refused_or_updated_as_the_seller_says(importer: Importer) -> None:
    await importer.imported(csv_of(row()))
    other = csv_of(row(City="Shelbyville"))

    refused = await importer.imported(other)
    updated = await importer.imported(other, on_changed="update")

    assert (refused["state"], refused["results"]["failed"]) == ("failed", 1)
    _, problems = await importer.call("GET", f"/v1/imports/{refused['import_id']}/problems")
    assert problems["items"][0]["row"] == 2
    assert '"update"' in problems["items"][0]["remedy"]
    assert updated["results"] == {"new": 0, "updated": 1, "existing": 0, "failed": 0}
    assert [event.order.ship_to.city for event in importer.ingest.told if event.order.ship_to] == [
        "Springfield",
        "Shelbyville",
    ]


async def test_rows_that_failed_come_back_with_the_reason_ready_to_mend_and_upload(importer: Importer) -> None:
    file = csv_of(row(), row(Reference="W-2", Quantity="none", Phone="+1 555 0100"), row(Reference="W-3"))
    held = await importer.imported(file)

    status, failed = await importer.file(f"/v1/imports/{held['import_id']}/failed")

    assert status == 200
    header, line = failed.decode("utf-8-sig").splitlines()
    assert header.endswith(",Phone,Reason")
    assert "'+1 555 0100" in line
    assert line.endswith('"Row 3, Quantity: It is not a whole number. Write how many, like 2."')
    again = await importer.imported(failed.replace(b",none,", b",5,"))
    assert again["results"] == {"new": 1, "updated": 0, "existing": 0, "failed": 0}
    assert importer.ingest.told[-1].order.phone == "+1 555 0100"


async def test_an_import_goes_on_where_a_killed_process_came_to(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.imports.runs.GIVEN_AT_ONCE", 2)
    held = await importer.checked(csv_of(*(row(Reference=f"W-{number}") for number in range(9))))
    await importer.start(held["import_id"])
    lease = await importer.lease()
    assert lease is not None
    record, steps = importer.imports.record, 0

    async def dying(*args: Any, **kept: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise RuntimeError("killed after Kafka had the orders, before they were recorded")
        await record(*args, **kept)

    monkeypatch.setattr(importer.imports, "record", dying)
    with pytest.raises(RuntimeError):
        await importer.runner.run(lease)
    monkeypatch.setattr(importer.imports, "record", record)
    half = await importer.shown(held["import_id"])
    importer.clock.advance(11)
    await importer.run()

    whole = await importer.shown(held["import_id"])
    assert (half["state"], half["progress"]["orders_done"]) == ("running", 4)
    assert (whole["state"], whole["results"]["new"]) == ("succeeded", 9)
    assert len({event.event_id for event in importer.ingest.told}) == 9
    parts = [event for event in await importer.sessions() if isinstance(event, SessionProgressed)]
    assert sorted(outcome.external_id for part in parts for outcome in part.outcomes) == [f"W-{n}" for n in range(9)]


async def test_looking_through_goes_on_where_a_killed_process_came_to(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.imports.runs.ORDERS_AT_ONCE", 2)
    _, held = await importer.upload(csv_of(*(row(Reference=f"W-{n}", Quantity="none") for n in range(5))))
    lease = await importer.lease()
    assert lease is not None
    tally, calls = ImportRunner._tally, 0

    async def dying(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("killed")
        return await tally(*args)

    monkeypatch.setattr(ImportRunner, "_tally", dying)
    with pytest.raises(RuntimeError):
        await importer.runner.run(lease)
    importer.clock.advance(11)
    await importer.run()

    assert (await importer.shown(held["import_id"]))["tally"]["faulty"] == 5
    _, problems = await importer.call("GET", f"/v1/imports/{held['import_id']}/problems", params={"limit": 3})
    _, rest = await importer.call(
        "GET", f"/v1/imports/{held['import_id']}/problems", params={"limit": 3, "cursor": problems["next"]}
    )
    assert [item["row"] for item in [*problems["items"], *rest["items"]]] == [2, 3, 4, 5, 6]
    assert rest["next"] is None


async def test_an_import_waits_out_kafka_and_says_what_it_waits_for(importer: Importer) -> None:
    held = await importer.checked(ORDERS)
    await importer.start(held["import_id"])
    publish = importer.ingest.publisher.publish

    async def away(_: Any) -> None:
        raise TransientError("Kafka is away", retry_after=1000)

    importer.ingest.publisher.publish = away  # type: ignore[assignment]
    await importer.run()
    waiting = await importer.shown(held["import_id"])
    importer.ingest.publisher.publish = publish  # type: ignore[method-assign]
    importer.clock.advance(4000)
    await importer.run()

    assert (waiting["state"], waiting["problem"]) == ("running", "Waiting: Kafka is away.")
    assert (await importer.shown(held["import_id"]))["results"]["new"] == 2


async def test_a_cancelled_import_gives_no_more_orders_and_keeps_what_it_brought(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.imports.runs.GIVEN_AT_ONCE", 2)
    held = await importer.checked(csv_of(*(row(Reference=f"W-{number}") for number in range(9))))
    await importer.start(held["import_id"])
    record, answers = importer.imports.record, []

    async def cancelling(*args: Any, **kept: Any) -> None:
        await record(*args, **kept)
        answers.append(await importer.call("POST", f"/v1/imports/{held['import_id']}/cancel"))

    monkeypatch.setattr(importer.imports, "record", cancelling)
    lease = await importer.lease()
    assert lease is not None
    with pytest.raises(Exception, match="somebody else decides"):
        await importer.runner.run(lease)

    shown = await importer.shown(held["import_id"])
    assert (shown["state"], shown["results"]["new"]) == ("cancelled", 2)
    assert (await importer.sessions())[-1].state == "cancelled"
    assert await importer.lease() is None
    assert (await importer.start(held["import_id"]))[0] == 409


async def test_a_cancelled_import_goes_on_with_what_it_did_not_come_to(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.imports.runs.GIVEN_AT_ONCE", 2)
    rows = [row(Reference=f"W-{number}", Quantity="none" if number == 1 else "1") for number in range(7)]
    held = await importer.checked(csv_of(*rows))
    record = importer.imports.record
    for _ in range(2):
        await importer.steered(held, "start" if importer.references == [] else "resume")
        steps = 0

        async def cancelling(*args: Any, **kept: Any) -> None:
            nonlocal steps
            steps += 1
            await record(*args, **kept)
            if steps == 2:
                await importer.steered(held, "cancel")

        monkeypatch.setattr(importer.imports, "record", cancelling)
        with pytest.raises(LeaseLost):
            await importer.run()
    monkeypatch.setattr(importer.imports, "record", record)
    status, resumed = await importer.steered(held, "resume")
    await importer.steered(held, "resume")
    await importer.run()

    whole = await importer.shown(held["import_id"])
    assert (status, resumed["state"], resumed["resumable"]) == (200, "running", False)
    assert (whole["state"], whole["resumable"]) == ("partial", False)
    assert whole["results"] == {"new": 6, "updated": 0, "existing": 0, "failed": 1}
    # What was being given when it was cancelled is told once more, and is the same fact.
    told = {event.event_id: event.order.external_id for event in importer.ingest.told}
    assert sorted(told.values()) == ["W-0", *(f"W-{number}" for number in range(2, 7))]
    begun = [event for event in await importer.sessions() if isinstance(event, SessionStarted)]
    parts = [event for event in await importer.sessions() if isinstance(event, SessionProgressed)]
    assert whole["session_id"] == begun[-1].session_id == f"{held['import_id']}-3"
    assert len({event.session_id for event in begun}) == 3
    last = [outcome for part in parts if part.session_id == begun[-1].session_id for outcome in part.outcomes]
    assert {part.total for part in parts if part.session_id == begun[-1].session_id} == {len(last)}


async def test_a_resumed_import_gives_refused_orders_once_more_and_no_others(importer: Importer) -> None:
    await importer.imported(csv_of(row(Reference="W-2")))
    held = await importer.imported(csv_of(row(), row(Reference="W-2", City="Shelbyville"), row(Reference="W-3")))
    before = list(importer.references)

    status, _ = await importer.steered(held, "resume", on_changed="update")
    await importer.run()

    whole = await importer.shown(held["import_id"])
    assert (held["state"], held["resumable"], status) == ("partial", True, 200)
    assert (whole["state"], whole["problem"]) == ("succeeded", None)
    assert whole["results"] == {"new": 2, "updated": 1, "existing": 0, "failed": 0}
    assert importer.references == [*before, "W-2"]
    _, problems = await importer.call("GET", f"/v1/imports/{held['import_id']}/problems")
    assert problems["items"] == []


@pytest.mark.parametrize(("checked", "goes_on"), [(False, "checking"), (True, "ready")])
async def test_an_import_that_was_discarded_goes_on_where_it_was(
    importer: Importer, *, checked: bool, goes_on: str
) -> None:
    _, held = await importer.upload(ORDERS)
    if checked:
        await importer.run()
    await importer.steered(held, "cancel")

    _, shown = await importer.steered(held, "resume")

    assert (shown["state"], shown["problem"], shown["finished_at"]) == (goes_on, None, None)


async def test_an_import_that_cannot_go_on_says_what_to_do_instead(importer: Importer) -> None:
    faulty = await importer.imported(ORDERS)
    ready = await importer.checked(ORDERS)
    gone = await importer.checked(csv_of(row(Reference="W-9")))
    await importer.steered(gone, "cancel")
    unreadable = await importer.checked(csv_of({"Alpha": "1", "Beta": "2"}))
    whole = await importer.imported(csv_of(row(Reference="W-7")))
    answers = [await importer.steered(held, "resume") for held in (faulty, ready, unreadable, whole)]
    await importer.imports.forget(files_before=START + timedelta(days=1), imports_before=START)
    answers.append(await importer.steered(gone, "resume"))
    importer.clock.advance(timedelta(days=8).total_seconds())

    assert [(status, problem["code"], problem["detail"]) for status, problem in answers] == [
        (409, "nothing_left", "Get the rows that failed, mend them and upload that file."),
        (409, "import_not_ready", "Start it."),
        (409, "nothing_left", "Mend the file and upload it again."),
        (409, "nothing_left", "All of it is imported."),
        (409, "file_gone", "Upload it again: what is imported already is not imported twice."),
    ]
    assert not (await importer.shown(gone["import_id"]))["resumable"]


async def test_progress_says_how_long_it_will_take(importer: Importer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.ingest.imports.runs.GIVEN_AT_ONCE", 2)
    held = await importer.checked(csv_of(*(row(Reference=f"W-{number}") for number in range(8))))
    await importer.start(held["import_id"])
    record, shown = importer.imports.record, []

    async def watched(*args: Any, **kept: Any) -> None:
        importer.clock.advance(3)
        await record(*args, **kept)
        shown.append((await importer.shown(held["import_id"]))["progress"])

    monkeypatch.setattr(importer.imports, "record", watched)
    await importer.run()

    assert [(step["rows_done"], step["seconds_left"]) for step in shown] == [(2, 9.0), (4, 6.0), (6, 3.0), (8, 0.0)]


@pytest.mark.parametrize(
    ("file", "refusal"), [(b"\x89PNG\r\n", "not_a_table"), (b"", "empty"), (b"PK\x05\x06" + bytes(18), "packed")]
)
async def test_what_is_no_table_is_refused_at_once_and_nothing_of_it_is_kept(
    importer: Importer, file: bytes, refusal: str
) -> None:
    status, problem = await importer.upload(file)

    assert (status, problem["code"], problem["refusal"]) == (422, "file_refused", refusal)
    assert importer.imports.pieces == {}
    assert importer.imports.rows == {}


async def test_a_file_larger_than_is_taken_is_refused_on_the_way(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.imports.files.MOST_BYTES", 3_000_000)
    monkeypatch.setattr("services.ingest.imports.files.PIECE_BYTES", 1_000_000)

    status, problem = await importer.upload(io.BytesIO(b"Reference,Name\n" + b"x" * 4_000_000))

    assert (status, problem["refusal"]) == (422, "too_large")
    assert importer.imports.pieces == {}


async def test_a_file_without_our_columns_ends_with_a_sentence(importer: Importer) -> None:
    held = await importer.checked(b"Reference,Name\nW-1,Buyer\n")

    assert (held["state"], held["refusal"]) == ("failed", "columns_missing")
    assert "Address 1" in held["problem"]
    assert await importer.sessions() == []


async def test_a_file_without_rows_ends_with_a_sentence(importer: Importer) -> None:
    held = await importer.checked(ORDERS.splitlines(keepends=True)[0])

    assert (held["state"], held["refusal"]) == ("failed", "empty")


async def test_a_file_may_come_in_a_form_and_is_kept_sealed(importer: Importer) -> None:
    form = aiohttp.FormData()
    form.add_field("comment", "of November")
    form.add_field("file", ORDERS, filename="november.csv")

    status, held = await importer.call("POST", "/v1/imports", params={"store_id": importer.store_id}, data=form)

    assert (status, held["file_name"], held["size"]) == (202, "november.csv", len(ORDERS))
    assert all(b"Springfield" not in sealed for _, sealed in importer.imports.pieces.values())
    await importer.run()
    assert (await importer.shown(held["import_id"]))["tally"]["new"] == 2


@pytest.mark.parametrize("kind", ["raw", "form", "form without its end"])
async def test_an_upload_that_is_cut_off_leaves_nothing(importer: Importer, kind: str) -> None:
    body = ORDERS if kind == "raw" else b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n' + ORDERS
    length = len(body) + (0 if kind == "form without its end" else 100)
    content_type = "text/csv" if kind == "raw" else "multipart/form-data; boundary=b"
    head = (
        f"POST /v1/imports?store_id={importer.store_id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {importer.key}\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
    )
    url = importer.session._base_url
    assert url is not None
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(head.encode() + body)
    await writer.drain()
    if kind == "form without its end":
        assert b" 400 " in await reader.readline()
    writer.close()

    async with asyncio.timeout(5):
        while importer.imports.pieces or importer.imports.rows:  # noqa: ASYNC110 - the server notices it
            await asyncio.sleep(0.01)
    assert (await importer.call("GET", "/v1/imports"))[1]["items"] == []


async def test_a_file_goes_only_into_a_direct_store_of_the_sellers_own(importer: Importer) -> None:
    await importer.ingest.stores.add(linked_store("twin-store"))
    other = importer.keys.grant("seller-2")
    _, held = await importer.upload(ORDERS)

    strange = await importer.upload(ORDERS, key=other)
    twin = await importer.call("POST", "/v1/imports", params={"store_id": "twin-store"}, data=ORDERS)
    hidden = [
        await importer.call(method, f"/v1/imports/{held['import_id']}{path}", key=other)
        for method, path in (("GET", ""), ("GET", "/failed"), ("GET", "/preview"), ("POST", "/cancel"))
    ]

    assert (strange[0], strange[1]["code"]) == (404, "store_not_found")
    assert (twin[0], twin[1]["code"]) == (409, "store_not_direct")
    assert {(status, problem["code"]) for status, problem in hidden} == {(404, "import_not_found")}


async def test_an_import_of_a_forgotten_file_says_that_it_has_to_come_again(importer: Importer) -> None:
    held = await importer.checked(ORDERS)
    await importer.imports.forget(files_before=START + timedelta(days=1), imports_before=START)
    await importer.start(held["import_id"])

    await importer.run()

    assert (await importer.shown(held["import_id"]))["problem"] == GONE
    status, problem = await importer.call("GET", f"/v1/imports/{held['import_id']}/failed")
    assert (status, problem["code"]) == (409, "file_gone")


async def test_an_import_into_a_store_that_was_unlinked_is_cancelled(importer: Importer) -> None:
    _, held = await importer.upload(ORDERS)
    await importer.ingest.stores.change(importer.store_id, lambda store: store.unlinked(now=START))

    await importer.run()

    assert (await importer.shown(held["import_id"]))["state"] == "cancelled"


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_the_template_can_be_filled_and_uploaded(importer: Importer, form: str) -> None:
    status, template = await importer.file(f"/v1/imports/template?form={form}&store_id={importer.store_id}")

    assert status == 200
    assert len(made_of(template)) == 2
    assert (await importer.imported(template))["results"]["new"] == 2
