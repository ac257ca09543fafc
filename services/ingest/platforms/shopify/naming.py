"""What Shopify calls things: global ids end in the number that webhooks carry."""

from __future__ import annotations

import re

from services.ingest.contract.reading import UnreadablePayload

ORDER = "gid://shopify/Order/"
FULFILLMENT_ORDER = "gid://shopify/FulfillmentOrder/"

_DIGITS = re.compile(r"[0-9]{1,20}")
#: Before the number of a fulfilment order, where an order's id is expected.
_BY_FULFILLMENT_ORDER = "fulfillment-order/"


def number_in(gid: str, *, path: str) -> str:
    """Return the digits of a gid such as gid://shopify/LineItem/N. Raises UnreadablePayload."""
    digits = gid.rpartition("/")[2]
    if not _DIGITS.fullmatch(digits):
        raise UnreadablePayload(path, "not a global id that ends in digits")
    return digits


def by_fulfillment_order(number: str) -> str:
    """Return what stands for the id of the order that a fulfilment order is of, until somebody looks it up."""
    return f"{_BY_FULFILLMENT_ORDER}{number}"


def fulfillment_order_in(external_id: str) -> str | None:
    """Return the gid of the fulfilment order that `by_fulfillment_order` wrote; None for an order's own id."""
    if not external_id.startswith(_BY_FULFILLMENT_ORDER):
        return None
    return FULFILLMENT_ORDER + external_id.removeprefix(_BY_FULFILLMENT_ORDER)
