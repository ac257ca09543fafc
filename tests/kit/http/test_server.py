from __future__ import annotations

import asyncio
import io
import time

import pytest
from aiohttp import web
from pydantic import BaseModel

from services.kit import trace
from services.kit.http.bodies import BODY_TIMEOUT_SECONDS, read_body
from services.kit.http.routes import Routes
from services.kit.http.server import Limits, stopping
from tests.kit.http.conftest import Serve, Served

pytestmark = pytest.mark.integration

LIMIT = 2 * 1024 * 1024


class Size(BaseModel):
    size: int


class Numbers(BaseModel):
    numbers: list[int]


def body_routes(gate: asyncio.Event | None = None) -> Routes:
    routes = Routes(title="Bodies", version="1")

    @routes.post("/raw", summary="Raw bytes", scope=None)
    async def raw(request: web.Request) -> Size:
        return Size(size=len(await read_body(request, timeout=0.5)))

    @routes.post("/json", summary="JSON", scope=None)
    async def parsed(_request: web.Request, *, body: Numbers) -> Size:
        return Size(size=len(body.numbers))

    @routes.get("/wait", summary="Waits", scope=None)
    async def wait(_request: web.Request) -> Size:
        assert gate is not None
        await gate.wait()
        return Size(size=0)

    @routes.get("/stream", summary="Streams", scope=None, streams=True)
    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"begun ")
        await stopping(request).wait()
        await response.write(b"ended")
        return response

    return routes


