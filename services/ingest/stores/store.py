"""A store and everything that may become of it: pure changes by copy, and what the other services are told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from schemas.ids import SellerId, StoreId
from schemas.stores import Capability, SellerRecord, StoreRecord, StoreSettings
from schemas.topics import SELLERS, STORES
from services.ingest.contract.stores import Grant, StoreRef
from services.ingest.registry import name_of
from services.kit.kafka.publisher import Message

#: pending: waits for the seller to grant access on the platform. The others are `schemas.stores.StoreState`.
State = Literal["pending", "linked", "reconnect", "unlinked"]


@dataclass(frozen=True, slots=True)
class Store:
    """One seller's account on one platform.

    `external_id` is None until it is linked for the first time. `problem` says why the state is what it is,
    `push_problem` why the platform does not push. `subscribed_to` is the address that it pushes to, or refused to; None
    asks it again soon. `grants` counts how often access was granted: what was refused may have been replaced since.
    """

    store_id: StoreId
    seller_id: SellerId
    platform: str
    name: str
    state: State
    settings: StoreSettings
    import_since: datetime
    created_at: datetime
    changed_at: datetime
    external_id: str | None = None
    currency: str | None = None
    time_zone: str | None = None
    problem: str | None = None
    push_problem: str | None = None
    subscriptions: tuple[str, ...] = ()
    subscribed_to: str | None = None
    subscribed_at: datetime | None = None
    linked_at: datetime | None = None
    access_ends_at: datetime | None = None
    capabilities: tuple[Capability, ...] = ()
    probed_at: datetime | None = None
    grants: int = 0

    @property
    def ref(self) -> StoreRef:
        """The store as connectors know it. Raises ValueError when it was never linked."""
        if self.external_id is None:
            raise ValueError("a store that was never linked has no id on its platform")
        return StoreRef(
            store_id=self.store_id,
            seller_id=self.seller_id,
            platform=self.platform,
            external_id=self.external_id,
            currency=self.currency,
            time_zone=self.time_zone,
        )

    def linked(self, grant: Grant, *, now: datetime) -> Store:
        """The store after the seller granted access, for the first time or again."""
        return replace(
            self,
            state="linked",
            external_id=grant.external_id,
            name=self.name or grant.name,
            currency=grant.currency or self.currency,
            time_zone=grant.time_zone or self.time_zone,
            problem=None,
            # New access may have other rights and another application behind it: whoever links subscribes again, now.
            subscriptions=(),
            subscribed_to=None,
            subscribed_at=now,
            probed_at=None,
            access_ends_at=grant.access_ends_at,
            grants=self.grants + 1,
            linked_at=self.linked_at or now,
            changed_at=now,
        )

    def refused(self, problem: str, *, grant: int, now: datetime) -> Store:
        """The store after its platform refused the access of its `grant`-th grant.

        One that is at rest stays there, and so does one that was connected again meanwhile.
        """
        if self.state != "linked" or self.grants != grant:
            return self
        return replace(self, state="reconnect", problem=problem, subscribed_to=None, changed_at=now)

    def unlinked(self, *, now: datetime) -> Store:
        """The store at rest: its history stays, its access does not."""
        return replace(
            self,
            state="unlinked",
            problem=None,
            push_problem=None,
            subscriptions=(),
            subscribed_to=None,
            subscribed_at=None,
            access_ends_at=None,
            changed_at=now,
        )

    def probed(self, capabilities: tuple[Capability, ...], *, now: datetime) -> Store:
        """The store after a probe; what it could not find out stays as it was known."""
        known = {capability.name: capability for capability in self.capabilities if capability.allowed is not None}
        found = tuple(
            known.get(capability.name, capability) if capability.allowed is None else capability
            for capability in capabilities
        )
        changed_at = now if found != self.capabilities else self.changed_at
        return replace(self, capabilities=found, probed_at=now, changed_at=changed_at)

    def subscribed(self, subscriptions: tuple[str, ...], *, to: str, now: datetime) -> Store:
        """The store after the platform agreed to push `subscriptions` to the address `to`."""
        changed_at = self.changed_at if self.push_problem is None else now
        return replace(
            self,
            subscriptions=subscriptions,
            subscribed_to=to,
            subscribed_at=now,
            push_problem=None,
            changed_at=changed_at,
        )

    def not_subscribed(self, problem: str, *, to: str | None = None, now: datetime) -> Store:
        """The store after the platform did not agree to push, yet or (`to` given) at all; polls find everything."""
        changed_at = self.changed_at if self.push_problem == problem else now
        return replace(self, push_problem=problem, subscribed_to=to, subscribed_at=now, changed_at=changed_at)


def news(before: Store, store: Store) -> tuple[Message, ...]:
    """What to announce of a change: nothing where others see none, as when a platform was only asked again."""
    asked_again = replace(before, subscribed_at=store.subscribed_at, probed_at=store.probed_at)
    if asked_again == store:
        return ()
    told = announcements(store)
    return told if told != announcements(before) else ()


def announcements(store: Store) -> tuple[Message, ...]:
    """What the compacted topics say of a store and its seller; nothing before the first linking."""
    if store.state == "pending" or store.external_id is None or store.linked_at is None:
        return ()
    record = StoreRecord(
        store_id=store.store_id,
        seller_id=store.seller_id,
        platform=store.platform,
        platform_name=name_of(store.platform),
        external_id=store.external_id,
        name=store.name,
        currency=store.currency,
        time_zone=store.time_zone,
        state=store.state,
        problem=store.problem or store.push_problem,
        settings=store.settings,
        linked_at=store.linked_at,
        import_since=store.import_since,
        access_ends_at=store.access_ends_at,
        capabilities=store.capabilities,
        changed_at=store.changed_at,
    )
    # Nobody names sellers yet, so the id is the name.
    seller = SellerRecord(seller_id=store.seller_id, name=store.seller_id, changed_at=store.linked_at)
    return (
        Message(SELLERS.name, store.seller_id, seller.model_dump_json().encode()),
        Message(STORES.name, store.store_id, record.model_dump_json().encode()),
    )
