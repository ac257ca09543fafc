"""The messages of `production.updates`: the same answer to the same order always has the same id."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

#: Carrier and service by destination; everything else goes by the last.
_SERVICES = {"US": ("USPS", "Ground Advantage"), "CA": ("Canada Post", "Expedited Parcel")}
_ABROAD = ("DHL", "Parcel International")


@dataclass(frozen=True, slots=True)
class Answer:
    """One message to send: `key` is the order's key, the same as on `orders.production`."""

    key: str
    event: dict[str, Any]

    @property
    def event_id(self) -> str:
        """What a reader may drop a repetition by."""
        return str(self.event["event_id"])


def answer_id(key: str, kind: str, *, revision: int) -> str:
    """The id of the one answer of this kind to this revision of this order."""
    return hashlib.blake2b(f"{key}\n{kind}\n{revision}".encode(), digest_size=16).hexdigest()


def answer(key: str, kind: str, *, revision: int, seller_id: str, now: datetime, **facts: Any) -> Answer:
    """Build an answer; `facts` are the fields that its kind adds."""
    event = {
        "event_id": answer_id(key, kind, revision=revision),
        "type": kind,
        "schema_version": 1,
        "occurred_at": now.isoformat(),
        "seller_id": seller_id,
        "order_key": key,
    }
    return Answer(key, event | facts)


def shipment(key: str, order: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """One parcel with everything in it; number and tracking follow from the order's key."""
    digest = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    carrier, service = _SERVICES.get(order["ship_to"]["country_code"], _ABROAD)
    number = f"{int(digest, 16) % 10**18:018d}"
    tracking = f"9400{number}" if carrier == "USPS" else f"{number[:12]}"
    return {
        "shipment_id": f"sh-{digest}",
        "carrier": carrier,
        "service": service,
        "tracking_number": tracking,
        "tracking_url": f"https://track.example.com/{tracking}",
        "shipped_at": now.isoformat(),
        "items": [{"item_id": item["item_id"], "quantity": item["quantity"]} for item in order["items"]],
    }
