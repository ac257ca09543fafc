"""The ShopBase connector: orders by polling, and webhooks at one address a topic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pydantic_settings import BaseSettings

from schemas.order import RawOrder, Way
from schemas.stores import Capability
from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import Listing, Pace, Page, Unreadable, Window
from services.ingest.contract.stores import Access, AuthorizationStart, Grant, LinkingRefused, StoreRef
from services.ingest.contract.webhooks import NEVER_PUSHED, Delivery, Subscribed, WebhookFact
from services.ingest.platforms.shopbase import linking, probing, subscriptions, webhook
from services.ingest.platforms.shopbase.client import ShopbaseClient
from services.ingest.platforms.shopbase.reading import OrderReader
from services.ingest.platforms.shopbase.settings import ShopbaseSettings
from services.ingest.platforms.shopbase.tracking import ShopbaseParcels
from services.ingest.usual import UsualConnector
from services.kit.errors import AuthorizationError


class ShopbaseConnector(UsualConnector):
    """See the contract, `services.ingest.contract.connector.Connector`."""

    slug = "shopbase"
    name = "ShopBase"
    #: Lists may lag what webhooks told, and a platform's clock may be wrong by minutes: the overlap covers both.
    pace = Pace(overlap=timedelta(minutes=10), settle=timedelta(minutes=1), interval=timedelta(minutes=5))
    ids_at_once = 250
    parcels: ShopbaseParcels

    def __init__(self, settings: ShopbaseSettings, tools: Tools) -> None:
        self._settings = settings
        self._client = ShopbaseClient(settings, tools)
        self._reader = OrderReader(self._client, tools.clock)
        self.parcels = ShopbaseParcels(self._client, tools.clock)

    def start_authorization(
        self, request: Mapping[str, str], *, state: str, callback_url: str, now: datetime
    ) -> AuthorizationStart:
        """Build the consent page's address; `request` names the "shop"."""
        del now
        return linking.start_authorization(
            self._settings, self._client, request, state=state, callback_url=callback_url
        )

    def read_installation(self, query: Mapping[str, str], *, now: datetime) -> Mapping[str, str]:
        """Check the signature and age of a visit that began in ShopBase."""
        return linking.read_installation(self._settings, query, now=now)

    async def complete_authorization(
        self, callback: Mapping[str, str], *, memory: Mapping[str, str], callback_url: str, now: datetime
    ) -> Grant:
        """Check the callback's signature and age, and exchange its code."""
        del callback_url
        try:
            return await linking.complete_authorization(self._settings, self._client, callback, memory=memory, now=now)
        except AuthorizationError as error:
            raise LinkingRefused(str(error)) from error

    async def link_with_credentials(self, credentials: Mapping[str, str], *, now: datetime) -> Grant:
        """Link with a private app."""
        del now
        return await linking.link_with_credentials(self._client, credentials)

    async def refresh(self, access: Access, *, now: datetime) -> Mapping[str, str]:
        """Return the same secrets if ShopBase accepts them after all."""
        del now
        return await linking.refresh(self._client, access)

    async def probe(self, access: Access) -> tuple[Capability, ...]:
        """Look at a few paid orders, and at what the app was granted."""
        return await probing.probe(self._client, access, signed=self._is_signed(access))

    async def subscribe(self, access: Access, *, callback_url: str, app_url: str, anew: bool = False) -> Subscribed:
        """Subscribe to the order topics; nothing where no secret is known that could verify their webhooks."""
        del app_url
        if not self._is_signed(access):
            return NEVER_PUSHED
        return await subscriptions.subscribe(self._client, access, callback_url=callback_url, anew=anew)

    async def unsubscribe(self, access: Access) -> None:
        """Delete this store's webhooks."""
        await subscriptions.unsubscribe(self._client, access)

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Read one slice of the window."""
        return await self._reader.read_page(access, window, after=after, way=way)

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one order."""
        return await self._reader.read_order(access, external_id, way=way)

    async def read_orders(
        self, access: Access, external_ids: Sequence[str], *, way: Way
    ) -> Mapping[str, RawOrder | Unreadable | None]:
        """Read orders by their ids, a page of them at once."""
        return await self._reader.read_orders(access, external_ids, way=way)

    async def count_orders(self, access: Access, window: Window) -> int | None:
        """Return what ShopBase counts in the window."""
        return await self._reader.count(access, window)

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """List ids and times, slice by slice."""
        return await self._reader.list_orders(access, window, after=after)

    async def verify_webhook(self, access: Access | None, delivery: Delivery, *, now: datetime) -> None:
        """Check the raw bytes' signature; ShopBase signs no time, so the webhook's age is not checked."""
        del now
        webhook.verify_webhook(access, delivery, app_secret=self._settings.app_secret())

    def read_webhook(self, store: StoreRef, delivery: Delivery, *, now: datetime) -> WebhookFact:
        """Say what a verified webhook tells."""
        return webhook.read_webhook(store, delivery, now=now)

    def _is_signed(self, access: Access) -> bool:
        return bool(webhook.signing_secret(access.secrets, app_secret=self._settings.app_secret()))


def connect(settings: BaseSettings, tools: Tools) -> ShopbaseConnector:
    """Construct the connector."""
    if not isinstance(settings, ShopbaseSettings):
        raise TypeError("the ShopBase connector is built from ShopbaseSettings")
    return ShopbaseConnector(settings, tools)
