"""`/v1/stores` and the way back from a platform's authorization page: parse, call, answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from schemas.stores import StoreSettings
from services.ingest.contract.stores import LinkingRefused
from services.ingest.ports import Lease, Polls, Progress, Stores
from services.ingest.registry import is_read
from services.ingest.rereading import Rereading
from services.ingest.schedule import Schedule
from services.ingest.stores.callback_page import callback_page
from services.ingest.stores.linking import Linking, NewStore, read_callback, renamed
from services.ingest.stores.store import Store
from services.ingest.stores.views import (
    AuthorizationView,
    ChangeStore,
    LinkStore,
    OrderPath,
    OrderRead,
    PageQuery,
    PlatformPath,
    StartAuthorization,
    StorePage,
    StorePath,
    StoreView,
    store_view,
)
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.auth import principal
from services.kit.http.bodies import read_body
from services.kit.http.problems import Problem, not_found
from services.kit.http.routes import Routes

READ, WRITE = "stores:read", "stores:write"
#: Before any order.
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class StoreApi:
    """The handlers of stores. A store of another seller is not there."""

    linking: Linking
    stores: Stores
    polls: Polls
    schedule: Schedule[Lease]
    rereading: Rereading
    clock: Clock

    async def link_store(self, request: web.Request, *, body: LinkStore) -> StoreView:
        """With credentials the store is proven and linked at once; without it waits for an authorization.

        A store that orders are given to needs neither: it is linked with its name alone.
        """
        self._refuse_unknown(body.platform)
        new = _new_store(principal(request).seller_id, body)
        if body.credentials is None and (is_read(body.platform) or body.request is not None):
            return await self._pending(new, body.request)
        credentials = {name: value.get_secret_value() for name, value in (body.credentials or {}).items()}
        try:
            store = await self.linking.link_with_credentials(new, credentials)
        except LinkingRefused as error:
            raise _refused(error) from error
        self.schedule.wake()
        return await self._view(store)

    async def list_stores(self, request: web.Request, *, query: PageQuery) -> StorePage:
        """By ascending id."""
        seller_id = principal(request).seller_id
        found = await self.stores.page(seller_id, after=query.cursor, limit=query.limit + 1)
        shown = found[: query.limit]
        progress = await self.polls.progress([store.store_id for store in shown])
        return StorePage(
            items=[store_view(store, progress.get(store.store_id, Progress())) for store in shown],
            next=shown[-1].store_id if len(found) > len(shown) else None,
        )

    async def show_store(self, request: web.Request, *, path: StorePath) -> StoreView:
        """One store, how far it is read, and what is wrong with it."""
        return await self._view(await self._own(request, path.store_id))

    async def change_store(self, request: web.Request, *, path: StorePath, body: ChangeStore) -> StoreView:
        """Its name and settings. They hold at all processes within seconds."""
        await self._own(request, path.store_id)
        settings, now = body.settings.model_dump(exclude_none=True), self.clock.now()
        changed = await self.stores.change(
            path.store_id, lambda held: renamed(held, name=body.name, settings=settings, now=now)
        )
        if changed is None:
            raise not_found("store")
        self.schedule.wake()
        return await self._view(changed)

    async def unlink_store(self, request: web.Request, *, path: StorePath) -> StoreView:
        """Its access is erased and the platform's subscriptions are taken away; its history stays."""
        store = await self._own(request, path.store_id)
        self._refuse_unknown(store.platform)
        return await self._view(await self.linking.unlink(store))

    async def start_authorization(
        self, request: web.Request, *, path: StorePath, body: StartAuthorization
    ) -> AuthorizationView:
        """For a pending store, and for one that must be connected again: its history and cursor stay."""
        store = await self._own(request, path.store_id)
        self._refuse_unknown(store.platform)
        return await self._started(store, body.request)

    async def poll_store(self, request: web.Request, *, path: StorePath) -> StoreView:
        """Read what changed since the cursor without waiting for the next poll."""
        store = await self._own(request, path.store_id)
        if store.state != "linked":
            raise Problem(409, "store_not_linked", "Only a linked store can be polled.", state=store.state)
        refuse_unread([store])
        await self.polls.ask(store.store_id, by=principal(request).key_id, now=self.clock.now())
        self.schedule.wake()
        return await self._view(store)

    async def read_order(self, request: web.Request, *, path: OrderPath) -> OrderRead:
        """Read one order from the platform again, such as one that could not be read when it was listed."""
        store = await self._own(request, path.store_id)
        self._refuse_unknown(store.platform)
        if store.state != "linked":
            raise Problem(409, "store_not_linked", "Only a linked store can be read.", state=store.state)
        refuse_unread([store])
        try:
            outcome = await self.rereading.read(store, path.external_id)
        except AuthorizationError as error:
            raise Problem(409, "access_refused", "The platform refuses our access; connect the store again.") from error
        if outcome is None:
            raise not_found("order")
        return OrderRead(
            external_id=outcome.external_id,
            order_key=outcome.order_key,
            result=outcome.result,
            problem=outcome.problem,
        )

    async def take_authorization(self, request: web.Request, *, path: PlatformPath) -> web.Response:
        """Where platforms that hand over access themselves, not by the seller's browser, send it to."""
        self._refuse_unknown(path.platform)
        try:
            callback = read_callback(await read_body(request))
            await self.linking.complete(path.platform, callback)
        except LinkingRefused as error:
            raise _refused(error) from error
        self.schedule.wake()
        return web.Response()

    async def end_visit(self, request: web.Request, *, path: PlatformPath) -> web.Response:
        """Where the seller's browser comes back to when the platform hands over access by itself."""
        self._refuse_unknown(path.platform)
        name = self.linking.connectors[path.platform].name
        if request.query.get("success") == "1":
            return callback_page(200, "Thank you", f"{name} hands over access now; the store is linked shortly.")
        return callback_page(400, "The store was not linked", f"Access was not granted in {name}. Start linking again.")

    async def begin_installation(self, request: web.Request, *, path: PlatformPath) -> web.Response:
        """Where a platform sends a seller who begins there ("install this app")."""
        self._refuse_unknown(path.platform)
        connector = self.linking.connectors[path.platform]
        try:
            wanted = connector.read_installation(dict(request.query), now=self.clock.now())
        except LinkingRefused as error:
            return callback_page(400, "The store was not linked", str(error))
        named = ", ".join(wanted.values())
        return callback_page(200, f"Link {named}", f"Sign in to Sync Order and add {named} as a store.")

    async def end_authorization(self, request: web.Request, *, path: PlatformPath) -> web.Response:
        """Where platforms send the seller's browser back to; answers a page that says what happened."""
        self._refuse_unknown(path.platform)
        name = self.linking.connectors[path.platform].name
        try:
            store = await self.linking.complete(path.platform, dict(request.query))
        except LinkingRefused as error:
            return callback_page(400, "The store was not linked", str(error))
        except TransientError:
            return callback_page(503, "The store was not linked", f"{name} did not answer. Start linking it again.")
        self.schedule.wake()
        return callback_page(200, "The store is linked", f"{store.name} on {name} syncs from now on.")

    async def _own(self, request: web.Request, store_id: str) -> Store:
        store = await self.stores.get(store_id)
        if store is None or store.seller_id != principal(request).seller_id:
            raise not_found("store")
        return store

    async def _view(self, store: Store) -> StoreView:
        progress = await self.polls.progress([store.store_id])
        return store_view(store, progress.get(store.store_id, Progress()))

    async def _pending(self, new: NewStore, authorization: dict[str, str] | None) -> StoreView:
        store = await self.linking.add_pending(new)
        shown = await self._view(store)
        if authorization is None:
            return shown
        try:
            started = await self._started(store, authorization)
        except Problem:
            await self.stores.drop_pending(store.store_id)
            raise
        return shown.model_copy(update={"authorization": started})

    async def _started(self, store: Store, authorization: dict[str, str]) -> AuthorizationView:
        try:
            started = await self.linking.start(store, authorization)
        except LinkingRefused as error:
            raise _refused(error) from error
        return AuthorizationView(url=started.url, expires_at=started.expires_at)

    def _refuse_unknown(self, platform: str) -> None:
        if platform not in self.linking.connectors:
            raise not_found("platform")


