"""Keeps eBay's notifications coming: one destination for the app, one subscription a topic and seller."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import structlog

from services.ingest.contract.connector import Tools
from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import NEVER_PUSHED, Ailment, Mended, Subscribed
from services.ingest.platforms.ebay.client import NOTIFY, Declined, EbayClient, Reply
from services.ingest.platforms.ebay.settings import EbaySettings
from services.ingest.platforms.ebay.webhook import ACCOUNT_DELETION, ORDER_CONFIRMATION, REVOCATION
from services.kit.errors import AuthorizationError, TransientError
from services.kit.limits import Limit

log = structlog.get_logger(__name__)

#: Topics of one seller, subscribed with the seller's token, and of the app as a whole.
SELLER_TOPICS = (ORDER_CONFIRMATION, REVOCATION)
APP_TOPICS = (ACCOUNT_DELETION,)
#: What eBay's portal shows as our destination.
NAME = "sync-order"
#: How often this process looks again whether eBay has marked our destination down.
DESTINATION_CHECKED_EVERY = timedelta(minutes=5)
#: How often at most it looks whether a seller's subscriptions stand, and how many such looks a day there are for all
#: sellers together: the app has 10,000 calls a day for everything that has to do with notifications. So up to 125
#: sellers are looked at each hour, and more of them less often.
SELLER_CHECKED_EVERY = timedelta(minutes=1)
LOOKS_A_DAY = 3000
_LOOKS, _LOOKS_LIMIT = "ebay|app|looks", Limit(LOOKS_A_DAY, LOOKS_A_DAY / 86_400)

_DAY = timedelta(days=1)
_ENABLED = "ENABLED"
#: eBay's words for what delivers nothing. Whoever gave up is marked down, whoever was told to is disabled.
_AILMENTS: Mapping[str, Ailment] = {"DISABLED": "paused", "MARKED_DOWN": "disabled"}
#: eBay's largest page of subscriptions and destinations, and how many pages of them we read at most.
_LIMIT, _PAGES = 100, 50
#: eBay's numbers of: nothing configured, not authorized for the topic, the subscription exists, its destination is not
#: enabled, the challenge failed.
_NO_CONFIGURATION, _NOT_AUTHORIZED, _EXISTS, _NOT_ENABLED, _CHALLENGE_FAILED = 195003, 195011, 195012, 195015, 195020
_SCHEMA_VERSION = "1.0"


@dataclass(frozen=True, slots=True)
class _Destination:
    """Where eBay sends to, as this process last saw it; what it had to mend of it, and when."""

    number: str
    checked_at: datetime
    ailment: Ailment | None = None
    mended_at: datetime | None = None


class Subscriber:
    """Subscribes any seller of the app."""

    def __init__(self, settings: EbaySettings, client: EbayClient, tools: Tools) -> None:
        self._settings = settings
        self._client = client
        self._clock = tools.clock
        self._limits = tools.limits
        self._destinations: dict[str, _Destination] = {}
        self._sellers: dict[tuple[str, str, str], tuple[tuple[str, ...], datetime]] = {}
        self._versions: dict[str, str] = {}

    async def subscribe(self, access: Access, *, app_url: str) -> Subscribed:
        """Return the topics that come; none where the installation has no verification token."""
        if not self._settings.ebay_verification_token.get_secret_value():
            return NEVER_PUSHED
        destination = await self._destination(app_url)
        # Another link of the same seller begins with no subscription: its refresh token tells the links apart.
        seller = (access.store.external_id, access.secrets.get("refresh_token", ""), destination.number)
        topics, checked_at = self._sellers.get(seller, ((), None))
        mended = _with_the_destination(destination, topics or SELLER_TOPICS, since=checked_at)
        if await self._may_look(checked_at):
            found = await self._ensure(SELLER_TOPICS, destination.number, token=access.secrets["access_token"])
            topics, mended = found.topics, found.mended or mended
        elif not mended:
            return Subscribed(topics)
        self._sellers[seller] = topics, self._clock.now()
        return Subscribed(topics, mended)

    async def _may_look(self, checked_at: datetime | None) -> bool:
        """Tell whether a seller may be looked at again, so that all of them together keep to the day's looks.

        Each has its turn in this process; what other processes look at is counted, too.
        """
        now = self._clock.now()
        turn = max(SELLER_CHECKED_EVERY, len(self._sellers) * _DAY / LOOKS_A_DAY)
        if checked_at is not None and now - checked_at < turn:
            return False
        try:
            await self._limits.take(_LOOKS, limit=_LOOKS_LIMIT, patience=0)
        except TransientError:
            # Whoever is not known at all has to be subscribed.
            return checked_at is None
        return True

    async def unsubscribe(self, access: Access) -> None:
        """Delete the seller's subscriptions, and nothing when eBay refuses us already."""
        for seller in [seller for seller in self._sellers if seller[0] == access.store.external_id]:
            del self._sellers[seller]
        token = access.secrets.get("access_token", "")
        try:
            for found in await self._subscriptions(token):
                if found.get("topicId") in SELLER_TOPICS:
                    await self._call("DELETE", f"/subscription/{found['subscriptionId']}", token=token)
        except (AuthorizationError, Declined):
            return

    async def _destination(self, app_url: str) -> _Destination:
        """Return the app's destination at this address, made, or enabled again, where that is needed."""
        now, known = self._clock.now(), self._destinations.get(app_url)
        if known is not None and now - known.checked_at < DESTINATION_CHECKED_EVERY:
            return known
        self._sellers = {seller: seen for seller, seen in self._sellers.items() if now - seen[1] < _DAY}
        await self._say_where_alerts_go()
        number, ailment = await self._found_or_made(app_url)
        await self._ensure(APP_TOPICS, number, token=None)
        if ailment is not None:
            known = _Destination(number, now, ailment, now)
        elif known is not None and known.number == number:
            known = replace(known, checked_at=now)
        else:
            known = _Destination(number, now)
        self._destinations[app_url] = known
        return known

    async def _found_or_made(self, app_url: str) -> tuple[str, Ailment | None]:
        """Return the destination's id, and what kept it from being delivered to."""
        token = self._settings.ebay_verification_token.get_secret_value()
        config = {"endpoint": app_url, "verificationToken": token}
        wanted = {"name": NAME, "status": _ENABLED, "deliveryConfig": config}
        found = await self._at(app_url)
        try:
            if found is None:
                reply = await self._call("POST", "/destination", json=wanted)
                return reply.location.rstrip("/").rpartition("/")[2] or _id(await self._at(app_url)), None
            status = str(found.get("status"))
            if status != _ENABLED or found["deliveryConfig"].get("verificationToken", token) != token:
                log.warning("ebay.destination_enabled", was=status)
                await self._call("PUT", f"/destination/{_id(found)}", json=wanted)
        except Declined as declined:
            raise _with_a_remedy(declined) from None
        return _id(found), None if status == _ENABLED else _AILMENTS.get(status, "disabled")

    async def _at(self, app_url: str) -> dict[str, Any] | None:
        for found in await self._all("/destination", "destinations", token=None):
            if _as_object(found.get("deliveryConfig")).get("endpoint") == app_url:
                return found
        return None

    async def _say_where_alerts_go(self) -> None:
        wanted = self._settings.ebay_alert_email
        if not wanted:
            return
        try:
            told = (await self._call("GET", "/config")).body.get("alertEmail")
        except Declined:
            told = None  # nothing was configured yet
        if told != wanted:
            await self._call("PUT", "/config", json={"alertEmail": wanted})

    async def _ensure(self, topics: Iterable[str], destination: str, *, token: str | None) -> Subscribed:
        """Return those of the topics that are subscribed now, and what was mended; `token` None: as the app."""
        standing = {str(found.get("topicId")): found for found in await self._subscriptions(token)}
        subscribed: list[str] = []
        mended: list[Mended] = []
        for topic in topics:
            found = standing.get(topic)
            ailment = _ailment(found, destination)
            if ailment is None:
                subscribed.append(topic)
            elif await self._is_put_right(topic, found, destination, token):
                subscribed.append(topic)
                mended.append(Mended(topic, ailment))
        return Subscribed(tuple(subscribed), tuple(mended))

    async def _is_put_right(
        self, topic: str, found: Mapping[str, Any] | None, destination: str, token: str | None
    ) -> bool:
        wanted = {
            "status": _ENABLED,
            "destinationId": destination,
            "payload": {
                "format": "JSON",
                "schemaVersion": await self._version(topic),
                "deliveryProtocol": "HTTPS",
            },
        }
        try:
            if found is None:
                await self._call("POST", "/subscription", token=token, json=wanted | {"topicId": topic})
            else:
                await self._call("PUT", f"/subscription/{found['subscriptionId']}", token=token, json=wanted)
        except Declined as declined:
            return self._is_bearable(topic, declined)
        return True

    def _is_bearable(self, topic: str, declined: Declined) -> bool:
        if _EXISTS in declined.errors:
            return True
        if _NOT_AUTHORIZED in declined.errors:
            log.warning("ebay.topic_refused", topic=topic)
            return False
        if _NOT_ENABLED in declined.errors:
            # It was marked down since we looked: whoever tries again looks first.
            self._destinations.clear()
        raise declined

    async def _version(self, topic: str) -> str:
        """Return the newest version of a topic's messages that eBay still keeps up."""
        if topic not in self._versions:
            try:
                told = (await self._call("GET", f"/topic/{topic}")).body.get("supportedPayloads")
            except Declined:
                told = None
            payloads = [_as_object(payload) for payload in told] if isinstance(told, list) else []
            versions = [str(payload.get("schemaVersion")) for payload in payloads if not payload.get("deprecated")]
            self._versions[topic] = max(versions, default=_SCHEMA_VERSION)
        return self._versions[topic]

    async def _subscriptions(self, token: str | None) -> list[dict[str, Any]]:
        return await self._all("/subscription", "subscriptions", token=token)

    async def _all(self, path: str, name: str, *, token: str | None) -> list[dict[str, Any]]:
        """Return every entry of a list, page by page; the address of the next page gives its token only."""
        found: list[dict[str, Any]] = []
        query: dict[str, object] = {"limit": _LIMIT}
        for _ in range(_PAGES):
            body = (await self._call("GET", path, token=token, query=query)).body
            entries = body.get(name)
            found += [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
            following = _continuation(body.get("next"))
            # `next` is told on the last page too.
            if not following or not entries or len(found) >= int(body.get("total") or 0):
                break
            query = {"limit": _LIMIT, "continuation_token": following}
        return found

    async def _call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        query: Mapping[str, object] | None = None,
        json: object = None,
    ) -> Reply:
        if token is None:
            return await self._client.call_as_app(method, f"{NOTIFY}{path}", query=query, json=json)
        return await self._client.call(method, f"{NOTIFY}{path}", token=token, query=query, json=json)


