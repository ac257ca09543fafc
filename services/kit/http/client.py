"""Calls to other systems: within a time and a size, to public addresses only, and with failures in our own words."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import socket
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from services.kit.errors import TransientError, UnreadableMessage
from services.kit.metrics import Metrics

ANSWER_LIMIT_BYTES = 32 * 1024 * 1024
DEFAULT_TIMEOUT_SECONDS = 30.0
_CONNECT_TIMEOUT_SECONDS = 5.0
_CONNECTIONS = 200
_CONNECTIONS_A_HOST = 32
_DNS_CACHE_SECONDS = 60
_CHUNK_BYTES = 64 * 1024
_PIECE_BYTES = 512 * 1024

#: Addresses that lead to another one inside, and so past the check of their own range: 6to4, NAT64, Teredo.
_TUNNELS = tuple(map(ipaddress.ip_network, ("2002::/16", "64:ff9b::/96", "64:ff9b:1::/48", "2001::/32")))


class RefusedAddress(Exception):  # noqa: N818 - what it is about
    """The URL leads where we do not go: a private or local address, or not over HTTPS. Trying again never helps."""


class OversizedAnswer(Exception):  # noqa: N818 - as above
    """The other side answered more than we are ready to hold."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer of any status; `headers` are looked up without regard to case."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    def json(self) -> Any:
        """The parsed body; `UnreadableMessage` when it is not JSON."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise UnreadableMessage("body", "is not JSON") from None


@dataclass(frozen=True, slots=True)
class HttpStream:
    """An answer of any status whose body is still to come; reading `chunks` may raise `TransientError`."""

    status: int
    headers: CIMultiDictProxy[str]
    chunks: AsyncIterator[bytes]


class HttpClient:
    """One process's outbound HTTP: pooled connections, no cookies, no redirects, no proxies from the environment."""

    def __init__(
        self,
        *,
        allow_private_addresses: bool = False,
        metrics: Metrics | None = None,
        answer_limit: int = ANSWER_LIMIT_BYTES,
        user_agent: str = "sync-order",
    ) -> None:
        self._private = allow_private_addresses
        self._metrics = metrics or Metrics()
        self._answer_limit = answer_limit
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close the pooled connections."""
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        body: bytes | AsyncIterator[bytes] | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,  # noqa: ASYNC109 - each platform has its own patience
        plain_http: bool = False,
    ) -> HttpAnswer:
        """The answer to one request, whatever its status; `timeout` in seconds covers all of it.

        A `body` that comes in chunks is sent as it comes. `plain_http` lets it go without TLS: only for requests
        that are signed and carry no secret. Private addresses stay refused.

        Raises:
            TransientError: no connection, no whole answer, or not in time.
            RefusedAddress: the URL is not one we call.
            OversizedAnswer: more than the limit came.
        """
        target = URL(url)
        self._refuse(target, plain_http=plain_http)
        sent = CIMultiDict(headers or {})
        # aiohttp sends a file in pieces, and bytes in one go that holds up everybody else.
        data: Any = io.BytesIO(body) if isinstance(body, bytes) and len(body) > _PIECE_BYTES else body
        if json is not None:
            data = orjson.dumps(json)
            sent.setdefault("Content-Type", "application/json")
        elif form is not None:
            data = aiohttp.FormData(dict(form))
        started = time.perf_counter()
        status = "failed"
        try:
            with _in_our_words(method, target):
                answer = await self._exchange(method, target, sent, data, timeout)
            status = str(answer.status)
        finally:
            seconds = time.perf_counter() - started
            self._metrics.observe(
                "syncorder_outbound_request_seconds", seconds, host=_family(target.host), status=status
            )
        return answer

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float = DEFAULT_TIMEOUT_SECONDS,  # noqa: ASYNC109 - as above
    ) -> AsyncIterator[HttpStream]:
        """The answer to one request as it comes, however large; `timeout` in seconds covers all of it.

        Raises:
            TransientError: no connection, or not in time.
            RefusedAddress: the URL is not one we call.
        """
        target = URL(url)
        self._refuse(target, plain_http=False)
        limits = aiohttp.ClientTimeout(total=timeout, connect=min(timeout, _CONNECT_TIMEOUT_SECONDS))
        async with contextlib.AsyncExitStack() as stack:
            with _in_our_words(method, target):
                response = await stack.enter_async_context(
                    self._open().request(method, target, headers=headers, timeout=limits, allow_redirects=False)
                )
            yield HttpStream(response.status, response.headers, _chunks(response, method, target))

    async def _exchange(
        self,
        method: str,
        target: URL,
        headers: CIMultiDict[str],
        data: Any,
        timeout: float,  # noqa: ASYNC109 - as above
    ) -> HttpAnswer:
        limits = aiohttp.ClientTimeout(total=timeout, connect=min(timeout, _CONNECT_TIMEOUT_SECONDS))
        async with self._open().request(
            method, target, headers=headers, data=data, timeout=limits, allow_redirects=False
        ) as response:
            content = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                content += chunk
                if len(content) > self._answer_limit:
                    raise OversizedAnswer(f"{target.host} answered more than {self._answer_limit} bytes")
            return HttpAnswer(response.status, response.headers, bytes(content))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=None if self._private else PublicResolver(),
                    limit=_CONNECTIONS,
                    limit_per_host=_CONNECTIONS_A_HOST,
                    ttl_dns_cache=_DNS_CACHE_SECONDS,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": self._user_agent},
                trust_env=False,
            )
        return self._session

    def _refuse(self, target: URL, *, plain_http: bool) -> None:
        if target.scheme not in ("http", "https") or not target.host:
            raise RefusedAddress("only whole http and https URLs are called")
        if self._private:
            return
        if target.scheme != "https" and not plain_http:
            raise RefusedAddress(f"{target.host} is not called without TLS")
        # A literal address never reaches the resolver.
        if _is_literal(target.host) and not is_public(target.host):
            raise RefusedAddress(f"{target.host} is not a public address")


class PublicResolver(AbstractResolver):
    """Resolves names, and refuses one of whose addresses any is not public; what it answers is what is connected to."""

    def __init__(self, resolver: AbstractResolver | None = None) -> None:
        self._resolver = resolver or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`."""
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(result["host"]) for result in found):
            raise RefusedAddress(f"{host} leads to an address that is not public")
        return found

    async def close(self) -> None:
        """Nothing is held."""
        await self._resolver.close()


async def _chunks(response: aiohttp.ClientResponse, method: str, target: URL) -> AsyncIterator[bytes]:
    with _in_our_words(method, target):
        async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
            yield chunk


@contextlib.contextmanager
def _in_our_words(method: str, target: URL) -> Iterator[None]:
    try:
        yield
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        raise TransientError(f"http: {method} {target.host}: {type(error).__name__}") from error


def is_public(address: str) -> bool:
    """Whether an IP address, written out, is one that the whole internet can reach."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        elif any(parsed in tunnel for tunnel in _TUNNELS):
            return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _family(host: str | None) -> str:
    """The last two labels of a name: every store has a host of its own, and a metric must not have a line for each."""
    if host is None or _is_literal(host):
        return "address"
    return ".".join(host.rsplit(".", 2)[-2:])
