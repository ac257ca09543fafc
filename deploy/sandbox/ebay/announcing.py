"""What eBay tells of, and in which words; of cancellations, refunds and addresses it tells nothing."""

from __future__ import annotations

from typing import Any

from deploy.sandbox.breaking import Silence
from deploy.sandbox.ebay.ledger import Order, moment
from deploy.sandbox.ebay.publishing import Message, Publisher
from deploy.sandbox.ebay.subscribing import Destination, Subscription, Switchboard
from deploy.sandbox.ebay.world import Seller, World

REVOKE_REASONS = ("REVOKED_BY_APP", "REVOKED_BY_USER", "REVOKED_BY_EBAY", "PASSWORD_CHANGE")


class Announcer:
    """Turns what happens into messages for whoever subscribed."""

    def __init__(self, world: World, switchboard: Switchboard, publisher: Publisher, silence: Silence) -> None:
        self._silence = silence
        self._world = world
        self._switchboard = switchboard
        self._publisher = publisher

    def order_confirmed(self, seller: Seller, order: Order) -> None:
        """A buyer completed checkout: one message for each line."""
        if not self._world.tokens.has_grant(seller.user_id):
            return
        if self._silence.covers(seller.user_id, "ORDER_CONFIRMATION"):
            return
        lines = [_line(line) for line in order.payload["lineItems"]]
        whole = self._world.knobs.confirmation == "order"
        for _, destination in self._switchboard.listeners("ORDER_CONFIRMATION", user_id=seller.user_id):
            for line in lines:
                told: dict[str, Any] = {
                    "order": {"orderId": order.order_id, "orderLineItems": lines if whole else [line]}
                }
                if self._world.knobs.confirmation_user:
                    told = {"user": _user(seller), **told}
                self._send("ORDER_CONFIRMATION", destination, told)

    def access_revoked(self, seller: Seller, *, reason: str) -> None:
        """A seller's consent has ended."""
        data = _account(seller.username, seller.user_id, seller.eias_token)
        data |= {"revokeReason": reason, "revocationDate": moment(self._world.now_ms())}
        self._tell("AUTHORIZATION_REVOCATION", data, user_id=seller.user_id)

    def account_deleted(self, username: str, user_id: str, eias_token: str) -> None:
        """Somebody, a buyer or a seller, has closed their account: every app is told."""
        self._tell("MARKETPLACE_ACCOUNT_DELETION", _account(username, user_id, eias_token), user_id=None)

    def test(self, subscription: Subscription, destination: Destination) -> None:
        """The mocked message of the test call."""
        data: dict[str, Any] = _account("test_user", "ma8vp1jySJC", "nY+sHZ2PrBmdj6wVnY+sEZ2PrA2dj6wJnY==")
        match subscription.topic:
            case "ORDER_CONFIRMATION":
                line = {"orderLineItemId": "10000000000001", "listingId": "280000000001", "quantity": 1}
                user = {"userId": "ma8vp1jySJC", "username": "test_user"}
                data = {"user": user, "order": {"orderId": "00-00000-00000", "orderLineItems": [line]}}
            case "AUTHORIZATION_REVOCATION":
                data |= {"revokeReason": "REVOKED_BY_USER", "revocationDate": moment(self._world.now_ms())}
        self._send(subscription.topic, destination, data)

    def _tell(self, topic: str, data: dict[str, Any], *, user_id: str | None) -> None:
        for _, destination in self._switchboard.listeners(topic, user_id=user_id):
            self._send(topic, destination, data)

    def _send(self, topic: str, destination: Destination, data: dict[str, Any]) -> None:
        self._publisher.send(Message(topic, destination, data, event_ms=self._world.now_ms()))


def _line(line: dict[str, Any]) -> dict[str, Any]:
    return {"orderLineItemId": line["lineItemId"], "listingId": line["legacyItemId"], "quantity": line["quantity"]}


def _user(seller: Seller) -> dict[str, str]:
    return {"userId": seller.user_id, "username": seller.username}


def _account(username: str, user_id: str, eias_token: str) -> dict[str, Any]:
    return {"username": username, "userId": user_id, "eiasToken": eias_token}
