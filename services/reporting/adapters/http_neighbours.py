"""A neighbour over HTTP."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlencode

import orjson

from services.kit.http.client import HttpClient
from services.kit.http.problems import Problem
from services.reporting.neighbours import (
    FILE_PATIENCE_SECONDS,
    PATIENCE_SECONDS,
    Download,
    Reply,
    refusal_of,
)

_REFUSAL_LIMIT_BYTES = 1024 * 1024


class HttpNeighbour:
    """Asks the API at `address`; `http` must be allowed to call it, which is often at a private address."""

    def __init__(self, http: HttpClient, address: str) -> None:
        self._http = http
        self._address = address.rstrip("/")

    async def call(
        self,
        method: str,
        path: str,
        *,
        key: str,
        query: Mapping[str, str] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Ask, and return the answer."""
        answer = await self._http.request(
            method, self._url(path, query), headers=_headers(key, headers), json=json, timeout=PATIENCE_SECONDS
        )
        return _reply(answer.status, answer.headers, answer.body)

    async def upload(
        self,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        key: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """POST a body as it comes."""
        raised: list[Problem] = []

        async def passed_on() -> AsyncIterator[bytes]:
            try:
                async for chunk in chunks:
                    yield chunk
            except Problem as problem:
                # aiohttp would tell of it as of a broken connection.
                raised.append(problem)
                raise

        try:
            answer = await self._http.request(
                "POST",
                self._url(path, query),
                headers=_headers(key, headers),
                body=passed_on(),
                timeout=FILE_PATIENCE_SECONDS,
            )
        finally:
            if raised:
                raise raised[0]
        return _reply(answer.status, answer.headers, answer.body)

    @contextlib.asynccontextmanager
    async def download(self, path: str, *, key: str, query: Mapping[str, str] | None = None) -> AsyncIterator[Download]:
        """GET a file as it comes."""
        async with self._http.stream(
            "GET", self._url(path, query), headers=_headers(key, None), timeout=FILE_PATIENCE_SECONDS
        ) as answer:
            if answer.status < 400:  # noqa: PLR2004 - HTTP's errors begin here
                yield Download(answer.status, answer.headers, answer.chunks)
                return
            body = bytearray()
            async for chunk in answer.chunks:
                body += chunk
                if len(body) > _REFUSAL_LIMIT_BYTES:
                    break
            refused = _reply(answer.status, answer.headers, bytes(body))
            yield Download(refused.status, refused.headers, _nothing(), refused.refusal)

    def _url(self, path: str, query: Mapping[str, str] | None) -> str:
        return f"{self._address}{path}" + (f"?{urlencode(query)}" if query else "")


def _headers(key: str, more: Mapping[str, str] | None) -> dict[str, str]:
    return {**(more or {}), "Authorization": f"Bearer {key}"}


def _reply(status: int, headers: Mapping[str, str], body: bytes) -> Reply:
    try:
        content = orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        content = None
    return Reply(status, content, headers, refusal_of(status, content))


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
