"""eBay's side of the world: sellers with their orders, the app with its tokens and quotas, and all settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from deploy.sandbox.books import Books
from deploy.sandbox.clock import SandboxClock
from deploy.sandbox.ebay.filtering import MAX_AGE
from deploy.sandbox.ebay.ledger import SORTS, Ledger, Order
from deploy.sandbox.ebay.quotas import Quotas
from deploy.sandbox.ebay.tokens import App, Tokens
from deploy.sandbox.standin import ControlError


@dataclass(slots=True)
class Knobs:
    """What the documentation leaves open, or the environment decides; a control request may set each."""

    #: Seconds that eBay's clock is ahead of everybody's; negative when behind.
    clock_skew: float = 0.0
    #: Seconds until the search sees an order or its change.
    list_lag: float = 0.0
    #: In which order lists are.
    sort: str = "none"
    #: Refuse brackets, braces and bars that are not percent-encoded.
    strict_encoding: bool = True
    #: Refuse carriers that eBay does not list.
    strict_carriers: bool = True
    #: Refuse a tracking number that the order has already (error 34500), in place of taking it twice.
    refuse_repeated_tracking: bool = False
    #: Tracking numbers an order may have.
    max_tracking_numbers: int = 50
    #: Demand that the app is told of account deletions before it may read orders.
    require_account_deletion: bool = False
    #: Demand https of endpoints; without it loopback addresses will do.
    require_https: bool = False
    #: Name buyers in the US by their user id.
    opaque_buyers: bool = False
    #: Say no on the consent page.
    deny_consent: bool = False
    #: One ORDER_CONFIRMATION a line ("line"), as documented, or all lines in each ("order"), as seen.
    confirmation: str = "line"
    #: Say in ORDER_CONFIRMATION whose order it is.
    confirmation_user: bool = True
    #: Send bodies with spaces, though the signature is of the compact form.
    spaced_bodies: bool = False

    def apply(self, settings: dict[str, Any]) -> None:
        """Set what is named; ControlError for a value that no setting takes."""
        for each in fields(self):
            if each.name in settings:
                kind = type(getattr(self, each.name))
                setattr(self, each.name, kind(settings[each.name]))
        if self.sort not in SORTS:
            raise ControlError(f"sort must be one of {', '.join(SORTS)}")
        if self.confirmation not in ("line", "order"):
            raise ControlError("confirmation must be line or order")

    def as_dict(self) -> dict[str, Any]:
        """All settings in force."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(slots=True)
class Seller:
    """One seller; `suspended` may record no shipment."""

    user_id: str
    username: str
    marketplace: str
    currency: str
    #: The place in the sequence of sellers that this sandbox made.
    opened: int
    suspended: bool = False
    ledger: Ledger = field(default_factory=Ledger)
    deleted: list[Order] = field(default_factory=list)

    @property
    def eias_token(self) -> str:
        """The legacy token of this user."""
        return f"nY+sHZ2PrBmdj6wVnY+sEZ2PrA2dj6{self.opened:06d}=="


@dataclass(slots=True)
class World:
    """All sellers and the one app."""

    clock: SandboxClock
    books: Books
    app: App
    base_url: Callable[[], str]
    knobs: Knobs = field(default_factory=Knobs)
    sellers: dict[str, Seller] = field(default_factory=dict)
    #: Where the browser goes after consent: the accept address that is registered for the RuName.
    accept_url: str = ""
    #: Whose browser session meets the consent page next; None: the newest seller who has not consented yet.
    session_of: str | None = None
    tokens: Tokens = field(init=False)
    quotas: Quotas = field(init=False)

    def __post_init__(self) -> None:
        """One clock for all."""
        self.tokens = Tokens(self.app, self.now)
        self.quotas = Quotas(self.now)

    def now(self) -> float:
        """Unix seconds by eBay's clock."""
        return self.clock.seconds() + self.knobs.clock_skew

    def now_ms(self) -> int:
        """Unix milliseconds by eBay's clock."""
        return int(self.now() * 1000)

    def seller(self, name: str) -> Seller | None:
        """The seller of this user id or username."""
        return self.sellers.get(name) or next((each for each in self.sellers.values() if each.username == name), None)

    def signed_in(self) -> Seller | None:
        """The seller who meets the consent page."""
        if self.session_of is not None:
            return self.sellers.get(self.session_of)
        newest_first = sorted(self.sellers.values(), key=lambda seller: seller.opened, reverse=True)
        waiting = (seller for seller in newest_first if not self.tokens.has_grant(seller.user_id))
        return next(waiting, newest_first[0] if newest_first else None)

    def readable(self, seller: Seller, order_id: str) -> Order | None:
        """The seller's order, unless eBay shows it to nobody: no checkout yet, or older than two years."""
        order = seller.ledger.get(order_id)
        if order is None or not order.listed or order.created_ms < self.now_ms() - MAX_AGE:
            return None
        return order

    def touch(self, seller: Seller, order: Order) -> None:
        """The order changed just now."""
        seller.ledger.touch(order, now_ms=self.now_ms())
