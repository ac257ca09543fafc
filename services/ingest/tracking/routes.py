"""`/v1/tracking`: parse, call, answer."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from services.ingest.ports import Stores
from services.ingest.schedule import Schedule
from services.ingest.stores.linking import renamed
from services.ingest.tracking.ports import PushFilter, PushLease, PushStorage
from services.ingest.tracking.views import (
    PushPage,
    PushPath,
    PushQuery,
    PushView,
    Retried,
    RetryAll,
    Switched,
    Switches,
    cursor_of,
    place_of,
    push_view,
)
from services.kit.clock import Clock
from services.kit.http.auth import principal
from services.kit.http.problems import Problem, not_found
from services.kit.http.routes import Routes

READ, WRITE = "tracking:read", "tracking:write"
_STORES_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class PushApi:
    """The handlers of tracking. A parcel or store of another seller is not there."""

    stores: Stores
    pushes: PushStorage
    schedule: Schedule[PushLease]
    clock: Clock

    async def list_pushes(self, request: web.Request, *, query: PushQuery) -> PushPage:
        """The newest first."""
        try:
            after = place_of(query.cursor) if query.cursor else None
        except ValueError as error:
            raise Problem(422, "bad_cursor", "The cursor is none that was given.", "Begin without one.") from error
        wanted = PushFilter(principal(request).seller_id, query.state, query.code, query.store_id)
        found = await self.pushes.page(wanted, after=after, limit=query.limit + 1)
        shown = found[: query.limit]
        return PushPage(
            items=[push_view(push) for push in shown],
            next=cursor_of(shown[-1]) if len(found) > len(shown) else None,
        )

    async def switch(self, request: web.Request, *, body: Switches) -> Switched:
        """Choose for all stores at once; a store that is linked later begins with the usual."""
        seller_id, after, number = principal(request).seller_id, None, 0
        chosen, now = body.model_dump(exclude_none=True, exclude={"platform"}), self.clock.now()
        while stores := await self.stores.page(seller_id, after=after, limit=_STORES_AT_ONCE):
            for store in stores:
                if body.platform in (None, store.platform):
                    await self.stores.change(
                        store.store_id, lambda held: renamed(held, name=None, settings=chosen, now=now)
                    )
                    number += 1
            after = stores[-1].store_id
        return Switched(stores=number)

    async def retry_push(self, request: web.Request, *, path: PushPath) -> PushView:
        """Try one parcel again, now; one that the platform may know already stays as it is."""
        push = await self.pushes.get(path.push_id)
        if push is None or push.order.seller_id != principal(request).seller_id:
            raise not_found("parcel")
        retried = await self.pushes.retry(path.push_id, now=self.clock.now())
        self.schedule.wake()
        return push_view(retried or push)

    async def retry_pushes(self, request: web.Request, *, body: RetryAll) -> Retried:
        """Try all parcels with a code again, now."""
        wanted = PushFilter(principal(request).seller_id, None, body.code, body.store_id)
        retried = await self.pushes.retry_all(wanted, now=self.clock.now())
        self.schedule.wake()
        return Retried(retried=retried)


def push_routes(api: PushApi) -> Routes:
    """The routes of tracking."""
    routes = Routes(title="tracking", version="1")
    pushes, tags = "/v1/tracking", ["tracking"]
    routes.get(pushes, summary="List parcels", tags=tags, scope=READ, errors=[422])(api.list_pushes)
    routes.post(f"{pushes}/switches", status=200, summary="Choose for all stores", tags=tags, scope=WRITE)(api.switch)
    routes.post(
        f"{pushes}/{{push_id}}/retry",
        status=200,
        summary="Try one parcel again",
        tags=tags,
        scope=WRITE,
        errors=[404],
    )(api.retry_push)
    routes.post(f"{pushes}/retries", status=200, summary="Try all with a code again", tags=tags, scope=WRITE)(
        api.retry_pushes
    )
    return routes
