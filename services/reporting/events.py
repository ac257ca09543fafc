"""Every open page hears of its seller's changes soon, and none can make the others wait."""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress

import orjson
from aiohttp import web

from services.kit.http.problems import Problem
from services.reporting.ports import ANYTHING, Change, Feed

#: How many changes a slow listener may lag behind before it is told to read anew instead.
QUEUE_LENGTH = 100
#: How many past changes can be told again to a listener that reconnects.
REMEMBERED = 2000
MOST_LISTENERS = 500
#: Below the time within which a revoked key must be refused.
HEARTBEAT_SECONDS = 4.0

_RETRY = b"retry: 2000\n\n"
_HEARTBEAT = b": still here\n\n"


class Listener:
    """The changes that one connection has not been told yet."""

    def __init__(self, seller_id: str) -> None:
        self.seller_id = seller_id
        self._waiting: deque[Change] = deque()
        self._any = asyncio.Event()

    def tell(self, change: Change) -> None:
        """Queue a change; when too many wait, forget them all for one that says: read anew."""
        if len(self._waiting) >= QUEUE_LENGTH:
            self._waiting.clear()
            change = ANYTHING
        self._waiting.append(change)
        self._any.set()

    async def next(self) -> Change:
        """Wait for the next change."""
        while not self._waiting:
            self._any.clear()
            await self._any.wait()
        return self._waiting.popleft()


class Hub:
    """Hands the feed's changes to the listeners of this process."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._listeners: set[Listener] = set()
        self._past: deque[Change] = deque([_beginning()], maxlen=REMEMBERED)
        self._ended = False

    async def run(self) -> None:
        """Hand on changes for ever."""
        try:
            async for change in self._feed.changes():
                self.hand_on(change)
        finally:
            self._ended = True

    def liveness(self) -> list[str]:
        """Return what stands still, for whoever restarts the process."""
        return ["no page hears of changes any more"] if self._ended else []

    def hand_on(self, change: Change) -> None:
        """Tell everyone whom a change concerns."""
        if not change.seller_id:
            self._past.clear()
        self._past.append(change if change.seller_id else _beginning())
        for listener in self._listeners:
            if change.seller_id in ("", listener.seller_id):
                listener.tell(change)

    @property
    def latest(self) -> str:
        """The id of the newest change: whoever asks before reading and joins after it misses nothing."""
        return self._past[-1].change_id

    def join(self, seller_id: str, *, last_id: str | None = None) -> Listener:
        """Begin to listen, after `last_id` where it is still known, else with the advice to read anew.

        Raises:
            Problem: 503 when too many listen.
        """
        if len(self._listeners) >= MOST_LISTENERS:
            raise Problem(503, "too_many_listeners", "Too many listen at present.", headers={"Retry-After": "30"})
        listener = Listener(seller_id)
        if last_id is not None:
            for change in self._since(last_id):
                if change.seller_id in ("", seller_id):
                    listener.tell(change)
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Stop listening."""
        self._listeners.discard(listener)

    def _since(self, last_id: str) -> list[Change]:
        past = list(self._past)
        for index, change in enumerate(past):
            if change.change_id == last_id:
                return past[index + 1 :]
        return [ANYTHING]


def _beginning() -> Change:
    """Return what stands for all that happened before and is not known: only its id counts."""
    return Change(change_id=secrets.token_hex(8), seller_id="")


async def stream(
    request: web.Request,
    listener: Listener,
    *,
    stopping: asyncio.Event,
    still_admitted: Callable[[], Awaitable[bool]],
) -> web.StreamResponse:
    """Answer with server-sent events until the client leaves, the server stops, or the key no longer opens."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    await response.prepare(request)
    stopped = asyncio.create_task(stopping.wait())
    told = asyncio.create_task(listener.next())
    try:
        with suppress(ConnectionError):
            await response.write(_RETRY)
            while not stopped.done():
                await asyncio.wait({stopped, told}, timeout=HEARTBEAT_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if not await still_admitted():
                    break
                if told.done():
                    await response.write(written(told.result()))
                    told = asyncio.create_task(listener.next())
                elif not stopped.done():
                    await response.write(_HEARTBEAT)
    finally:
        for task in (stopped, told):
            task.cancel()
    return response


def written(change: Change) -> bytes:
    """Return a change as a server-sent event: `changed` with the ids, or `resync` when they are not all known."""
    if not change.complete:
        return b"event: resync\ndata: {}\n" + (b"id: %s\n\n" % change.change_id.encode() if change.change_id else b"\n")
    data = orjson.dumps({"sessions": change.sessions, "orders": change.orders, "audits": change.audits})
    return b"id: %s\nevent: changed\ndata: %s\n\n" % (change.change_id.encode(), data)
