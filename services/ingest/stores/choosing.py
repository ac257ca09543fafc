"""Which stores a request is about, and since when their platforms give their orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.ingest.contract.connector import Connector, History
from services.ingest.ports import Stores
from services.ingest.stores.routes import refuse_unread
from services.ingest.stores.store import Store
from services.ingest.stores.tokens import open_access
from services.kit.clock import Clock
from services.kit.http.problems import Problem, not_found
from services.kit.vault import Vault

#: Stores in one request.
MOST_STORES = 200
_LISTED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Choosing:
    """Chooses a seller's linked stores. A store of another seller is not there; what cannot be chosen is a Problem."""

    connectors: Mapping[str, Connector]
    stores: Stores

    async def chosen(self, seller_id: str, *, stores: Sequence[str] | None, platform: str | None) -> list[Store]:
        """The stores that were asked for, each once, or all of a platform."""
        if platform is not None:
            return await self._of_platform(seller_id, platform)
        chosen = []
        for store_id in dict.fromkeys(stores or ()):
            store = await self.stores.get(store_id)
            if store is None or store.seller_id != seller_id:
                raise not_found("store")
            chosen.append(store)
        at_rest = [store.store_id for store in chosen if store.state != "linked"]
        if at_rest:
            raise Problem(
                409,
                "store_not_linked",
                "Only a linked store can be read.",
                "Connect these stores again, or leave them out.",
                stores=at_rest,
            )
        refuse_unread(chosen)
        if any(store.platform not in self.connectors for store in chosen):
            raise not_found("platform")
        return chosen

    async def _of_platform(self, seller_id: str, platform: str) -> list[Store]:
        if platform not in self.connectors:
            raise not_found("platform")
        found, after = list[Store](), None
        while page := await self.stores.page(seller_id, after=after, limit=_LISTED_AT_ONCE):
            found += [store for store in page if store.platform == platform and store.state == "linked"]
            after = page[-1].store_id
        if not found:
            raise Problem(409, "store_not_linked", "No store of this platform is linked.", "Link one first.", stores=[])
        refuse_unread(found)
        if len(found) > MOST_STORES:
            raise Problem(422, "too_many_stores", f"Name at most {MOST_STORES} of the stores of this platform at once.")
        return found


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back the platforms of stores go."""

    histories: Mapping[str, History]
    stores: Stores
    vault: Vault
    clock: Clock

    async def of(self, store: Store) -> datetime | None:
        """Since when the platform gives the store's orders; None where there is no such limit.

        Raises AuthorizationError when the store's access is gone.
        """
        history = self.histories.get(store.platform)
        stored = await self.stores.open(store.store_id) if history is not None else None
        if history is None or stored is None:
            return None
        access = open_access(self.vault, stored)
        return history(access.secrets, store.capabilities, now=self.clock.now())
