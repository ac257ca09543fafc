"""What ingest expects of a platform: the contract that every folder under `platforms/` fulfils."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from pydantic_settings import BaseSettings

from schemas.ids import SellerId, StoreId
from schemas.order import RawOrder, Way
from services.kit.clock import Clock
from services.kit.http.client import HttpClient


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
    """A half-open period [start, end) of the platform's change times, in UTC."""

    start: datetime
    end: datetime


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
    that was interrupted starts again there. `total` is what the platform says the window holds.
    """

    orders: tuple[RawOrder | Unreadable, ...]
    after: str | None
    read_through: datetime
    total: int | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How a platform is polled.

    `overlap` is read again at each poll (the platform's index may lag), `settle` keeps the window's end away from
    now (a second that is not over yet), `interval` is the time between two polls of a store.
    """

    overlap: timedelta
    settle: timedelta
    interval: timedelta


@dataclass(frozen=True, slots=True)
class AuthorizationStart:
    """Where to send the seller, and what must be remembered, sealed, until they come back."""

    url: str
    memory: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What linking gave: the platform's id and name of the store, and the secrets that open it."""

    external_id: str
    name: str
    secrets: Mapping[str, str] = field(repr=False)
    currency: str | None = None
    time_zone: str | None = None


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
class NotOurs:
    """A genuine webhook that asks nothing of us; `why` goes to the metric."""

    why: str


WebhookFact = OrderTold | OrderHinted | StoreClosed | NotOurs


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

    def start_authorization(
        self, request: Mapping[str, str], *, state: str, callback_url: str, now: datetime
    ) -> AuthorizationStart:
        """Build the address where the seller grants access. Raises LinkingRefused for unusable input."""
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

    async def subscribe(self, access: Access, *, callback_url: str) -> tuple[str, ...]:
        """Make the platform push to `callback_url`; return what is subscribed. Harmless when repeated."""
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

    def verify_webhook(self, access: Access, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
        """Check that the raw bytes are the platform's. Header names are lower case. Raises SignatureRefused."""
        ...

    def read_webhook(self, store: StoreRef, headers: Mapping[str, str], body: bytes, *, now: datetime) -> WebhookFact:
        """Say what a verified webhook tells. Pure."""
        ...


@dataclass(frozen=True, slots=True)
class Platform:
    """What a platform's folder exports as `PLATFORM`: enough to configure and construct its connector.

    `settings` is the model of the platform's own settings (app credentials, `PLATFORM_URL_<SLUG>`); `connect`
    builds the connector from them.
    """

    slug: str
    name: str
    settings: type[BaseSettings]
    connect: Callable[[BaseSettings, HttpClient, Clock], Connector]
