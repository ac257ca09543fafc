"""Webhooks that stopped coming are noticed and mended, and the sync that reads what they missed says so.

The platform is asked hourly, and at once when something speaks against a store's webhooks: one that did not verify,
a silence that is unlikely for this store, or an order that a poll found and no webhook told. None of it can be caused
more than now and then by somebody else's forged deliveries.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

import structlog

from schemas.sessions import OrderOutcome
from services.ingest.contract.connector import Connector
from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import Ailment, Mended
from services.ingest.ports import Polls
from services.ingest.sessions import Session
from services.ingest.stores.store import Store
from services.ingest.webhooks.ports import Healing, PushHealth, PushRecords
from services.ingest.webhooks.subscriptions import CHECKED_EVERY, Subscriptions
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.metrics import Metrics

log = structlog.get_logger()

#: What speaks against a store's webhooks.
Doubt = Literal["refused", "silent", "missed"]

#: Deliveries that do not verify cause one look in this time, however many they are.
REFUSALS_COUNT_EVERY = timedelta(minutes=10)
#: So long after a doubt that came to nothing the next one counts; twice as long after each further one, up to an hour.
DOUBTED_EVERY = timedelta(minutes=10)
#: Platforms deliver again for so long, by a secret that was replaced meanwhile, too.
RETRIED_FOR = timedelta(hours=4)
#: A silence that a healthy store keeps less often than this is a reason to look.
UNLIKELY = 0.001
#: How long after its change an order should have been told by a webhook.
TOLD_WITHIN = timedelta(minutes=2)
#: What changed while the webhooks were being mended is read so soon after the platform can be asked for it.
READ_AGAIN_WITHIN = timedelta(seconds=5)

_KEPT_EVERY_SECONDS = 5.0
#: A webhook that came so shortly before a poll may not be among what is seen yet.
_JUST_NOW = timedelta(seconds=5)
_NAMED = 3
#: Names that deliveries without a right signature give, in `REFUSALS_COUNT_EVERY`: enough for anybody's real trouble.
_MOST_SAID = 200
_FOUND: dict[Ailment, str] = {
    "missing": "had been removed on {platform}",
    "paused": "had been paused on {platform}",
    "disabled": "had been switched off by {platform}",
    "wrong_address": "went to another address",
    "wrong_secret": "had to get their secret anew, because what came had a wrong signature",
}


def silence_is_unlikely(*, changes_per_hour: float, since: datetime, now: datetime) -> bool:
    """Tell whether a store that changes so often would hardly be silent for so long.

    Changes that come independently of each other stay away for t hours with the chance exp(-changes_per_hour x t).
    """
    hours = (now - since) / timedelta(hours=1)
    return math.exp(-max(changes_per_hour, 0.0) * max(hours, 0.0)) < UNLIKELY


def looked_at(store: Store, health: PushHealth) -> datetime | None:
    """Return when the platform was last asked for the store's subscriptions, by a check or by linking."""
    return max(filter(None, (health.checked_at, store.subscribed_at)), default=None)


def doubt(store: Store, health: PushHealth, *, changes_per_hour: float | None, now: datetime) -> Doubt | None:
    """Return what speaks against a store's webhooks before anything is read; None where the platform pushes nothing."""
    looked = looked_at(store, health)
    if not store.subscriptions or looked is None:
        return None
    if health.refused_at is not None and health.refused_at > looked:
        return "refused"
    if not _may_doubt(health, now=now):
        return None
    if _is_awaited(health) and health.awaited_at is not None and now - health.awaited_at >= TOLD_WITHIN:
        return "missed"
    since = max(looked, health.heard_at or looked)
    if changes_per_hour is not None and silence_is_unlikely(changes_per_hour=changes_per_hour, since=since, now=now):
        return "silent"
    return None


def unheard(
    outcomes: Sequence[OrderOutcome], *, store: Store, health: PushHealth, pushes_changes: bool
) -> list[datetime]:
    """Return the times of what a page shows that a webhook should tell, changed since the last look."""
    since = looked_at(store, health)
    if not store.subscriptions or since is None:
        return []
    times = [one.revised_at if pushes_changes else one.placed_at for one in outcomes if _is_news(one, pushes_changes)]
    return [at for at in times if at is not None and at > since]


def healed(healing: Healing, *, platform: str, now: datetime) -> str:
    """Return what the seller is told of webhooks that were mended, once what they missed is read."""
    broken = [_broken(ailment, topics, platform) for ailment, topics in _by_ailment(healing.mended)]
    right = "" if healing.right_at is None else f" (they were last seen right at {_clock_time(healing.right_at, now)})"
    orders = "1 order" if healing.came == 1 else f"{healing.came} orders"
    result = f"{orders} came this way." if healing.came else "nothing had been missed."
    return (
        f"Webhooks for {', those for '.join(broken)}{right}; they were set up again, and everything changed since "
        f"{_clock_time(healing.read_from, now)} was read again: {result}"
    )