def store_routes(api: StoreApi) -> Routes:
    """The routes of stores."""
    routes = Routes(title="stores", version="1")
    stores, store = "/v1/stores", "/v1/stores/{store_id}"
    tags, missing = ["stores"], [404]
    routes.post(stores, status=201, summary="Link a store", tags=tags, scope=WRITE, errors=[404, 422])(api.link_store)
    routes.get(stores, summary="List stores", tags=tags, scope=READ)(api.list_stores)
    routes.get(store, summary="Show a store", tags=tags, scope=READ, errors=missing)(api.show_store)
    routes.patch(store, summary="Change a store", tags=tags, scope=WRITE, errors=missing)(api.change_store)
    routes.delete(store, summary="Unlink a store", tags=tags, scope=WRITE, errors=missing)(api.unlink_store)
    routes.post(
        f"{store}/authorization",
        status=201,
        summary="Start an authorization",
        tags=tags,
        scope=WRITE,
        errors=[404, 422],
    )(api.start_authorization)
    routes.post(f"{store}/poll", status=202, summary="Poll a store now", tags=tags, scope=WRITE, errors=[404, 409])(
        api.poll_store
    )
    routes.post(
        f"{store}/orders/{{external_id}}/read",
        summary="Read one order again",
        tags=tags,
        scope=WRITE,
        errors=[404, 409],
    )(api.read_order)
    _add_authorization_routes(routes, api)
    return routes


def _add_authorization_routes(routes: Routes, api: StoreApi) -> None:
    tags, errors = ["stores"], [400, 404]
    back = "/oauth/{platform}/callback"
    routes.get(back, summary="End an authorization", tags=tags, scope=None, errors=errors)(api.end_authorization)
    routes.post(back, summary="Take over access", tags=tags, scope=None, errors=[404, 422])(api.take_authorization)
    routes.get(f"{back}/return", summary="End a visit", tags=tags, scope=None, errors=errors)(api.end_visit)
    routes.get("/oauth/{platform}/install", summary="Begin at the platform", tags=tags, scope=None, errors=errors)(
        api.begin_installation
    )


def refuse_unread(stores: Sequence[Store]) -> None:
    """Raise Problem (409) where orders are given to one of these stores: there is nothing to read."""
    given = [store.store_id for store in stores if not is_read(store.platform)]
    if given:
        raise Problem(
            409,
            "store_not_read",
            "Orders are given to this store; there is nowhere to read them from.",
            "Give orders by API or file, or leave this store out.",
            stores=given,
        )


def _new_store(seller_id: str, body: LinkStore) -> NewStore:
    return NewStore(
        seller_id=seller_id,
        platform=body.platform,
        name=body.name,
        # Whoever gives us an order, however old, wants it made.
        import_since=body.import_since or (None if is_read(body.platform) else LONG_AGO),
        settings=StoreSettings().model_copy(update=body.settings.model_dump(exclude_none=True)),
    )


def _refused(error: LinkingRefused) -> Problem:
    return Problem(422, "linking_refused", "The store cannot be linked like this.", str(error))
