"""The Notification API's memory: configuration, destinations and subscriptions, with the rules for each."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from deploy.sandbox.ebay.ledger import moment
from deploy.sandbox.ebay.refusals import unacceptable
from deploy.sandbox.ebay.tokens import PUBLIC, SUBSCRIBE, Access

ENABLED, DISABLED, MARKED_DOWN = "ENABLED", "DISABLED", "MARKED_DOWN"
SCHEMA_VERSION = "1.0"
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32,80}")
_MARKUP = re.compile(r"[<>]")
_MAX_NAME = 64
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Topic:
    """What can be subscribed to: for one user with that user's token, for the whole app with its own, or either."""

    name: str
    description: str
    for_user: bool
    for_app: bool
    scope: str


TOPICS = {
    topic.name: topic
    for topic in (
        Topic("ORDER_CONFIRMATION", "An order's checkout is complete", True, False, SUBSCRIBE),  # noqa: FBT003
        Topic("AUTHORIZATION_REVOCATION", "A user's consent has ended", True, True, PUBLIC),  # noqa: FBT003
        Topic("MARKETPLACE_ACCOUNT_DELETION", "A user's account is deleted", False, True, PUBLIC),  # noqa: FBT003
    )
}


@dataclass(slots=True)
class Destination:
    """An endpoint that proved itself by a challenge."""

    destination_id: str
    name: str
    status: str
    endpoint: str
    token: str = field(repr=False)

    def told(self) -> dict[str, Any]:
        """As the API shows it, verification token included."""
        config = {"endpoint": self.endpoint, "verificationToken": self.token}
        told = {"destinationId": self.destination_id, "name": self.name, "status": self.status}
        return told | {"deliveryConfig": config}


@dataclass(slots=True)
class Subscription:
    """Who wants to hear of what; `user_id` is None for the app's own."""

    subscription_id: str
    topic: str
    user_id: str | None
    destination_id: str
    status: str
    created_ms: int

    def told(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "subscriptionId": self.subscription_id,
            "topicId": self.topic,
            "status": self.status,
            "creationDate": moment(self.created_ms),
            "destinationId": self.destination_id,
            "payload": {"format": "JSON", "schemaVersion": SCHEMA_VERSION, "deliveryProtocol": "HTTPS"},
        }


