"""Merges revisions so that any order of arrival, with any repetition, ends in the same state of an order.

Every value is a register that its newest teller wins. The content of an order is one register; its risk and its holds
are two of their own, because some forms of an order do not tell them: what a form leaves out keeps what an earlier one
told, and a late one may still fill in what no newer one has said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from schemas.order import OrderRevised, RawOrder, Risk


class Stamp(NamedTuple):
    """When a value was true, then when we read it, then which event told it: the greater one wins.

    Platforms' change times are coarse, so two revisions may share one; then the later reading wins.
    """

    revised_at: datetime
    fetched_at: datetime
    event_id: str


@dataclass(frozen=True, slots=True)
class Standing:
    """How far one order is known: the stamp of its content, of its risk and of its holds."""

    content: Stamp
    risk: Risk | None = None
    risk_at: Stamp | None = None
    holds: tuple[str, ...] | None = None
    holds_at: Stamp | None = None

    def applied_to(self, order: RawOrder) -> RawOrder:
        """Return the order with the risk and the holds that its revisions told between them."""
        if order.risk == self.risk and order.holds == self.holds:
            return order
        return order.model_copy(update={"risk": self.risk, "holds": self.holds})


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
    changed = is_new or (merged.risk, merged.holds) != (standing.risk, standing.holds)
    return Merged(merged, is_new=is_new, changed=changed, moved=merged != standing)


def _told(standing: Standing, order: RawOrder, stamp: Stamp) -> Standing:
    if order.risk is not None and (standing.risk_at is None or stamp > standing.risk_at):
        standing = replace(standing, risk=order.risk, risk_at=stamp)
    if order.holds is not None and (standing.holds_at is None or stamp > standing.holds_at):
        standing = replace(standing, holds=order.holds, holds_at=stamp)
    return standing
