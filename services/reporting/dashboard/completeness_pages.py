"""The pages about completeness: what is proven of each store, its audits, and a form that asks for more."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from typing import Protocol

from aiohttp import web

from schemas.audits import AuditBy
from services.kit.clock import Clock
from services.kit.http.problems import Problem, not_found
from services.kit.periods import US_ZONES, PeriodRefused, find_zone
from services.reporting import cursors
from services.reporting.asking import Asker, Wish
from services.reporting.completeness_api import (
    ASK_SCOPE,
    counted,
    refuse_unlinked,
    require_store,
    store_completeness,
)
from services.reporting.completeness_views import PeriodCompleteness
from services.reporting.dashboard.browser import redirect
from services.reporting.dashboard.view import query
from services.reporting.dashboard.visit import Visit
from services.reporting.ports import AUDIT_CURSOR, STORE_CURSOR, AuditFilter, Proofs, Reports
from services.reporting.watermark import OUR_OWN

_STORES = 100
_AUDITS = 20
#: The fields of the form, which stay in the address so that the answer can be reloaded and shared.
_FIELDS = ("from", "from_time", "to", "to_time", "zone", "by")
_NAME = re.compile(r"[0-9A-Za-z_-]{8,64}")


class Shows(Protocol):
    """Renders a template in the page's frame."""

    async def __call__(self, visit: Visit, template: str, /, *, status: int = 200, **values: object) -> web.Response:
        """Return the page."""
        ...


class CompletenessPages:
    """Answers under `/completeness` and `/audits`."""

    def __init__(self, reports: Reports, proofs: Proofs, asker: Asker, *, clock: Clock, shows: Shows) -> None:
        self._reports = reports
        self._proofs = proofs
        self._asker = asker
        self._clock = clock
        self._shows = shows

    async def all_stores(self, visit: Visit) -> web.Response:
        """Show every store's watermark."""
        after = cursors.read(visit.request.query.get("cursor"), like=STORE_CURSOR)
        page = await self._reports.stores(visit.seller_id, after=after, limit=_STORES)
        ids = [store.store_id for store in page.items]
        found = await self._proofs.of(visit.seller_id, ids)
        newest = await self._proofs.newest(visit.seller_id, ids)
        shown = [
            store_completeness(store, found.get(store.store_id), newest.get(store.store_id, ()), clock=self._clock)
            for store in page.items
            if store.platform != OUR_OWN
        ]
        return await self._shows(visit, "completeness.html", page=page, shown=shown)

    async def one_store(self, visit: Visit) -> web.Response:
        """Show a store's watermark, its audits, and the form."""
        return await self._store_page(visit, visit.request.query)

    async def ask(self, visit: Visit) -> web.Response:
        """Take the form: check or sync the period."""
        store_id, form = visit.request.match_info["store_id"], visit.form
        store = await require_store(self._reports, visit.seller_id, store_id)
        if not visit.login.principal.may(ASK_SCOPE):
            raise Problem(403, "forbidden", "The key does not have the scope that this needs.", scope=ASK_SCOPE)
        refuse_unlinked(store)
        try:
            wish = _wish(visit, store_id)
            syncs = form.get("action") == "sync"
            wished, _ = await (self._asker.sync(wish) if syncs else self._asker.audit(wish))
        except PeriodRefused as error:
            return await self._store_page(
                visit, form, problem=visit.viewer.texts(f"completeness.refusals.{error.code}")
            )
        kept = {name: form.get(name) for name in _FIELDS}
        target = query(_path(store_id), **kept, asked="sync" if syncs else "audit", id=wished)
        return redirect(f"{target}#asked")

    async def one_audit(self, visit: Visit) -> web.Response:
        """Show an audit with the orders that differed."""
        audit = await self._proofs.audit(visit.seller_id, visit.request.match_info["id"])
        if audit is None:
            raise not_found("audit")
        return await self._shows(visit, "audit.html", audit=audit)

    async def _store_page(self, visit: Visit, given: Mapping[str, str], *, problem: str | None = None) -> web.Response:
        store = await require_store(self._reports, visit.seller_id, visit.request.match_info["store_id"])
        wanted = AuditFilter(store_id=store.store_id)
        after = cursors.read(visit.request.query.get("cursor"), like=AUDIT_CURSOR)
        proof = (await self._proofs.of(visit.seller_id, [store.store_id])).get(store.store_id)
        doubts = proof.doubts if proof else ()
        open_audits = [await self._proofs.audit(visit.seller_id, doubt.audit_id) for doubt in doubts[:5]]
        return await self._shows(
            visit,
            "store_completeness.html",
            status=422 if problem else 200,
            store=store,
            standing=store_completeness(store, proof, (), clock=self._clock).completeness,
            open_audits=[audit for audit in open_audits if audit is not None],
            page=await self._proofs.audits(visit.seller_id, wanted, after=after, limit=_AUDITS),
            given={name: given.get(name, "") for name in _FIELDS} | {"zone": _zone(given, visit)},
            us_zones=US_ZONES,
            asked_for=given.get("asked") if problem is None else None,
            wished=given.get("id", ""),
            wished_audit=await self._proofs.audit(visit.seller_id, given.get("id", "")) if problem is None else None,
            problem=problem,
            counted=None if problem else await self._counted(visit, store.store_id, given),
            may_ask=visit.login.principal.may(ASK_SCOPE) and store.state == "linked",
            request_name=secrets.token_urlsafe(18),
        )

    async def _counted(self, visit: Visit, store_id: str, given: Mapping[str, str]) -> PeriodCompleteness | None:
        """Return the count of the period in the address, if there is one that can be read."""
        start, end = _local(given, "from"), _local(given, "to")
        if not start or not end:
            return None
        wish = Wish(visit.seller_id, store_id, start, end, _zone(given, visit), _by(given), "", "")
        try:
            period = self._asker.period(wish)
        except PeriodRefused:
            return None
        return await counted(self._proofs, visit.seller_id, store_id, period, by=wish.by, now=self._clock.now())


def _wish(visit: Visit, store_id: str) -> Wish:
    form, start, end = visit.form, _local(visit.form, "from"), _local(visit.form, "to")
    if not start or not end:
        raise PeriodRefused("malformed_period", "period", "A beginning or an end is missing.")
    name = form.get("request_name", "")
    return Wish(
        seller_id=visit.seller_id,
        store_id=store_id,
        start=start,
        end=end,
        zone=_zone(form, visit),
        by=_by(form),
        asked_by=visit.login.principal.key_id,
        # What the form carries makes a second click the same wish.
        name=name if _NAME.fullmatch(name) else secrets.token_urlsafe(18),
    )


def _local(given: Mapping[str, str], side: str) -> str:
    day, time = given.get(side, "").strip(), given.get(f"{side}_time", "").strip()
    return f"{day}T{time}" if day and time else day


def _by(given: Mapping[str, str]) -> AuditBy:
    return "updated" if given.get("by") == "updated" else "created"


def _zone(given: Mapping[str, str], visit: Visit) -> str:
    """Return the zone that was chosen; at first the viewer's own, by the name that sellers use."""
    chosen = given.get("zone") or visit.viewer.zone
    try:
        known = find_zone(chosen).key
    except PeriodRefused:
        known = visit.viewer.zone
    return next((name for name, key in US_ZONES.items() if key == known), known)


def _path(store_id: str) -> str:
    return f"/completeness/{store_id}"
