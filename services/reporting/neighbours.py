"""What the page asks of the services beside this one, in the seller's name: they decide and keep, the page shows."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

#: How long a caller waits for a whole answer, in seconds: somebody sits before the page.
PATIENCE_SECONDS = 10.0
#: The same where a file goes through.
FILE_PATIENCE_SECONDS = 1_800.0


@dataclass(frozen=True, slots=True)
class FieldRefusal:
    """What is wrong with one field: its path in what was sent (`items.0.quantity`), what it is, and what to do."""

    path: str
    problem: str
    remedy: str = ""

    @property
    def sentence(self) -> str:
        """Both, as people read them."""
        problem = self.problem.rstrip(".")
        return f"{problem}. {self.remedy}" if self.remedy else f"{problem}."


@dataclass(frozen=True, slots=True)
class Refusal:
    """A problem document (RFC 9457): `code` for programs, `title` and `detail` for people; `document` is all of it."""

    status: int
    code: str
    title: str
    detail: str | None = None
    errors: tuple[FieldRefusal, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """What was refused and why."""
        return f"{self.title} {self.detail}" if self.detail else self.title

    @property
    def missing_scope(self) -> str | None:
        """The scope that the seller's key lacks, where that is why."""
        scope = self.document.get("scope")
        return scope if self.status == 403 and isinstance(scope, str) else None  # noqa: PLR2004 - forbidden


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer. `content` is the parsed JSON, None where there is none; `refusal` is there from 400 on."""

    status: int
    content: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Download:
    """A file as it comes. `chunks` may be read once; it is empty where there is a `refusal`."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]
    refusal: Refusal | None = None


class Neighbour(Protocol):
    """The HTTP API of another service of ours, asked with the seller's own API key.

    The key decides what is allowed, as when the seller asks by themselves. `path` is written as in a URL, its values
    escaped; `query` needs no escaping. An answer of any status is a value. Every method raises `TransientError` where
    the service is away or no whole answer came in time: whether something was done is not known then.
    """

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
        ...

    async def upload(
        self,
        path: str,
        chunks: AsyncIterator[bytes],
        *,
        key: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """POST a body as it comes, never held whole; what `chunks` raises as a `Problem` ends it and is raised."""
        ...

    def download(
        self, path: str, *, key: str, query: Mapping[str, str] | None = None
    ) -> AbstractAsyncContextManager[Download]:
        """GET a file as it comes, never held whole; it can be read within the block."""
        ...


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Both of them."""

    ingest: Neighbour
    eligibility: Neighbour


def refusal_of(status: int, content: Any) -> Refusal | None:
    """Return what an answer refuses, in our problem documents' form or not; None when it refuses nothing."""
    if status < 400:  # noqa: PLR2004 - HTTP's errors begin here
        return None
    document = content if isinstance(content, dict) else {}
    return Refusal(
        status=status,
        code=str(document.get("code", "unknown")),
        title=str(document.get("title", "The service answered with an error.")),
        detail=str(document["detail"]) if document.get("detail") else None,
        errors=tuple(_field(each) for each in document.get("errors", ()) if isinstance(each, dict)),
        document=document,
    )


def _field(told: Mapping[str, Any]) -> FieldRefusal:
    return FieldRefusal(str(told.get("path", "")), str(told.get("problem", "")), str(told.get("remedy") or ""))
