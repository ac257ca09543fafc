"""What a buyer had written on an item of Amazon Custom: a ZIP with a JSON file, behind a link that soon ends.

The documentation names the link and the ZIP, not the JSON's fields; these follow the form that sellers publish:
surfaces with areas of text, under `customizationInfo`.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import secrets
import zipfile
from dataclasses import dataclass, field
from typing import Any

import orjson

from deploy.sandbox.amazon.orders import Order

_SIGNED = 16


@dataclass(slots=True)
class CustomLinks:
    """Makes links and knows its own again; times are Unix seconds."""

    _key: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)

    def link(self, base_url: str, *, order: Order, item_id: str, ends: int) -> str:
        """Where the item's ZIP can be had until `ends`."""
        name = f"{order.order_id}_{item_id}"
        return f"{base_url}/custom/{name}.zip?expires={ends}&signature={self._sign(name, ends)}"

    def opens(self, name: str, *, expires: str, signature: str, now: float) -> bool:
        """Whether a link is one of ours, and still good."""
        if not expires.isdecimal() or int(expires) < now:
            return False
        return hmac.compare_digest(self._sign(name, int(expires)).encode(), signature.encode())

    def _sign(self, name: str, ends: int) -> str:
        return hmac.digest(self._key, f"{name}:{ends}".encode(), hashlib.sha256).hex()[:_SIGNED]


def customization_zip(order: Order, item: dict[str, Any], *, seller_id: str) -> bytes:
    """The ZIP: one JSON file named after the item."""
    item_id = item["orderItemId"]
    areas = [
        {"customizationType": "TextPrinting", "name": surface, "label": surface, "text": text, "fontFamily": "Arial"}
        for surface, text in order.words[item_id]
    ]
    content = {
        "version": "3.0",
        "orderId": order.order_id,
        "orderItemId": item_id,
        "asin": item["product"]["asin"],
        "title": item["product"].get("title", ""),
        "quantity": item["quantityOrdered"],
        "merchantId": seller_id,
        "marketplaceId": order.market.id,
        "customizationInfo": {"version3.0": {"surfaces": [{"name": "Surface 1", "areas": areas}]}},
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{item_id}.json", orjson.dumps(content))
    return packed.getvalue()
