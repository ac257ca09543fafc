"""Parcels that left the factory, and what becomes of them: scanned, delivered, their labels voided or replaced."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deploy.sandbox.factory.answers import Answer, answer, relabelled

SHIPPED = "production.shipped"
#: What can be told of a parcel by the control API, and what production calls it.
KINDS = {
    "scan": "production.scanned",
    "deliver": "production.delivered",
    "void": "production.label_voided",
    "replace": "production.label_replaced",
}


@dataclass(slots=True)
class _Sent:
    order_key: str
    seller_id: str
    shipment: dict[str, Any]


@dataclass(slots=True)
class Parcels:
    """Every parcel by its shipment id."""

    sent: dict[str, _Sent] = field(default_factory=dict)
    _by_order: dict[str, list[str]] = field(default_factory=dict)

    def leaves(self, key: str, shipment: dict[str, Any], seller_id: str, *, revision: int, now: datetime) -> Answer:
        """Say that a parcel left; the first of an order has the order's own answer, the others one each."""
        about = shipment["shipment_id"] if key in self._by_order else ""
        self._keep(_Sent(key, seller_id, shipment))
        return answer(key, SHIPPED, revision=revision, seller_id=seller_id, now=now, about=about, shipment=shipment)

    def tell(self, shipment_id: str, what: str, *, now: datetime) -> Answer:
        """Say what became of a parcel; KeyError for a parcel or a word that there is not."""
        sent, kind = self.sent[shipment_id], KINDS[what]
        facts: dict[str, Any] = {"shipment_id": shipment_id}
        match what:
            case "scan":
                facts["scanned_at"] = now.isoformat()
            case "deliver":
                facts["delivered_at"] = now.isoformat()
            case "void":
                facts["reason"] = "The label was not used."
            case _:
                facts["shipment"] = relabelled(sent.shipment, now=now)
                self._keep(_Sent(sent.order_key, sent.seller_id, facts["shipment"]))
        return answer(sent.order_key, kind, revision=1, seller_id=sent.seller_id, now=now, about=shipment_id, **facts)

    def of_order(self, key: str) -> list[_Sent]:
        """The parcels of an order, in the order in which they left."""
        return [self.sent[shipment_id] for shipment_id in self._by_order.get(key, [])]

    def _keep(self, sent: _Sent) -> None:
        shipment_id = sent.shipment["shipment_id"]
        if shipment_id not in self.sent:
            self._by_order.setdefault(sent.order_key, []).append(shipment_id)
        self.sent[shipment_id] = sent
