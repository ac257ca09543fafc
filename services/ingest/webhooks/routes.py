"""The addresses that platforms push to: raw bytes in, one outcome out, and every outcome counted."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from aiohttp import web
from pydantic import BaseModel

from services.ingest.contract.webhooks import Delivery
from services.ingest.webhooks.receiving import Webhooks
from services.kit.errors import TransientError
from services.kit.http.bodies import read_body
from services.kit.http.problems import Problem, unavailable
from services.kit.http.routes import Routes
from services.kit.metrics import Metrics

#: All that a webhook which names an order to be read may take: platforms give up after 5 s.
ANSWERED_WITHIN_SECONDS = 3.8


class StorePath(BaseModel):
    """Where a platform pushes one store's news to."""

    platform: str
    store_id: str


class TopicPath(StorePath):
    """The same, with what it pushes."""

    topic: str


class AppPath(BaseModel):
    """Where a platform pushes the news of all stores to."""

    platform: str


@dataclass(frozen=True, slots=True)
class WebhookApi:
    """The handlers of webhooks: read the raw bytes, answer greetings, and count every outcome."""

    webhooks: Webhooks
    metrics: Metrics
    reachable_at: str

    async def take_store(self, request: web.Request, *, path: StorePath) -> web.Response:
        """Verify the raw bytes, put the order into Kafka, answer 200. 503: deliver it again."""
        return await self._answer(request, path.platform, store_id=path.store_id)

    async def take_topic(self, request: web.Request, *, path: TopicPath) -> web.Response:
        """The same, at an address for one topic."""
        return await self._answer(request, path.platform, store_id=path.store_id, topic=path.topic)

    async def take_app(self, request: web.Request, *, path: AppPath) -> web.Response:
        """The same, for platforms that take one address for all stores, and for privacy requests."""
        return await self._answer(request, path.platform)

    async def greet_store(self, request: web.Request, *, path: StorePath) -> web.Response:
        """Answer a platform that asks whether we are there."""
        return await self._answer(request, path.platform, store_id=path.store_id)

    async def greet_app(self, request: web.Request, *, path: AppPath) -> web.Response:
        """Answer a platform that asks whether we are there."""
        return await self._answer(request, path.platform)

    async def _answer(
        self, request: web.Request, platform: str, *, store_id: str | None = None, topic: str | None = None
    ) -> web.Response:
        known = platform if platform in self.webhooks.connectors else "unknown"
        outcome, answer = "failed", web.Response()
        try:
            delivery = await self._delivery(request, topic)
            async with asyncio.timeout(ANSWERED_WITHIN_SECONDS):
                outcome, answer = await self._taken(platform, store_id, delivery, method=request.method)
        except Problem as problem:
            outcome = problem.code
            raise
        except (TransientError, TimeoutError) as error:
            outcome = "unavailable"
            retry_after = error.retry_after if isinstance(error, TransientError) else None
            raise unavailable(retry_after) from error
        finally:
            self.metrics.increment("syncorder_webhooks_total", platform=known, outcome=outcome)
        return answer

    async def _delivery(self, request: web.Request, topic: str | None) -> Delivery:
        return Delivery(
            headers={name.lower(): value for name, value in request.headers.items()},
            body=await read_body(request),
            address=f"{self.reachable_at}{request.path}",
            topic=topic,
            query=dict(request.query),
        )

    async def _taken(
        self, platform: str, store_id: str | None, delivery: Delivery, *, method: str
    ) -> tuple[str, web.Response]:
        greeting = self.webhooks.greet(platform, delivery)
        if greeting is not None:
            return "greeted", web.Response(body=greeting.body, content_type=greeting.content_type)
        if method != "POST":
            raise Problem(405, "method_not_allowed", "Webhooks are sent with POST.")
        if store_id is None:
            return await self.webhooks.take_for_app(platform, delivery), web.Response()
        return await self.webhooks.take(platform, store_id, delivery), web.Response()


def webhook_routes(api: WebhookApi) -> Routes:
    """The routes that platforms push to."""
    routes = Routes(title="webhooks", version="1")
    tags, errors = ["webhooks"], [401, 404, 408, 413]
    store, app = "/webhooks/{platform}/{store_id}", "/webhooks/{platform}"
    routes.post(store, summary="Take a webhook to a store", tags=tags, scope=None, errors=errors)(api.take_store)
    routes.post(
        f"{store}/{{topic}}", summary="Take a webhook to a store, by topic", tags=tags, scope=None, errors=errors
    )(api.take_topic)
    routes.post(app, summary="Take a webhook to the app", tags=tags, scope=None, errors=errors)(api.take_app)
    routes.get(store, summary="Answer a store's platform", tags=tags, scope=None, errors=[404, 405])(api.greet_store)
    routes.get(app, summary="Answer a platform", tags=tags, scope=None, errors=[404, 405])(api.greet_app)
    return routes