@dataclass(slots=True)
class Switchboard:
    """All destinations and subscriptions of the app; calls raise EbayError where a rule is broken."""

    alert_email: str | None = None
    destinations: dict[str, Destination] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)

    def configure(self, body: dict[str, Any]) -> None:
        """Whom to alert; nothing else can be set up before."""
        email = body.get("alertEmail")
        if not isinstance(email, str) or not re.fullmatch(r"[^@\s]+@[^@\s]+", email):
            raise unacceptable(195025)
        self.alert_email = email

    def draft(self, body: dict[str, Any], *, require_https: bool, known: str | None = None) -> Destination:
        """The destination that a request describes, before its challenge; `known` is the id of the one it changes."""
        if self.alert_email is None:
            raise unacceptable(195003)
        raw = body.get("deliveryConfig")
        config: dict[str, Any] = raw if isinstance(raw, dict) else {}
        name, endpoint, token = body.get("name"), config.get("endpoint"), config.get("verificationToken")
        if not isinstance(name, str) or not name or len(name) > _MAX_NAME or _MARKUP.search(name):
            raise unacceptable(195016)
        if not isinstance(endpoint, str) or not _is_endpoint(endpoint, require_https=require_https):
            raise unacceptable(195017)
        if body.get("status") not in (ENABLED, DISABLED):
            raise unacceptable(195018)
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise unacceptable(195019)
        if any(each.endpoint == endpoint and each.destination_id != known for each in self.destinations.values()):
            raise unacceptable(195021)
        return Destination(known or str(uuid.uuid4()), name, body["status"], endpoint, token)

    def destination(self, destination_id: str) -> Destination:
        """The destination of this id."""
        if destination_id not in self.destinations:
            raise unacceptable(195022)
        return self.destinations[destination_id]

    def drop_destination(self, destination_id: str) -> None:
        """Forget one that is neither enabled nor in use."""
        destination = self.destination(destination_id)
        used = any(each.destination_id == destination_id for each in self.subscriptions.values())
        if destination.status == ENABLED or used:
            raise unacceptable(195024)
        del self.destinations[destination_id]

    def subscribe(self, body: dict[str, Any], access: Access, *, now_ms: int) -> Subscription:
        """A new subscription of whoever calls."""
        topic = TOPICS.get(str(body.get("topicId")))
        if topic is None:
            raise unacceptable(195027)
        _must_be_allowed(topic, access)
        user_id = access.grant.seller
        status, destination = self._checked(body)
        if any((each.topic, each.user_id) == (topic.name, user_id) for each in self.subscriptions.values()):
            raise unacceptable(195012)
        subscription = Subscription(
            str(uuid.uuid4()), topic.name, user_id, destination.destination_id, status, created_ms=now_ms
        )
        self.subscriptions[subscription.subscription_id] = subscription
        return subscription

    def change(self, subscription: Subscription, body: dict[str, Any]) -> None:
        """Send it elsewhere, or pause it."""
        subscription.status, destination = self._checked(body)
        subscription.destination_id = destination.destination_id

    def enable(self, subscription: Subscription) -> None:
        """Resume."""
        if self.destination(subscription.destination_id).status != ENABLED:
            raise unacceptable(195015)
        subscription.status = ENABLED

    def own(self, access: Access, subscription_id: str) -> Subscription:
        """The caller's subscription of this id; those of others do not exist for them."""
        found = self.subscriptions.get(subscription_id)
        if found is None or found.user_id != access.grant.seller:
            raise unacceptable(195013)
        return found

    def listeners(self, topic: str, *, user_id: str | None) -> list[tuple[Subscription, Destination]]:
        """Who hears of an event of this user's: their own subscription and the app's, where both ends are enabled."""
        return [
            (each, self.destinations[each.destination_id])
            for each in self.subscriptions.values()
            if each.topic == topic
            and each.status == ENABLED
            and each.user_id in (None, user_id)
            and self.destinations[each.destination_id].status == ENABLED
        ]

    def _checked(self, body: dict[str, Any]) -> tuple[str, Destination]:
        raw = body.get("payload")
        payload: dict[str, Any] = raw if isinstance(raw, dict) else {}
        status, destination_id = body.get("status"), body.get("destinationId")
        if status not in (ENABLED, DISABLED):
            raise unacceptable(195006)
        if not isinstance(destination_id, str) or destination_id not in self.destinations:
            raise unacceptable(195007)
        if payload.get("schemaVersion") != SCHEMA_VERSION:
            raise unacceptable(195008)
        if payload.get("format") != "JSON":
            raise unacceptable(195009)
        if payload.get("deliveryProtocol") != "HTTPS":
            raise unacceptable(195010)
        destination = self.destinations[destination_id]
        if status == ENABLED and destination.status != ENABLED:
            raise unacceptable(195015)
        return status, destination


def topic_told(topic: Topic) -> dict[str, Any]:
    """A topic as the API shows it."""
    return {
        "topicId": topic.name,
        "description": topic.description,
        "authorizationScopes": [topic.scope],
        "context": "AUTHORIZATION" if topic.name == "AUTHORIZATION_REVOCATION" else "ORDER",
        "scope": "USER" if topic.for_user else "APPLICATION",
        "status": ENABLED,
        "filterable": False,
        "supportedPayloads": [
            {"format": ["JSON"], "schemaVersion": SCHEMA_VERSION, "deliveryProtocol": "HTTPS", "deprecated": False}
        ],
    }


def _must_be_allowed(topic: Topic, access: Access) -> None:
    if access.grant.seller is None:
        allowed = topic.for_app
    else:
        allowed = topic.for_user and bool({SUBSCRIBE, topic.scope} & access.scopes)
    if not allowed:
        raise unacceptable(195011)


def _is_endpoint(text: str, *, require_https: bool) -> bool:
    parts = urlsplit(text)
    on_loopback = parts.scheme == "http" and parts.hostname in _LOOPBACK and not require_https
    return bool(parts.hostname) and (parts.scheme == "https" or on_loopback)
