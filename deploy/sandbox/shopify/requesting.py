"""What an Admin API request knows: the shop, who asks, the moment, and where changes are announced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from deploy.sandbox.books import Books
from deploy.sandbox.faults import Faults, PageFault
from deploy.sandbox.shopify.announcing import Announcer
from deploy.sandbox.shopify.apps import Access
from deploy.sandbox.shopify.world import Ids, Store

#: Scopes of which an app needs one to see fulfilment orders, by whose location ships.
FULFILLMENT_ORDER_SCOPES = (
    "read_merchant_managed_fulfillment_orders",
    "read_assigned_fulfillment_orders",
    "read_third_party_fulfillment_orders",
)


class AccessDeniedError(Exception):
    """A field below the root that the app may not read: the root is null, for the field cannot be."""

    def __init__(self, *path: str, needed: tuple[str, ...]) -> None:
        super().__init__(".".join(path))
        self.path = list(path)
        self.needed = needed


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

    def needs(self, scopes: tuple[str, ...], *path: str) -> None:
        """Refuse a field to an app that has none of these scopes."""
        if not set(scopes) & set(self.access.scopes):
            raise AccessDeniedError(*path, needed=scopes)

    def page_fault(self) -> PageFault | None:
        """The fault of the page of orders that is asked for, if any."""
        fault = self.faults.draw_for_page(self.path) if self.faults else None
        if fault is not None:
            self.books.count("faults")
        return fault
