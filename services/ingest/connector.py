"""What ingest expects of a platform: the contract that every folder under `platforms/` fulfils."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic_settings import BaseSettings

from schemas.ids import SellerId, StoreId
from schemas.order import RawOrder, Way
from schemas.stores import Capability
from services.kit.clock import Clock
from services.kit.http.client import HttpClient
from services.kit.limits import Limits

if TYPE_CHECKING:
    from services.ingest.parcels import ParcelWriter

#: Which of an order's times a window is about: its creation on the platform, or its last change.
By = Literal["created", "updated"]


@dataclass(frozen=True, slots=True)
class StoreRef:
    """Which store an order belongs to, as a mapping needs it. `external_id` is the platform's own id of the store."""

    store_id: StoreId
    seller_id: SellerId
    platform: str
    external_id: str
    currency: str | None = None
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Access:
    """A store with the secrets that open it. What the secrets are called is the connector's own business."""

    store: StoreRef
    secrets: Mapping[str, str] = field(repr=False)


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


#: What was found of a subscription that did not work: it was gone; the platform had stopped delivering to it, for now
#: or for good; it went elsewhere; or what it sends does not verify.
Ailment = Literal["missing", "paused", "disabled", "wrong_address", "wrong_secret"]


@dataclass(frozen=True, slots=True)
class Mended:
    """A subscription that did not work and does now."""

    topic: str
    ailment: Ailment


@dataclass(frozen=True, slots=True)
class Subscribed:
    """What a platform pushes of a store now, and what of it had to be mended for that."""

    topics: tuple[str, ...] = ()
    mended: tuple[Mended, ...] = ()


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


@dataclass(frozen=True, slots=True)
class AuthorizationStart:
    """Where to send the seller, and what must be remembered, sealed, until they come back."""

    url: str
    memory: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What linking gave: the platform's id and name of the store, and the secrets that open it.

    `access_ends_at` is when the seller must grant access again whatever we do; None: as long as they like.
    """

    external_id: str
    name: str
    secrets: Mapping[str, str] = field(repr=False)
    currency: str | None = None
    time_zone: str | None = None
    access_ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a platform sent to one of our webhook addresses, as it came.

    Header names are lower case; `body` is the raw bytes. `topic` is what the address names behind the store (None:
    nothing), for platforms that do not say what they send. `address` is the whole address without its query, as the
    platform knows it.
    """

    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    address: str = ""
    topic: str | None = None
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Greeting:
    """The answer, with status 200, to a message that only asks whether we are there."""

    body: bytes = b""
    content_type: str = "text/plain"


@dataclass(frozen=True, slots=True)
class OrderTold:
    """A webhook that carries the order itself."""

    order: RawOrder | Unreadable


@dataclass(frozen=True, slots=True)
class OrderHinted:
    """A webhook that only names an order: read it from the platform before answering."""

    external_id: str


@dataclass(frozen=True, slots=True)
class StoreClosed:
    """The platform says that our access ended (app uninstalled, authorization revoked)."""

    problem: str