async def exchange(served: Served, *parts: bytes, pause: float = 0.0, within: float = 8) -> bytes:
    """Send bytes as they are, and give back all that comes until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        async with asyncio.timeout(within):
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(pause)
            return await reader.read()
    finally:
        writer.close()


async def test_a_body_within_the_limit_is_read_whole(served: Serve) -> None:
    bodies = await served(body_routes())

    answer = await bodies.session.post("/raw", data=io.BytesIO(b"x" * LIMIT))

    assert await answer.json() == {"size": LIMIT}


@pytest.mark.parametrize("path", ["/raw", "/json"])
async def test_a_body_declared_too_large_is_refused_unread(served: Serve, path: str) -> None:
    bodies = await served(body_routes())
    started = time.monotonic()

    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {LIMIT + 1}\r\n\r\n".encode()
    answer = await exchange(bodies, head)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b'"code":"body_too_large"' in answer
    assert time.monotonic() - started < 20


async def test_a_sender_that_asks_first_is_refused_before_it_sends(served: Serve) -> None:
    bodies = await served(body_routes())

    head = b"POST /raw HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n"
    answer = await exchange(bodies, head)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"100 Continue" not in answer


async def test_a_sender_that_asks_first_may_send(served: Serve) -> None:
    bodies = await served(body_routes())

    head = b"POST /raw HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    answer = await exchange(bodies, head, b"abc", pause=0.1)

    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")
    assert b'{"size":3}' in answer


async def test_a_chunked_body_is_refused_where_it_passes_the_limit(served: Serve) -> None:
    bodies = await served(body_routes())
    sent = 0

    async def endless() -> object:
        nonlocal sent
        while sent < 50 * LIMIT:
            sent += 65536
            yield b"x" * 65536

    answer = await bodies.session.post("/json", data=endless())

    assert answer.status == 413
    assert sent < 50 * LIMIT


@pytest.mark.parametrize("path", ["/raw", "/json"])
async def test_a_body_that_never_ends_is_given_up(served: Serve, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(read_body.__kwdefaults__, "timeout", 0.5)  # type: ignore[arg-type] # it has defaults
    bodies = await served(body_routes())
    started = time.monotonic()

    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n".encode()
    answer = await exchange(bodies, head, b"{", pause=0.05)

    assert answer.startswith(b"HTTP/1.1 408 ")
    assert 0.5 <= time.monotonic() - started < 20


async def test_a_head_that_never_ends_is_closed(served: Serve) -> None:
    bodies = await served(body_routes(), limits=Limits(headers_within=0.3))

    half = await exchange(bodies, b"POST /raw HTTP/1.1\r\nHost: x\r\n")
    nothing = await exchange(bodies)

    assert (half, nothing) == (b"", b"")


async def test_a_compressed_body_is_refused(served: Serve) -> None:
    bodies = await served(body_routes())

    answer = await bodies.session.post("/raw", data=b"x", headers={"Content-Encoding": "gzip"})

    assert (answer.status, (await answer.json())["code"]) == (415, "body_encoded")


@pytest.mark.parametrize(
    "garbage",
    [b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"POST /json HTTP/1.1\r\nContent-Length: -1\r\n\r\n"],
)
async def test_bytes_that_are_no_http_are_no_server_error(served: Serve, garbage: bytes) -> None:
    bodies = await served(body_routes())

    answer = await exchange(bodies, garbage)

    assert b" 500 " not in answer.partition(b"\r\n")[0]
    assert (await bodies.session.get("/livez")).status == 200


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"numbers": [1e999999]}', b'{"numbers": ["\\ud800"]}', b"", b"null"]
)
async def test_json_that_is_made_to_hurt_is_invalid(served: Serve, body: bytes) -> None:
    bodies = await served(body_routes())

    answer = await bodies.session.post("/json", data=body)

    assert answer.status == 422


async def test_more_requests_than_the_limit_are_asked_to_come_again(served: Serve) -> None:
    gate = asyncio.Event()
    bodies = await served(body_routes(gate), limits=Limits(requests_in_flight=2))
    waiting = [asyncio.ensure_future(bodies.session.get("/wait")) for _ in range(2)]
    while bodies.metrics.value("syncorder_http_requests_in_flight") < 2:  # noqa: ASYNC110 - seen from outside
        await asyncio.sleep(0.01)

    refused = await bodies.session.get("/wait")
    watched = await bodies.session.get("/livez")
    gate.set()
    answered = [(await each).status for each in waiting]
    again = await bodies.session.get("/wait")

    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert watched.status == 200
    assert (answered, again.status) == ([200, 200], 200)


async def test_a_stream_ends_when_the_server_stops() -> None:
    from services.kit.health import Health  # noqa: PLC0415 - this test alone stops its server itself
    from services.kit.http.server import build_app, serve  # noqa: PLC0415
    from services.kit.keys import MemoryKeyRing  # noqa: PLC0415
    from services.kit.metrics import Metrics  # noqa: PLC0415

    app = build_app(body_routes(), keys=MemoryKeyRing(), metrics=Metrics(), health=Health())
    server = await serve(app, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"begun ")

    async with asyncio.timeout(5):
        await server.stop()
    rest = await reader.read()
    writer.close()

    assert b"ended" in rest


async def test_requests_are_timed_by_their_route(served: Serve) -> None:
    bodies = await served(body_routes())

    await bodies.session.post("/raw", data=b"x")
    await bodies.session.get("/some/where")

    assert bodies.metrics.value("syncorder_http_request_seconds", method="POST", route="/raw", status="200") == 1
    assert bodies.metrics.value("syncorder_http_request_seconds", method="-", route="unmatched", status="404") == 1


async def test_a_request_goes_on_in_its_callers_trace_or_begins_one(served: Serve) -> None:
    routes = Routes(title="Traces", version="1")
    seen: list[trace.Trace | None] = []

    @routes.get("/seen", summary="Seen", scope=None)
    async def look(_request: web.Request) -> Size:
        seen.append(trace.current())
        return Size(size=0)

    running = await served(routes)
    caller = trace.begin()
    for headers in ({"traceparent": caller.text()}, {"traceparent": "nonsense"}, {}):
        async with running.session.get("/seen", headers=headers) as response:
            assert response.status == 200

    traces = [span.trace_id for span in seen if span]
    assert len(traces) == 3
    assert [found == caller.trace_id for found in traces] == [True, False, False]
    assert len(set(traces)) == 3
    assert caller not in seen
    assert trace.current() is None


def test_a_body_has_five_seconds_where_nothing_else_is_said() -> None:
    usual = read_body.__kwdefaults__
    assert usual is not None
    # That it is kept to, and that JSON is read with nothing else said, is told above.
    assert usual["timeout"] == BODY_TIMEOUT_SECONDS == 5.0
