"""The API of completeness: what is proven of each store, every audit, and ways to ask for an audit or a sync."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from schemas.audits import AuditBy, AuditScope, AuditState
from schemas.sessions import Window
from services.kit.clock import Clock
from services.kit.http.auth import principal
from services.kit.http.idempotency import HEADER
from services.kit.http.problems import Problem, not_found
from services.kit.http.routes import Routes
from services.kit.periods import Period, PeriodRefused, find_zone, resolve
from services.reporting import cursors
from services.reporting.asking import Asker, Wish, instant
from services.reporting.audit_answers import completeness_view
from services.reporting.completeness_views import (
    AuditAsked,
    AuditDetail,
    AuditView,
    PeriodCompleteness,
    PeriodView,
    StoreCompleteness,
    SyncAsked,
)
from services.reporting.logins import READ_SCOPE
from services.reporting.ports import AUDIT_CURSOR, STORE_CURSOR, AuditFilter, Proofs, Reports
from services.reporting.views import ListOf, StoreView
from services.reporting.watermark import Proof
from services.reporting.wording import load_texts

#: What a key needs to ask for audits and syncs; the same as at ingest.
ASK_SCOPE = "syncs:write"
#: How many covering audits stand beside our own count.
MOST_COVERING = 5
#: Audits come hourly, so of a period that is not over the newest one may lack so much.
YOUNGEST_AUDIT = timedelta(minutes=75)

Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
_ERRORS = {"errors": [404, 422]}


class StorePath(BaseModel):
    """One store."""

    store_id: Word


class AuditPath(BaseModel):
    """One audit."""

    id: Word


class ListQuery(BaseModel):
    """Which page of a list."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="forbid")

    cursor: str | None = Field(default=None, max_length=1000, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=200, description="How many items at most.")


class AuditsQuery(ListQuery):
    """Which audits."""

    store: Word | None = None
    scope: AuditScope | None = None
    state: AuditState | None = None


class PeriodQuery(BaseModel):
    """Which period, as moments with an offset, or local dates and times in `zone`."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="forbid")

    start: str = Field(alias="from", max_length=40, description="2026-11-01, 2026-11-01T08:00 or with an offset.")
    end: str = Field(alias="to", max_length=40, description="A date belongs to the period, a time does not.")
    zone: str = Field(default="UTC", max_length=64, description="Eastern … Hawaii, or an IANA name.")
    by: AuditBy = "created"


class PeriodAsked(BaseModel):
    """Local dates (the days of both belong to the period) or local times (that of `to` does not)."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    start: str = Field(alias="from", max_length=19, description="2026-11-01 or 2026-11-01T08:00")
    end: str = Field(alias="to", max_length=19, description="2026-11-07 or 2026-11-01T20:00")
    zone: str = Field(max_length=64, description="Eastern … Hawaii, or an IANA name.")
    by: AuditBy = "created"


def completeness_routes(reports: Reports, proofs: Proofs, asker: Asker, *, clock: Clock) -> Routes:
    """Return the routes about completeness and audits."""
    routes = Routes(title="Sync Order: completeness", version="1")
    _declare_reading(routes, reports, proofs, clock=clock)
    _declare_audits(routes, proofs)
    _declare_asking(routes, reports, asker)
    return routes


def _declare_reading(routes: Routes, reports: Reports, proofs: Proofs, *, clock: Clock) -> None:
    @routes.get(
        "/v1/completeness",
        summary="List completeness",
        tags=["completeness"],
        scope=READ_SCOPE,
        errors=[422],
    )
    async def list_completeness(request: web.Request, *, query: ListQuery) -> ListOf[StoreCompleteness]:
        """Up to when each store is proven complete, its newest audit of each scope, and what is open."""
        seller_id, after = principal(request).seller_id, cursors.read(query.cursor, like=STORE_CURSOR)
        page = await reports.stores(seller_id, after=after, limit=query.limit)
        ids = [store.store_id for store in page.items]
        found, newest = await proofs.of(seller_id, ids), await proofs.newest(seller_id, ids)
        items = (
            store_completeness(store, found.get(store.store_id), newest.get(store.store_id, ()), clock=clock)
            for store in page.items
        )
        return ListOf(items=tuple(items), next=page.next)

    @routes.get(
        "/v1/completeness/{store_id}",
        summary="Count a period beside the platform",
        tags=["completeness"],
        scope=READ_SCOPE,
        **_ERRORS,
    )
    async def count_period(request: web.Request, *, path: StorePath, query: PeriodQuery) -> PeriodCompleteness:
        """Our own count of a period, and the newest audits that hold it; without one, ask for an audit."""
        seller_id = principal(request).seller_id
        await require_store(reports, seller_id, path.store_id)
        try:
            period = _period(query, clock=clock)
        except PeriodRefused as error:
            raise _refused(error) from error
        return await counted(proofs, seller_id, path.store_id, period, by=query.by, now=clock.now())


def _declare_audits(routes: Routes, proofs: Proofs) -> None:
    @routes.get("/v1/audits", summary="List audits", tags=["completeness"], scope=READ_SCOPE, errors=[422])
    async def list_audits(request: web.Request, *, query: AuditsQuery) -> ListOf[AuditView]:
        """Newest first."""
        wanted = AuditFilter(store_id=query.store, scope=query.scope, state=query.state)
        after = cursors.read(query.cursor, like=AUDIT_CURSOR)
        return await proofs.audits(principal(request).seller_id, wanted, after=after, limit=query.limit)

    @routes.get("/v1/audits/{id}", summary="Show an audit", tags=["completeness"], scope=READ_SCOPE, errors=[404])
    async def show_audit(request: web.Request, *, path: AuditPath) -> AuditDetail:
        """With the orders that differed, what was found about each, and whether it is here now."""
        audit = await proofs.audit(principal(request).seller_id, path.id)
        if audit is None:
            raise not_found("audit")
        return audit


