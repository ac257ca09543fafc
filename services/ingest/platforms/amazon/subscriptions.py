"""Has Amazon put a seller's ORDER_CHANGE notifications into our queue, where there is one.

A destination (the queue, once an app and region) and what deletes a subscription belong to the app itself: those calls
are made with a token of its own, without any seller's grant.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit
from zlib import crc32

from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import NEVER_PUSHED, Ailment, Mended, Subscribed
from services.ingest.parsing import parsed
from services.ingest.platforms.amazon.client import Account, AmazonClient, RequestRefused
from services.ingest.platforms.amazon.linking import account_of
from services.ingest.platforms.amazon.payloads import AmazonTokens
from services.ingest.platforms.amazon.settings import AmazonSettings
from services.kit.clock import Clock
from services.kit.errors import AuthorizationError, TransientError

ORDER_CHANGE = "ORDER_CHANGE"
#: What changes of an order we hear of; a tip for the delivery changes nothing that is made.
CHANGES = ("OrderStatusChange", "BuyerRequestedChange")

_BASE = "/notifications/v1"
#: Each queue is a destination of its own: Amazon may refuse a second one of the same name.
_DESTINATION = "sync-order-{:08x}"
_SCOPE = "sellingpartnerapi::notifications"
_REFRESH_AHEAD = timedelta(minutes=5)
_CONFLICT = 409


class Notifications:
    """Subscribes sellers to the queue of the settings."""

    def __init__(self, settings: AmazonSettings, client: AmazonClient, clock: Clock) -> None:
        self._settings = settings
        self._client = client
        self._clock = clock
        self._app_token = ""
        self._app_token_ends = datetime.min.replace(tzinfo=clock.now().tzinfo)

    async def subscribe(self, access: Access) -> Subscribed:
        """Make sure that the seller's changes go to our queue; harmless when repeated."""
        if not self._settings.amazon_sqs_queue_url:
            return NEVER_PUSHED
        account = account_of(access.secrets)
        ailment: Ailment = "missing"
        try:
            destination = await self._destination(account.region)
            for held in await self._subscriptions(account):
                if held.get("destinationId") == destination:
                    return Subscribed((ORDER_CHANGE,))
                # A seller has one subscription an app: one that leads elsewhere keeps ours from being made.
                await self._delete(account, held)
                ailment = "wrong_address"
            await self._create(account, destination, marketplaces=access.secrets.get("marketplaces", ""))
        except RequestRefused as error:
            raise TransientError(f"Amazon does not subscribe us: {error}") from error
        return Subscribed((ORDER_CHANGE,), (Mended(ORDER_CHANGE, ailment),))

    async def unsubscribe(self, access: Access) -> None:
        """Delete the seller's subscription; when our access is gone, so is the subscription."""
        if not self._settings.amazon_sqs_queue_url:
            return
        account = account_of(access.secrets)
        try:
            for held in await self._subscriptions(account):
                await self._delete(account, held)
        except AuthorizationError:
            return
        except RequestRefused as error:
            raise TransientError(f"Amazon does not unsubscribe us: {error}") from error

    async def _destination(self, region: str) -> str:
        """Return Amazon's id of our queue, which is made known where it is not yet."""
        arn = queue_arn(self._settings)
        found = await self._find_destination(region, arn)
        if found is not None:
            return found
        body = {"name": _DESTINATION.format(crc32(arn.encode())), "resourceSpecification": {"sqs": {"arn": arn}}}
        try:
            answer = await self._as_app(region, "createDestination", f"{_BASE}/destinations", method="POST", body=body)
        except RequestRefused as error:
            if error.status != _CONFLICT:
                raise
            # Another process was faster.
            found = await self._find_destination(region, arn)
            answer = {"payload": {"destinationId": found}} if found else None
        payload = (answer or {}).get("payload")
        made = payload.get("destinationId") if isinstance(payload, dict) else None
        if not isinstance(made, str):
            raise TransientError("Amazon does not say how it calls our queue")
        return made

    async def _find_destination(self, region: str, arn: str) -> str | None:
        answer = await self._as_app(region, "getDestinations", f"{_BASE}/destinations")
        for held in _list((answer or {}).get("payload")):
            if (held.get("resource") or {}).get("sqs", {}).get("arn") == arn:
                return str(held["destinationId"])
        return None

    async def _subscriptions(self, account: Account) -> list[dict[str, Any]]:
        query = {"notificationTypes": ORDER_CHANGE}
        answer = await self._client.call(account, "getSubscriptions", f"{_BASE}/subscriptions", query=query)
        payload = (answer or {}).get("payload")
        return _list(payload.get("subscriptions") if isinstance(payload, dict) else None)

    async def _create(self, account: Account, destination: str, *, marketplaces: str) -> None:
        event_filter: dict[str, Any] = {"eventFilterType": ORDER_CHANGE, "orderChangeTypes": list(CHANGES)}
        if marketplaces:
            event_filter["marketplaceIds"] = marketplaces.split(",")
        body = {
            "payloadVersion": "1.0",
            "destinationId": destination,
            "processingDirective": {"eventFilter": event_filter},
        }
        path = f"{_BASE}/subscriptions/{ORDER_CHANGE}"
        answer = await self._client.call(account, "createSubscription", path, method="POST", body=body)
        if answer is None:
            raise TransientError("Amazon does not know our queue any more")

    async def _delete(self, account: Account, held: dict[str, Any]) -> None:
        path = f"{_BASE}/subscriptions/{ORDER_CHANGE}/{quote(str(held.get('subscriptionId', '')), safe='')}"
        await self._as_app(account.region, "deleteSubscriptionById", path, method="DELETE")

    async def _as_app(self, region: str, operation: str, path: str, **sent: Any) -> dict[str, Any] | None:
        """Call with the app's own token. Its refusal is no seller's doing."""
        account = Account(self._settings.amazon_client_id, region, await self._token())
        try:
            return await self._client.call(account, operation, path, **sent)
        except AuthorizationError as first:
            self._app_token = ""
            try:
                return await self._client.call(replace(account, token=await self._token()), operation, path, **sent)
            except AuthorizationError:
                raise TransientError("Amazon refuses this installation's app: see to its roles") from first

    async def _token(self) -> str:
        now = self._clock.now()
        if not self._app_token or self._app_token_ends - now <= _REFRESH_AHEAD:
            try:
                answer = await self._client.token({"grant_type": "client_credentials", "scope": _SCOPE})
                tokens = parsed(AmazonTokens, answer)
            except AuthorizationError as error:
                raise TransientError(str(error)) from error
            except UnreadablePayload as error:
                raise TransientError(f"Amazon's token answer cannot be read: {error.path}") from None
            self._app_token, self._app_token_ends = tokens.access_token, now + timedelta(seconds=tokens.expires_in)
        return self._app_token


def queue_arn(settings: AmazonSettings) -> str:
    """Return how Amazon calls the queue of an address like https://sqs.us-east-2.amazonaws.com/444455556666/queue1."""
    account, _, name = urlsplit(settings.amazon_sqs_queue_url).path.strip("/").partition("/")
    return f"arn:aws:sqs:{settings.amazon_sqs_region}:{account}:{name}"


def _list(value: object) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
