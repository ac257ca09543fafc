"""The Amazon connector: orders by polling, and by the notifications of an SQS queue where there is one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from pydantic_settings import BaseSettings

from schemas.order import RawOrder, Way
from schemas.stores import Capability
from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import Listing, Pace, Page, Unreadable, Window
from services.ingest.contract.stores import Access, AuthorizationStart, Grant, StoreRef
from services.ingest.contract.webhooks import Delivery, Listener, NotOurs, SignatureRefused, Subscribed, WebhookFact
from services.ingest.platforms.amazon import linking, probing
from services.ingest.platforms.amazon.client import AmazonClient
from services.ingest.platforms.amazon.custom_files import CustomFiles
from services.ingest.platforms.amazon.reading import OrderReader
from services.ingest.platforms.amazon.settings import AmazonSettings
from services.ingest.platforms.amazon.subscriptions import Notifications
from services.ingest.platforms.amazon.sweeping import Sweeps
from services.ingest.platforms.amazon.tracking import AmazonParcels
from services.ingest.usual import UsualConnector

_NEVER_CALLS = "Amazon calls no address of ours"


class AmazonConnector(UsualConnector):
    """See the contract, `services.ingest.contract.connector.Connector`."""

    parcels: AmazonParcels
    slug = "amazon"
    name = "Amazon"
    #: Amazon lists nothing younger than two minutes, and orders may appear, or gain their address, minutes late. One
    #: search becomes free every three minutes, and twenty may go at once: its budget spaces polls further than this.
    #: An order whose file of Amazon Custom was not to be had shows in no list again until it changes.
    pace = Pace(
        overlap=timedelta(minutes=10),
        settle=timedelta(seconds=135),
        interval=timedelta(seconds=150),
        reread=timedelta(days=1),
    )

    def __init__(self, settings: AmazonSettings, tools: Tools) -> None:
        self._settings = settings
        self._clock = tools.clock
        self._client = AmazonClient(settings, tools)
        sweeps = Sweeps(self._client, tools.clock)
        self._reader = OrderReader(self._client, tools.clock, sweeps.notice, CustomFiles(settings, tools))
        self._notifications = Notifications(settings, self._client, tools.clock)
        self.parcels = AmazonParcels(self._client, tools.clock, sweeps)

    def start_authorization(
        self, request: Mapping[str, str], *, state: str, callback_url: str, now: datetime
    ) -> AuthorizationStart:
        """Build the consent page's address of the seller's own Seller Central."""
        del now
        return linking.start_authorization(
            self._settings, self._client, request, state=state, callback_url=callback_url
        )

    async def complete_authorization(
        self, callback: Mapping[str, str], *, memory: Mapping[str, str], callback_url: str, now: datetime
    ) -> Grant:
        """Exchange the callback's code."""
        return await linking.complete_authorization(
            self._client, callback, memory=memory, callback_url=callback_url, now=now
        )

    async def link_with_credentials(self, credentials: Mapping[str, str], *, now: datetime) -> Grant:
        """Link with the refresh token of a self-authorized app."""
        return await linking.link_with_refresh_token(self._settings, self._client, credentials, now=now)

    def refresh_due(self, secrets: Mapping[str, str], *, now: datetime) -> bool:
        """Tell whether the access token is about to end."""
        return linking.refresh_due(secrets, now=now)

    async def refresh(self, access: Access, *, now: datetime) -> Mapping[str, str]:
        """Return secrets with a new access token."""
        return await linking.refresh(self._client, access.secrets, now=now)

    async def probe(self, access: Access) -> tuple[Capability, ...]:
        """Look at recent orders for what they show."""
        queue = self._settings.amazon_sqs_queue_url
        return await probing.probe(self._client, access, queue=queue, now=self._clock.now())

    async def subscribe(self, access: Access, *, callback_url: str, app_url: str, anew: bool = False) -> Subscribed:
        """Have notifications put into our queue; Amazon cannot call an address."""
        del callback_url, app_url, anew
        return await self._notifications.subscribe(access)

    async def unsubscribe(self, access: Access) -> None:
        """Have no more notifications put into our queue."""
        await self._notifications.unsubscribe(access)

    async def read_page(self, access: Access, window: Window, *, after: str | None, way: Way) -> Page:
        """Read one page of orders by their change time."""
        return await self._reader.read_page(access, window, after=after, way=way)

    async def read_order(self, access: Access, external_id: str, *, way: Way) -> RawOrder | Unreadable | None:
        """Read one order."""
        return await self._reader.read_order(access, external_id, way=way)

    async def list_orders(self, access: Access, window: Window, *, after: str | None) -> Listing:
        """List ids and times: what Amazon gives of an order when nothing is included."""
        return await self._reader.list_orders(access, window, after=after)

    async def verify_webhook(self, access: Access | None, delivery: Delivery, *, now: datetime) -> None:
        """Refuse: Amazon calls nobody."""
        del access, delivery, now
        raise SignatureRefused(_NEVER_CALLS)

    def read_webhook(self, store: StoreRef, delivery: Delivery, *, now: datetime) -> WebhookFact:
        """Ask for nothing: Amazon calls nobody."""
        del store, delivery, now
        return NotOurs(_NEVER_CALLS)


def connect(settings: BaseSettings, tools: Tools) -> AmazonConnector:
    """Construct the connector."""
    return AmazonConnector(_amazon(settings), tools)


def listen(settings: BaseSettings) -> Listener | None:
    """Construct the listener of the queue; None when none is set up."""
    amazon = _amazon(settings)
    if not amazon.amazon_sqs_queue_url:
        return None
    # The AWS client is large: only who has a queue pays for it.
    from services.ingest.platforms.amazon.queue import AmazonQueue  # noqa: PLC0415

    return AmazonQueue(amazon)


def _amazon(settings: BaseSettings) -> AmazonSettings:
    if not isinstance(settings, AmazonSettings):
        raise TypeError("the Amazon connector is built from AmazonSettings")
    return settings
