"""One order as Amazon keeps it, and the views of it: by the data sets asked for and the roles of the app."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, get_args

import orjson

from deploy.sandbox.amazon.markets import Market
from deploy.sandbox.people import Address

DataSet = Literal[
    "BUYER",
    "RECIPIENT",
    "PROCEEDS",
    "EXPENSE",
    "PROMOTION",
    "CANCELLATION",
    "FULFILLMENT",
    "PACKAGES",
    "TAX",
    "PAYMENT",
    "FULFILLMENT_ORDERS",
]
DATA_SETS: tuple[DataSet, ...] = get_args(DataSet)
STATUSES = (
    "PENDING_AVAILABILITY",
    "PENDING",
    "UNSHIPPED",
    "PARTIALLY_SHIPPED",
    "SHIPPED",
    "CANCELLED",
    "UNFULFILLABLE",
)
#: The payment is not authorised yet.
UNPAID = frozenset({"PENDING_AVAILABILITY", "PENDING"})
_WITH_EMAIL = frozenset({"UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED"})

#: What every answer has; all else belongs to one data set.
_BASIC = ("orderId", "orderAliases", "createdTime", "lastUpdatedTime", "programs", "associatedOrders", "salesChannel")
_ORDER_SETS: dict[str, DataSet] = {
    "buyer": "BUYER",
    "recipient": "RECIPIENT",
    "proceeds": "PROCEEDS",
    "payment": "PAYMENT",
    "tax": "TAX",
    "fulfillment": "FULFILLMENT",
    "packages": "PACKAGES",
    "fulfillmentOrders": "FULFILLMENT_ORDERS",
}
_BASIC_OF_ITEM = ("orderItemId", "quantityOrdered", "measurement", "associatedOrderItems", "programs")
_ITEM_SETS: dict[str, DataSet] = {
    "proceeds": "PROCEEDS",
    "expense": "EXPENSE",
    "promotion": "PROMOTION",
    "cancellation": "CANCELLATION",
    "fulfillment": "FULFILLMENT",
    "tax": "TAX",
}
_PERSONAL_OF_BUYER = frozenset({"buyerName", "buyerEmail"})
_PERSONAL_OF_ADDRESS = frozenset(
    {"name", "addressLine1", "addressLine2", "addressLine3", "postalCode", "phone", "extendedFields"}
)

#: A store's `role`: which personal data the app's restricted roles open.
ROLES: dict[str, frozenset[str]] = {
    "full": frozenset({"address", "buyer"}),
    "address": frozenset({"address"}),
    "buyer": frozenset({"buyer"}),
    "none": frozenset(),
}
UrlOf = Callable[[str], str]


@dataclass(slots=True)
class Order:
    """One order: `payload` complete and in Amazon's form, and what Amazon keeps beside it.

    `gone` counts, by item, the units that were cancelled, shipped by other means, or are Amazon's to ship.
    `words` are the buyer's answers by item and surface, for items of Amazon Custom. `whole_seconds` says that the
    order's times carry no milliseconds. Times are in Unix milliseconds.
    """

    payload: dict[str, Any]
    scenario: str
    market: Market
    address: Address
    created: int
    updated: int
    whole_seconds: bool = False
    gone: dict[str, int] = field(default_factory=dict)
    words: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    refunded: Literal["", "partially_refunded", "refunded"] = ""
    address_valid: bool = True
    #: The address has not reached the order yet.
    awaits_address: bool = False
    #: Not found by searches before this.
    listed_from: int = 0
    deleted: bool = False
    _wire: dict[tuple[Any, ...], bytes] = field(default_factory=dict)

    @property
    def order_id(self) -> str:
        """Amazon's id, 3-7-7."""
        return str(self.payload["orderId"])

    @property
    def status(self) -> str:
        """The fulfilment status."""
        return str(self.payload["fulfillment"]["fulfillmentStatus"])

    @status.setter
    def status(self, status: str) -> None:
        self.payload["fulfillment"]["fulfillmentStatus"] = status

    @property
    def by_amazon(self) -> bool:
        """Amazon ships it (FBA): read only for the seller."""
        return bool(self.payload["fulfillment"]["fulfilledBy"] == "AMAZON")

    @property
    def items(self) -> list[dict[str, Any]]:
        """The order's items."""
        return self.payload["orderItems"]  # type: ignore[no-any-return]

    def item(self, item_id: str) -> dict[str, Any] | None:
        """One item by its id."""
        return next((item for item in self.items if item["orderItemId"] == item_id), None)

    def touched(self, at: int) -> None:
        """The order changed at `at` (milliseconds)."""
        self.updated = max(at // 1000 * 1000 if self.whole_seconds else at, self.updated)
        self.payload["lastUpdatedTime"] = iso(self.updated)
        self._wire.clear()

    def wire(self, included: frozenset[DataSet], *, role: str, prices_early: bool, url_of: UrlOf) -> bytes:
        """The order as JSON bytes; kept until the next change, unless it holds a link that runs out."""
        key = (included, role, prices_early)
        if key not in self._wire or self.words:
            shown = view(self, included, role=role, prices_early=prices_early, url_of=url_of)
            self._wire[key] = orjson.dumps(shown)
        return self._wire[key]


def iso(at: int) -> str:
    """Milliseconds as ISO 8601 in UTC, without a fraction where there is none."""
    seconds, rest = divmod(at, 1000)
    text = datetime.fromtimestamp(seconds, UTC).isoformat()[:19]
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


def view(order: Order, included: frozenset[DataSet], *, role: str, prices_early: bool, url_of: UrlOf) -> dict[str, Any]:
    """The order as one caller sees it: basic information, and the data sets that were asked for."""
    payload, sees = order.payload, ROLES[role]
    priced = prices_early or order.status not in UNPAID
    shown = {name: payload[name] for name in _BASIC if name in payload}
    for name, data_set in _ORDER_SETS.items():
        if data_set in included and name in payload and (priced or name not in ("proceeds", "payment")):
            shown[name] = payload[name]
    _hide_buyer(shown, order, sees=sees)
    _hide_recipient(shown, order, sees=sees)
    link = url_of if "address" in sees else None
    shown["orderItems"] = [_item_view(order, item, included, priced=priced, url_of=link) for item in order.items]
    return shown


def _hide_buyer(shown: dict[str, Any], order: Order, *, sees: frozenset[str]) -> None:
    if "buyer" not in shown:
        return
    hidden = _PERSONAL_OF_BUYER if "buyer" not in sees or order.status in UNPAID else frozenset[str]()
    if order.by_amazon or order.status not in _WITH_EMAIL:
        hidden |= {"buyerEmail"}
    _keep(shown, "buyer", _without(shown["buyer"], hidden))


def _hide_recipient(shown: dict[str, Any], order: Order, *, sees: frozenset[str]) -> None:
    """No address before the payment is authorised; without the role only where in the world it goes."""
    if "recipient" not in shown:
        return
    if order.status in UNPAID or order.awaits_address:
        del shown["recipient"]
        return
    hidden = frozenset[str]() if "address" in sees else _PERSONAL_OF_ADDRESS
    if order.by_amazon or order.status == "SHIPPED":
        hidden |= {"phone"}
    shown["recipient"] = {"deliveryAddress": _without(shown["recipient"]["deliveryAddress"], hidden)}


def _item_view(
    order: Order, item: Mapping[str, Any], included: frozenset[DataSet], *, priced: bool, url_of: UrlOf | None
) -> dict[str, Any]:
    shown = {name: item[name] for name in _BASIC_OF_ITEM if name in item}
    product = item["product"]
    if not priced:
        product = _without(product, frozenset({"price"}))
    if url_of is not None and item["orderItemId"] in order.words:
        product = product | {"customization": {"customizedUrl": url_of(item["orderItemId"])}}
    shown["product"] = product
    for name, data_set in _ITEM_SETS.items():
        if data_set in included and name in item and (priced or name != "proceeds"):
            shown[name] = item[name]
    if url_of is None and "packing" in shown.get("fulfillment", {}):
        shown["fulfillment"] = shown["fulfillment"] | {"packing": _without_message(item["fulfillment"]["packing"])}
    return shown


def _without_message(packing: Mapping[str, Any]) -> dict[str, Any]:
    return {**packing, "giftOption": _without(packing["giftOption"], frozenset({"giftMessage"}))}


def _without(fields: Mapping[str, Any], hidden: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in hidden}


def _keep(shown: dict[str, Any], name: str, value: dict[str, Any]) -> None:
    """A part without any field left is absent, not empty."""
    if value:
        shown[name] = value
    else:
        del shown[name]
