"""The Shopify connector: GraphQL for reading, REST-shaped webhooks for news."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pydantic_settings import BaseSettings

from schemas.order import RawOrder, Way
from schemas.stores import Capability
from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import Listing, Pace, Page, Unreadable, Window
from services.ingest.contract.stores import Access, AuthorizationStart, Grant, LinkingRefused, StoreRef
from services.ingest.contract.webhooks import NEVER_PUSHED, AppFact, Delivery, Subscribed, WebhookFact
from services.ingest.platforms.shopify import linking, probing, subscriptions, webhook
from services.ingest.platforms.shopify.client import ShopifyClient
from services.ingest.platforms.shopify.listing import OrderLister
from services.ingest.platforms.shopify.reading import OrderReader
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.ingest.platforms.shopify.tracking import ShopifyParcels
from services.ingest.usual import UsualConnector
from services.kit.errors import AuthorizationError


class ShopifyConnector(UsualConnector):
    """See the contract, `services.ingest.contract.connector.Connector`."""

    slug = "shopify"
    name = "Shopify"
    #: Webhooks bring the news; the poll finds what they lost. Search results lag a just-made change a little.
    pace = Pace(overlap=timedelta(minutes=5), settle=timedelta(seconds=2), interval=timedelta(minutes=5))
    ids_at_once = 50
    #: A listed order takes a point, as a count does.
    listed_for_a_count = 1
    parcels: ShopifyParcels

    def __init__(self, settings: ShopifySettings, tools: Tools) -> None:
        self._settings = settings
        self._client = ShopifyClient(settings, tools)
        self._reader = OrderReader(self._client, tools.clock)
        self._lister = OrderLister(self._client)
        self.parcels = ShopifyParcels(self._client)

    def start_authorization(
        self, request: Mapping[str, str], *, state: str, callback_url: str, now: datetime
    ) -> AuthorizationStart:
        """Build the consent page's address; `request` names the "shop"."""
        del now
        return linking.start_authorization(self._settings, request, state=state, callback_url=callback_url)

    def read_installation(self, query: Mapping[str, str], *, now: datetime) -> Mapping[str, str]:
        """Check the signature and age of a visit that began in Shopify's app store."""
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
        """Link with a custom app's token, or with client credentials."""
        try:
            return await linking.link_with_credentials(self._client, credentials, now=now)
        except AuthorizationError as error:
            raise LinkingRefused(str(error)) from error

    def refresh_due(self, secrets: Mapping[str, str], *, now: datetime) -> bool:
        """Tell whether the access token is about to end."""
        return linking.refresh_due(secrets, now=now)

    async def refresh(self, access: Access, *, now: datetime) -> Mapping[str, str]:
        """Return the rotated pair of tokens."""
        return await linking.refresh(self._settings, self._client, access, now=now)

    async def probe(self, access: Access) -> tuple[Capability, ...]:
        """Ask which scopes were granted, and whether buyers' data may be seen."""
        return await probing.probe(self._client, access, app_secrets=self._settings.app_secrets())

    async def subscribe(self, access: Access, *, callback_url: str, app_url: str, anew: bool = False) -> Subscribed:
        """Subscribe to the order topics; nothing where no secret is known that could verify their webhooks."""
        # An app's secret signs the webhooks of all its shops: making one subscription anew would not change it.
        del app_url, anew
        if not access.secrets.get("webhook_secret") and not self._settings.app_secrets():
            return NEVER_PUSHED
        return await subscriptions.subscribe(self._client, access, callback_url=callback_url)

    async def unsubscribe(self, access: Access) -> None:
        """Delete this store's subscriptions."""
        await subscriptions.unsubscribe(self._client, access)

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Read one page of orders by their change time."""
        return await self._reader.read_page(access, window, after=after, way=way)

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one order; a hint about a hold names it by its fulfilment order."""
        return await self._reader.read_order(access, external_id, way=way)

    async def read_orders(
        self, access: Access, external_ids: Sequence[str], *, way: Way
    ) -> Mapping[str, RawOrder | Unreadable | None]:
        """Read orders by their ids, many in a query."""
        return await self._reader.read_orders(access, external_ids, way=way)

    async def count_orders(self, access: Access, window: Window) -> int | None:
        """Return what Shopify counts in the window, for one point."""
        return await self._lister.count(access, window)

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """List ids and times, a point each."""
        return await self._lister.list_orders(access, window, after=after)

    async def verify_webhook(self, access: Access | None, delivery: Delivery, *, now: datetime) -> None:
        """Check the raw bytes' signature; Shopify signs no time, so the webhook's age is not checked."""
        del now
        webhook.verify_webhook(access, delivery.headers, delivery.body, app_secrets=self._settings.app_secrets())

    def read_webhook(self, store: StoreRef, delivery: Delivery, *, now: datetime) -> WebhookFact:
        """Say what a verified webhook tells."""
        return webhook.read_webhook(store, delivery.headers, delivery.body, now=now)

    def read_app_webhook(self, delivery: Delivery, *, now: datetime) -> AppFact:
        """Say which shop a webhook to the app is about."""
        del now
        return webhook.read_app_webhook(delivery.headers, delivery.body)


def connect(settings: BaseSettings, tools: Tools) -> ShopifyConnector:
    """Construct the connector."""
    if not isinstance(settings, ShopifySettings):
        raise TypeError("the Shopify connector is built from ShopifySettings")
    return ShopifyConnector(settings, tools)
