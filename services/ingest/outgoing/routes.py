"""`/v1/webhook-endpoints`: sellers say where they want to be told, try it, and see what was delivered."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from aiohttp import web

from services.ingest.outgoing.endpoints import Delivery, Endpoint, Outgoing, delivery
from services.ingest.outgoing.notices import TEST, Notice
from services.ingest.outgoing.sending import Sending, secret_context
from services.ingest.outgoing.signing import new_secret
from services.ingest.outgoing.views import (
    ChangeEndpoint,
    DeliveryPage,
    DeliveryPath,
    DeliveryQuery,
    DeliveryView,
    EndpointPage,
    EndpointPath,
    EndpointView,
    EndpointWithSecret,
    NewEndpoint,
    delivery_view,
    endpoint_view,
    with_secret,
)
from services.kit.clock import Clock
from services.kit.http.auth import principal
from services.kit.http.client import is_public
from services.kit.http.problems import Problem, not_found
from services.kit.http.routes import Routes
from services.kit.vault import Vault

READ, WRITE = "webhooks:read", "webhooks:write"
#: Of one seller.
MOST_ENDPOINTS = 20
#: Who sends a test is waiting for it; nobody else shall send it meanwhile.
_TEST_TAKES = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class OutgoingApi:
    """The handlers of endpoints. One of another seller is not there."""

    outgoing: Outgoing
    sending: Sending
    vault: Vault
    clock: Clock
    allow_private_addresses: bool

    async def add_endpoint(self, request: web.Request, *, body: NewEndpoint) -> EndpointWithSecret:
        """Told from now on. The secret in the answer verifies our signature; it is not shown again."""
        self._refuse_address(body.url)
        seller_id = principal(request).seller_id
        if len(await self.outgoing.of_sellers({seller_id})) >= MOST_ENDPOINTS:
            sentence = f"A seller has at most {MOST_ENDPOINTS}; remove one that is not needed any more."
            raise Problem(409, "too_many_endpoints", "There are too many endpoints.", sentence)
        endpoint_id, secret = secrets.token_hex(8), new_secret()
        endpoint = Endpoint(
            endpoint_id=endpoint_id,
            seller_id=seller_id,
            url=body.url,
            types=tuple(body.types),
            created_at=self.clock.now(),
            secret=self._sealed(endpoint_id, secret),
        )
        await self.outgoing.add(endpoint)
        return with_secret(endpoint, secret)

    async def list_endpoints(self, request: web.Request) -> EndpointPage:
        """All of them, the oldest first."""
        found = await self.outgoing.of_sellers({principal(request).seller_id})
        return EndpointPage(items=[endpoint_view(endpoint) for endpoint in found])

    async def show_endpoint(self, request: web.Request, *, path: EndpointPath) -> EndpointView:
        """One endpoint, and whether it works."""
        return endpoint_view(await self._own(request, path.endpoint_id))

    async def change_endpoint(self, request: web.Request, *, path: EndpointPath, body: ChangeEndpoint) -> EndpointView:
        """Its address and what it is told. Enabled again, it is sent what waits for it."""
        await self._own(request, path.endpoint_id)
        if body.url is not None:
            self._refuse_address(body.url)

        def changed(held: Endpoint) -> Endpoint:
            types = tuple(body.types) if body.types is not None else held.types
            held = replace(held, url=body.url or held.url, types=types)
            return held.enabled() if body.state == "enabled" else held

        return endpoint_view(await self._changed(path.endpoint_id, changed))

    async def renew_secret(self, request: web.Request, *, path: EndpointPath) -> EndpointWithSecret:
        """A new secret, which signs from now on; the old one does not any more."""
        await self._own(request, path.endpoint_id)
        secret = new_secret()
        sealed = self._sealed(path.endpoint_id, secret)
        return with_secret(await self._changed(path.endpoint_id, lambda held: replace(held, secret=sealed)), secret)

    async def remove_endpoint(self, request: web.Request, *, path: EndpointPath) -> None:
        """It is told nothing more, and its log goes."""
        await self._own(request, path.endpoint_id)
        await self.outgoing.remove(path.endpoint_id, now=self.clock.now())

    async def test_endpoint(self, request: web.Request, *, path: EndpointPath) -> DeliveryView:
        """Send `webhook.test` now, once, and show how it ended."""
        endpoint, now = await self._own(request, path.endpoint_id), self.clock.now()
        notice = Notice(secrets.token_hex(8), endpoint.seller_id, TEST, now, {"endpoint_id": endpoint.endpoint_id})
        trial = replace(delivery(notice, endpoint, now=now), due_at=now + _TEST_TAKES)
        await self.outgoing.put([trial])
        return delivery_view(await self.sending.send(trial, endpoint))

    async def list_deliveries(self, request: web.Request, *, path: EndpointPath, query: DeliveryQuery) -> DeliveryPage:
        """What was sent, the newest first; kept for 30 days."""
        await self._own(request, path.endpoint_id)
        before = _place(query.cursor) if query.cursor else None
        found = await self.outgoing.log(path.endpoint_id, before=before, limit=query.limit + 1)
        shown = found[: query.limit]
        return DeliveryPage(
            items=[delivery_view(each) for each in shown],
            next=_cursor(shown[-1]) if len(found) > len(shown) else None,
        )

    async def repeat_delivery(self, request: web.Request, *, path: DeliveryPath) -> DeliveryView:
        """Send it again, from the start; it keeps its id, by which a receiver knows it."""
        await self._own(request, path.endpoint_id)
        found = await self.outgoing.find(path.delivery_id)
        if found is None or found.endpoint_id != path.endpoint_id:
            raise not_found("delivery")
        again = found.again(now=self.clock.now())
        await self.outgoing.keep(again)
        return delivery_view(again)

    async def _own(self, request: web.Request, endpoint_id: str) -> Endpoint:
        endpoint = await self.outgoing.get(endpoint_id)
        if endpoint is None or endpoint.seller_id != principal(request).seller_id:
            raise not_found("endpoint")
        return endpoint

    async def _changed(self, endpoint_id: str, change: Callable[[Endpoint], Endpoint]) -> Endpoint:
        changed = await self.outgoing.change(endpoint_id, change, now=self.clock.now())
        if changed is None:
            raise not_found("endpoint")
        return changed

    def _sealed(self, endpoint_id: str, secret: str) -> bytes:
        return self.vault.seal(secret.encode(), context=secret_context(endpoint_id))

    def _refuse_address(self, url: str) -> None:
        problem = _problem_of(url, allow_private=self.allow_private_addresses)
        if problem is not None:
            raise Problem(422, "address_refused", "This address is not one that we call.", problem)


def outgoing_routes(api: OutgoingApi) -> Routes:
    """The routes of endpoints."""
    routes = Routes(title="webhook endpoints", version="1")
    endpoints, endpoint, tags = "/v1/webhook-endpoints", "/v1/webhook-endpoints/{endpoint_id}", ["webhook endpoints"]
    sent, missing = f"{endpoint}/deliveries", [404]
    routes.post(endpoints, status=201, summary="Add an endpoint", tags=tags, scope=WRITE)(api.add_endpoint)
    routes.get(endpoints, summary="List endpoints", tags=tags, scope=READ)(api.list_endpoints)
    routes.get(endpoint, summary="Show an endpoint", tags=tags, scope=READ, errors=missing)(api.show_endpoint)
    routes.patch(endpoint, summary="Change an endpoint", tags=tags, scope=WRITE, errors=missing)(api.change_endpoint)
    routes.delete(endpoint, summary="Remove an endpoint", tags=tags, scope=WRITE, errors=missing)(api.remove_endpoint)
    routes.post(f"{endpoint}/secret", summary="Renew the secret", tags=tags, scope=WRITE, errors=missing)(
        api.renew_secret
    )
    routes.post(f"{endpoint}/test", summary="Try an endpoint", tags=tags, scope=WRITE, errors=missing)(
        api.test_endpoint
    )
    routes.get(sent, summary="List deliveries", tags=tags, scope=READ, errors=missing)(api.list_deliveries)
    routes.post(
        f"{sent}/{{delivery_id}}/repeat", status=202, summary="Send again", tags=tags, scope=WRITE, errors=missing
    )(api.repeat_delivery)
    return routes


def _problem_of(url: str, *, allow_private: bool) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "It is no URL: give a whole one, like https://shop.example.com/hooks."
    if parts.scheme not in ("https", "http") or not host or parts.username or not url.isascii() or " " in url:
        return "Give a whole https:// address without a user name in it."
    if allow_private:
        return None
    if parts.scheme != "https":
        return "Give an https:// address: orders are not told in the open."
    return "It is a private address; give one that the internet can reach." if _is_private(host) else None


def _is_private(host: str) -> bool:
    # Names are looked up, and what they lead to is checked, whenever one is called.
    try:
        return not is_public(host)
    except ValueError:
        return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


def _cursor(last: Delivery) -> str:
    return f"{last.created_at.isoformat()}|{last.delivery_id}"


def _place(cursor: str) -> tuple[datetime, str]:
    moment, _, delivery_id = cursor.partition("|")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Problem(422, "invalid_cursor", "The cursor is not one of ours.")
    return at, delivery_id
