"""`sellers` and `stores`: who sells where, for the services that must know. Compacted; without secrets."""

from typing import Literal

from schemas.base import UtcTime, Value
from schemas.ids import PlatformSlug, SellerId, StoreId

#: linked: syncing. reconnect: the platform refuses our access and the seller must link again. unlinked: at rest.
StoreState = Literal["linked", "reconnect", "unlinked"]


class SellerRecord(Value):
    """A seller, as the other services need to know them."""

    type: Literal["seller"] = "seller"
    schema_version: Literal[1] = 1
    seller_id: SellerId
    name: str
    changed_at: UtcTime


class StoreSettings(Value):
    """What the seller chose for a store."""

    auto_sync: bool = True
    paid_only: bool = False


class StoreRecord(Value):
    """A store. `problem` says in plain words why the state is what it is; `external_id` is the platform's own id.

    Orders placed before `import_since` were somebody else's to make: they wait for the seller's approval.
    """

    type: Literal["store"] = "store"
    schema_version: Literal[1] = 1
    store_id: StoreId
    seller_id: SellerId
    platform: PlatformSlug
    external_id: str
    name: str
    currency: str | None = None
    time_zone: str | None = None
    state: StoreState
    problem: str | None = None
    settings: StoreSettings = StoreSettings()
    linked_at: UtcTime
    import_since: UtcTime
    changed_at: UtcTime
