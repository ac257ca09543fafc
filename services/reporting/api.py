"""The report's API: a seller reads their own sessions, orders, stores and numbers, and hears of changes."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from schemas.decisions import Outcome
from schemas.ids import PlatformSlug
from schemas.order import Way
from schemas.reasons import ReasonCode
from schemas.sessions import OrderResult, SessionState
from services.kit.clock import Clock
from services.kit.http.auth import principal
from services.kit.http.problems import not_found
from services.kit.http.routes import Routes
from services.kit.http.server import stopping
from services.reporting import cursors
from services.reporting.alerts import alerts_of, page_of
from services.reporting.asking import Asker
from services.reporting.changes import OrderState
from services.reporting.completeness_api import completeness_routes
from services.reporting.deadlines import Deadline
from services.reporting.events import Hub, stream
from services.reporting.logins import READ_SCOPE
from services.reporting.ports import (
    ALERT_CURSOR,
    ORDER_CURSOR,
    SESSION_CURSOR,
    SESSION_ORDER_CURSOR,
    STORE_CURSOR,
    OrderFilter,
    Parcels,
    Proofs,
    Reports,
    SessionFilter,
)
from services.reporting.standing import with_deadline, with_standing
from services.reporting.tracking_api import tracking_routes
from services.reporting.views import (
    AlertView,
    ListOf,
    OrderDetail,
    OrderView,
    SessionOrderView,
    SessionView,
    StoreView,
    Summary,
)

#: Text that Postgres can hold: it has no room for NUL.
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]

#: Says whether the request's key or login still opens.
StillAdmitted = Callable[[web.Request], Awaitable[bool]]


class Paging(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="forbid")

    cursor: str | None = Field(default=None, max_length=1000, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=200, description="How many items at most.")


class SessionsQuery(Paging):
    """Which sync sessions."""

    platform: PlatformSlug | None = None
    store: Word | None = None
    way: Way | None = None
    state: SessionState | None = None
    since: AwareDatetime | None = Field(default=None, alias="from", description="Begun at or after.")
    until: AwareDatetime | None = Field(default=None, alias="to", description="Begun before.")
    with_orders_only: bool = Field(default=False, description="Only those that brought something, or failed to.")


class SessionOrdersQuery(Paging):
    """Which orders of a session."""

    result: OrderResult | None = None


class OrdersQuery(Paging):
    """Which orders."""

    platform: PlatformSlug | None = None
    store: Word | None = None
    state: OrderState | None = None
    outcome: Outcome | None = None
    reason: ReasonCode | None = None
    text: Word | None = Field(default=None, description="A piece of the display name, the platform's id or a SKU.")
    deadline: Deadline | None = Field(default=None, description="Near or past the platform's deadline, and still open.")
    since: AwareDatetime | None = Field(default=None, alias="from", description="Placed at or after.")
    until: AwareDatetime | None = Field(default=None, alias="to", description="Placed before.")


class EventsQuery(BaseModel):
    """From where on to hear."""

    after: str | None = Field(
        default=None, max_length=64, description="Where there is no Last-Event-ID: the event seen last."
    )


class SessionPath(BaseModel):
    """One session."""

    id: Word


class OrderPath(BaseModel):
    """One order, by its key `platform:store_id:external_id`."""

    key: Word


def api_routes(
    reports: Reports,
    hub: Hub,
    *,
    proofs: Proofs,
    parcels: Parcels,
    asker: Asker,
    still_admitted: StillAdmitted,
    clock: Clock,
    connect_at: str = "",
) -> Routes:
    """Return the routes of the API. `connect_at` is the setting REPORTING_CONNECT_URL."""
    routes = Routes(
        title="Sync Order: reporting",
        version="1",
        description="What every sync brought, what was decided about each order and why, and where it is now.",
    )
    _declare_sessions(routes, reports)
    _declare_orders(routes, reports, clock=clock)
    _declare_stores(routes, reports, proofs=proofs, clock=clock, connect_at=connect_at)
    routes.include(completeness_routes(reports, proofs, asker, clock=clock))
    routes.include(tracking_routes(parcels, asker))

    @routes.get("/v1/events", summary="Hear of changes", tags=["events"], scope=READ_SCOPE, errors=[503], streams=True)
    async def hear_of_changes(request: web.Request, *, query: EventsQuery) -> web.StreamResponse:
        """Server-sent events: `changed` with ids of sessions, orders and audits, or `resync`: read all anew.

        `Last-Event-ID` goes on where a connection broke off; where that is forgotten, it begins with `resync`.
        """
        last_id = request.headers.get("Last-Event-ID") or query.after
        listener = hub.join(principal(request).seller_id, last_id=last_id)
        try:
            return await stream(
                request, listener, stopping=stopping(request), still_admitted=lambda: still_admitted(request)
            )
        finally:
            hub.leave(listener)

    return routes


def _declare_sessions(routes: Routes, reports: Reports) -> None:
    @routes.get("/v1/sessions", summary="List sync sessions", tags=["sessions"], scope=READ_SCOPE, errors=[422])
    async def list_sessions(request: web.Request, *, query: SessionsQuery) -> ListOf[SessionView]:
        """Newest first."""
        wanted = SessionFilter(
            platform=query.platform,
            store_id=query.store,
            way=query.way,
            state=query.state,
            since=query.since,
            until=query.until,
            with_orders_only=query.with_orders_only,
        )
        after = cursors.read(query.cursor, like=SESSION_CURSOR)
        return await reports.sessions(principal(request).seller_id, wanted, after=after, limit=query.limit)

    @routes.get("/v1/sessions/{id}", summary="Show a sync session", tags=["sessions"], scope=READ_SCOPE, errors=[404])
    async def show_session(request: web.Request, *, path: SessionPath) -> SessionView:
        """With its counts so far while it runs."""
        session = await reports.session(principal(request).seller_id, path.id)
        if session is None:
            raise not_found("session")
        return session

    @routes.get(
        "/v1/sessions/{id}/orders",
        summary="List what a session did with each order",
        tags=["sessions"],
        scope=READ_SCOPE,
        errors=[404, 422],
    )
    async def list_session_orders(
        request: web.Request, *, path: SessionPath, query: SessionOrdersQuery
    ) -> ListOf[SessionOrderView]:
        """In the order they were read."""
        after = cursors.read(query.cursor, like=SESSION_ORDER_CURSOR)
        orders = await reports.session_orders(
            principal(request).seller_id, path.id, result=query.result, after=after, limit=query.limit
        )
        if orders is None:
            raise not_found("session")
        return orders


def _declare_orders(routes: Routes, reports: Reports, *, clock: Clock) -> None:
    @routes.get("/v1/orders", summary="List orders", tags=["orders"], scope=READ_SCOPE, errors=[422])
    async def list_orders(request: web.Request, *, query: OrdersQuery) -> ListOf[OrderView]:
        """Last placed first."""
        now = clock.now()
        wanted = OrderFilter(
            platform=query.platform,
            store_id=query.store,
            state=query.state,
            outcome=query.outcome,
            reason=query.reason,
            text=query.text,
            since=query.since,
            until=query.until,
            deadline=query.deadline,
            now=now,
        )
        after = cursors.read(query.cursor, like=ORDER_CURSOR)
        page = await reports.orders(principal(request).seller_id, wanted, after=after, limit=query.limit)
        return page.model_copy(update={"items": tuple(with_deadline(order, now=now) for order in page.items)})

    @routes.get(
        "/v1/orders/{key}", summary="Show an order and its timeline", tags=["orders"], scope=READ_SCOPE, errors=[404]
    )
    async def show_order(request: web.Request, *, path: OrderPath) -> OrderDetail:
        """All that happened to it, oldest first, each with a sentence."""
        order = await reports.order(principal(request).seller_id, path.key)
        if order is None:
            raise not_found("order")
        return with_deadline(order, now=clock.now())


def _declare_stores(routes: Routes, reports: Reports, *, proofs: Proofs, clock: Clock, connect_at: str) -> None:
    @routes.get("/v1/stores", summary="List stores", tags=["stores"], scope=READ_SCOPE, errors=[422])
    async def list_stores(request: web.Request, *, query: Paging) -> ListOf[StoreView]:
        """State and problem, up to when it is complete, when it is synced next, what it may do for us, counts."""
        after = cursors.read(query.cursor, like=STORE_CURSOR)
        seller_id, now = principal(request).seller_id, clock.now()
        page = await reports.stores(seller_id, after=after, limit=query.limit)
        found = await proofs.of(seller_id, [store.store_id for store in page.items])
        stores = tuple(
            with_standing(store, now=now, connect_at=connect_at, proof=found.get(store.store_id))
            for store in page.items
        )
        return page.model_copy(update={"items": stores})

    @routes.get("/v1/alerts", summary="List what needs the seller", tags=["stores"], scope=READ_SCOPE, errors=[422])
    async def list_alerts(request: web.Request, *, query: Paging) -> ListOf[AlertView]:
        """Urgent things first, each with what to do about it; whatever is mended is not there any more."""
        after, now = cursors.read(query.cursor, like=ALERT_CURSOR), clock.now()
        attention = await reports.attention(principal(request).seller_id, now=now)
        return page_of(alerts_of(attention, now=now, connect_at=connect_at), after=after, limit=query.limit)

    @routes.get("/v1/summary", summary="Count orders", tags=["orders"], scope=READ_SCOPE)
    async def show_summary(request: web.Request) -> Summary:
        """By platform and store, by reason, and what they wait for; at most a second old."""
        return await reports.summary(principal(request).seller_id)
