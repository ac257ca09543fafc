"""Now and then: sellers who did not come back are forgotten, and what killed processes left open is ended."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.ingest.audits.ports import Audits
from services.ingest.drafts.draft import DRAFTS_KEPT, Drafts
from services.ingest.imports.ports import Imports
from services.ingest.imports.record import FILE_KEPT
from services.ingest.outgoing.endpoints import Outgoing
from services.ingest.ports import Authorizations, Syncs, WebhookBooks
from services.ingest.tracking.ports import PushStorage
from services.kit.clock import Clock
from services.kit.errors import TransientError

log = structlog.get_logger()

_EVERY_SECONDS = 60.0
#: A living process ends its sessions seconds after their hour; this much later nobody will.
ABANDONED_AFTER = timedelta(minutes=15)
#: The report keeps sessions; ours only serve to go on with them.
SESSIONS_KEPT = timedelta(days=7)
#: Of manual syncs and imports sellers see our list.
SYNCS_KEPT = timedelta(days=90)
#: Of audits, too; of those on a schedule there are many, and the report keeps them.
SCHEDULED_AUDITS_KEPT = timedelta(days=7)
#: How far back the log of outgoing webhooks goes.
DELIVERIES_KEPT = timedelta(days=30)
#: A parcel that is voided or replaced later than this after it left is news to nobody; the report keeps all of them.
PUSHES_KEPT = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class Tidying:
    """One process's tidying; several at once do no harm."""

    authorizations: Authorizations
    books: WebhookBooks
    syncs: Syncs
    audits: Audits
    imports: Imports
    outgoing: Outgoing
    pushes: PushStorage
    drafts: Drafts
    clock: Clock

    async def run(self, stop: asyncio.Event) -> None:
        """Tidy every minute until `stop`."""
        while not stop.is_set():
            try:
                await self.once()
            except TransientError as error:
                log.warning("tidying.waiting", problem=str(error))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _EVERY_SECONDS)

    async def once(self) -> None:
        """Tidy now."""
        now = self.clock.now()
        await self.authorizations.forget_expired(now=now)
        if ended := await self.books.end_abandoned(before=now - ABANDONED_AFTER, now=now):
            log.info("sessions.ended", abandoned=ended)
        await self.books.forget_sessions(before=now - SESSIONS_KEPT)
        await self.syncs.forget(before=now - SYNCS_KEPT)
        await self.audits.forget(before=now - SCHEDULED_AUDITS_KEPT, asked_before=now - SYNCS_KEPT)
        await self.outgoing.forget(before=now - DELIVERIES_KEPT)
        await self.pushes.forget(before=now - PUSHES_KEPT)
        await self.drafts.forget(before=now - DRAFTS_KEPT)
        await self.imports.forget(files_before=now - FILE_KEPT, imports_before=now - SYNCS_KEPT)
