"""`/v1/syncs`: parse, call, answer."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web

from services.ingest.contract.connector import Connector
from services.ingest.ports import SyncLease, Syncs
from services.ingest.schedule import Schedule
from services.ingest.stores.choosing import Choosing, Reach
from services.ingest.stores.store import Store
from services.ingest.syncs.rehearsing import Rehearsing
from services.ingest.syncs.sync import Asked, Sync, Unsteerable, cancelled, new_sync, paused, resumed
from services.ingest.syncs.views import (
    MOST_UNFINISHED,
    AskSync,
    RehearsalPage,
    RehearsalView,
    SyncPage,
    SyncPath,
    SyncQuery,
    SyncView,
    rehearsal_view,
    sync_view,
)
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError
from services.kit.http.auth import principal
from services.kit.http.problems import Problem, not_found
from services.kit.http.routes import Routes
from services.kit.kafka.publisher import Message
from services.kit.periods import US_ZONES, Period, PeriodRefused, resolve

READ, WRITE = "syncs:read", "syncs:write"
#: Stores that one dry run looks into at once.
_REHEARSED_AT_ONCE = 4
_MOST_REHEARSED = 20


@dataclass(frozen=True, slots=True)
class SyncApi:
    """The handlers of manual syncs. A sync or store of another seller is not there."""

    connectors: Mapping[str, Connector]
    choosing: Choosing
    reach: Reach
    syncs: Syncs
    rehearsing: Rehearsing
    schedule: Schedule[SyncLease]
    clock: Clock

    async def ask_sync(self, request: web.Request, *, body: AskSync) -> SyncPage | RehearsalPage:
        """One sync a store, which begins at once; with `dry_run`, what each would bring, and nothing is stored."""
        now, asker = self.clock.now(), principal(request)
        try:
            period = resolve(body.period.start, body.period.end, zone=body.zone, now=now)
        except PeriodRefused as error:
            raise refused(error) from error
        chosen = await self.choosing.chosen(asker.seller_id, stores=body.stores, platform=body.platform)
        asked = Asked(body.period.start, body.period.end, period.zone, body.by)
        syncs = [await self._new(store, asked, period, by_key=asker.key_id) for store in chosen]
        if body.dry_run:
            return await self._rehearsed(chosen, syncs)
        await self._refuse_crowd(chosen)
        await self.syncs.add(syncs)
        self.schedule.wake()
        return SyncPage(items=[sync_view(sync) for sync in syncs], next=None)

    async def list_syncs(self, request: web.Request, *, query: SyncQuery) -> SyncPage:
        """The newest first."""
        found = await self.syncs.page(
            principal(request).seller_id, store_id=query.store_id, after=query.cursor, limit=query.limit + 1
        )
        shown = found[: query.limit]
        return SyncPage(
            items=[sync_view(sync) for sync in shown], next=shown[-1].sync_id if len(found) > len(shown) else None
        )

    async def show_sync(self, request: web.Request, *, path: SyncPath) -> SyncView:
        """One sync and how far it is."""
        return sync_view(await self._own(request, path.sync_id))

    async def pause_sync(self, request: web.Request, *, path: SyncPath) -> SyncView:
        """Stop after the page that is being read; it goes on there when it is resumed."""
        return await self._steered(request, path.sync_id, paused)

    async def resume_sync(self, request: web.Request, *, path: SyncPath) -> SyncView:
        """Go on with a paused sync, or try at once where one waits."""
        return await self._steered(request, path.sync_id, lambda sync: resumed(sync, now=self.clock.now()))

    async def cancel_sync(self, request: web.Request, *, path: SyncPath) -> SyncView:
        """End it after the page that is being read; what it brought stays."""
        return await self._steered(request, path.sync_id, lambda sync: cancelled(sync, now=self.clock.now()))

    async def _new(self, store: Store, asked: Asked, period: Period, *, by_key: str) -> Sync:
        connector = self.connectors.get(store.platform)
        if connector is None:
            raise not_found("platform")
        now = self.clock.now()
        reaches_back_to = await self._reach(store)
        return new_sync(
            # Ids rise with time, so that lists need no other order.
            f"{int(now.timestamp() * 1_000_000):014x}{secrets.token_hex(5)}",
            store,
            asked,
            period,
            pace=connector.pace,
            by_key=by_key,
            reaches_back_to=reaches_back_to,
            now=now,
        )

    async def _reach(self, store: Store) -> datetime | None:
        try:
            return await self.reach.of(store)
        except AuthorizationError as error:
            raise Problem(
                409, "store_not_linked", "The store's access is gone; connect it again.", stores=[store.store_id]
            ) from error

    async def _refuse_crowd(self, chosen: Sequence[Store]) -> None:
        unfinished = await self.syncs.unfinished([store.store_id for store in chosen])
        crowded = [store_id for store_id, number in unfinished.items() if number >= MOST_UNFINISHED]
        if crowded:
            raise Problem(
                409,
                "too_many_syncs",
                f"A store has at most {MOST_UNFINISHED} syncs that have not ended.",
                "Wait until some have ended, or cancel some.",
                stores=crowded,
            )

    async def _rehearsed(self, chosen: Sequence[Store], syncs: Sequence[Sync]) -> RehearsalPage:
        if len(chosen) > _MOST_REHEARSED:
            raise Problem(422, "too_many_stores", f"A dry run looks into at most {_MOST_REHEARSED} stores at once.")
        turn = asyncio.Semaphore(_REHEARSED_AT_ONCE)

        async def rehearsed(store: Store, sync: Sync) -> RehearsalView:
            async with turn:
                return rehearsal_view(sync, await self.rehearsing.rehearse(store, sync))

        pairs = zip(chosen, syncs, strict=True)
        return RehearsalPage(items=await asyncio.gather(*(rehearsed(store, sync) for store, sync in pairs)))

    async def _own(self, request: web.Request, sync_id: str) -> Sync:
        sync = await self.syncs.get(sync_id)
        if sync is None or sync.session.seller_id != principal(request).seller_id:
            raise not_found("sync")
        return sync

    async def _steered(
        self, request: web.Request, sync_id: str, change: Callable[[Sync], tuple[Sync, Sequence[Message]]]
    ) -> SyncView:
        await self._own(request, sync_id)
        try:
            steered = await self.syncs.steer(sync_id, change)
        except Unsteerable as error:
            raise Problem(409, "sync_ended", "The sync has ended; ask for a new one.", state=str(error)) from error
        if steered is None:
            raise not_found("sync")
        self.schedule.wake()
        return sync_view(steered)


def sync_routes(api: SyncApi) -> Routes:
    """The routes of manual syncs."""
    routes = Routes(title="syncs", version="1")
    syncs, sync, tags = "/v1/syncs", "/v1/syncs/{sync_id}", ["syncs"]
    routes.post(syncs, status=202, summary="Sync a period by hand", tags=tags, scope=WRITE, errors=[404, 409, 422])(
        api.ask_sync
    )
    routes.get(syncs, summary="List manual syncs", tags=tags, scope=READ)(api.list_syncs)
    routes.get(sync, summary="Show a manual sync", tags=tags, scope=READ, errors=[404])(api.show_sync)
    for verb, handler in (("pause", api.pause_sync), ("resume", api.resume_sync), ("cancel", api.cancel_sync)):
        summary = f"{verb.capitalize()} a manual sync"
        routes.post(f"{sync}/{verb}", summary=summary, tags=tags, scope=WRITE, errors=[404, 409])(handler)
    return routes


def refused(error: PeriodRefused) -> Problem:
    """The answer to a period that cannot be read."""
    extra: dict[str, Any] = {"where": error.where}
    if error.code == "unknown_zone":
        extra["zones"] = list(US_ZONES)
    return Problem(422, error.code, "The period cannot be read as it is.", str(error), **extra)
