"""What a platform's sandbox offers to the control API; one subclass a platform."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, NotRequired, TypedDict

from aiohttp import web

from deploy.sandbox.books import Books
from deploy.sandbox.breaking import Ailment, Breakage, Silence
from deploy.sandbox.clock import SandboxClock
from deploy.sandbox.faults import Faults


class ControlError(Exception):
    """A control request that cannot be carried out; answered with `status` and the message."""

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class LineTruth(TypedDict):
    """One line of an order: `left` units remain of `quantity`; `to_make` says that somebody has to make them."""

    id: str
    sku: str | None
    quantity: int
    left: int
    to_make: bool


class ShipmentTruth(TypedDict):
    """One shipment that the seller's software recorded; `lines` maps line ids to units."""

    id: str
    carrier: str | None
    tracking_number: str | None
    tracking_url: NotRequired[str | None]
    at: str
    notified: bool
    lines: dict[str, int]


class OrderTruth(TypedDict):
    """What is true of one order; times are ISO 8601 in UTC.

    `makeable` is what the order's scenario and its present state promise: paid, not cancelled, deliverable,
    all SKUs in the catalog, something left to make.
    """

    store: str
    id: str
    name: str
    scenario: str
    makeable: bool
    payment: str
    paid: bool
    cancelled: bool
    test: bool
    deleted: bool
    address_valid: bool
    currency: str
    units_to_make: int
    created_at: str
    updated_at: str
    lines: list[LineTruth]
    shipments: list[ShipmentTruth]


@dataclass(frozen=True, slots=True)
class OrdersAsked:
    """A control request for new orders.

    `created_over` spreads their creation evenly over that much of the past (zero: all at once), which ends
    `created_ago` before now; `webhooks` says whether the platform tells its subscribers.
    """

    count: int = 1
    state: str = "mixed"
    seed: int = 7
    created_over: timedelta = timedelta(0)
    created_ago: timedelta = timedelta(0)
    webhooks: bool = True


class StandIn(ABC):
    """One platform: its HTTP application, its memory, and hooks for the control API.

    A sub-package of the sandbox exposes a subclass as `SANDBOX`; it is built without arguments (the base URL
    is told by `listening`), and nothing is shared between instances.
    """

    slug: ClassVar[str]
    #: Whether software that links a store is told of new orders without asking again.
    pushes: ClassVar[bool] = False
    #: What can be wrong with a store's subscriptions, as `breaking.Breakage` names it.
    ailments: ClassVar[tuple[Ailment, ...]] = ()
    #: Whether one secret of the app's signs what all its stores are told, so that no store's can be set anew.
    signs_as_app: ClassVar[bool] = False
    #: How long a new order takes to be listed: younger orders are there, and not to be seen.
    lag: ClassVar[timedelta] = timedelta(0)
    #: What the documented limits make of reading a thousand orders: in words, the seconds that it takes at best where
    #: that is long, and the calls that are allowed at once where that is few.
    allowance: ClassVar[str] = ""
    thousand_orders_take: ClassVar[float] = 0.0
    calls_at_once: ClassVar[int | None] = None
    #: How many parcels the documented limits let a store be told of in a minute, each read before and after; None:
    #: more than matters.
    parcels_a_minute: ClassVar[int | None] = None

    def __init__(self) -> None:
        self.clock = SandboxClock()
        self.books = Books()
        self.faults = Faults()
        self.silence = Silence(self.clock)
        #: The address that the platform is reached at, known once it listens.
        self.base_url = ""

    def listening(self, base_url: str) -> None:
        """Told once the server listens, before any request."""
        self.base_url = base_url

    @abstractmethod
    def app(self) -> web.Application:
        """The platform's API as an aiohttp application; put `faults_middleware` around it."""

    @abstractmethod
    async def start(self) -> None:
        """Start background work, such as webhook deliveries."""

    @abstractmethod
    async def stop(self) -> None:
        """End background work."""

    def settings(self) -> dict[str, str]:
        """What software must set to use this platform: its address and, where it has one, the app's credentials."""
        return {f"PLATFORM_URL_{self.slug.upper()}": self.base_url}

    @abstractmethod
    def create_store(self, body: dict[str, Any]) -> dict[str, Any]:
        """Open a store; the answer has at least `store` (its id) and `link`.

        `link` is how a seller links it: {"request": {…}} with what the authorization needs to be told, or
        {"credentials": {…}} to paste.
        """

    @abstractmethod
    def create_orders(self, store: str, asked: OrdersAsked) -> list[str]:
        """Create orders in the platform's true form and send webhooks; answers the orders' ids."""

    @abstractmethod
    def change_order(self, store: str, order: str, change: dict[str, Any]) -> OrderTruth:
        """Carry out `change["action"]` and answer the new truth; ControlError if that cannot be done.

        Actions: `pay`; `cancel` (`reason`); `refund` (`lines`: {line id: units}, all that is left if absent);
        `edit` (`add`: [{"sku", "quantity"}], `quantities`: {line id: units}); `address` (`address`: any of
        name, company, line1, line2, city, region, zip, country, phone); `delete`; and the platform's own.
        """

    @abstractmethod
    def revoke(self, store: str) -> None:
        """The seller takes the access away."""

    @abstractmethod
    def break_webhooks(self, store: str, asked: Breakage) -> list[str]:
        """Break a store's subscriptions, by one of the `ailments`, and answer their topics."""

    @abstractmethod
    def truth(self, store: str | None) -> list[OrderTruth]:
        """What exists, of one store or of all, deleted orders included."""

    @abstractmethod
    def apply_settings(self, settings: dict[str, Any]) -> dict[str, Any]:
        """Change `limits` (bool), `time_scale` (number) and the platform's own; answers all settings in force."""

    def control_routes(self) -> Iterable[web.RouteDef]:
        """Further control routes of this platform, mounted below `/{slug}`."""
        return ()
