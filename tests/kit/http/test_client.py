from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from services.kit.errors import TransientError, UnreadableMessage
from services.kit.http.client import HttpClient, OversizedAnswer, PublicResolver, RefusedAddress, is_public
from services.kit.metrics import Metrics


@pytest.fixture
async def client() -> AsyncIterator[HttpClient]:
    client = HttpClient(allow_private_addresses=True, answer_limit=100_000)
    yield client
    await client.close()


@pytest.fixture
async def platform() -> AsyncIterator[str]:
    async def echo(request: web.Request) -> web.Response:
        body = (await request.read()).decode()
        told = {"body": body[:100], "size": len(body), "type": request.content_type, "query": request.query_string}
        return web.json_response(told, status=418, headers={"X-Left": "40"})

    async def large(_request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 100_001)

    async def slow(_request: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b'{"orders":')
        assert request.transport is not None
        request.transport.abort()
        return response

    async def elsewhere(_request: web.Request) -> web.Response:
        raise web.HTTPFound("/echo")

    async def cookie(request: web.Request) -> web.Response:
        response = web.Response(text=str(dict(request.cookies)))
        response.set_cookie("session", "1")
        return response

    app = web.Application(client_max_size=1_000_000)
    for handler in (echo, large, slow, cut, elsewhere, cookie):
        app.router.add_route("*", f"/{handler.__name__}", handler)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.integration
async def test_an_answer_of_any_status_is_given_whole(client: HttpClient, platform: str) -> None:
    answer = await client.request("POST", f"{platform}/echo?a=1", json={"b": "é"})
    form = await client.request("POST", f"{platform}/echo", form={"c": "d e"})
    raw = await client.request("PUT", f"{platform}/echo", body=b"x" * 600_000, headers={"Content-Type": "text/x"})

    assert (answer.status, answer.headers["x-left"]) == (418, "40")
    assert answer.json() == {"body": '{"b":"é"}', "size": 9, "type": "application/json", "query": "a=1"}
    assert form.json()["body"] == "c=d+e"
    assert (raw.json()["size"], raw.json()["type"]) == (600_000, "text/x")


@pytest.mark.integration
@pytest.mark.parametrize("path", ["/slow", "/cut"])
async def test_no_whole_answer_is_transient(client: HttpClient, platform: str, path: str) -> None:
    with pytest.raises(TransientError):
        await client.request("GET", platform + path, timeout=0.3)


@pytest.mark.integration
async def test_nobody_there_is_transient_and_counted() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    metrics = Metrics()
    client = HttpClient(allow_private_addresses=True, metrics=metrics)

    with pytest.raises(TransientError) as caught:
        await client.request("GET", f"http://127.0.0.1:{port}/orders?token=secret")
    await client.close()

    assert "secret" not in str(caught.value)
    assert metrics.value("syncorder_outbound_request_seconds", host="address", status="failed") == 1


@pytest.mark.integration
async def test_more_than_the_limit_is_refused(client: HttpClient, platform: str) -> None:
    with pytest.raises(OversizedAnswer):
        await client.request("GET", f"{platform}/large")


@pytest.mark.integration
async def test_redirects_and_cookies_are_not_followed_or_kept(client: HttpClient, platform: str) -> None:
    elsewhere = await client.request("GET", f"{platform}/elsewhere")
    await client.request("GET", f"{platform}/cookie")
    again = await client.request("GET", f"{platform}/cookie")

    assert (elsewhere.status, elsewhere.headers["Location"]) == (302, "/echo")
    assert again.body == b"{}"


@pytest.mark.integration
async def test_an_answer_that_is_no_json_is_unreadable(client: HttpClient, platform: str) -> None:
    answer = await client.request("GET", f"{platform}/cookie")

    assert answer.json() == {}
    with pytest.raises(UnreadableMessage):
        (await client.request("HEAD", f"{platform}/echo")).json()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://192.168.1.1/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::]/",
        "https://[fe80::1]/",
        "https://[fc00::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "/relative",
        "",
    ],
)
async def test_private_addresses_and_plain_text_are_refused(url: str) -> None:
    client = HttpClient()

    with pytest.raises(RefusedAddress):
        await client.request("GET", url)
    await client.close()


class Names(AbstractResolver):
    """A resolver with answers of its own, which change between questions."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for address in self._answers.pop(0)
        ]

    async def close(self) -> None:
        pass


async def test_a_name_that_leads_inside_is_refused_each_time_it_is_asked() -> None:
    resolver = PublicResolver(Names(["93.184.215.14"], ["93.184.215.14", "127.0.0.1"], ["::ffff:10.0.0.1"]))

    first = await resolver.resolve("shop.example", 443)
    with pytest.raises(RefusedAddress):
        await resolver.resolve("shop.example", 443)
    with pytest.raises(RefusedAddress):
        await resolver.resolve("shop.example", 443)

    assert [found["host"] for found in first] == ["93.184.215.14"]


async def test_a_refused_name_is_told_through_the_client() -> None:
    client = HttpClient()
    connector: Any = client._open().connector
    connector._resolver = PublicResolver(Names(["127.0.0.1"]))

    with pytest.raises(RefusedAddress):
        await client.request("GET", "https://2130706433.example/")
    await client.close()


async def test_without_tls_only_what_asks_for_it_is_sent_and_never_to_a_private_address() -> None:
    client = HttpClient()
    connector: Any = client._open().connector
    connector._resolver = PublicResolver(Names(["127.0.0.1"]))

    with pytest.raises(RefusedAddress, match="TLS"):
        await client.request("GET", "http://shop.example/")
    for url in ("http://shop.example/", "http://127.0.0.1/", "ftp://shop.example/"):
        with pytest.raises(RefusedAddress, match=r"public|https"):
            await client.request("GET", url, plain_http=True)
    await client.close()


@pytest.mark.parametrize("address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)
