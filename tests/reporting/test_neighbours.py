"""What other services answer is read as it is, files go through in pieces, and who is away is told from who refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from services.kit.errors import TransientError
from services.kit.http.client import HttpClient
from services.kit.http.problems import Problem
from services.reporting.adapters.http_neighbours import HttpNeighbour
from services.reporting.adapters.memory_neighbours import Asked, MemoryNeighbour
from services.reporting.neighbours import FieldRefusal, Neighbour, refusal_of

_MEGABYTE = 1024 * 1024


@pytest.fixture(params=["memory", pytest.param("http", marks=pytest.mark.integration)])
async def neighbour(request: pytest.FixtureRequest) -> AsyncIterator[Neighbour]:
    """A neighbour that answers the same, over HTTP and in memory."""
    if request.param == "memory":
        yield MemoryNeighbour(_answered)
        return
    async with _served() as served:
        yield served


@pytest.fixture
async def served() -> AsyncIterator[HttpNeighbour]:
    async with _served() as neighbour:
        yield neighbour


@asynccontextmanager
async def _served() -> AsyncIterator[HttpNeighbour]:
    app = web.Application(client_max_size=2**40, middlewares=[_told])
    for handler in (_asked, _refused, _broken, _taken, _file):
        app.router.add_route("*", f"/{handler.__name__.strip('_')}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    http = HttpClient(allow_private_addresses=True)
    yield HttpNeighbour(http, f"http://127.0.0.1:{runner.addresses[0][1]}/")
    await http.close()
    await runner.cleanup()


async def test_a_call_carries_the_sellers_key_and_what_is_sent(neighbour: Neighbour) -> None:
    reply = await neighbour.call(
        "POST", "/asked", key="osk_test", query={"q": "a b&c"}, json={"n": 1}, headers={"Idempotency-Key": "k"}
    )

    assert reply.status == 201
    assert reply.refusal is None
    assert reply.content == {
        "Authorization": "Bearer osk_test",
        "Idempotency-Key": "k",
        "query": {"q": "a b&c"},
        "body": {"n": 1},
    }


async def test_a_refusal_is_a_value_also_where_it_is_not_ours(neighbour: Neighbour) -> None:
    refused = (await neighbour.call("GET", "/refused", key="k")).refusal
    broken = (await neighbour.call("GET", "/broken", key="k")).refusal
    async with neighbour.download("/refused", key="k") as download:
        instead_of_a_file = download.refusal

    assert refused is not None
    assert refused == instead_of_a_file
    assert (refused.code, refused.sentence, refused.missing_scope) == ("forbidden", "No.", "orders:write")
    assert broken is not None
    assert (broken.status, broken.code) == (502, "unknown")


async def test_files_go_through_in_pieces(neighbour: Neighbour) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 65536

    reply = await neighbour.upload("/taken", chunks(), key="k", headers={"Content-Type": "text/csv"})
    async with neighbour.download("/file", key="k") as download:
        sizes = [len(chunk) async for chunk in download.chunks]

    assert reply.content["size"] == 4 * _MEGABYTE
    assert sum(sizes) == 2 * _MEGABYTE


@pytest.mark.integration
async def test_no_piece_is_large(served: HttpNeighbour) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * 65536

    reply = await served.upload("/taken", chunks(), key="k")
    async with served.download("/file", key="k") as download:
        sizes = [len(chunk) async for chunk in download.chunks]

    assert reply.content["largest"] < _MEGABYTE
    assert download.headers["content-type"] == "text/csv"
    assert max(sizes) <= 65536


async def test_an_upload_that_its_sender_breaks_off_says_so(neighbour: Neighbour) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        raise Problem(400, "upload_incomplete", "The file did not come whole.")

    with pytest.raises(Problem, match="upload_incomplete"):
        await neighbour.upload("/taken", chunks(), key="k")


@pytest.mark.integration
@pytest.mark.parametrize("way", ["memory", "http"])
async def test_who_is_away_is_no_refusal(way: str) -> None:
    http = HttpClient(allow_private_addresses=True)
    away: Neighbour = HttpNeighbour(http, "http://127.0.0.1:1") if way == "http" else MemoryNeighbour()

    with pytest.raises(TransientError):
        await away.call("GET", "/v1/orders", key="k")
    with pytest.raises(TransientError):
        async with away.download("/v1/orders", key="k"):
            pass
    await http.close()


def test_a_problem_names_its_fields() -> None:
    refusal = refusal_of(
        422,
        {
            "code": "invalid_request",
            "title": "The request is not valid.",
            "errors": [{"in": "body", "path": "ship_to.country", "problem": "It is none", "remedy": "Give a code."}],
        },
    )

    assert refusal is not None
    assert refusal.errors == (FieldRefusal("ship_to.country", "It is none", "Give a code."),)
    assert refusal.errors[0].sentence == "It is none. Give a code."


async def _asked(request: web.Request) -> web.Response:
    told = {name: request.headers.get(name) for name in ("Authorization", "Idempotency-Key")}
    return web.json_response({**told, "query": dict(request.query), "body": await request.json()}, status=201)


async def _refused(_request: web.Request) -> web.Response:
    raise Problem(403, "forbidden", "No.", scope="orders:write")


async def _broken(_request: web.Request) -> web.Response:
    return web.Response(status=502, text="<html>Bad gateway</html>")


async def _taken(request: web.Request) -> web.Response:
    largest = size = 0
    async for chunk in request.content.iter_any():
        size += len(chunk)
        largest = max(largest, len(chunk))
    return web.json_response({"size": size, "largest": largest})


async def _file(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/csv"})
    await response.prepare(request)
    for _ in range(32):
        await response.write(b"x" * 65536)
    return response


@web.middleware
async def _told(request: web.Request, handler: object) -> web.StreamResponse:
    try:
        return await handler(request)  # type: ignore[operator, no-any-return]
    except Problem as problem:
        return problem.response()


def _answered(asked: Asked) -> tuple[int, Any]:
    match asked.path:
        case "/asked":
            key = {"Authorization": f"Bearer {asked.key}", "Idempotency-Key": asked.headers["Idempotency-Key"]}
            return 201, {**key, "query": asked.query, "body": asked.json}
        case "/refused":
            return 403, Problem(403, "forbidden", "No.", scope="orders:write").document()
        case "/taken":
            return 200, {"size": len(asked.body)}
        case "/file":
            return 200, b"x" * 2 * _MEGABYTE
        case _:
            return 502, None
