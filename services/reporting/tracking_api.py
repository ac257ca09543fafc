"""The API of tracking: every parcel on its way to its platform, counts, a file, and ways to ask for another try."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from schemas.ids import PlatformSlug
from schemas.tracking import PushState
from services.kit.errors import TransientError
from services.kit.http.auth import principal
from services.kit.http.problems import not_found
from services.kit.http.routes import Routes
from services.reporting import cursors
from services.reporting.asking import Asker, RetryWish
from services.reporting.logins import READ_SCOPE
from services.reporting.ports import PARCEL_CURSOR, ParcelFilter, Parcels
from services.reporting.tracking_export import CONTENT_TYPE, FILE_NAME, exported
from services.reporting.tracking_views import ParcelView, RetryAsked, TrackingSummary
from services.reporting.view_base import ListOf

#: What a key needs to have parcels told again; the same as at ingest.
RETRY_SCOPE = "tracking:write"

Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]


class TrackingFilter(BaseModel):
    """Which parcels."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="forbid")

    platform: PlatformSlug | None = None
    store: Word | None = None
    state: PushState | None = None
    code: Word | None = Field(default=None, description="Why it waits, was refused or needs attention.")
    since: AwareDatetime | None = Field(default=None, alias="from", description="Shipped at or after.")
    until: AwareDatetime | None = Field(default=None, alias="to", description="Shipped before.")

    @property
    def wanted(self) -> ParcelFilter:
        """The same for the report."""
        return ParcelFilter(
            platform=self.platform,
            store_id=self.store,
            state=self.state,
            code=self.code,
            since=self.since,
            until=self.until,
        )


class TrackingQuery(TrackingFilter):
    """Which parcels, a page at a time."""

    cursor: str | None = Field(default=None, max_length=1000, description="`next` of the page before.")
    limit: int = Field(default=50, ge=1, le=200, description="How many items at most.")


class RetryBody(BaseModel):
    """One parcel, or all with a code, of one store or of all."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True, extra="forbid")

    push_id: Word | None = None
    code: Word | None = None
    store_id: Word | None = Field(default=None, description="With a code: of this store only.")

    @model_validator(mode="after")
    def _one_of_them(self) -> RetryBody:
        if (self.push_id is None) == (self.code is None):
            raise ValueError("either `push_id` or `code`")
        return self


def tracking_routes(parcels: Parcels, asker: Asker) -> Routes:
    """Return the routes about tracking."""
    routes = Routes(title="Sync Order: tracking", version="1")

    @routes.get("/v1/tracking", summary="List parcels", tags=["tracking"], scope=READ_SCOPE, errors=[422])
    async def list_parcels(request: web.Request, *, query: TrackingQuery) -> ListOf[ParcelView]:
        """How the number of each gets to its platform; last shipped first."""
        after = cursors.read(query.cursor, like=PARCEL_CURSOR)
        return await parcels.parcels(principal(request).seller_id, query.wanted, after=after, limit=query.limit)

    @routes.get("/v1/tracking/summary", summary="Count parcels", tags=["tracking"], scope=READ_SCOPE, errors=[422])
    async def count_parcels(request: web.Request, *, query: TrackingFilter) -> TrackingSummary:
        """By state, and by store and reason, each with what to do about it."""
        return await parcels.summary(principal(request).seller_id, query.wanted)

    @routes.get(
        "/v1/tracking/export", summary="Export parcels", tags=["tracking"], scope=READ_SCOPE, errors=[422], streams=True
    )
    async def export_parcels(request: web.Request, *, query: TrackingFilter) -> web.StreamResponse:
        """All of them as a CSV file (UTF-8, times in UTC); a cell that would run as a formula begins with `'`."""
        return await _file(request, parcels, query)

    @routes.post(
        "/v1/tracking/retries",
        status=202,
        summary="Ask to tell platforms again",
        tags=["tracking"],
        scope=RETRY_SCOPE,
        errors=[404, 422, 503],
    )
    async def ask_again(request: web.Request, *, body: RetryBody) -> RetryAsked:
        """Of one parcel, or of all with a code. What its platform knows already is not told twice."""
        asking = principal(request)
        wish = RetryWish(asking.seller_id, asking.key_id, push_id=body.push_id, code=body.code, store_id=body.store_id)
        return RetryAsked(requests=await ask_for_retry(parcels, asker, wish))

    return routes


async def ask_for_retry(parcels: Parcels, asker: Asker, wish: RetryWish) -> int:
    """Ask the stores that a wish is about, and return how many they are.

    Raises:
        Problem: 404 when there is no such parcel.
        TransientError: Kafka is away.
    """
    if wish.push_id is not None:
        parcel = await parcels.parcel(wish.seller_id, wish.push_id)
        if parcel is None:
            raise not_found("parcel")
        stores = {parcel.store_id}
    else:
        counted = await parcels.summary(wish.seller_id, ParcelFilter(code=wish.code, store_id=wish.store_id))
        stores = {count.store_id for count in counted.counts if count.retryable}
    for store_id in sorted(stores):
        await asker.retry(wish, store_id)
    return len(stores)


async def _file(request: web.Request, parcels: Parcels, query: TrackingFilter) -> web.StreamResponse:
    lines = exported(parcels, principal(request).seller_id, query.wanted)
    # What fails before the first page is answered as such; later the file breaks off, and is seen to.
    head = await anext(lines)
    response = web.StreamResponse(
        headers={"Content-Type": CONTENT_TYPE, "Content-Disposition": f'attachment; filename="{FILE_NAME}"'}
    )
    await response.prepare(request)
    await response.write(head)
    try:
        async for part in lines:
            await response.write(part)
    except TransientError:
        if request.transport is not None:
            request.transport.abort()
        raise
    await response.write_eof()
    return response
