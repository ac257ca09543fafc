"""The Etsy connector: receipts by polling, and webhooks where the app has an endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from pydantic_settings import BaseSettings

from schemas.order import RawOrder, Way
from schemas.stores import Capability
from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import Listing, Pace, Page, Unreadable, Window
from services.ingest.contract.stores import Access, AuthorizationStart, Grant, LinkingRefused, StoreRef
from services.ingest.contract.webhooks import NEVER_PUSHED, AppFact, Delivery, Subscribed, WebhookFact
from services.ingest.platforms.etsy import linking, probing, webhook
from services.ingest.platforms.etsy.client import EtsyClient
from services.ingest.platforms.etsy.reading import ReceiptReader
from services.ingest.platforms.etsy.settings import EtsySettings
from services.ingest.platforms.etsy.tracking import EtsyParcels
from services.ingest.usual import UsualConnector
from services.kit.errors import AuthorizationError


class EtsyConnector(UsualConnector):
    """See the contract, `services.ingest.contract.connector.Connector`."""

    parcels: EtsyParcels
    slug = "etsy"
    name = "Etsy"
    #: Times are whole seconds, and a second must be over before it is closed.
    pace = Pace(
        overlap=timedelta(minutes=10),
        settle=timedelta(seconds=2),
        interval=timedelta(minutes=3),
        reread=timedelta(days=1),
    )

    def __init__(self, settings: EtsySettings, tools: Tools) -> None:
        self._settings = settings
        self._client = EtsyClient(settings, tools)
        self._reader = ReceiptReader(self._client, tools.clock)
        self.parcels = EtsyParcels(self._client, self._reader)

    def start_authorization(
        self, request: Mapping[str, str], *, state: str, callback_url: str, now: datetime
    ) -> AuthorizationStart:
        """Build the consent page's address; Etsy asks for nothing: who is signed in there is who links."""
        del request, now
        return linking.start_authorization(self._settings, self._client, state=state, callback_url=callback_url)

    async def complete_authorization(
        self, callback: Mapping[str, str], *, memory: Mapping[str, str], callback_url: str, now: datetime
    ) -> Grant:
        """Exchange the callback's code."""
        try:
            return await linking.complete_authorization(
                self._settings, self._client, callback, memory=memory, callback_url=callback_url, now=now
            )
        except AuthorizationError as error:
            raise LinkingRefused("Etsy did not accept the authorization. Start linking again.") from error

    def refresh_due(self, secrets: Mapping[str, str], *, now: datetime) -> bool:
        """Tell whether the access token is about to end."""
        return linking.refresh_due(secrets, now=now)

    async def refresh(self, access: Access, *, now: datetime) -> Mapping[str, str]:
        """Return the rotated pair of tokens."""
        return await linking.refresh(self._settings, self._client, access, now=now)

    async def probe(self, access: Access) -> tuple[Capability, ...]:
        """Look whether recent paid receipts show an address, and whether tracking may be sent."""
        takes_webhooks = bool(self._settings.etsy_webhook_secret.get_secret_value())
        return await probing.probe(self._client, access, takes_webhooks=takes_webhooks)

    async def subscribe(self, access: Access, *, callback_url: str, app_url: str, anew: bool = False) -> Subscribed:
        """Subscribe to nothing: Etsy's endpoint is made by hand in its webhook portal."""
        del access, callback_url, app_url, anew
        return NEVER_PUSHED

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Read one page of receipts by their change time."""
        return await self._reader.read_page(access, window, after=after, way=way)

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one receipt."""
        return await self._reader.read_order(access, external_id, way=way)

    async def count_orders(self, access: Access, window: Window) -> int | None:
        """Return what Etsy says the window holds."""
        return await self._reader.count(access, window)

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """List ids and times; Etsy gives whole receipts only."""
        return await self._reader.list_orders(access, window, after=after)

    async def verify_webhook(self, access: Access | None, delivery: Delivery, *, now: datetime) -> None:
        """Check the signature with the endpoint's secret, which all shops of the app share."""
        del access
        secret = self._settings.etsy_webhook_secret.get_secret_value()
        webhook.verify_webhook(delivery.headers, delivery.body, secret=secret, now=now)

    def read_webhook(self, store: StoreRef, delivery: Delivery, *, now: datetime) -> WebhookFact:
        """Say which receipt to read again."""
        del now
        return webhook.read_webhook(store, delivery.body, trusted_host=self._trusted_host())

    def read_app_webhook(self, delivery: Delivery, *, now: datetime) -> AppFact:
        """Say which shop's receipt it is about: one endpoint gets the events of every shop of the app."""
        del now
        return webhook.read_app_webhook(delivery.body, trusted_host=self._trusted_host())

    def _trusted_host(self) -> str | None:
        base = self._settings.platform_url_etsy
        return urlsplit(base).netloc if base else None


def connect(settings: BaseSettings, tools: Tools) -> EtsyConnector:
    """Construct the connector."""
    if not isinstance(settings, EtsySettings):
        raise TypeError("the Etsy connector is built from EtsySettings")
    return EtsyConnector(settings, tools)
