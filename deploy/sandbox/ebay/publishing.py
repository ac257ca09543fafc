"""Delivers notifications: each attempt is counted in its body and signed anew; after a few the destination is down."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from deploy.sandbox.books import Books
from deploy.sandbox.deliveries import DISORDER
from deploy.sandbox.ebay.ledger import moment
from deploy.sandbox.ebay.signing import SigningKey, challenge_answer
from deploy.sandbox.ebay.subscribing import ENABLED, MARKED_DOWN, SCHEMA_VERSION, Destination
from deploy.sandbox.faults import Faults

#: Seconds before each retry. eBay documents no schedule and no number, only that there are a few.
RETRY_WAITS = (10.0, 60.0, 300.0)
#: Seconds that an endpoint has to acknowledge a message, or to answer a challenge; not documented either.
ANSWER_WITHIN = 3.0
#: What counts as an acknowledgement.
_ACKNOWLEDGED = (200, 201, 202, 204)
_CONCURRENCY = 8


@dataclass(slots=True)
class Message:
    """One notification on its way to one destination."""

    topic: str
    destination: Destination
    data: dict[str, Any]
    event_ms: int
    notification_id: str = field(default_factory=lambda: f"{uuid.uuid4()}_{uuid.uuid4()}")
    attempts: int = 0

    def body(self, *, now_ms: int) -> dict[str, Any]:
        """What is sent in the present attempt."""
        return {
            "metadata": {"topic": self.topic, "schemaVersion": SCHEMA_VERSION, "deprecated": False},
            "notification": {
                "notificationId": self.notification_id,
                "eventDate": moment(self.event_ms),
                "publishDate": moment(now_ms),
                "publishAttemptCount": self.attempts,
                "data": self.data,
            },
        }


class Publisher:
    """Sends messages with bounded concurrency; `time_scale` divides the waits between retries."""

    def __init__(self, *, books: Books, faults: Faults, now_ms: Callable[[], int], spaced: Callable[[], bool]) -> None:
        self.time_scale = 1.0
        #: The newest key signs; a client may still ask for the older ones.
        self.keys = [SigningKey()]
        self._books = books
        self._faults = faults
        self._now_ms = now_ms
        self._spaced = spaced
        self._slots = asyncio.Semaphore(_CONCURRENCY)
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Open the client."""
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN), connector=aiohttp.TCPConnector(limit=0)
        )

    async def stop(self) -> None:
        """Stop delivering; what still waits is lost."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def settle(self) -> None:
        """Wait until nothing is on its way, retries included."""
        while self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def send(self, message: Message) -> None:
        """Put a message on its way."""
        rule = self._faults.draw_for_webhook(message.topic) if self._faults else None
        match rule.kind if rule else None:
            case "drop_webhooks":
                self._books.count("webhooks_dropped")
            case "disordered_webhooks":
                self._begin(message, after=DISORDER)
            case "duplicate_webhooks":
                self._begin(message)
                self._begin(message)
            case _:
                self._begin(message)

    async def challenge(self, destination: Destination) -> bool:
        """Ask the endpoint to prove that it knows its verification token."""
        code = str(uuid.uuid4())
        expected = challenge_answer(code, token=destination.token, endpoint=destination.endpoint)
        try:
            async with self._client().get(
                destination.endpoint, params={"challenge_code": code}, allow_redirects=False
            ) as answer:
                body = await answer.read()
                is_json = answer.content_type == "application/json"
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False
        try:
            told = orjson.loads(body)
        except orjson.JSONDecodeError:
            return False
        proven = isinstance(told, dict) and told.get("challengeResponse") == expected
        return is_json and answer.status == 200 and proven  # noqa: PLR2004 - eBay asks for 200 and nothing else

    def _begin(self, message: Message, *, after: float = 0.0) -> None:
        task = asyncio.get_running_loop().create_task(self._deliver(message, after=after))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, message: Message, *, after: float) -> None:
        if after:
            await asyncio.sleep(after)
        for wait in (*RETRY_WAITS, None):
            if message.destination.status != ENABLED:
                return
            async with self._slots:
                acknowledged = await self._attempt(message)
            if acknowledged:
                return
            if wait is not None:
                await asyncio.sleep(wait / self.time_scale)
        self._books.count("webhooks_given_up")
        message.destination.status = MARKED_DOWN

    async def _attempt(self, message: Message) -> bool:
        self._books.count("webhooks_sent")
        message.attempts += 1
        told = message.body(now_ms=self._now_ms())
        compact = orjson.dumps(told)
        sent = orjson.dumps(told, option=orjson.OPT_INDENT_2) if self._spaced() else compact
        headers = {"Content-Type": "application/json", "X-EBAY-SIGNATURE": self.keys[-1].header(compact)}
        try:
            async with self._client().post(
                message.destination.endpoint, data=sent, headers=headers, allow_redirects=False
            ) as answer:
                await answer.read()
                acknowledged = answer.status in _ACKNOWLEDGED
        except (aiohttp.ClientError, TimeoutError, ValueError):
            acknowledged = False
        self._books.count("webhooks_acked" if acknowledged else "webhooks_failed")
        return acknowledged

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the publisher is not started")
        return self._session
