"""What ingest expects of a platform that takes tracking numbers: read what it has, write one parcel, read back.

Platforms have no idempotency keys, and some mail the buyer at every call: whoever writes has read just before, writes
once, and believes only what it reads back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable

from services.ingest.contract.stores import Access
from services.kit.errors import TransientError

#: Who helps when a platform refuses a parcel: time (a hold that ends, a call too many), the seller, or nobody.
Remedy = Literal["wait", "seller", "final"]
#: open: something is left to ship. shipped: nothing is. on_hold: the platform lets nobody ship it now. cancelled: it
#: must not be told as shipped. exempt: the platform wants no tracking number of ours (it sold the label itself).
Standing = Literal["open", "shipped", "on_hold", "cancelled", "exempt"]


@dataclass(frozen=True, slots=True)
class Parcel:
    """One parcel as the platform is to be told of it.

    `number` counts an order's parcels from 1 and never repeats. `carrier` is an id of
    `services.ingest.tracking.carriers`, None where it is none of them; `carrier_name` is what production calls it.
    `lines` are units by the platform's line id. `replaces` is the tracking number that this one takes the place of,
    where a label was replaced.
    """

    order_external_id: str
    number: int
    tracking_number: str
    carrier: str | None
    carrier_name: str
    shipped_at: datetime
    lines: Mapping[str, int]
    notify_buyer: bool
    service: str | None = None
    tracking_url: str | None = None
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class KnownParcel:
    """A parcel that the platform has. `lines` is None where the platform does not say what is in it."""

    tracking_number: str | None
    parcel_id: str | None = None
    carrier: str | None = None
    lines: Mapping[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Shipping:
    """What the platform has of an order's shipping now.

    `until` is when a hold ends, where the platform says so. `ship_by` is its deadline. `left` are the units that may be
    shipped now by line id, where the platform says what is in each parcel. `detail` is what the platform's own writer
    needs to write (ids that hold for this moment), and nobody else reads.
    """

    standing: Standing
    parcels: tuple[KnownParcel, ...] = ()
    until: datetime | None = None
    ship_by: datetime | None = None
    left: Mapping[str, int] | None = None
    detail: object = field(default=None, repr=False)

    def has(self, tracking_number: str) -> bool:
        """Whether a parcel with this number is there; platforms drop blanks and signs, and change the case."""
        wanted = plain_number(tracking_number)
        return any(plain_number(known.tracking_number or "") == wanted for known in self.parcels)


class PushRefused(Exception):  # noqa: N818 - the fact
    """The platform did not take a parcel. `sentence` tells the seller what it said and what to do; no personal data.

    `store_wide`: it will take none of this store's parcels until the seller did something (a right is missing).
    """

    def __init__(self, remedy: Remedy, sentence: str, *, code: str, store_wide: bool = False) -> None:
        super().__init__(sentence)
        self.remedy = remedy
        self.sentence = sentence
        self.code = code
        self.store_wide = store_wide


class ShownLater(TransientError):  # noqa: N818 - the fact
    """The platform took a parcel, and it is cheaper to look it up after `retry_after` seconds than now."""


#: The code of a refusal of a parcel that was told unread: the platform is read, and what it says decides.
READ_FIRST = "READ_FIRST"


@runtime_checkable
class UnreadWriter(Protocol):
    """A writer whose platform gives few calls to read by, and on which a call in vain does nothing.

    The same call again changes nothing there, and what needs no telling any more is refused.
    """

    async def unread(self, access: Access, parcel: Parcel) -> Shipping | None:
        """What a parcel that was never told may be written against without reading the order; None: read it.

        `write` then raises PushRefused with the code READ_FIRST where the platform does not take it.
        """
        ...


class ParcelWriter(Protocol):
    """One platform's way to take tracking numbers.

    Both methods raise `TransientError(retry_after=…)` when waiting helps and it is not known whether the call took
    effect, and `AuthorizationError` when only the seller can help, as a connector's methods do.
    """

    #: Whether reading back at once proves that the parcel stays; where not, it is read again later.
    proves_at_once: bool
    #: Whether a told number can be replaced by another.
    replaces: bool
    #: Whether further units can be told under a number that is there.
    adds_units: bool

    async def read(self, access: Access, external_id: str) -> Shipping | None:
        """What the platform has of an order; None when it does not have the order (any more)."""
        ...

    async def write(self, access: Access, parcel: Parcel, shipping: Shipping) -> str | None:
        """Tell the platform of a parcel that `shipping`, just read, does not have. Returns the platform's id of it.

        Raises PushRefused.
        """
        ...


def plain_number(tracking_number: str) -> str:
    """A tracking number without blanks and signs, in upper case: the form in which two are the same."""
    return "".join(sign for sign in tracking_number if sign.isalnum()).upper()
