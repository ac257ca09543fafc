"""Amazon's side of the world: sellers with their orders, the app, and what may be set about how Amazon behaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from deploy.sandbox.amazon.custom import FORMS, IMAGES, Form, Images
from deploy.sandbox.amazon.ledger import Ledger
from deploy.sandbox.amazon.lwa import Lwa
from deploy.sandbox.amazon.markets import Market, Region
from deploy.sandbox.amazon.orders import Order
from deploy.sandbox.amazon.states import cancel_item
from deploy.sandbox.amazon.usage import Usage
from deploy.sandbox.books import Books
from deploy.sandbox.clock import SandboxClock

#: How long after the end of its window an order that nobody shipped is cancelled by Amazon.
CANCELLED_AFTER = 7 * 86_400_000
_ONE_OF = {"custom_form": FORMS, "custom_images": IMAGES}
Change = Literal["OrderStatusChange", "BuyerRequestedChange"]
Announce = Callable[["Seller", Order, Change, str], None]


@dataclass(slots=True)
class Behaviour:
    """What the documentation leaves open, and faults of Amazon's own; seconds where a time is meant."""

    #: Show prices and proceeds of orders that are still pending.
    pending_prices: bool = False
    #: How much later an order's address arrives, moving its change time.
    address_lag: float = 0.0
    #: How much later than its times say an order can be found by searches.
    appearance_lag: float = 0.0
    #: How much later a confirmation shows in the order.
    confirmation_lag: float = 0.0
    #: So many of the next confirmations are answered 204 and lost.
    confirmation_dropped: int = 0
    #: Refuse a search whose lower bound is younger than two minutes, instead of finding nothing.
    refuse_recent_after: bool = False
    #: Take a pagination token without the parameters of its first search.
    token_alone: bool = False
    #: Mix a search's orders over all its pages, not only within each.
    shuffle_pages: bool = False
    #: Refuse calls without `x-amz-date` and `user-agent`.
    strict_headers: bool = True
    #: Take any `carrierCode`, not only those known.
    any_carrier: bool = False
    #: Refuse ship dates in the future or before the order.
    ship_dates_checked: bool = True
    #: Send `Retry-After` with 429.
    retry_after: bool = False
    #: Tell the rate in effect by `x-amzn-RateLimit-Limit`.
    rate_header: bool = True
    #: Cancel new orders that nobody ships in time.
    auto_cancel: bool = False
    #: What the seller answers at the consent page.
    consent: bool = True
    #: How long a link to a buyer's customization works.
    custom_seconds: float = 3600.0
    #: How its JSON is laid out, and what it tells of the buyer's pictures (`custom.FORMS`, `custom.IMAGES`).
    custom_form: Form = "tree"
    custom_images: Images = "none"

    def change(self, settings: dict[str, Any]) -> None:
        """Set these by name; ValueError or TypeError for a value of another kind."""
        for name, value in settings.items():
            kind = type(getattr(self, name))
            if kind is bool and not isinstance(value, bool):
                raise ValueError(f"{name} must be true or false")
            if value not in _ONE_OF.get(name, (value,)):
                raise ValueError(f"{name} must be one of {', '.join(_ONE_OF[name])}")
            setattr(self, name, kind(value))

    @classmethod
    def names(cls) -> set[str]:
        """The settings that there are."""
        return {each.name for each in fields(cls)}


@dataclass(slots=True)
class Seller:
    """One selling partner in one region; `role` says which personal data the app may see (`orders.ROLES`).

    `confirms` says whether the app may confirm shipments.
    """

    seller_id: str
    region: Region
    markets: tuple[Market, ...]
    role: str = "full"
    confirms: bool = True
    ledger: Ledger = field(default_factory=Ledger)

    def sells_in(self, marketplace_id: str) -> bool:
        """Whether the seller takes part in this marketplace."""
        return any(market.id == marketplace_id for market in self.markets)


@dataclass(slots=True)
class Amazon:
    """Everything that one sandbox holds."""

    clock: SandboxClock
    books: Books
    announce: Announce
    lwa: Lwa
    usage: Usage
    behaviour: Behaviour = field(default_factory=Behaviour)
    sellers: dict[str, Seller] = field(default_factory=dict)
    #: Who is signed in to Seller Central in the browser, where the control API said so.
    session_of: str | None = None

    def now(self) -> int:
        """Unix milliseconds."""
        return int(self.clock.seconds() * 1000)

    def signed_in(self) -> str | None:
        """Who meets the consent page: unless said, the newest seller who has not agreed yet, else the newest."""
        if self.session_of is not None:
            return self.session_of
        newest = list(reversed(self.sellers))
        return next((seller for seller in newest if not self.lwa.is_authorized(seller)), next(iter(newest), None))

    def settled(self, seller: Seller) -> Ledger:
        """The seller's orders, after all that is due has happened."""
        seller.ledger.settle(self.now())
        return seller.ledger

    def publish(self, seller: Seller, orders: list[Order], *, tell: bool) -> None:
        """New orders exist from now on."""
        behaviour = self.behaviour
        for order in orders:
            seller.ledger.add(order)
            order.listed_from = order.updated + int(behaviour.appearance_lag * 1000)
            if behaviour.address_lag:
                order.awaits_address = True
                seller.ledger.later(order.created + int(behaviour.address_lag * 1000), self._arrival(seller, order))
            if behaviour.auto_cancel:
                seller.ledger.later(order.created + 3 * 86_400_000 + CANCELLED_AFTER, self._expiry(seller, order))
            if tell:
                self.announce(seller, order, "OrderStatusChange", "Order status changed")
        self.books.count("orders_created", len(orders))

    def touch(self, seller: Seller, order: Order, *, at: int | None = None) -> None:
        """The order changed, now unless told otherwise."""
        seller.ledger.touch(order, at=self.now() if at is None else at)

    def _arrival(self, seller: Seller, order: Order) -> Callable[[int], None]:
        def arrive(at: int) -> None:
            order.awaits_address = False
            if not order.deleted:
                self.touch(seller, order, at=at)

        return arrive

    def _expiry(self, seller: Seller, order: Order) -> Callable[[int], None]:
        def expire(at: int) -> None:
            if order.deleted or order.by_amazon or order.status != "UNSHIPPED":
                return
            for item in order.items:
                cancel_item(order, item, by="AMAZON", reason="ShippingDelay")
            order.status = "CANCELLED"
            self.touch(seller, order, at=at)
            self.announce(seller, order, "OrderStatusChange", "Order status changed")

        return expire
