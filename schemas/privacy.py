"""`privacy.requests`: what buyers ask by way of their platform about their personal data, for whoever holds it."""

from typing import Literal

from pydantic import Field

from schemas.base import UtcTime, Value
from schemas.ids import OrderKey, PlatformSlug, SellerId, StoreId

#: data: tell the seller what is held. erase_buyer, erase_store: take it away.
PrivacyKind = Literal["data", "erase_buyer", "erase_store"]


class PrivacyRequested(Value):
    """A platform passed on a request.

    `store_id` and `seller_id` are None when it is for every store of the platform. It is about the orders of
    `order_keys` and, where `buyer_ids` names the platform's own ids of a buyer, about every order of theirs;
    `erase_store` is about all orders of the store. `request_id` is the platform's own name of the request.
    `event_id` is deterministic, as that of every event.
    """

    type: Literal["privacy.requested"] = "privacy.requested"
    schema_version: Literal[1] = 1
    event_id: str = Field(min_length=1, max_length=64)
    occurred_at: UtcTime
    request_id: str
    kind: PrivacyKind
    platform: PlatformSlug
    store_id: StoreId | None = None
    seller_id: SellerId | None = None
    order_keys: tuple[OrderKey, ...] = ()
    buyer_ids: tuple[str, ...] = ()
