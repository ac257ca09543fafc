"""Sends what is due, several at once and a few an address, and keeps how each attempt ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import structlog

from services.ingest.outgoing.endpoints import (
    Attempt,
    Delivery,
    Endpoint,
    Outgoing,
    deliveries,
    disabled_notice,
)
from services.ingest.outgoing.signing import signed_headers
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.health import Pulse
from services.kit.http.client import HttpClient, OversizedAnswer, RefusedAddress
from services.kit.metrics import Metrics
from services.kit.vault import UnsealingError, Vault

log = structlog.get_logger()

#: How long a receiver may take.
ANSWERED_WITHIN_SECONDS = 15.0
#: What a receiver answers is not read; more of it than this is a mistake.
ANSWER_LIMIT_BYTES = 64 * 1024
#: A delivery whose process died is tried again after that.
_TAKEN_FOR = timedelta(seconds=60)
_AT_ONCE = 32
_EACH_AT_ONCE = 4
_LOOK_EVERY_SECONDS = 0.5
_AFTER_TROUBLE_SECONDS = 2.0
_STANDSTILL = timedelta(minutes=5)


class Sending:
    """One process's share of the deliveries; each is somebody's alone until it is kept or its process is gone."""

    def __init__(self, outgoing: Outgoing, http: HttpClient, *, vault: Vault, clock: Clock, metrics: Metrics) -> None:
        self._outgoing = outgoing
        self._http = http
        self._vault = vault
        self._clock = clock
        self._metrics = metrics
        self._pulse = Pulse("the sending of webhooks", clock=clock, within=_STANDSTILL)

    def liveness(self) -> list[str]:
        """Whether deliveries are still looked for."""
        return self._pulse.liveness()

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    async def run(self, stop: asyncio.Event) -> None:
        """Send until `stop`."""
        while not stop.is_set():
            self._pulse.beat()
            pause = _LOOK_EVERY_SECONDS
            try:
                if await self.send_due():
                    continue
            except TransientError as error:
                log.warning("outgoing.waiting", problem=str(error))
                pause = _AFTER_TROUBLE_SECONDS
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def send_due(self) -> int:
        """Send what is due now; how many were tried. Raises TransientError when the database is away."""
        now = self._clock.now()
        due = await self._outgoing.due(now=now, until=now + _TAKEN_FOR, each=_EACH_AT_ONCE, limit=_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for delivery in due:
                group.create_task(self._send_or_drop(delivery))
        return len(due)

    async def send(self, delivery: Delivery, endpoint: Endpoint) -> Delivery:
        """Try once, and keep how it ended."""
        attempt = await self._attempt(delivery, endpoint)
        now = self._clock.now()
        tried = delivery.after(attempt, now=now)
        await self._outgoing.keep(tried)
        outcome = "delivered" if attempt.is_success else "gave_up" if tried.state == "failed" else "failed"
        self._metrics.increment("syncorder_outgoing_webhooks_total", type=delivery.type, outcome=outcome)
        await self._judge(endpoint, attempt)
        return tried

    async def _send_or_drop(self, delivery: Delivery) -> None:
        try:
            endpoint = await self._outgoing.get(delivery.endpoint_id)
            if endpoint is not None:
                await self.send(delivery, endpoint)
        except TransientError as error:
            # What was sent and not kept is sent again, under the same id.
            log.warning("outgoing.not_kept", endpoint_id=delivery.endpoint_id, problem=str(error))
        except Exception:
            # The outermost loop of a delivery: one address's surprise must not stop the others'.
            log.exception("outgoing.failed", endpoint_id=delivery.endpoint_id)
            self._metrics.increment("syncorder_unexpected_errors_total", where="outgoing")

    async def _attempt(self, delivery: Delivery, endpoint: Endpoint) -> Attempt:
        try:
            secret = self._vault.unseal(endpoint.secret, context=secret_context(endpoint.endpoint_id)).decode()
        except UnsealingError:
            return Attempt(problem="Its secret cannot be opened any more; ask for a new one.")
        headers = signed_headers(delivery.delivery_id, delivery.body, secret=secret, now=self._clock.now())
        try:
            answer = await self._http.request(
                "POST", endpoint.url, headers=headers, body=delivery.body.encode(), timeout=ANSWERED_WITHIN_SECONDS
            )
        except TransientError:
            return Attempt(problem="No answer came in time, or none at all.")
        except ValueError:
            return Attempt(problem="The address cannot be called: its name is not one that can be looked up.")
        except RefusedAddress:
            return Attempt(problem="The address leads to a private network, or not over HTTPS.")
        except OversizedAnswer:
            return Attempt(problem="The answer was too large; answer with nothing.")
        return Attempt(answer.status, None if 200 <= answer.status < 300 else f"It answered {answer.status}.")  # noqa: PLR2004

    async def _judge(self, endpoint: Endpoint, attempt: Attempt) -> None:
        if attempt.is_success and endpoint.failing_since is None:
            return
        now = self._clock.now()
        after = await self._outgoing.change(endpoint.endpoint_id, lambda held: held.heard(attempt, now=now), now=now)
        if after is None or after.state == "enabled" or endpoint.state == "disabled":
            return
        log.warning("endpoint.disabled", endpoint_id=after.endpoint_id, problem=after.problem)
        others = [each for each in await self._outgoing.of_sellers({after.seller_id}) if each.state == "enabled"]
        notice = disabled_notice(after, now=now)
        await self._outgoing.put(deliveries([notice], {after.seller_id: others}, now=now))


def secret_context(endpoint_id: str) -> str:
    """What an endpoint's secret is sealed for."""
    return f"ingest.outgoing_endpoints|{endpoint_id}"
