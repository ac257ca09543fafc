"""The page about tracking: every parcel on its way to its platform, what stands in the way, and another try."""

from __future__ import annotations

from aiohttp import web

from services.kit.http.problems import Problem
from services.reporting import cursors
from services.reporting.asking import Asker, RetryWish
from services.reporting.dashboard.asking import asked, local_path
from services.reporting.dashboard.browser import redirect
from services.reporting.dashboard.completeness_pages import Shows
from services.reporting.dashboard.view import query
from services.reporting.dashboard.visit import Visit
from services.reporting.ports import PARCEL_CURSOR, Parcels
from services.reporting.tracking_answers import STATES
from services.reporting.tracking_api import RETRY_SCOPE, RetryBody, TrackingQuery, ask_for_retry

_PARCELS = 50
#: Reasons shown above the list; the rest is reached by its filters.
_REASONS = 30


class TrackingPages:
    """Answers under `/tracking`."""

    def __init__(self, parcels: Parcels, asker: Asker, *, shows: Shows) -> None:
        self._parcels = parcels
        self._asker = asker
        self._shows = shows

    async def all_parcels(self, visit: Visit) -> web.Response:
        """Show the parcels that the address asks for, and what stands in their way."""
        wants = asked(TrackingQuery, visit.request.query, zone=visit.viewer.zone)
        after = cursors.read(wants.cursor, like=PARCEL_CURSOR)
        page = await self._parcels.parcels(visit.seller_id, wants.wanted, after=after, limit=_PARCELS)
        summary = await self._parcels.summary(visit.seller_id, wants.wanted)
        return await self._shows(
            visit,
            "tracking.html",
            page=page,
            summary=summary,
            reasons=[count for count in summary.counts if count.code][:_REASONS],
            states=STATES,
            export=query(
                "/v1/tracking/export",
                platform=wants.platform,
                store=wants.store,
                state=wants.state,
                code=wants.code,
                from_=wants.since.isoformat() if wants.since else None,
                to=wants.until.isoformat() if wants.until else None,
            ),
            may_ask=visit.login.principal.may(RETRY_SCOPE),
            was_asked="again" in visit.request.query,
        )

    async def ask_again(self, visit: Visit) -> web.Response:
        """Take a button: one parcel, or all of a store with a code."""
        if not visit.login.principal.may(RETRY_SCOPE):
            raise Problem(403, "forbidden", "The key does not have the scope that this needs.", scope=RETRY_SCOPE)
        named = {name: visit.form.get(name) or None for name in ("push_id", "code", "store_id")}
        try:
            body = RetryBody(**named)
        except ValueError as error:
            raise Problem(422, "invalid_request", "The form names no parcel.") from error
        wish = RetryWish(
            visit.seller_id,
            visit.login.principal.key_id,
            push_id=body.push_id,
            code=body.code,
            store_id=body.store_id,
        )
        await ask_for_retry(self._parcels, self._asker, wish)
        target = local_path(visit.form.get("next"))
        return redirect(target if "again=" in target else f"{target}{'&' if '?' in target else '?'}again=1")