@dataclass(frozen=True, slots=True)
class DataRequested:
    """A buyer asks what is held about them; the seller has to answer.

    `order_ids` are the platform's ids of the orders meant, `buyer_id` the platform's id of the buyer, `request_id`
    what the platform calls the request (the same when it is told again).
    """

    request_id: str
    order_ids: tuple[str, ...] = ()
    buyer_id: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class BuyerForgotten:
    """A buyer's personal data must be erased: of the orders named, and of every order of the buyers named."""

    request_id: str
    order_ids: tuple[str, ...] = ()
    buyer_ids: tuple[str, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class StoreForgotten:
    """All personal data of the store's buyers must be erased."""

    request_id: str


@dataclass(frozen=True, slots=True)
class NotOurs:
    """A genuine webhook that asks nothing of us; `why` goes to the metric."""

    why: str


WebhookFact = OrderTold | OrderHinted | StoreClosed | DataRequested | BuyerForgotten | StoreForgotten | NotOurs


@dataclass(frozen=True, slots=True)
class AboutStore:
    """A webhook to the whole app that is about one store: `read_webhook` says what it tells that store."""

    external_id: str


#: What a webhook to the whole app is about; a buyer who asks to be forgotten may have bought in any store.
AppFact = AboutStore | BuyerForgotten | NotOurs


@dataclass(frozen=True, slots=True)
class Hint:
    """An order of a store that a queue of the platform's names. `receipt` is what `Listener.done` is told."""

    store_external_id: str
    order_external_id: str
    receipt: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MisreadHint:
    """A message of such a queue that names no order, though it should."""

    unreadable: Unreadable
    receipt: str = field(repr=False)


class Listener(Protocol):
    """A queue that a platform puts its news into, for platforms that do not call us."""

    async def receive(self) -> tuple[Hint | MisreadHint, ...]:
        """Wait for news for a while (at most 20 s) and return what came, maybe nothing. Raises TransientError."""
        ...

    async def done(self, receipts: tuple[str, ...]) -> None:
        """Take these out of the queue: what they named, or were, is durable. Raises TransientError."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class SignatureRefused(Exception):  # noqa: N818 - reads as the fact it is
    """The webhook is not genuine: missing, malformed or wrong signature. Answer 401."""


class LinkingRefused(Exception):  # noqa: N818
    """The seller's input or the platform's answer does not lead to a linked store; the message says what to do."""


class UnreadablePayload(Exception):  # noqa: N818
    """A needed field is missing or malformed. `path` names it ("lineItems.nodes.0.id"); never carries the value."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class Connector(Protocol):
    """One platform.

    Every method that calls the platform raises `TransientError(retry_after=…)` when waiting helps (throttled,
    down, unreadable answer as a whole) and `AuthorizationError` when only the seller can help (revoked, missing
    scope). One unreadable order never raises: it is an `Unreadable` in the page. Nothing may be assumed about the
    number of processes: state that matters lives in `Access.secrets`, which the caller stores.
    """

    slug: str
    name: str
    pace: Pace
    ids_at_once: int
    #: How many orders `list_orders` lists for about what one `count_orders` takes.
    listed_for_a_count: int
    #: Whether the platform pushes changes of orders, too, where it pushes; if not, new orders only.
    pushes_changes: bool

    @property
    def parcels(self) -> "ParcelWriter | None":
        """How the platform is told tracking numbers; None: it takes none."""
        ...

    def start_authorization(
        self, request: Mapping[str, str], *, state: str, callback_url: str, now: datetime
    ) -> AuthorizationStart:
        """Build the address where the seller grants access. Raises LinkingRefused for unusable input.

        The platform may call `callback_url` itself (POST with a JSON object) instead of sending the seller's browser
        there; then the browser belongs to `callback_url` + "/return", whose query has success=1 unless denied.
        """
        ...

    def read_state(self, callback: Mapping[str, str]) -> str:
        """Return the `state` that `start_authorization` was given, as the callback carries it; "" where it does not."""
        ...

    def read_installation(self, query: Mapping[str, str], *, now: datetime) -> Mapping[str, str]:
        """Check the query of a visit that began on the platform's side ("install this app").

        Returns what `start_authorization` needs. Raises LinkingRefused when it is not genuine or the platform has no
        such way.
        """
        ...

    async def complete_authorization(
        self, callback: Mapping[str, str], *, memory: Mapping[str, str], callback_url: str, now: datetime
    ) -> Grant:
        """Check the callback's query (signature, time) and exchange its code. The caller has checked `state`."""
        ...

    async def link_with_credentials(self, credentials: Mapping[str, str], *, now: datetime) -> Grant:
        """Link with what the seller pasted (tokens, keys), after proving it against the platform."""
        ...

    def refresh_due(self, secrets: Mapping[str, str], *, now: datetime) -> bool:
        """Tell whether the secrets should be refreshed before the next call."""
        ...

    async def refresh(self, access: Access, *, now: datetime) -> Mapping[str, str]:
        """Return the new secrets, whole. Only one process at a time calls this for a store."""
        ...

    async def probe(self, access: Access) -> tuple[Capability, ...]:
        """Find out what this store may do: whether addresses are visible, tracking may be sent, which plugins it has.

        Called after linking and now and then. An answer that is not to be had is a Capability with `allowed` None.
        """
        ...

    async def subscribe(self, access: Access, *, callback_url: str, app_url: str, anew: bool = False) -> Subscribed:
        """Make the platform push this store's news; return what it pushes, and what did not work and was mended.

        What is there is read first, and only what does not work is written: harmless when repeated. What is ours and
        leads elsewhere is moved or taken away. `callback_url` is the store's own address; a path may follow it
        ("/orders-create" arrives as `Delivery.topic`). `app_url` is the address of the whole app, for platforms that
        take one address for all stores. `anew`: what came did not verify, so a secret that is the store's own is set
        again though it cannot be seen to be wrong.
        """
        ...

    async def unsubscribe(self, access: Access) -> None:
        """Take the subscriptions away; silently nothing when access is already gone."""
        ...

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Read one page of the orders changed in the window, ascending by change time."""
        ...

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one order; None when the platform does not have it (any more)."""
        ...

    async def read_orders(
        self, access: Access, external_ids: Sequence[str], *, way: Way
    ) -> Mapping[str, RawOrder | Unreadable | None]:
        """Read orders by their ids, at most `ids_at_once`; None for what the platform does not have (any more).

        None is said only of what was asked for by itself, too, and is not there: never because an answer failed, and
        never of an order that is there and only not shown to us, which is `Unreadable`.
        """
        ...

    async def count_orders(self, access: Access, window: Window) -> int | None:
        """Return how many orders the platform counts in a window; None where it does not count for less than a list."""
        ...

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """Read one part of the ids and times of the window's orders, as cheaply as the platform allows.

        The window is `read_page`'s, and the times are those that its orders have. Raises TransientError rather than
        stop short of the window's end.
        """
        ...

    def greet(self, delivery: Delivery) -> Greeting | None:
        """Return the answer to a message that only asks whether we are there (a challenge, a ping); None for any other.

        Asked before everything else, of every message to an address of this platform, GET or POST. Pure.
        """
        ...

    async def verify_webhook(self, access: Access | None, delivery: Delivery, *, now: datetime) -> None:
        """Check that the raw bytes are the platform's; `access` is None for a webhook to the whole app.

        Raises SignatureRefused, and TransientError when what verifies it is not to be had.
        """
        ...

    def read_webhook(self, store: StoreRef, delivery: Delivery, *, now: datetime) -> WebhookFact:
        """Say what a verified webhook tells this store. Pure. Raises UnreadablePayload."""
        ...

    def read_app_webhook(self, delivery: Delivery, *, now: datetime) -> AppFact:
        """Say what a verified webhook to the whole app is about. Pure. Raises UnreadablePayload."""
        ...


@dataclass(frozen=True, slots=True)
class Tools:
    """What connectors are built with. `limits` counts calls for all processes together."""

    http: HttpClient
    clock: Clock
    limits: Limits


class History(Protocol):
    """Since when a platform gives a store's orders, by the store's secrets and what it may do. Pure."""

    def __call__(
        self, secrets: Mapping[str, str], capabilities: tuple[Capability, ...], *, now: datetime
    ) -> datetime | None:
        """Return the moment; None where there is no such limit."""
        ...


@dataclass(frozen=True, slots=True)
class Platform:
    """What a platform's folder exports as `PLATFORM`: enough to configure and construct its connector.

    `settings` is the model of the platform's own settings (app credentials, `PLATFORM_URL_<SLUG>`); `connect`
    builds the connector from them, and `listen` the listener of its queue (None: it has none, or it is not set up).
    `history` tells how far back a store's orders are given. `reads` False: its orders are given to us, by API, file
    or form; nothing is polled, listed or pushed, and linking a store takes nothing but its name.
    """

    slug: str
    name: str
    settings: type[BaseSettings]
    connect: Callable[[BaseSettings, Tools], Connector]
    listen: Callable[[BaseSettings], Listener | None] | None = None
    history: History | None = None
    reads: bool = True
