"""What a platform pushes, what of it must be mended, and what a webhook or a queue's message may say."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from schemas.order import RawOrder
from services.ingest.contract.reading import (
    Unreadable,
)

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
    """What a platform pushes of a store now, and what of it had to be mended for that.

    Not `ever`: it can push nothing as this installation is set up and the store linked, so nobody need ask again.
    """

    topics: tuple[str, ...] = ()
    mended: tuple[Mended, ...] = ()
    ever: bool = True


NEVER_PUSHED = Subscribed(ever=False)


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
