"""Sends a store's webhooks: one after another, built when sent, never repeated, off after seven failures in a row."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections import deque
from dataclasses import dataclass

import aiohttp

from deploy.sandbox.books import Books
from deploy.sandbox.breaking import Silence
from deploy.sandbox.faults import Faults
from deploy.sandbox.woocommerce.orders import Order
from deploy.sandbox.woocommerce.payload import order_bytes
from deploy.sandbox.woocommerce.site import Hook, Site
from deploy.sandbox.woocommerce.wire import encode

#: Seconds that a receiver has.
ANSWER_WITHIN = 60.0
#: A failure beyond so many in a row switches the webhook off instead of being counted.
FAILURES_COUNTED = 6
_SUCCESS = range(200, 303)
_PONG = 200


@dataclass(frozen=True, slots=True)
class _Job:
    """What waits to be told: of which webhook, and of which order."""

    hook: int
    order: int


class Announcer:
    """The background of one store; `delay` is how long a job waits at least, as it waits for WP-Cron.

    A quiet store has no visitors, so nothing runs until `visit`. Equal jobs that wait are one.
    """

    def __init__(self, site: Site, *, books: Books, faults: Faults, silence: Silence) -> None:
        self._silence = silence
        self.delay = 0.0
        self._site = site
        self._books = books
        self._faults = faults
        self._session: aiohttp.ClientSession | None = None
        self._jobs: deque[_Job] = deque()
        self._waiting: set[_Job] = set()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._worker: asyncio.Task[None] | None = None

    @property
    def pending(self) -> int:
        """Jobs that wait; one that is on its way counts while none waits behind it."""
        return 0 if self._idle.is_set() else max(1, len(self._jobs))

    def start(self, session: aiohttp.ClientSession) -> None:
        """Begin to deliver by this client."""
        self._session = session
        self._worker = asyncio.create_task(self._work())

    async def settle(self) -> None:
        """Wait until nothing waits."""
        await self._idle.wait()

    async def stop(self) -> None:
        """Give up what waits."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

    def visit(self) -> None:
        """Somebody visits the store, and WP-Cron runs what is due."""
        self._wake.set()

    def tell(self, order: Order, event: str) -> None:
        """Put the event of an order on its way to every active webhook of its topic."""
        for hook in self._site.hooks.values():
            if self._silence.covers(self._site.name, hook.topic):
                continue
            if hook.status == "active" and hook.topic == f"order.{event}":
                self._add(_Job(hook.id, order.id), hook.topic)

    async def ping(self, hook: Hook) -> None:
        """Tell the address that it is a webhook's; anything but a 200 means that the next save pings again."""
        headers = {"User-Agent": self._user_agent()}
        hook.pending_ping = await self._post(hook.delivery_url, f"webhook_id={hook.id}".encode(), headers) != _PONG

    def _add(self, job: _Job, topic: str) -> None:
        if job in self._waiting:
            return
        rule = self._faults.draw_for_webhook(topic) if self._faults else None
        match rule.kind if rule else None:
            case "drop_webhooks":
                self._books.count("webhooks_dropped")
                return
            case "disordered_webhooks":
                self._jobs.appendleft(job)
            case "duplicate_webhooks":
                self._jobs.extend((job, job))
            case _:
                self._jobs.append(job)
        self._waiting.add(job)
        self._idle.clear()
        if not self._site.options.quiet:
            self._wake.set()

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.sleep(self.delay)
            while self._jobs:
                job = self._jobs.popleft()
                self._waiting.discard(job)
                await self._deliver(job)
            self._idle.set()

    async def _deliver(self, job: _Job) -> None:
        hook = self._site.hooks.get(job.hook)
        if hook is None or hook.status != "active":
            return
        body = self._body(hook, job.order)
        if body is None:
            return
        self._books.count("webhooks_sent")
        if await self._post(hook.delivery_url, body, self._headers(hook, body)) in _SUCCESS:
            self._books.count("webhooks_acked")
            hook.failures = 0
        else:
            self._fail(hook)

    def _fail(self, hook: Hook) -> None:
        self._books.count("webhooks_failed")
        self._books.count("webhooks_given_up")
        if hook.failures < FAILURES_COUNTED:
            hook.failures += 1
        else:
            hook.status = "disabled"
            self._books.count("subscriptions_deleted")

    def _body(self, hook: Hook, number: int) -> bytes | None:
        """The order as it is now, seen with the rights of the webhook's user; an id alone once it is in the trash."""
        if hook.topic == "order.deleted":
            return encode({"id": number})
        order = self._site.orders.get(number)
        if self._site.demoted:
            message = "Sorry, you cannot view this resource."
            return encode({"code": "woocommerce_rest_cannot_view", "message": message, "data": {"status": 403}})
        return None if order is None else order_bytes(self._site, order)

    def _headers(self, hook: Hook, body: bytes) -> dict[str, str]:
        signature = base64.b64encode(hmac.new(hook.signing_key, body, hashlib.sha256).digest()).decode()
        resource, _, event = hook.topic.partition(".")
        return {
            "User-Agent": self._user_agent(),
            "Content-Type": "application/json",
            "X-WC-Webhook-Source": f"{self._site.url}/",
            "X-WC-Webhook-Topic": hook.topic,
            "X-WC-Webhook-Resource": resource,
            "X-WC-Webhook-Event": event,
            "X-WC-Webhook-Signature": signature,
            "X-WC-Webhook-ID": str(hook.id),
            "X-WC-Webhook-Delivery-ID": secrets.token_hex(16),
        }

    async def _post(self, url: str, body: bytes, headers: dict[str, str]) -> int:
        """The answer's status, 0 when there was none."""
        if self._session is None:
            raise RuntimeError("webhooks are not started")
        sent = {"Content-Type": "application/x-www-form-urlencoded"} | headers
        try:
            async with self._session.post(url, data=body, headers=sent, allow_redirects=False) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return 0

    def _user_agent(self) -> str:
        return f"WooCommerce/{self._site.options.wc_version} Hookshot (WordPress/{self._site.wordpress})"
