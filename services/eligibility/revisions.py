"""Merges revisions so that any order of arrival, with any repetition, ends in the same state of an order.

Every value is a register that its newest teller wins. The content of an order is one register; its risk and its holds
are two of their own, because some forms of an order do not tell them: what a form leaves out keeps what an earlier one
told, and a late one may still fill in what no newer one has said. That the platform lost the order is a fourth: a newer
content brings the order back.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from schemas.order import OrderGone, OrderRevised, RawOrder, Risk


class Stamp(NamedTuple):
    """When a value was true, then when we read it, then which event told it: the greater one wins.

    Platforms' change times are coarse, so two revisions may share one; then the later reading wins.
    """

    revised_at: datetime
    fetched_at: datetime
    event_id: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one order is known: the stamp of its content, of its risk, of its holds and of its vanishing."""

    content: Stamp
    risk: Risk | None = None
    risk_at: Stamp | None = None
    holds: tuple[str, ...] | None = None
    holds_at: Stamp | None = None
    gone_at: Stamp | None = None

    @property
    def is_gone(self) -> bool:
        """Whether the platform does not have the order any more."""
        return self.gone_at is not None and self.gone_at > self.content

    def applied_to(self, order: RawOrder) -> RawOrder:
        """Return the order with the risk and the holds that its revisions told between them; gone where it is."""
        deleted = order.deleted or self.is_gone
        if (order.risk, order.holds, order.deleted) == (self.risk, self.holds, deleted):
            return order
        return order.model_copy(update={"risk": self.risk, "holds": self.holds, "deleted": deleted})


@dataclass(frozen=True, slots=True)
class Merged:
    """What an event did. `is_new`: its content is now the order's. `changed`: the order must be judged (again)."""

    standing: Standing
    is_new: bool
    changed: bool
    moved: bool


def merge(standing: Standing | None, event: OrderRevised) -> Merged:
    """Merge one event into what is known; None when the order is."""
    order = event.order
    stamp = Stamp(order.revised_at, order.fetched_at, event.event_id)
    if standing is None:
        risk_at, holds_at = (stamp if value is not None else None for value in (order.risk, order.holds))
        first = Standing(stamp, order.risk, risk_at, order.holds, holds_at)
        return Merged(first, is_new=True, changed=True, moved=True)
    merged = _told(standing, order, stamp)
    is_newer = stamp > standing.content
    is_new = is_newer and stamp.event_id != standing.content.event_id
    if is_newer:
        merged = replace(merged, content=stamp)
    return Merged(merged, is_new=is_new, changed=is_new or _differ(merged, standing), moved=merged != standing)


def vanish(standing: Standing, event: OrderGone) -> Merged:
    """Merge that the platform does not have the order any more into what is known of it."""
    stamp = Stamp(event.noticed_at, event.noticed_at, event.event_id)
    newest = stamp if standing.gone_at is None else max(stamp, standing.gone_at)
    merged = replace(standing, gone_at=newest)
    return Merged(merged, is_new=False, changed=_differ(merged, standing), moved=merged != standing)


def _differ(one: Standing, other: Standing) -> bool:
    return (one.risk, one.holds, one.is_gone) != (other.risk, other.holds, other.is_gone)


def _told(standing: Standing, order: RawOrder, stamp: Stamp) -> Standing:
    if order.risk is not None and (standing.risk_at is None or stamp > standing.risk_at):
        standing = replace(standing, risk=order.risk, risk_at=stamp)
    if order.holds is not None and (standing.holds_at is None or stamp > standing.holds_at):
        standing = replace(standing, holds=order.holds, holds_at=stamp)
    return standing
