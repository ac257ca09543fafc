"""What most platforms do alike. A connector says only where its platform does otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from services.ingest.connector import Access, AppFact, Delivery, Grant, Greeting, LinkingRefused, NotOurs


class UsualConnector:
    """The answers of a platform without peculiarities; see `services.ingest.connector.Connector`."""

    name: str

    def read_state(self, callback: Mapping[str, str]) -> str:
        """Return the query's `state`."""
        return callback.get("state", "")

    def read_installation(self, query: Mapping[str, str], *, now: datetime) -> Mapping[str, str]:
        """Refuse: nobody begins to link a store on the platform's side."""
        del query, now
        raise LinkingRefused(f"{self.name} stores are linked from Sync Order: add a store there, by authorization.")

    async def link_with_credentials(self, credentials: Mapping[str, str], *, now: datetime) -> Grant:
        """Refuse: there is nothing that a seller could paste."""
        del credentials, now
        raise LinkingRefused(f"{self.name} stores are linked by authorization: ask for its address and open it.")

    def refresh_due(self, secrets: Mapping[str, str], *, now: datetime) -> bool:
        """Tell that it never is: access lasts until it is taken back."""
        del secrets, now
        return False

    async def unsubscribe(self, access: Access) -> None:
        """Do nothing: nothing was subscribed."""
        del access

    def greet(self, delivery: Delivery) -> Greeting | None:
        """Answer nothing: the platform does not ask whether we are there."""
        del delivery
        return None

    def read_app_webhook(self, delivery: Delivery, *, now: datetime) -> AppFact:
        """Say that it is not ours: each store is told at its own address."""
        del delivery, now
        return NotOurs("this platform tells each store at its own address")
