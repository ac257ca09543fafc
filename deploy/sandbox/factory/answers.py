"""The messages of `production.updates`: the same answer to the same order always has the same id."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
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


def answer(
    key: str, kind: str, *, revision: int, seller_id: str, now: datetime, about: str = "", **facts: Any
) -> Answer:
    """Build an answer; `facts` are the fields that its kind adds, `about` tells several of one kind apart."""
    event = {
        "event_id": answer_id(key, kind + about, revision=revision),
        "type": kind,
        "schema_version": 1,
        "occurred_at": now.isoformat(),
        "seller_id": seller_id,
        "order_key": key,
    }
    return Answer(key, event | facts)


def shipments(key: str, order: dict[str, Any], *, at_most: int, now: datetime) -> list[dict[str, Any]]:
    """The order's parcels, at most so many: its units are dealt out one after another."""
    units = [item["item_id"] for item in order["items"] for _ in range(item["quantity"])]
    parts = [Counter(units[place::at_most]) for place in range(min(at_most, len(units)))]
    country = order["ship_to"]["country_code"]
    return [shipment(country, part, name=_part_of(key, number), now=now) for number, part in enumerate(parts, 1)]


def relabelled(parcel: dict[str, Any], *, now: datetime) -> dict[str, Any]:
    """The same parcel under another label."""
    digest = hashlib.blake2b(f"{parcel['shipment_id']}/label".encode(), digest_size=16).hexdigest()
    kept = parcel["tracking_number"]
    tracking = kept[:4] + f"{int(digest, 16) % 10 ** (len(kept) - 4):0{len(kept) - 4}d}"
    url = f"https://track.example.com/{tracking}"
    label = {"shipment_id": f"sh-{digest}", "tracking_number": tracking, "tracking_url": url}
    return parcel | label | {"shipped_at": now.isoformat()}


def _part_of(key: str, number: int) -> str:
    return key if number == 1 else f"{key}/{number}"


def shipment(country: str, units: Mapping[str, int], *, name: str, now: datetime) -> dict[str, Any]:
    """One parcel; its id and tracking number follow from its `name`, so a restart gives the same."""
    digest = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    carrier, service = _SERVICES.get(country, _ABROAD)
    number = f"{int(digest, 16) % 10**18:018d}"
    tracking = f"9400{number}" if carrier == "USPS" else f"{number[:12]}"
    return {
        "shipment_id": f"sh-{digest}",
        "carrier": carrier,
        "service": service,
        "tracking_number": tracking,
        "tracking_url": f"https://track.example.com/{tracking}",
        "shipped_at": now.isoformat(),
        "items": [{"item_id": item, "quantity": quantity} for item, quantity in units.items()],
    }
