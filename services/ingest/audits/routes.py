"""`/v1/audits`: parse, call, answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from schemas.sessions import Window as Span
from services.ingest.audits.audit import Asked, new_audit
from services.ingest.audits.planning import new_audit_id
from services.ingest.audits.ports import AuditLease, Audits
from services.ingest.audits.views import (
    MOST_UNFINISHED,
    AskAudit,
    AuditDetail,
    AuditPage,
    AuditPath,
    AuditQuery,
    audit_detail,
    audit_view,
)
from services.ingest.schedule import Schedule
from services.ingest.stores.choosing import Choosing
from services.ingest.stores.store import Store
from services.ingest.syncs.routes import refused
from services.kit.clock import Clock
from services.kit.http.auth import principal
from services.kit.http.problems import Problem, not_found
from services.kit.http.routes import Routes
from services.kit.periods import PeriodRefused, resolve

READ, WRITE = "audits:read", "audits:write"


@dataclass(frozen=True, slots=True)
class AuditApi:
    """The handlers of audits. An audit or store of another seller is not there."""

    choosing: Choosing
    audits: Audits
    schedule: Schedule[AuditLease]
    clock: Clock

    async def ask_audit(self, request: web.Request, *, body: AskAudit) -> AuditPage:
        """One audit a store, which begins at once."""
        now, asker = self.clock.now(), principal(request)
        try:
            period = resolve(body.period.start, body.period.end, zone=body.zone, now=now)
        except PeriodRefused as error:
            raise refused(error) from error
        chosen = await self.choosing.chosen(asker.seller_id, stores=body.stores, platform=body.platform)
        await self._refuse_crowd(chosen)
        audits = [
            new_audit(
                new_audit_id(now),
                store,
                "asked",
                due_at=now,
                started_by=asker.key_id,
                by=body.by,
                window=Span(start=period.start, end=period.end),
                asked=Asked(body.period.start, body.period.end, period.zone, period.notes),
            )
            for store in chosen
        ]
        await self.audits.add(audits)
        self.schedule.wake()
        return AuditPage(items=[audit_view(audit) for audit in audits], next=None)

    async def list_audits(self, request: web.Request, *, query: AuditQuery) -> AuditPage:
        """The newest first; none that is only planned."""
        found = await self.audits.page(
            principal(request).seller_id, store_id=query.store_id, after=query.cursor, limit=query.limit + 1
        )
        shown = found[: query.limit]
        return AuditPage(
            items=[audit_view(audit) for audit in shown], next=shown[-1].audit_id if len(found) > len(shown) else None
        )

    async def show_audit(self, request: web.Request, *, path: AuditPath) -> AuditDetail:
        """One audit, how far it is, and what differed."""
        audit = await self.audits.get(path.audit_id)
        if audit is None or audit.seller_id != principal(request).seller_id:
            raise not_found("audit")
        return audit_detail(audit, await self.audits.differences(audit.audit_id))

    async def _refuse_crowd(self, chosen: Sequence[Store]) -> None:
        unfinished = await self.audits.unfinished([store.store_id for store in chosen])
        crowded = [store_id for store_id, number in unfinished.items() if number >= MOST_UNFINISHED]
        if crowded:
            raise Problem(
                409,
                "too_many_audits",
                f"A store has at most {MOST_UNFINISHED} audits that were asked for and have not ended.",
                "Wait until some have ended.",
                stores=crowded,
            )


def audit_routes(api: AuditApi) -> Routes:
    """The routes of audits."""
    routes = Routes(title="audits", version="1")
    audits, tags = "/v1/audits", ["audits"]
    routes.post(
        audits,
        status=202,
        summary="Compare a period with the platform's own list",
        tags=tags,
        scope=WRITE,
        errors=[404, 409, 422],
    )(api.ask_audit)
    routes.get(audits, summary="List audits", tags=tags, scope=READ)(api.list_audits)
    routes.get(f"{audits}/{{audit_id}}", summary="Show an audit", tags=tags, scope=READ, errors=[404])(api.show_audit)
    return routes
