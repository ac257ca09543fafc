"""The Notifications API: destinations of the app, subscriptions of the sellers, and who is to be told what.

Source: the model notifications, v1.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from deploy.sandbox.amazon.refusals import conflict, invalid, not_found

ORDER_CHANGE = "ORDER_CHANGE"
#: Both were replaced by ORDER_CHANGE.
REMOVED = ("MFN_ORDER_STATUS_CHANGE", "ORDER_STATUS_CHANGE")
_ARN = re.compile(r"arn:aws:sqs:\S+:\S+:\S+")
_MAX_ARN, _MAX_NAME, _MAX_EXPRESSION = 1000, 256, 256
_CHANGES = frozenset({"BuyerRequestedChange", "DeliveryTipChange", "OrderStatusChange"})
_PAGE = (30, 100)


@dataclass(frozen=True, slots=True)
class Destination:
    """Where notifications go; `arn` is None for EventBridge."""

    destination_id: str
    client_id: str
    name: str
    resource: dict[str, Any]

    @property
    def arn(self) -> str | None:
        """The queue's name in AWS."""
        return self.resource["sqs"]["arn"] if "sqs" in self.resource else None

    def payload(self) -> dict[str, Any]:
        """As the API shows it."""
        return {"destinationId": self.destination_id, "name": self.name, "resource": self.resource}


@dataclass(frozen=True, slots=True)
class Subscription:
    """One seller's subscription by one app."""

    subscription_id: str
    client_id: str
    seller_id: str
    kind: str
    destination_id: str
    directive: dict[str, Any] | None

    def payload(self) -> dict[str, Any]:
        """As the API shows it."""
        shown = {
            "subscriptionId": self.subscription_id,
            "payloadVersion": "1.0",
            "destinationId": self.destination_id,
        }
        return shown if self.directive is None else shown | {"processingDirective": self.directive}

    def wants(self, *, change: str, marketplace_id: str) -> bool:
        """Whether the event filter lets this change through; an expression is stored and not evaluated."""
        wanted = (self.directive or {}).get("eventFilter", {})
        return change in wanted.get("orderChangeTypes", _CHANGES) and (
            not wanted.get("marketplaceIds") or marketplace_id in wanted["marketplaceIds"]
        )


@dataclass(slots=True)
class Subscriptions:
    """All destinations and subscriptions."""

    destinations: dict[str, Destination] = field(default_factory=dict)
    subscriptions: dict[str, Subscription] = field(default_factory=dict)

    def create_destination(self, body: dict[str, Any], *, client_id: str) -> Destination:
        """A new destination; 409 when the app has one of this queue or name."""
        name, resource = body.get("name"), _resource(body.get("resourceSpecification"))
        if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME:
            raise invalid("name is missing or too long.")
        for known in self.destinations_of(client_id):
            if known.name == name or known.resource == resource:
                raise conflict("A destination of this name or resource exists.")
        made = Destination(str(uuid.uuid4()), client_id, name, resource)
        self.destinations[made.destination_id] = made
        return made

    def destinations_of(self, client_id: str) -> list[Destination]:
        """The app's destinations."""
        return [each for each in self.destinations.values() if each.client_id == client_id]

    def destination(self, destination_id: str, *, client_id: str) -> Destination:
        """One destination of the app; 404 otherwise."""
        found = self.destinations.get(destination_id)
        if found is None or found.client_id != client_id:
            raise not_found("The destination does not exist.")
        return found

    def delete_destination(self, destination_id: str, *, client_id: str) -> None:
        """Forget a destination; 409 while a subscription needs it."""
        found = self.destination(destination_id, client_id=client_id)
        if any(each.destination_id == found.destination_id for each in self.subscriptions.values()):
            raise conflict("The destination has subscriptions.")
        del self.destinations[found.destination_id]

    def subscribe(self, kind: str, body: dict[str, Any], *, client_id: str, seller_id: str) -> Subscription:
        """A new subscription; 409 when the seller has one of this kind."""
        _check_kind(kind)
        if body.get("payloadVersion") != "1.0":
            raise invalid("payloadVersion is not supported.")
        destination = self.destinations.get(str(body.get("destinationId")))
        if destination is None or destination.client_id != client_id:
            raise invalid("destinationId is not valid for this application.")
        if destination.arn is None:
            raise invalid(f"{kind} is delivered to SQS only.")
        directive = _directive(kind, body.get("processingDirective"))
        if self.of(kind, client_id=client_id, seller_id=seller_id):
            raise conflict("A subscription of this type exists.")
        made = Subscription(str(uuid.uuid4()), client_id, seller_id, kind, destination.destination_id, directive)
        self.subscriptions[made.subscription_id] = made
        return made

    def of(self, kind: str, *, client_id: str | None, seller_id: str) -> list[Subscription]:
        """The seller's subscriptions of one kind, of one app or of all."""
        return [
            each
            for each in self.subscriptions.values()
            if each.kind == kind and each.seller_id == seller_id and client_id in (None, each.client_id)
        ]

    def subscription(self, kind: str, subscription_id: str, *, client_id: str) -> Subscription:
        """One subscription of the app; 404 otherwise."""
        found = self.subscriptions.get(subscription_id)
        if found is None or found.kind != kind or found.client_id != client_id:
            raise not_found("The subscription does not exist.")
        return found

    def unsubscribe(self, kind: str, subscription_id: str, *, client_id: str) -> None:
        """End a subscription."""
        del self.subscriptions[self.subscription(kind, subscription_id, client_id=client_id).subscription_id]


