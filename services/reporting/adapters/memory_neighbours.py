"""A neighbour in memory: it answers as a function says, and keeps what it was asked."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from services.kit.errors import TransientError
from services.reporting.neighbours import Download, Reply, refusal_of


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the neighbour saw it."""

    method: str
    path: str
    key: str = field(repr=False)
    query: Mapping[str, str]
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


Answers = Callable[[Asked], tuple[int, Any]]


def _nobody(_asked: Asked) -> tuple[int, Any]:
    raise TransientError("neighbour: away")


class MemoryNeighbour:
    """Answers with what `answers` returns: a status, and content that JSON can tell or a file's bytes.

    Without `answers` it is away.
    """

    def __init__(self, answers: Answers = _nobody) -> None:
        self.answers = answers
        self.asked: list[Asked] = []

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
        return self._reply(Asked(method, path, key, query or {}, json, headers or {}))

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
        body = b"".join([chunk async for chunk in chunks])
        return self._reply(Asked("POST", path, key, query or {}, None, headers or {}, body))

    @contextlib.asynccontextmanager
    async def download(self, path: str, *, key: str, query: Mapping[str, str] | None = None) -> AsyncIterator[Download]:
        """GET a file as it comes."""
        asked = Asked("GET", path, key, query or {})
        self.asked.append(asked)
        status, content = self.answers(asked)
        refusal = refusal_of(status, content)
        yield Download(status, {}, _chunks(b"" if refusal else content), refusal)

    def _reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        status, content = self.answers(asked)
        # As it looks after the wire.
        content = orjson.loads(orjson.dumps(content)) if content is not None else None
        return Reply(status, content, {}, refusal_of(status, content))


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content
