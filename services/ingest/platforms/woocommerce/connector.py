"""The WooCommerce connector: orders by polling, and webhooks that say sooner what to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pydantic_settings import BaseSettings

from schemas.order import RawOrder, Way
from schemas.stores import Capability
from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import Listing, Pace, Page, Unreadable, Window
from services.ingest.contract.stores import Access, AuthorizationStart, Grant, StoreRef
from services.ingest.contract.webhooks import Delivery, Greeting, Subscribed, WebhookFact
from services.ingest.platforms.woocommerce import linking, probing, subscriptions, webhook
from services.ingest.platforms.woocommerce.client import WooCommerceClient
from services.ingest.platforms.woocommerce.reading import OrderReader
from services.ingest.platforms.woocommerce.settings import WooCommerceSettings
from services.ingest.platforms.woocommerce.tracking import WooCommerceParcels
from services.ingest.usual import UsualConnector


class WooCommerceConnector(UsualConnector):
    """See the contract, `services.ingest.contract.connector.Connector`."""

    parcels: WooCommerceParcels
    slug = "woocommerce"
    name = "WooCommerce"
    #: Stores' clocks are off by minutes, and their webhooks wait for visitors. Where orders are kept in WordPress'
    #: posts, an edited address or line moves no change time and shows in no list: open orders are read again.
    pace = Pace(
        overlap=timedelta(minutes=10),
        settle=timedelta(minutes=1),
        interval=timedelta(minutes=5),
        reread=timedelta(hours=4),
    )
    ids_at_once = 100

    def __init__(self, tools: Tools) -> None:
        self._client = WooCommerceClient(tools)
        self._reader = OrderReader(self._client, tools.clock)
        self.parcels = WooCommerceParcels(self._client, self._reader, tools.clock)

    def start_authorization(
        self, request: Mapping[str, str], *, state: str, callback_url: str, now: datetime
    ) -> AuthorizationStart:
        """Build the address of the page at `store_url` where its owner approves; `statuses` are a plugin's words."""
        del now
        return linking.start_authorization(request, state=state, callback_url=callback_url)

    def read_state(self, callback: Mapping[str, str]) -> str:
        """Return the `user_id`, which the store echoes to our callback and to the seller's browser."""
        return callback.get("user_id", "")

    async def complete_authorization(
        self, callback: Mapping[str, str], *, memory: Mapping[str, str], callback_url: str, now: datetime
    ) -> Grant:
        """Prove the key that the store's server brought."""
        del callback_url, now
        return await linking.complete_authorization(self._client, callback, memory=memory)

    async def link_with_credentials(self, credentials: Mapping[str, str], *, now: datetime) -> Grant:
        """Prove a pasted key: `store_url`, `consumer_key`, `consumer_secret`, and `statuses` where there are some."""
        del now
        return await linking.link_with_credentials(self._client, credentials)

    async def refresh(self, access: Access, *, now: datetime) -> Mapping[str, str]:
        """Find out in which way the store takes our key now."""
        del now
        return await linking.refresh(self._client, access)

    async def probe(self, access: Access) -> tuple[Capability, ...]:
        """Tell what the key is good for, how the store tells changes, and which plugins it has."""
        return await probing.probe(self._client, access)

    async def subscribe(self, access: Access, *, callback_url: str, app_url: str, anew: bool = False) -> Subscribed:
        """Create and mend the store's webhooks, all to the store's own address."""
        del app_url
        return await subscriptions.subscribe(self._client, access, callback_url=callback_url, anew=anew)

    async def unsubscribe(self, access: Access) -> None:
        """Delete the store's webhooks."""
        await subscriptions.unsubscribe(self._client, access)

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Read one page of orders by their change time, those in the trash first."""
        return await self._reader.read_page(access, window, after=after, way=way)

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one order."""
        return await self._reader.read_order(access, external_id, way=way)

    async def read_orders(
        self, access: Access, external_ids: Sequence[str], *, way: Way
    ) -> Mapping[str, RawOrder | Unreadable | None]:
        """Read orders by their ids, the trash included."""
        return await self._reader.read_orders(access, external_ids, way=way)

    async def count_orders(self, access: Access, window: Window) -> int | None:
        """Return what the store counts in the window and its trash: two small answers."""
        return await self._reader.count(access, window)

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """List ids and times: two fields and the id of each order."""
        return await self._reader.list_orders(access, window, after=after)

    def greet(self, delivery: Delivery) -> Greeting | None:
        """Answer the ping of a new webhook."""
        return webhook.greet(delivery)

    async def verify_webhook(self, access: Access | None, delivery: Delivery, *, now: datetime) -> None:
        """Check the signature with the store's secret."""
        del now
        webhook.verify_webhook(access, delivery)

    def read_webhook(self, store: StoreRef, delivery: Delivery, *, now: datetime) -> WebhookFact:
        """Say which order to read again."""
        del store, now
        return webhook.read_webhook(delivery)


def connect(settings: BaseSettings, tools: Tools) -> WooCommerceConnector:
    """Construct the connector."""
    if not isinstance(settings, WooCommerceSettings):
        raise TypeError("the WooCommerce connector is built from WooCommerceSettings")
    return WooCommerceConnector(tools)