def check_listing(kinds: str | None, page_size: str) -> str:
    """The one notification type that getSubscriptions is asked for; 400 for none, several, or a page too large."""
    if not kinds or "," in kinds:
        raise invalid("notificationTypes takes exactly one value.")
    if not page_size.isdecimal() or not _PAGE[0] <= int(page_size) <= _PAGE[1]:
        raise invalid("pageSize must be between 30 and 100.")
    _check_kind(kinds)
    return kinds


def _check_kind(kind: str) -> None:
    if kind in REMOVED:
        raise invalid(f"{kind} was removed; use {ORDER_CHANGE}.")
    if kind != ORDER_CHANGE:
        raise invalid("The notification type is not supported.")


def _resource(asked: Any) -> dict[str, Any]:
    if not isinstance(asked, dict) or len(asked) != 1:
        raise invalid("resourceSpecification needs one of sqs and eventBridge.")
    match asked:
        case {"sqs": {"arn": str(arn)}}:
            if not _ARN.fullmatch(arn) or len(arn) > _MAX_ARN:
                raise invalid("arn is not that of an SQS queue.")
            if arn.endswith(".fifo"):
                raise invalid("FIFO queues are not supported.")
            return {"sqs": {"arn": arn}}
        case {"eventBridge": {"region": str(region), "accountId": str(account)}}:
            source = f"aws.partner/sellingpartnerapi.amazon.com/{account}"
            return {"eventBridge": {"name": source, "region": region, "accountId": account}}
    raise invalid("resourceSpecification is not understood.")


def _directive(kind: str, asked: Any) -> dict[str, Any] | None:
    if asked is None:
        return None
    match asked:
        case {"eventFilter": dict(wanted)} if len(asked) == 1:
            _check_filter(kind, wanted)
        case {"filterExpression": str(text)} if len(asked) == 1 and 0 < len(text) <= _MAX_EXPRESSION:
            pass
        case _:
            raise invalid("processingDirective needs one of eventFilter and filterExpression.")
    return dict(asked)


def _check_filter(kind: str, wanted: dict[str, Any]) -> None:
    if wanted.get("eventFilterType") != kind:
        raise invalid("eventFilterType is missing or another type's.")
    changes = wanted.get("orderChangeTypes", [])
    if not isinstance(changes, list) or not set(changes) <= _CHANGES:
        raise invalid("orderChangeTypes has a value that is not supported.")
    if not isinstance(wanted.get("marketplaceIds", []), list):
        raise invalid("marketplaceIds is not a list.")
