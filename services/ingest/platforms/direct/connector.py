"""The direct connector: a store that is there because its seller wants it, and that nothing is ever read from."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NoReturn

from pydantic_settings import BaseSettings

from schemas.order import RawOrder, Way
from schemas.stores import Capability
from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import Pace, Page, Unreadable, Window
from services.ingest.contract.stores import Access, AuthorizationStart, Grant, LinkingRefused, StoreRef
from services.ingest.contract.webhooks import NEVER_PUSHED, Delivery, NotOurs, SignatureRefused, Subscribed, WebhookFact
from services.ingest.usual import UsualConnector
from services.kit.errors import TransientError

_DAY = timedelta(days=1)
_CAPABILITIES = (
    Capability(name="addresses", allowed=True, detail="Every order comes with its address."),
    Capability(
        name="sync",
        allowed=False,
        detail="Orders are given to this store by API, by file or by hand; there is nowhere to read them from.",
    ),
    Capability(
        name="tracking",
        allowed=False,
        detail="There is no platform to send tracking numbers to: they stand in the report.",
    ),
)


class DirectConnector(UsualConnector):
    """See the contract, `services.ingest.contract.connector.Connector`."""

    slug = "direct"
    name = "Direct"
    pushes_changes = False
    #: Nothing is polled; the contract asks for a pace all the same.
    pace = Pace(overlap=timedelta(), settle=timedelta(), interval=_DAY)

    def start_authorization(
        self, request: Mapping[str, str], *, state: str, callback_url: str, now: datetime
    ) -> AuthorizationStart:
        """Refuse: nobody has to grant anything."""
        del request, state, callback_url, now
        raise LinkingRefused("A direct store needs no authorization: link it with its name alone.")

    async def complete_authorization(
        self, callback: Mapping[str, str], *, memory: Mapping[str, str], callback_url: str, now: datetime
    ) -> Grant:
        """Refuse, likewise."""
        del callback, memory, callback_url, now
        raise LinkingRefused("A direct store needs no authorization: link it with its name alone.")

    async def link_with_credentials(self, credentials: Mapping[str, str], *, now: datetime) -> Grant:
        """Make a store: each time another one. Refuses credentials, for they would open nothing."""
        del now
        if credentials:
            raise LinkingRefused("A direct store has no credentials: link it with its name alone.")
        return Grant(external_id=secrets.token_hex(8), name="Direct orders", secrets={})

    async def refresh(self, access: Access, *, now: datetime) -> Mapping[str, str]:
        """Return what there is."""
        del now
        return access.secrets

    async def probe(self, access: Access) -> tuple[Capability, ...]:
        """Say what is so of every direct store."""
        del access
        return _CAPABILITIES

    async def subscribe(self, access: Access, *, callback_url: str, app_url: str, anew: bool = False) -> Subscribed:
        """Subscribe to nothing."""
        del access, callback_url, app_url, anew
        return NEVER_PUSHED

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Raise: an empty page would say that there are no orders."""
        del access, window, after, way
        _refuse_reading()

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Raise: None would say that the order is gone."""
        del access, external_id, way
        _refuse_reading()

    async def verify_webhook(self, access: Access | None, delivery: Delivery, *, now: datetime) -> None:
        """Refuse: nobody pushes to direct stores."""
        del access, delivery, now
        raise SignatureRefused

    def read_webhook(self, store: StoreRef, delivery: Delivery, *, now: datetime) -> WebhookFact:
        """Say that it is not ours."""
        del store, delivery, now
        return NotOurs("nobody pushes to direct stores")


def connect(settings: BaseSettings, tools: Tools) -> DirectConnector:
    """Construct the connector; it needs nothing."""
    del settings, tools
    return DirectConnector()


def _refuse_reading() -> NoReturn:
    raise TransientError("orders are given to a direct store; there is nothing to read them from")
