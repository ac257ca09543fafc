"""What ingest expects of a platform: the contract that every folder under `platforms/` fulfils."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic_settings import BaseSettings

from schemas.order import RawOrder, Way
from schemas.stores import Capability
from services.ingest.contract.parcels import ParcelWriter
from services.ingest.contract.reading import (
    Listing,
    Pace,
    Page,
    Unreadable,
    Window,
)
from services.ingest.contract.stores import Access, AuthorizationStart, Grant, StoreRef
from services.ingest.contract.webhooks import (
    AppFact,
    Delivery,
    Greeting,
    Listener,
    Subscribed,
    WebhookFact,
)
from services.kit.clock import Clock
from services.kit.http.client import HttpClient
from services.kit.limits import Limits


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
    def parcels(self) -> ParcelWriter | None:
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
