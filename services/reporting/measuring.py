"""How far behind stores are stands in the metrics, by platform, at most a minute old."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import structlog

from schemas.stores import StoreRecord
from services.kit.clock import Clock
from services.kit.errors import TransientError
from services.kit.health import Pulse
from services.kit.metrics import Metrics
from services.reporting.ports import Proofs
from services.reporting.watermark import OUR_OWN, Proof, late_since, watermark

log = structlog.get_logger()

EVERY = timedelta(seconds=30)
#: The loop stands still when it did not turn for so long.
_STILL_AFTER = timedelta(minutes=5)


class Measuring:
    """Measures all stores, whoever's; every process shows the same."""

    def __init__(self, proofs: Proofs, *, metrics: Metrics, clock: Clock) -> None:
        self._proofs = proofs
        self._metrics = metrics
        self._clock = clock
        self._shown: set[str] = set()
        self._pulse = Pulse("the measuring of completeness", clock=clock, within=_STILL_AFTER)

    async def run(self) -> None:
        """Measure for ever."""
        while True:
            try:
                await self.measure()
            except TransientError as error:
                log.warning("completeness.not_measured", problem=str(error))
            self._pulse.beat()
            await self._clock.sleep(EVERY.total_seconds())

    def liveness(self) -> list[str]:
        """Return what stands still, for whoever restarts the process."""
        return self._pulse.liveness()

    async def measure(self) -> None:
        """Set the gauges; a platform without stores that should sync shows 0."""
        now, watched = self._clock.now(), _watched(await self._proofs.of_all())
        platforms = {record.platform for record, _ in watched}
        for platform in platforms | self._shown:
            mine = [(record, proof) for record, proof in watched if record.platform == platform]
            oldest = max((_age(record, proof, now) for record, proof in mine), default=timedelta())
            late = sum(late_since(record, proof, now=now) is not None for record, proof in mine)
            self._metrics.set("syncorder_watermark_behind_seconds", oldest.total_seconds(), platform=platform)
            self._metrics.set("syncorder_stores_behind", late, platform=platform)
        self._shown |= platforms


def _watched(stores: Iterable[tuple[StoreRecord, Proof]]) -> Sequence[tuple[StoreRecord, Proof]]:
    return [
        (record, proof)
        for record, proof in stores
        if record.state == "linked" and record.settings.auto_sync and record.platform != OUR_OWN
    ]


def _age(record: StoreRecord, proof: Proof, now: datetime) -> timedelta:
    return max(now - (watermark(proof).through or record.linked_at), timedelta())
