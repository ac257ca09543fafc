"""The page's routes: each finds out who looks, asks the report, and renders."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from schemas.reasons import ReasonCode
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.http.auth import SESSION_COOKIE
from services.kit.http.problems import Problem, not_found, unavailable
from services.kit.http.routes import Routes
from services.reporting import cursors
from services.reporting.alerts import alerts_of
from services.reporting.api import OrderPath, OrdersQuery, SessionOrdersQuery, SessionPath, SessionsQuery
from services.reporting.asking import Asker
from services.reporting.completeness_api import AuditPath, StorePath
from services.reporting.dashboard.asking import asked, known_zone, local_path
from services.reporting.dashboard.assets import Assets, FilePath
from services.reporting.dashboard.browser import (
    FORM_FIELDS,
    ZONE_COOKIE,
    is_secure,
    keep_zone,
    posted,
    redirect,
    refuse_foreign,
    to_login,
)
from services.reporting.dashboard.completeness_pages import CompletenessPages
from services.reporting.dashboard.declaring import declare
from services.reporting.dashboard.imports_pages import ImportPages, ImportPath
from services.reporting.dashboard.order_form import MOST_FIELDS
from services.reporting.dashboard.order_form_pages import OrderFormPages
from services.reporting.dashboard.tracking_pages import TrackingPages
from services.reporting.dashboard.view import Renderer, Viewer, default_viewer
from services.reporting.dashboard.visit import Page, Visit
from services.reporting.dashboard.webhooks_pages import EndpointPath, WebhookPages
from services.reporting.events import Hub
from services.reporting.logins import Logins
from services.reporting.neighbours import Neighbours
from services.reporting.ports import (
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
from services.reporting.tracking_api import RETRY_SCOPE
from services.reporting.watermark import OUR_OWN

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {"Content-Security-Policy": POLICY, "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY"}
_PAGE = 50
_RECENT = 6
_MOST_STORES = 200


class Dashboard:
    """The page *Report Sync Order*."""

    def __init__(
        self,
        reports: Reports,
        hub: Hub,
        *,
        proofs: Proofs,
        parcels: Parcels,
        asker: Asker,
        neighbours: Neighbours,
        logins: Logins,
        clock: Clock,
        connect_at: str,
    ) -> None:
        self._reports = reports
        self._proofs = proofs
        self._completeness = CompletenessPages(reports, proofs, asker, clock=clock, shows=self._page)
        self._tracking = TrackingPages(parcels, asker, shows=self._page)
        self._imports = ImportPages(reports, neighbours.ingest, shows=self._page)
        self._by_hand = OrderFormPages(reports, neighbours, clock=clock, shows=self._page, renders=self._part)
        self._webhooks = WebhookPages(neighbours.ingest, shows=self._page)
        self._connect_at = connect_at
        self._hub = hub
        self._logins = logins
        self._clock = clock
        self._renderer = Renderer()
        self._assets = Assets()

    def routes(self) -> Routes:
        """Return the routes; they stand beside the API and in no document."""
        routes = Routes(title="Report Sync Order", version="1")
        declare(routes, "GET", "/", self._for_logged_in(self._overview))
        declare(routes, "GET", "/alerts", self._for_logged_in(self._alerts))
        declare(routes, "GET", "/stores", self._for_logged_in(self._stores))
        declare(routes, "GET", "/sessions", self._for_logged_in(self._sessions))
        declare(routes, "GET", "/sessions/{id}", self._for_logged_in(self._session), path_model=SessionPath)
        declare(routes, "GET", "/orders", self._for_logged_in(self._orders))
        declare(routes, "GET", "/orders/{key}", self._for_logged_in(self._order), path_model=OrderPath)
        of = self._completeness
        declare(routes, "GET", "/completeness", self._for_logged_in(of.all_stores))
        declare(routes, "GET", "/completeness/{store_id}", self._for_logged_in(of.one_store), path_model=StorePath)
        declare(routes, "POST", "/completeness/{store_id}", self._for_logged_in(of.ask), path_model=StorePath)
        declare(routes, "GET", "/audits/{id}", self._for_logged_in(of.one_audit), path_model=AuditPath)
        declare(routes, "GET", "/tracking", self._for_logged_in(self._tracking.all_parcels))
        declare(routes, "POST", "/tracking", self._for_logged_in(self._tracking.ask_again))
        files = self._imports
        declare(routes, "GET", "/imports", self._for_logged_in(files.all_imports))
        declare(routes, "POST", "/imports", self._for_logged_in(files.take_file, streamed=True))
        declare(routes, "POST", "/imports/stores", self._for_logged_in(files.take_store))
        declare(routes, "GET", "/imports/template", self._for_logged_in(files.template))
        declare(routes, "GET", "/imports/{id}", self._for_logged_in(files.one_import), path_model=ImportPath)
        declare(routes, "POST", "/imports/{id}", self._for_logged_in(files.steer), path_model=ImportPath)
        declare(routes, "GET", "/imports/{id}/failed", self._for_logged_in(files.failed_rows), path_model=ImportPath)
        hooks = self._webhooks
        declare(routes, "GET", "/webhooks", self._for_logged_in(hooks.all_endpoints))
        declare(routes, "POST", "/webhooks/{id}", self._for_logged_in(hooks.steer), path_model=EndpointPath)
        by_hand = self._by_hand
        declare(routes, "GET", "/new-order", self._for_logged_in(by_hand.show))
        declare(routes, "POST", "/new-order", self._for_logged_in(by_hand.take, fields=MOST_FIELDS))
        declare(routes, "POST", "/new-order/check", self._for_logged_in(by_hand.check, fields=MOST_FIELDS))
        declare(routes, "GET", "/new-order/products", self._for_logged_in(by_hand.products))
        declare(routes, "GET", "/new-order/given", self._for_logged_in(by_hand.given))
        declare(routes, "POST", "/logout", self._for_logged_in(self._log_out))
        declare(routes, "POST", "/zone", self._for_logged_in(self._choose_zone))
        declare(routes, "GET", "/login", self._guarded(self._show_login))
        declare(routes, "POST", "/login", self._guarded(self._log_in))
        declare(routes, "GET", "/static/{name}", self._asset, path_model=FilePath)
        declare(routes, "GET", "/static/vendor/{name}", self._vendored, path_model=FilePath)
        return routes

    async def _overview(self, visit: Visit) -> web.Response:
        summary = await self._reports.summary(visit.seller_id)
        recent = await self._reports.sessions(
            visit.seller_id, SessionFilter(with_orders_only=True), after=None, limit=_RECENT
        )
        return await self._page(visit, "overview.html", summary=summary, recent=recent.items)

    async def _alerts(self, visit: Visit) -> web.Response:
        return await self._page(visit, "alerts.html")

    async def _stores(self, visit: Visit) -> web.Response:
        after = cursors.read(visit.request.query.get("cursor"), like=STORE_CURSOR)
        page = await self._reports.stores(visit.seller_id, after=after, limit=_MOST_STORES)
        platform, now = visit.request.query.get("platform"), self._clock.now()
        proofs = await self._proofs.of(visit.seller_id, [store.store_id for store in page.items])
        shown = [
            with_standing(store, now=now, connect_at=self._connect_at, proof=proofs.get(store.store_id))
            for store in page.items
            if not platform or store.platform == platform
        ]
        return await self._page(visit, "stores.html", page=page, shown=shown)

    async def _sessions(self, visit: Visit) -> web.Response:
        wants = asked(SessionsQuery, visit.request.query, zone=visit.viewer.zone)
        wanted = SessionFilter(
            platform=wants.platform,
            store_id=wants.store,
            way=wants.way,
            state=wants.state,
            since=wants.since,
            until=wants.until,
            with_orders_only=wants.with_orders_only,
        )
        after = cursors.read(wants.cursor, like=SESSION_CURSOR)
        page = await self._reports.sessions(visit.seller_id, wanted, after=after, limit=_PAGE)
        return await self._page(visit, "sessions.html", page=page)

    async def _session(self, visit: Visit) -> web.Response:
        session_id = visit.request.match_info["id"]
        wants = asked(SessionOrdersQuery, visit.request.query, zone=visit.viewer.zone)
        session = await self._reports.session(visit.seller_id, session_id)
        orders = await self._reports.session_orders(
            visit.seller_id,
            session_id,
            result=wants.result,
            after=cursors.read(wants.cursor, like=SESSION_ORDER_CURSOR),
            limit=_PAGE,
        )
        if session is None or orders is None:
            raise not_found("session")
        return await self._page(visit, "session.html", session=session, page=orders, result=wants.result)

    async def _orders(self, visit: Visit) -> web.Response:
        wants = asked(OrdersQuery, visit.request.query, zone=visit.viewer.zone)
        now = self._clock.now()
        wanted = OrderFilter(
            platform=wants.platform,
            store_id=wants.store,
            state=wants.state,
            outcome=wants.outcome,
            reason=wants.reason,
            text=wants.text,
            since=wants.since,
            until=wants.until,
            deadline=wants.deadline,
            now=now,
        )
        after = cursors.read(wants.cursor, like=ORDER_CURSOR)
        page = await self._reports.orders(visit.seller_id, wanted, after=after, limit=_PAGE)
        shown = tuple(with_deadline(order, now=now) for order in page.items)
        page = page.model_copy(update={"items": shown})
        return await self._page(visit, "orders.html", page=page, codes=tuple(ReasonCode))

    async def _order(self, visit: Visit) -> web.Response:
        order = await self._reports.order(visit.seller_id, visit.request.match_info["key"])
        if order is None:
            raise not_found("order")
        return await self._page(
            visit,
            "order.html",
            order=with_deadline(order, now=self._clock.now()),
            may_ask=visit.login.principal.may(RETRY_SCOPE),
            was_asked="again" in visit.request.query,
        )

    async def _show_login(self, request: web.Request) -> web.Response:
        return self._login_page(request, target=local_path(request.query.get("next")))

    async def _log_in(self, request: web.Request) -> web.Response:
        refuse_foreign(request)
        form = await posted(request)
        target = local_path(form.get("next"))
        cookie = await self._logins.open(form.get("key", "").strip())
        if cookie is None:
            return self._login_page(request, target=target, refused=True, status=401)
        response = redirect(target)
        response.set_cookie(
            SESSION_COOKIE,
            cookie,
            max_age=int(self._logins.lasts.total_seconds()),
            httponly=True,
            samesite="Lax",
            secure=is_secure(request),
        )
        if zone := known_zone(form.get("zone")):
            keep_zone(response, zone)
        return response

    async def _log_out(self, visit: Visit) -> web.Response:
        response = redirect("/login")
        response.del_cookie(SESSION_COOKIE, httponly=True, samesite="Lax", secure=is_secure(visit.request))
        return response

    async def _choose_zone(self, visit: Visit) -> web.Response:
        response = redirect(local_path(visit.form.get("next")))
        if zone := known_zone(visit.form.get("zone")):
            keep_zone(response, zone)
        return response

    async def _asset(self, request: web.Request) -> web.Response:
        return self._assets.answer(request.match_info["name"])

    async def _vendored(self, request: web.Request) -> web.Response:
        return self._assets.answer(f"vendor/{request.match_info['name']}")

    def _for_logged_in(
        self, page: Page, *, fields: int = FORM_FIELDS, streamed: bool = False
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Find out who asks, and take their form of at most so many fields.

        A `streamed` page reads the request itself, and must `visit.admit` the form's token before it does anything.
        """

        async def answer(request: web.Request) -> web.StreamResponse:
            login = await self._logins.read(request.cookies.get(SESSION_COOKIE, ""))
            if login is None:
                return to_login(request)
            takes_form = request.method == "POST" and not streamed
            form = await posted(request, fields=fields) if takes_form else {}
            visit = Visit(request, login, _viewer(request), form, self._hub.latest)
            if takes_form:
                visit.admit(form.get("form_token", ""))
            return await page(visit)

        return self._guarded(answer)

    def _guarded(
        self, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Show refusals as a page instead of JSON."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                return await answer(request)
            except Problem as problem:
                return self._problem_page(request, problem)
            except TransientError as error:
                return self._problem_page(request, unavailable(error.retry_after))

        return guarded

    async def _page(self, visit: Visit, template: str, /, *, status: int = 200, **values: Any) -> web.Response:
        now = self._clock.now()
        stores = await self._reports.stores(visit.seller_id, after=None, limit=_MOST_STORES)
        attention = await self._reports.attention(visit.seller_id, now=now)
        alerts = alerts_of(attention, now=now, connect_at=self._connect_at, texts=visit.viewer.texts)
        named = {store.platform: store.platform_name or store.platform for store in stores.items}
        return self._rendered(
            template,
            visit.viewer,
            status=status,
            stores=stores.items,
            names={store.store_id: store.name for store in stores.items},
            platforms={OUR_OWN: visit.viewer.texts(f"platforms.{OUR_OWN}"), **named},
            offered=dict(sorted(named.items(), key=lambda pair: pair[1].lower())),
            alerts=alerts,
            needed=sum(alert.severity != "info" for alert in alerts),
            path=visit.request.rel_url.path_qs,
            asked=visit.request.query,
            form_token=visit.login.form_token,
            seen=visit.seen,
            now=now,
            our_own=OUR_OWN,
            **values,
        )

    def _part(self, visit: Visit, template: str, /, **values: Any) -> web.Response:
        return self._rendered(template, visit.viewer, **values)

    def _login_page(
        self, request: web.Request, *, target: str, refused: bool = False, status: int = 200
    ) -> web.Response:
        return self._rendered("login.html", _viewer(request), status=status, target=target, refused=refused)

    def _problem_page(self, request: web.Request, problem: Problem) -> web.Response:
        response = self._rendered("problem.html", _viewer(request), status=problem.status, problem=problem)
        response.headers.update(problem.headers)
        return response

    def _rendered(self, template: str, viewer: Viewer, *, status: int = 200, **values: Any) -> web.Response:
        text = self._renderer.render(template, viewer, assets=self._assets.links(), **values)
        return web.Response(text=text, status=status, content_type="text/html", headers=_HEADERS)


def _viewer(request: web.Request) -> Viewer:
    return default_viewer(known_zone(request.cookies.get(ZONE_COOKIE)) or "UTC")
