"""What a platform's orders are read by and into: windows, pages, lists, and the pace of polls."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from schemas.order import RawOrder

#: Which of an order's times a window is about: its creation on the platform, or its last change.
By = Literal["created", "updated"]


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open period [start, end) of the platform's times, in UTC: of each order's last change, or its creation.

    Where orders are asked for by their creation, "change" in this contract means that.
    """

    start: datetime
    end: datetime
    by: By = "updated"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An order that was listed but cannot be read: `path` names the field, `problem` says what is wrong with it.

    `external_id` is None when not even the id could be read. `body` is the JSON text, for the dead letter.
    """

    external_id: str | None
    path: str
    problem: str
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """Orders in ascending order of change. `after` asks for the next page and is None on the last.

    `read_through` is the change time up to which, exclusive, the window is read once this page is durable: a run
    that was interrupted starts again there. A platform that does not sort by change time gives the window's start
    until the last page. What the last page gives is where the next poll begins, at most the window's end: less, where
    the platform itself says that it did not look further. `total` is what the platform says the window holds.
    """

    orders: tuple[RawOrder | Unreadable, ...]
    after: str | None
    read_through: datetime
    total: int | None = None


@dataclass(frozen=True, slots=True)
class ListedChange:
    """An order as its platform lists it. `at` is the time the window is about; by change, `RawOrder.revised_at`."""

    external_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Listing:
    """A part of the platform's own list of a window. `after` asks for the next part and is None on the last.

    An order may be listed twice, at its later change. `total` is what the platform says the window holds.
    """

    orders: tuple[ListedChange, ...]
    after: str | None
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How a platform is polled.

    `overlap` is read again at each poll (the platform's index may lag), `settle` keeps the window's end away from
    now (a second that is not over yet). `interval` is the shortest time between two polls of a store: they come as
    often where the call budgets allow. `reread` is how often, as budgets allow, a store's open orders are read again by
    id, where a change of an order may show in no list; None: each week is enough.
    """

    overlap: timedelta
    settle: timedelta
    interval: timedelta
    reread: timedelta | None = None


class UnreadablePayload(Exception):  # noqa: N818
    """A needed field is missing or malformed. `path` names it ("lineItems.nodes.0.id"); never carries the value."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem
