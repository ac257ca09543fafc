"""The Notifications API over HTTP; what concerns destinations, and a subscription by its id, needs no seller."""

from __future__ import annotations

import uuid

from aiohttp import web

from deploy.sandbox.amazon.announcing import Announcer
from deploy.sandbox.amazon.calling import Call, operation_route
from deploy.sandbox.amazon.refusals import invalid, json_answer, not_found
from deploy.sandbox.amazon.subscribing import ORDER_CHANGE, check_listing
from deploy.sandbox.amazon.world import Amazon

_DESTINATIONS = "/notifications/v1/destinations"
_SUBSCRIPTIONS = "/notifications/v1/subscriptions"


class NotificationsApi:
    """The routes of one sandbox."""

    def __init__(self, amazon: Amazon, announcer: Announcer) -> None:
        self._amazon = amazon
        self._announcer = announcer
        self._all = announcer.subscriptions

    def routes(self) -> list[web.RouteDef]:
        """Every operation."""
        amazon, one = self._amazon, f"{_DESTINATIONS}/{{destination_id}}"
        kind, by_id = f"{_SUBSCRIPTIONS}/{{kind}}", f"{_SUBSCRIPTIONS}/{{kind}}/{{subscription_id}}"
        return [
            operation_route(amazon, "GET", _DESTINATIONS, "getDestinations", self._list, grantless=True),
            operation_route(amazon, "POST", _DESTINATIONS, "createDestination", self._create, grantless=True),
            operation_route(amazon, "GET", one, "getDestination", self._show, grantless=True),
            operation_route(amazon, "DELETE", one, "deleteDestination", self._delete, grantless=True),
            operation_route(amazon, "GET", _SUBSCRIPTIONS, "getSubscriptions", self._subscribed),
            operation_route(amazon, "GET", kind, "getSubscription", self._subscription),
            operation_route(amazon, "POST", kind, "createSubscription", self._subscribe),
            operation_route(amazon, "POST", f"{kind}/testNotification", "sendTestNotification", self._test),
            operation_route(amazon, "GET", by_id, "getSubscriptionById", self._by_id, grantless=True),
            operation_route(amazon, "DELETE", by_id, "deleteSubscriptionById", self._unsubscribe, grantless=True),
        ]

    async def _list(self, call: Call) -> web.Response:
        return json_answer({"payload": [each.payload() for each in self._all.destinations_of(call.client_id)]})

    async def _create(self, call: Call) -> web.Response:
        made = self._all.create_destination(await call.body(), client_id=call.client_id)
        return json_answer({"payload": made.payload()})

    async def _show(self, call: Call) -> web.Response:
        found = self._all.destination(call.request.match_info["destination_id"], client_id=call.client_id)
        return json_answer({"payload": found.payload()})

    async def _delete(self, call: Call) -> web.Response:
        self._all.delete_destination(call.request.match_info["destination_id"], client_id=call.client_id)
        return json_answer({})

    async def _subscribed(self, call: Call) -> web.Response:
        query = call.request.query
        kind = check_listing(query.get("notificationTypes"), query.get("pageSize", "30"))
        found = self._all.of(kind, client_id=call.client_id, seller_id=call.seller.seller_id)
        return json_answer({"payload": {"subscriptions": [each.payload() for each in found]}})

    async def _subscription(self, call: Call) -> web.Response:
        kind = call.request.match_info["kind"]
        found = self._all.of(kind, client_id=call.client_id, seller_id=call.seller.seller_id)
        if not found:
            raise not_found("There is no subscription of this type.")
        return json_answer({"payload": found[0].payload()})

    async def _subscribe(self, call: Call) -> web.Response:
        kind, body = call.request.match_info["kind"], await call.body()
        made = self._all.subscribe(kind, body, client_id=call.client_id, seller_id=call.seller.seller_id)
        return json_answer({"payload": made.payload()})

    async def _by_id(self, call: Call) -> web.Response:
        where = call.request.match_info
        found = self._all.subscription(where["kind"], where["subscription_id"], client_id=call.client_id)
        return json_answer({"payload": found.payload()})

    async def _unsubscribe(self, call: Call) -> web.Response:
        where = call.request.match_info
        self._all.unsubscribe(where["kind"], where["subscription_id"], client_id=call.client_id)
        return json_answer({})

    async def _test(self, call: Call) -> web.Response:
        """A message of no order, to see that the queue can be reached."""
        body = await call.body()
        asked, destination = body.get("testNotification"), body.get("destinationId")
        known = {each.destination_id for each in self._all.destinations_of(call.client_id)}
        if call.request.match_info["kind"] != ORDER_CHANGE or destination not in known:
            raise invalid(
                "Invalid Input, recheck that the AppId and DestinationId are valid "
                "and DestinationId belongs to the application"
            )
        if not isinstance(asked, dict) or asked.get("payloadVersion") != "1.0" or not asked.get("testScenario"):
            raise invalid("testNotification needs payloadVersion and testScenario.")
        self._announcer.tell(str(destination), self._test_body(call))
        return json_answer({})

    def _test_body(self, call: Call) -> dict[str, object]:
        now = self._amazon.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        application = self._amazon.lwa.apps[call.client_id].application_id
        metadata = {
            "ApplicationId": application,
            "SubscriptionId": str(uuid.UUID(int=0)),
            "PublishTime": now,
            "NotificationId": str(uuid.uuid4()),
        }
        return {
            "NotificationVersion": "1.0",
            "NotificationType": ORDER_CHANGE,
            "PayloadVersion": "1.0",
            "EventTime": now,
            "Payload": {"OrderChangeNotification": _test_change(call.seller.seller_id, now)},
            "NotificationMetadata": metadata,
        }


def _test_change(seller_id: str, now: str) -> dict[str, object]:
    return {
        "NotificationLevel": "OrderLevel",
        "SellerId": seller_id,
        "AmazonOrderId": "000-0000000-0000000",
        "OrderChangeType": "OrderStatusChange",
        "OrderChangeTrigger": {"TimeOfOrderChange": now, "ChangeReason": "Test notification"},
        "Summary": {
            "MarketplaceId": "ATVPDKIKX0DER",
            "OrderStatus": "Unshipped",
            "PurchaseDate": None,
            "DestinationPostalCode": None,
            "FulfillmentType": "MFN",
            "OrderType": "StandardOrder",
            "OrderItems": [],
        },
    }