def _with_the_destination(
    destination: _Destination, topics: tuple[str, ...], *, since: datetime | None
) -> tuple[Mended, ...]:
    """Return a seller's topics, when the destination of all sellers was mended after that seller's last look."""
    if destination.ailment is None or destination.mended_at is None:
        return ()
    if since is not None and since >= destination.mended_at:
        return ()
    return tuple(Mended(topic, destination.ailment) for topic in topics)


def _ailment(found: Mapping[str, Any] | None, destination: str) -> Ailment | None:
    if found is None:
        return "missing"
    if found.get("destinationId") != destination:
        return "wrong_address"
    status = str(found.get("status"))
    return None if status == _ENABLED else _AILMENTS.get(status, "disabled")


def _with_a_remedy(declined: Declined) -> TransientError:
    if _CHALLENGE_FAILED in declined.errors:
        return TransientError("eBay's challenge did not reach us at PUBLIC_URL.", retry_after=300.0)
    if _NO_CONFIGURATION in declined.errors:
        return TransientError("eBay wants an address for its alerts: set EBAY_ALERT_EMAIL.", retry_after=300.0)
    return declined


def _id(destination: Mapping[str, Any] | None) -> str:
    number = destination.get("destinationId") if destination else None
    if not isinstance(number, str) or not number:
        raise TransientError("eBay does not tell which destination is ours", retry_after=60.0)
    return number


def _continuation(address: object) -> str | None:
    query = parse_qs(urlsplit(address).query) if isinstance(address, str) else {}
    return next(iter(query.get("continuation_token", [])), None)


def _as_object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
