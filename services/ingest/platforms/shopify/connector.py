"""The Shopify connector: GraphQL for reading, REST-shaped webhooks for news."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic_settings import BaseSettings

from schemas.order import RawOrder, Way
from services.ingest.connector import (
    Access,
    AuthorizationStart,
    Grant,
    LinkingRefused,
    Pace,
    Page,
    StoreRef,
    Unreadable,
    WebhookFact,
    Window,
)
from services.ingest.platforms.shopify import linking, subscriptions, webhook
from services.ingest.platforms.shopify.client import ShopifyClient
from services.ingest.platforms.shopify.reading import OrderReader
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError
from services.kit.http.client import HttpClient


class ShopifyConnector:
    """See the contract, `services.ingest.connector.Connector`."""

    slug = "shopify"
    name = "Shopify"
    #: Webhooks bring the news; the poll finds what they lost. Search results lag a just-made change a little.
    pace = Pace(overlap=timedelta(minutes=5), settle=timedelta(seconds=2), interval=timedelta(minutes=5))

    def __init__(self, settings: ShopifySettings, http: HttpClient, clock: Clock) -> None:
        self._settings = settings
        self._client = ShopifyClient(settings, http, clock)
        self._reader = OrderReader(self._client, clock)

    def start_authorization(
        self, request: Mapping[str, str], *, state: str, callback_url: str, now: datetime
    ) -> AuthorizationStart:
        """Build the consent page's address; `request` names the "shop"."""
        del now
        return linking.start_authorization(self._settings, request, state=state, callback_url=callback_url)

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

    async def subscribe(self, access: Access, *, callback_url: str) -> tuple[str, ...]:
        """Subscribe to the order topics; nothing where no secret is known that could verify their webhooks."""
        if not access.secrets.get("webhook_secret") and not self._settings.app_secrets():
            return ()
        return await subscriptions.subscribe(self._client, access, callback_url=callback_url)

    async def unsubscribe(self, access: Access) -> None:
        """Delete this store's subscriptions."""
        await subscriptions.unsubscribe(self._client, access)

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Read one page of orders by their change time."""
        return await self._reader.read_page(access, window, after=after, way=way)

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one order."""
        return await self._reader.read_order(access, external_id, way=way)

    def verify_webhook(self, access: Access, headers: Mapping[str, str], body: bytes, *, now: datetime) -> None:
        """Check the raw bytes' signature; Shopify signs no time, so the webhook's age is not checked."""
        del now
        webhook.verify_webhook(access, headers, body, app_secrets=self._settings.app_secrets())

    def read_webhook(self, store: StoreRef, headers: Mapping[str, str], body: bytes, *, now: datetime) -> WebhookFact:
        """Say what a verified webhook tells."""
        return webhook.read_webhook(store, headers, body, now=now)


def connect(settings: BaseSettings, http: HttpClient, clock: Clock) -> ShopifyConnector:
    """Construct the connector."""
    if not isinstance(settings, ShopifySettings):
        raise TypeError("the Shopify connector is built from ShopifySettings")
    return ShopifyConnector(settings, http, clock)
