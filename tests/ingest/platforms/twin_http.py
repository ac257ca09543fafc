"""An HTTP client that answers from a script, in memory: what a platform would say, and what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from multidict import CIMultiDict, CIMultiDictProxy

from services.kit.http.client import HttpAnswer, HttpClient


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that was made."""

    method: str
    url: str
    headers: dict[str, str]
    json: Any = None
    form: dict[str, str] = field(default_factory=dict)


def answer(body: object = None, *, status: int = 200, headers: Mapping[str, str] | None = None) -> HttpAnswer:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return HttpAnswer(status, CIMultiDictProxy(CIMultiDict(headers or {})), data)


Reply = HttpAnswer | Exception | Callable[[Asked], HttpAnswer]


class ScriptedHttp(HttpClient):
    """Gives the replies in turn; the last one is given again and again."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__()
        self.replies = list(replies)
        self.asked: list[Asked] = []

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        body: bytes | AsyncIterator[bytes] | None = None,
        timeout: float = 30.0,  # noqa: ASYNC109 - the real one's signature
        plain_http: bool = False,
    ) -> HttpAnswer:
        asked = Asked(method, url, dict(headers or {}), json, dict(form or {}))
        self.asked.append(asked)
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply if isinstance(reply, HttpAnswer) else reply(asked)
