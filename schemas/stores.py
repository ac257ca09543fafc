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
    """What the seller chose for a store.

    `sync_tracking`: tell the platform of parcels. `notify_buyer`: have it write to the buyer. `replace_tracking`: tell
    it of a number that takes another's place. `hold_until_scanned`: tell it only when the carrier has the parcel.
    """

    auto_sync: bool = True
    paid_only: bool = False
    sync_tracking: bool = True
    notify_buyer: bool = True
    replace_tracking: bool = True
    hold_until_scanned: bool = False


class Capability(Value):
    """Something that a store may do for us or not, as a probe found it.

    `name` is the same word on every platform where it means the same ("addresses", "tracking", "webhooks",
    "history"; a plugin is "plugin:" and its name). `allowed` None: it could not be found out. `detail` is a sentence
    for the seller: what it means, and what to do about it.
    """

    name: str
    allowed: bool | None
    detail: str = ""


class StoreRecord(Value):
    """A store. `problem` says in plain words why the state is what it is; `external_id` is the platform's own id.

    `platform_name` is what people call the platform; None: written before it was told, so the slug has to do.
    Orders placed before `import_since` were somebody else's to make: they wait for the seller's approval.
    `access_ends_at` is when the seller must connect the store again, whatever we do; None: no such end.
    """

    type: Literal["store"] = "store"
    schema_version: Literal[1] = 1
    store_id: StoreId
    seller_id: SellerId
    platform: PlatformSlug
    platform_name: str | None = None
    external_id: str
    name: str
    currency: str | None = None
    time_zone: str | None = None
    state: StoreState
    problem: str | None = None
    settings: StoreSettings = StoreSettings()
    linked_at: UtcTime
    import_since: UtcTime
    access_ends_at: UtcTime | None = None
    capabilities: tuple[Capability, ...] = ()
    changed_at: UtcTime
