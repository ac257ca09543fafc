"""Stores as the contract names them: which one, what opens it, and how it is linked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from schemas.ids import SellerId, StoreId


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


class LinkingRefused(Exception):  # noqa: N818
    """The seller's input or the platform's answer does not lead to a linked store; the message says what to do."""
