"""What an Admin API request knows: the shop, who asks, the moment, and where changes are announced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deploy.sandbox.books import Books
from deploy.sandbox.faults import Faults, PageFault
from deploy.sandbox.shopify.announcing import Announcer
from deploy.sandbox.shopify.apps import Access
from deploy.sandbox.shopify.world import Ids, Store


@dataclass(frozen=True, slots=True)
class UserError:
    """A refusal that a mutation answers with HTTP 200; `field` is the path of the input that is wrong."""

    message: str
    field: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """The context of one request; `search_lag` is how many seconds the search index is behind."""

    store: Store
    access: Access
    now: datetime
    version: str
    ids: Ids
    books: Books
    announcer: Announcer
    search_lag: float = 0.0
    #: What may spoil a page of orders, and the path that its rules are matched with.
    faults: Faults | None = None
    path: str = ""

    def page_fault(self) -> PageFault | None:
        """The fault of the page of orders that is asked for, if any."""
        fault = self.faults.draw_for_page(self.path) if self.faults else None
        if fault is not None:
            self.books.count("faults")
        return fault