def _declare_asking(routes: Routes, reports: Reports, asker: Asker) -> None:
    @routes.post(
        "/v1/completeness/{store_id}/audits",
        status=202,
        summary="Ask for an audit of a period",
        tags=["completeness"],
        scope=ASK_SCOPE,
        errors=[404, 422, 503],
    )
    async def ask_audit(request: web.Request, *, path: StorePath, body: PeriodAsked) -> AuditAsked:
        """The platform's own list of the period is compared with this report; what is missing is fetched."""
        wish = await _wished(request, reports, path, body)
        try:
            audit_id, period = await asker.audit(wish)
        except PeriodRefused as error:
            raise _refused(error) from error
        return AuditAsked(
            audit_id=audit_id,
            store_id=path.store_id,
            period=_period_view(period, by=body.by),
            link=f"/v1/audits/{audit_id}",
        )

    @routes.post(
        "/v1/completeness/{store_id}/syncs",
        status=202,
        summary="Ask for a sync of a period",
        tags=["completeness"],
        scope=ASK_SCOPE,
        errors=[404, 422, 503],
    )
    async def ask_sync(request: web.Request, *, path: StorePath, body: PeriodAsked) -> SyncAsked:
        """All orders of the period are read again, as by `POST /v1/syncs` at ingest."""
        wish = await _wished(request, reports, path, body)
        try:
            sync_id, period = await asker.sync(wish)
        except PeriodRefused as error:
            raise _refused(error) from error
        return SyncAsked(
            sync_id=sync_id,
            store_id=path.store_id,
            period=_period_view(period, by=body.by),
            link=f"/v1/sessions/{sync_id}",
        )


async def _wished(request: web.Request, reports: Reports, path: StorePath, body: PeriodAsked) -> Wish:
    asking = principal(request)
    store = await require_store(reports, asking.seller_id, path.store_id)
    refuse_unlinked(store)
    return Wish(
        seller_id=asking.seller_id,
        store_id=path.store_id,
        start=body.start,
        end=body.end,
        zone=body.zone,
        by=body.by,
        asked_by=asking.key_id,
        # The caller's own name for this request makes a repeated one the same.
        name=request.headers.get(HEADER) or secrets.token_hex(16),
    )


def refuse_unlinked(store: StoreView) -> None:
    """Refuse to ask a platform about a store that it gives us no access to. Raises a 422 `Problem`."""
    if store.state != "linked":
        raise Problem(422, "store_not_linked", "The store is not linked: connect it again first.")


async def require_store(reports: Reports, seller_id: str, store_id: str) -> StoreView:
    """Return the seller's store. Raises a 404 `Problem` when there is none such."""
    store = await reports.store(seller_id, store_id)
    if store is None:
        raise not_found("store")
    return store


def store_completeness(
    store: StoreView, proof: Proof | None, audits: tuple[AuditView, ...], *, clock: Clock
) -> StoreCompleteness:
    """Return how complete a store is at this moment."""
    return StoreCompleteness(
        store_id=store.store_id,
        store_name=store.name,
        platform=store.platform,
        platform_name=store.platform_name,
        completeness=completeness_view(proof or Proof(store.store_id), store, now=clock.now()),
        audits=audits,
        open_differences=sum(doubt.orders for doubt in proof.doubts) if proof else 0,
    )


async def counted(
    proofs: Proofs, seller_id: str, store_id: str, period: Period, *, by: AuditBy, now: datetime
) -> PeriodCompleteness:
    """Return our own count of a period beside the newest audits that hold it, up to their age if it is not over."""
    window = Window(start=period.start, end=period.end)
    until = max(period.start, min(period.end, now - YOUNGEST_AUDIT))
    held = Window(start=period.start, end=until)
    audits = await proofs.covering(seller_id, store_id, held, by=by, limit=MOST_COVERING)
    exact = bool(audits) and audits[0].window == window
    said = "exact" if exact else "covered" if audits else "none"
    return PeriodCompleteness(
        store_id=store_id,
        period=_period_view(period, by=by),
        ours=await proofs.count(seller_id, store_id, window, by=by),
        audits=audits,
        exact=exact,
        sentence=load_texts()(f"completeness.ours.{said}"),
    )


def _period(query: PeriodQuery, *, clock: Clock) -> Period:
    start, end = instant(query.start), instant(query.end)
    if start is None or end is None:
        return resolve(query.start, query.end, zone=query.zone, now=clock.now())
    if start >= end:
        raise PeriodRefused("period_reversed", "period.to", "`to` must be later than `from`.")
    return Period(start.astimezone(UTC), end.astimezone(UTC), find_zone(query.zone).key)


def _period_view(period: Period, *, by: AuditBy) -> PeriodView:
    return PeriodView(start=period.start, end=period.end, zone=period.zone, by=by, notes=period.notes)


def _refused(error: PeriodRefused) -> Problem:
    return Problem(422, error.code, "The period cannot be read.", str(error), where=error.where)
