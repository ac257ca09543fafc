"""Faults on demand: rules that spoil some of a platform's answers or webhooks, never its memory."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from aiohttp import web

from deploy.sandbox.books import Books

AnswerFault = Literal[
    "status_401",
    "status_403",
    "status_429",
    "status_500",
    "status_503",
    "timeout",
    "cut_connection",
    "truncated_json",
    "html_200",
]
#: What can be wrong with one page of a list: no rows though more follow; the last row of the page before once
#: more; a row that a change has moved to another page. Each platform builds such a page in its own form.
PageFault = Literal["empty_page", "repeated_row", "moved_row"]
WebhookFault = Literal["duplicate_webhooks", "disordered_webhooks", "drop_webhooks"]
FaultKind = Literal[AnswerFault, PageFault, WebhookFault]

#: How long a `timeout` fault holds the connection before it is cut, in seconds.
HOLD = 120.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(slots=True)
class FaultRule:
    """One kind of fault: how often, how many at most, and for which paths.

    `when` says whether the platform had already done its work: "after" loses the answer only, which is what
    makes a repeated write dangerous.
    """

    kind: FaultKind
    rate: float = 1.0
    count: int | None = None
    path: str | None = None
    retry_after: float | None = None
    when: Literal["before", "after"] = "before"
    seconds: float = HOLD
    #: Which requests it is for; None: of any method.
    method: str | None = None

    @classmethod
    def parse(cls, body: dict[str, Any]) -> FaultRule:
        """Read a control request; ValueError names what is wrong with it."""
        unknown = set(body) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
        rule = cls(**body)
        if rule.kind not in _KINDS:
            raise ValueError(f"kind must be one of {', '.join(_KINDS)}")
        if rule.path is not None:
            re.compile(rule.path)
        return rule


_ANSWER_KINDS: tuple[str, ...] = get_args(AnswerFault)
_PAGE_KINDS: tuple[str, ...] = get_args(PageFault)
_WEBHOOK_KINDS: tuple[str, ...] = get_args(WebhookFault)
_KINDS = _ANSWER_KINDS + _PAGE_KINDS + _WEBHOOK_KINDS


class Faults:
    """The rules in force at one platform; draws are repeatable by seed."""

    def __init__(self, *, seed: int = 0) -> None:
        self._rules: list[FaultRule] = []
        self._rng = random.Random(seed)

    def add(self, rule: FaultRule) -> None:
        """Put a rule in force beside the others."""
        self._rules.append(rule)

    def clear(self) -> None:
        """Behave well again."""
        self._rules.clear()

    def __bool__(self) -> bool:
        return bool(self._rules)

    def draw_for_answer(self, path: str, *, method: str = "GET") -> FaultRule | None:
        """The fault that this request meets, if any; uses up one of its rule's count."""
        return self._draw(path, _ANSWER_KINDS, method)

    def draw_for_page(self, path: str) -> PageFault | None:
        """The fault of this page of a list, if any, for the platform's list handler to build."""
        rule = self._draw(path, _PAGE_KINDS)
        return cast("PageFault", rule.kind) if rule is not None else None

    def draw_for_webhook(self, topic: str) -> FaultRule | None:
        """The fault that this webhook meets, if any; a rule's `path` is matched with the topic."""
        return self._draw(topic, _WEBHOOK_KINDS)

    def _draw(self, path: str, kinds: tuple[str, ...], method: str | None = None) -> FaultRule | None:
        for rule in self._rules:
            if rule.kind in kinds and rule.method in {None, method} and self._hits(rule, path):
                if rule.count is not None:
                    rule.count -= 1
                return rule
        return None

    def _hits(self, rule: FaultRule, path: str) -> bool:
        if rule.count is not None and rule.count <= 0:
            return False
        if rule.path is not None and not re.search(rule.path, path):
            return False
        return self._rng.random() < rule.rate


async def _path_of(request: web.Request) -> str:
    return request.path_qs


def faults_middleware(
    faults: Faults, *, books: Books, path_of: Callable[[web.Request], Awaitable[str]] = _path_of
) -> Any:
    """An aiohttp middleware that lets the rules of `faults` spoil answers, matched with what `path_of` says."""

    @web.middleware
    async def spoil(request: web.Request, handler: Handler) -> web.StreamResponse:
        rule = faults.draw_for_answer(await path_of(request), method=request.method) if faults else None
        if rule is None:
            return await handler(request)
        books.count("faults")
        answer = await handler(request) if _needs_answer(rule) else None
        return await _spoilt(rule, request, answer)

    return spoil


def _needs_answer(rule: FaultRule) -> bool:
    return rule.when == "after" or rule.kind == "truncated_json"


async def _spoilt(rule: FaultRule, request: web.Request, answer: web.StreamResponse | None) -> web.StreamResponse:
    match rule.kind:
        case kind if kind.startswith("status_"):
            return _status(rule)
        case "html_200":
            return web.Response(text="<html><body>We will be right back.</body></html>", content_type="text/html")
        case "truncated_json" if isinstance(answer, web.Response) and isinstance(answer.body, bytes):
            half = answer.body[: len(answer.body) // 2]
            return web.Response(body=half, status=answer.status, content_type="application/json")
        case "timeout":
            await asyncio.sleep(rule.seconds)
    return _cut(request)


def _status(rule: FaultRule) -> web.Response:
    headers = {} if rule.retry_after is None else {"Retry-After": f"{rule.retry_after:g}"}
    status = int(rule.kind.removeprefix("status_"))
    return web.Response(status=status, text='{"errors":"fault"}', content_type="application/json", headers=headers)


def _cut(request: web.Request) -> web.Response:
    """Close the socket without an answer: the client sees a reset or an early end."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