class WebhookHealth:
    """Watches over the webhooks of this process's stores."""

    def __init__(
        self, records: PushRecords, polls: Polls, subscriptions: Subscriptions, *, clock: Clock, metrics: Metrics
    ) -> None:
        self._records = records
        self._polls = polls
        self._subscriptions = subscriptions
        self._clock = clock
        self._metrics = metrics
        self._heard: dict[str, datetime] = {}
        self._refused: dict[str, datetime] = {}
        self._refusals_said: dict[str, datetime] = {}

    def hear(self, store_id: str) -> None:
        """Note that a store's webhook came and is genuine; never waits."""
        self._heard[store_id] = self._clock.now()

    async def refuse(self, store: Store) -> None:
        """Note that what came for a store did not verify; it is polled at once, if that is the first for some time."""
        now = self._clock.now()
        last = self._refused.get(store.store_id)
        if not _is_watched(store) or (last is not None and now - last < REFUSALS_COUNT_EVERY):
            return
        self._refused[store.store_id] = now
        with suppress(TransientError):  # the next one is noted, or the hourly look finds what is wrong
            if await self._records.refuse(store.store_id, now=now, unless_since=now - REFUSALS_COUNT_EVERY):
                await self._polls.ask(store.store_id, by="schedule", now=now)
                log.warning("webhook.doubted", store_id=store.store_id, doubt="refused")

    def first_refusal(self, platform: str, external_id: str) -> bool:
        """Tell whether what did not verify is the first for some time to name this store."""
        now = self._clock.now()
        said = {name: at for name, at in self._refusals_said.items() if now - at < REFUSALS_COUNT_EVERY}
        self._refusals_said = said
        name = f"{platform} {external_id}"
        if name in said or len(said) >= _MOST_SAID:
            return False
        said[name] = now
        return True

    async def run(self, stop: asyncio.Event) -> None:
        """Write down what was heard, until `stop`."""
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), _KEPT_EVERY_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write down what was heard; while Postgres is away it is kept for the next time."""
        heard, self._heard = self._heard, {}
        try:
            if heard:
                await self._records.hear(heard)
        except TransientError as error:
            self._heard = heard | self._heard
            log.warning("webhook_health.waiting", problem=str(error))

    async def look(
        self,
        store: Store,
        connector: Connector,
        access: Callable[[], Awaitable[Access]],
        *,
        session: Session,
        changes_per_hour: float | None,
    ) -> PushHealth:
        """Ask the platform, and mend, before a poll where that is due or something speaks for it.

        Raises TransientError when Postgres is away, and whatever `access` raises.
        """
        await self.flush()
        now = self._clock.now()
        health = await self._records.get(store.store_id)
        # Where changes are not pushed, they say nothing about how often something is.
        rate = changes_per_hour if connector.pushes_changes else None
        found = doubt(store, health, changes_per_hour=rate, now=now)
        if found is None and not self._subscriptions.due(store, now=now):
            return health
        return await self._check(store, connector, await access(), health, session=session, found=found)

    async def look_again(
        self,
        store: Store,
        connector: Connector,
        access: Callable[[], Awaitable[Access]],
        health: PushHealth,
        *,
        session: Session,
        found: Sequence[datetime],
    ) -> PushHealth:
        """Ask the platform, and mend, after a poll `found` what no webhook told; raises like `look`.

        What changed a moment ago may still be told: it is awaited, and the next poll looks whether it was.
        """
        now = self._clock.now()
        if any(at <= now - TOLD_WITHIN for at in found):
            if not _may_doubt(health, now=now):
                return health
            return await self._check(store, connector, await access(), health, session=session, found="missed")
        if found and not _is_awaited(health):
            health = replace(health, awaited_at=now - _JUST_NOW)
            await self._records.keep(store.store_id, health)
        return health

    async def told(self, health: PushHealth, session: Session, *, platform: str) -> tuple[PushHealth, str | None]:
        """Count what a session that ends has brought of what mended webhooks missed; say so once all of it is read.

        Whoever ends the same session again, after a kill, says the same. Raises TransientError.
        """
        healing = health.healing
        if healing is None or healing.told_in not in {None, session.session_id}:
            return health, None
        if healing.told_in is None:
            healing = _counted(healing, session)
            health = replace(health, healing=healing)
            await self._records.keep(session.store_id, health)
        said = healed(healing, platform=platform, now=self._clock.now()) if healing.told_in else None
        return health, said

    async def _check(
        self,
        store: Store,
        connector: Connector,
        access: Access,
        health: PushHealth,
        *,
        session: Session,
        found: Doubt | None,
    ) -> PushHealth:
        if found is not None:
            log.warning("webhook.doubted", store_id=store.store_id, doubt=found)
        subscribed = await self._subscriptions.ensure(
            store, connector, access, anew=found == "refused" and _may_rewrite(health, now=self._clock.now())
        )
        mended = subscribed.mended if subscribed is not None else ()
        checked = _after(store, health, mended, session=session, found=found, now=self._clock.now())
        await self._records.keep(store.store_id, checked)
        for one in mended:
            self._metrics.increment("syncorder_webhooks_mended_total", platform=store.platform, ailment=one.ailment)
        if mended:
            log.warning("webhook.mended", store_id=store.store_id, mended=[(one.topic, one.ailment) for one in mended])
        return checked


def _after(
    store: Store,
    health: PushHealth,
    mended: Sequence[Mended],
    *,
    session: Session,
    found: Doubt | None,
    now: datetime,
) -> PushHealth:
    checked = replace(health, checked_at=now, awaited_at=None)
    if found in {"silent", "missed"}:
        checked = replace(checked, doubted_at=now, fruitless=0 if mended else health.fruitless + 1)
    if not mended:
        return checked
    if health.healing is not None and health.is_healing:
        # What was mended before is not read to its end: both are told as one.
        both = replace(health.healing, mended=(*health.healing.mended, *mended), mended_at=now)
        return replace(checked, healing=both)
    right_at = _right_at(store, health, mended)
    return replace(checked, healing=Healing(tuple(mended), now, session.window.start, right_at))


def _right_at(store: Store, health: PushHealth, mended: Sequence[Mended]) -> datetime | None:
    """Return until when, for certain, what was mended had worked."""
    if any(one.ailment == "wrong_secret" for one in mended):
        # A look does not show secrets: only what came and verified proves that they were right.
        return health.heard_at
    looked = looked_at(store, health)
    if len(mended) < len(store.subscriptions):
        return looked
    # What was heard since came from one of those that are broken now.
    return max(filter(None, (looked, health.heard_at)), default=None)


def _counted(healing: Healing, session: Session) -> Healing:
    """The healing after a session: told by it when it has read all that changed before the webhooks were mended."""
    if healing.counted_in != session.session_id:
        came = healing.came + session.counts.new + session.counts.updated
        healing = replace(healing, came=came, counted_in=session.session_id)
    whole = session.state == "succeeded" and session.read_through >= healing.mended_at
    return replace(healing, told_in=session.session_id) if whole else healing


def _is_watched(store: Store) -> bool:
    return store.state == "linked" and store.settings.auto_sync and bool(store.subscriptions)


def _may_rewrite(health: PushHealth, *, now: datetime) -> bool:
    """Tell whether a delivery that did not verify may mean a wrong secret, rather than an old or a forged delivery.

    It does not while what came since the last rewriting verified, for as long as old deliveries may come again.
    """
    last = health.healing
    if last is None or all(one.ailment != "wrong_secret" for one in last.mended) or health.heard_at is None:
        return True
    return health.heard_at <= last.mended_at or now - last.mended_at >= RETRIED_FOR


def _is_awaited(health: PushHealth) -> bool:
    """Tell whether no webhook came since a poll was faster than the webhooks."""
    if health.awaited_at is None:
        return False
    return health.heard_at is None or health.heard_at < health.awaited_at


def _is_news(outcome: OrderOutcome, pushes_changes: bool) -> bool:  # noqa: FBT001 - private, beside its one caller
    return outcome.result == "new" or (outcome.result == "updated" and pushes_changes)


def _may_doubt(health: PushHealth, *, now: datetime) -> bool:
    if health.doubted_at is None:
        return True
    # What came since shows that webhooks worked after all; beyond an hour the hourly look is sooner.
    came = health.heard_at is not None and health.heard_at > health.doubted_at
    rest = DOUBTED_EVERY if came else min(DOUBTED_EVERY * (1 << min(health.fruitless, 8)), CHECKED_EVERY)
    return now - health.doubted_at >= rest


def _by_ailment(mended: Sequence[Mended]) -> list[tuple[Ailment, list[str]]]:
    found: dict[Ailment, list[str]] = {}
    for one in mended:
        topics = found.setdefault(one.ailment, [])
        if one.topic not in topics:
            topics.append(one.topic)
    return list(found.items())


def _broken(ailment: Ailment, topics: Sequence[str], platform: str) -> str:
    if len(topics) > _NAMED:
        named = f"{', '.join(topics[: _NAMED - 1])} and {len(topics) - _NAMED + 1} more topics"
    else:
        named = " and ".join(filter(None, (", ".join(topics[:-1]), topics[-1])))
    return f"{named} {_FOUND[ailment].format(platform=platform)}"


def _clock_time(moment: datetime, now: datetime) -> str:
    return f"{moment:%H:%M} UTC" if moment.date() == now.date() else f"{moment:%Y-%m-%d %H:%M} UTC"
