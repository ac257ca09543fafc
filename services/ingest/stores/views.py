"""What `/v1/stores` takes and shows."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from schemas.base import UtcTime
from schemas.stores import Capability, StoreSettings
from services.ingest.ports import Progress
from services.ingest.stores.store import Store


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class SettingsChange(_Body):
    """What to change of a store's settings."""

    auto_sync: bool | None = Field(default=None, description="Follow the platform by itself; off: only when asked.")
    paid_only: bool | None = Field(default=None, description="Leave orders out until they are paid.")
    sync_tracking: bool | None = Field(default=None, description="Tell the platform of parcels and their numbers.")
    notify_buyer: bool | None = Field(default=None, description="Have the platform write to the buyer of each parcel.")
    replace_tracking: bool | None = Field(
        default=None, description="Tell the platform when a parcel got another label, and number."
    )
    hold_until_scanned: bool | None = Field(
        default=None, description="Tell the platform of a parcel only when its carrier has scanned it."
    )


class LinkStore(_Body):
    """A store to link: with `credentials` at once, else by an authorization, which `request` starts."""

    platform: str = Field(min_length=1, max_length=31)
    name: str = Field(default="", max_length=200, description="Empty: the store's name on its platform.")
    import_since: UtcTime | None = Field(default=None, description="Read changes since then; default: since now.")
    settings: SettingsChange = SettingsChange()
    request: dict[str, str] | None = Field(default=None, description="What the platform's authorization needs.")
    credentials: dict[str, SecretStr] | None = Field(default=None, description="What opens the store.")

    @model_validator(mode="after")
    def _one_way(self) -> LinkStore:
        if self.request is not None and self.credentials is not None:
            raise ValueError("give a request or credentials, not both")
        return self


class StartAuthorization(_Body):
    """What the platform's authorization needs, such as the shop's address."""

    request: dict[str, str] = Field(default_factory=dict)


class ChangeStore(_Body):
    """What to change of a store; what is absent stays."""

    name: str | None = Field(default=None, min_length=1, max_length=200)
    settings: SettingsChange = SettingsChange()


class AuthorizationView(BaseModel):
    """Where the seller grants access."""

    url: str
    expires_at: datetime


class StoreView(BaseModel):
    """A store as its seller sees it. `read_through`: everything changed before it was read.

    `capabilities` is what the store may do as a probe found it; `access_ends_at` is when it must be connected again.
    `next_sync_because` says why the store is read next at `next_sync_at` (None: not by itself), after "because".
    """

    store_id: str
    platform: str
    external_id: str | None
    name: str
    state: Literal["pending", "linked", "reconnect", "unlinked"]
    problem: str | None
    settings: StoreSettings
    currency: str | None
    time_zone: str | None
    subscriptions: list[str]
    import_since: datetime
    linked_at: datetime | None
    access_ends_at: datetime | None
    capabilities: list[Capability]
    created_at: datetime
    read_through: datetime | None
    last_poll_at: datetime | None
    next_poll_at: datetime | None
    next_sync_at: datetime | None
    next_sync_because: str | None
    authorization: AuthorizationView | None = None


class StorePage(BaseModel):
    """Some stores; `next` asks for more."""

    items: list[StoreView]
    next: str | None


class StorePath(BaseModel):
    """One store."""

    store_id: str


class OrderPath(BaseModel):
    """One order of a store, by its id on the platform."""

    store_id: str
    external_id: str = Field(min_length=1, max_length=200)


class OrderRead(BaseModel):
    """What reading one order gave; `problem` says why it could not be read."""

    external_id: str
    order_key: str | None
    result: Literal["new", "updated", "existing", "failed"]
    problem: str | None


class PlatformPath(BaseModel):
    """One platform."""

    platform: str


class PageQuery(BaseModel):
    """A part of a list."""

    cursor: str | None = Field(default=None, description="The `next` of the part before.")
    limit: int = Field(default=50, ge=1, le=200)


def store_view(store: Store, progress: Progress) -> StoreView:
    """A store as its seller sees it."""
    next_sync_at, next_sync_because = next_sync(store, progress)
    return StoreView(
        store_id=store.store_id,
        platform=store.platform,
        external_id=store.external_id,
        name=store.name,
        state=store.state,
        problem=store.problem or store.push_problem,
        settings=store.settings,
        currency=store.currency,
        time_zone=store.time_zone,
        subscriptions=list(store.subscriptions),
        import_since=store.import_since,
        linked_at=store.linked_at,
        access_ends_at=store.access_ends_at,
        capabilities=list(store.capabilities),
        created_at=store.created_at,
        read_through=progress.cursor,
        last_poll_at=progress.last_poll_at,
        next_poll_at=progress.next_poll_at,
        next_sync_at=next_sync_at,
        next_sync_because=next_sync_because,
    )


def next_sync(store: Store, progress: Progress) -> tuple[datetime | None, str | None]:
    """When a store is read next by itself, and why then or why not, as the rest of a sentence after "because"."""
    if store.state != "linked":
        return None, "it is not connected"
    if not store.settings.auto_sync:
        return None, "automatic sync is off"
    if progress.next_poll_at is None:
        return store.linked_at, "it was never read yet"
    return progress.next_poll_at, progress.next_because
