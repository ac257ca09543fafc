"""The eBay connector: orders by polling, and a notification of each new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pydantic_settings import BaseSettings

from schemas.order import RawOrder, Way
from schemas.stores import Capability
from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import Listing, Pace, Page, Unreadable, Window
from services.ingest.contract.stores import Access, AuthorizationStart, Grant, LinkingRefused, StoreRef
from services.ingest.contract.webhooks import AppFact, Delivery, Greeting, Subscribed, WebhookFact
from services.ingest.platforms.ebay import linking, probing, webhook
from services.ingest.platforms.ebay.client import EbayClient
from services.ingest.platforms.ebay.reading import OrderReader
from services.ingest.platforms.ebay.settings import EbaySettings
from services.ingest.platforms.ebay.signatures import Signatures
from services.ingest.platforms.ebay.subscribing import Subscriber
from services.ingest.platforms.ebay.tracking import EbayParcels
from services.ingest.usual import UsualConnector
from services.kit.errors import AuthorizationError


class EbayConnector(UsualConnector):
    """See the contract, `services.ingest.contract.connector.Connector`."""

    parcels: EbayParcels
    slug = "ebay"
    name = "eBay"
    #: There is no topic for a cancellation, a refund or a new address.
    pushes_changes = False
    #: How late eBay lists a change is not documented; and a window that reaches into the future is refused.
    pace = Pace(
        overlap=timedelta(minutes=15),
        settle=timedelta(minutes=1),
        interval=timedelta(minutes=3),
        reread=timedelta(days=1),
    )
    ids_at_once = 50

    def __init__(self, settings: EbaySettings, tools: Tools) -> None:
        self._settings = settings
        self._clock = tools.clock
        self._client = EbayClient(settings, tools)
        self._reader = OrderReader(self._client, tools.clock)
        self._signatures = Signatures(self._client, tools)
        self._subscriber = Subscriber(settings, self._client, tools)
        self.parcels = EbayParcels(self._client, tools.clock)

    def start_authorization(
        self, request: Mapping[str, str], *, state: str, callback_url: str, now: datetime
    ) -> AuthorizationStart:
        """Build the consent page's address; eBay asks for nothing, and knows our callback by the RuName."""
        del request, callback_url, now
        return linking.start_authorization(self._settings, self._client, state=state)

    async def complete_authorization(
        self, callback: Mapping[str, str], *, memory: Mapping[str, str], callback_url: str, now: datetime
    ) -> Grant:
        """Exchange the callback's code."""
        del memory, callback_url
        try:
            return await linking.complete_authorization(self._settings, self._client, callback, now=now)
        except AuthorizationError as error:
            raise LinkingRefused("eBay did not accept the authorization. Start linking again.") from error

    def refresh_due(self, secrets: Mapping[str, str], *, now: datetime) -> bool:
        """Tell whether the access token is about to end."""
        return linking.refresh_due(secrets, now=now)

    async def refresh(self, access: Access, *, now: datetime) -> Mapping[str, str]:
        """Return the secrets with a new access token."""
        return await linking.refresh(self._client, access, now=now)

    async def probe(self, access: Access) -> tuple[Capability, ...]:
        """Find out what the account may do."""
        return await probing.probe(self._client, self._settings, access, now=self._clock.now())

    async def subscribe(self, access: Access, *, callback_url: str, app_url: str, anew: bool = False) -> Subscribed:
        """Subscribe the seller's topics at the app's one destination."""
        # The signature is eBay's own, by a key that it changes itself: there is no secret to be set anew.
        del callback_url, anew
        return await self._subscriber.subscribe(access, app_url=app_url)

    async def unsubscribe(self, access: Access) -> None:
        """Take the seller's subscriptions away; the app's own stay."""
        await self._subscriber.unsubscribe(access)

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Read one page of orders by their change time."""
        return await self._reader.read_page(access, window, after=after, way=way)

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one order."""
        return await self._reader.read_order(access, external_id, way=way)

    async def read_orders(
        self, access: Access, external_ids: Sequence[str], *, way: Way
    ) -> Mapping[str, RawOrder | Unreadable | None]:
        """Read orders by their ids; one that is being cancelled by itself, too."""
        return await self._reader.read_orders(access, external_ids, way=way)

    async def count_orders(self, access: Access, window: Window) -> int | None:
        """Return what eBay says the window holds."""
        return await self._reader.count(access, window)

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """List ids and times; eBay gives whole orders only."""
        return await self._reader.list_orders(access, window, after=after)

    def greet(self, delivery: Delivery) -> Greeting | None:
        """Answer eBay's challenge."""
        token = self._settings.ebay_verification_token.get_secret_value()
        return webhook.greet(delivery, verification_token=token)

    async def verify_webhook(self, access: Access | None, delivery: Delivery, *, now: datetime) -> None:
        """Check the signature with eBay's public key, which is the same for every seller."""
        del access
        await self._signatures.verify(delivery, now=now)

    def read_webhook(self, store: StoreRef, delivery: Delivery, *, now: datetime) -> WebhookFact:
        """Say which order to read again, or that the seller's access ended."""
        return webhook.read_webhook(store, delivery, now=now)

    def read_app_webhook(self, delivery: Delivery, *, now: datetime) -> AppFact:
        """Say whose notification it is, or which buyer asks to be forgotten."""
        del now
        return webhook.read_app_webhook(delivery)


def connect(settings: BaseSettings, tools: Tools) -> EbayConnector:
    """Construct the connector."""
    if not isinstance(settings, EbaySettings):
        raise TypeError("the eBay connector is built from EbaySettings")
    return EbayConnector(settings, tools)
