"""What a seller's system is told of which fact: pure, without personal data, and the same id for the same fact."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, get_args

import orjson

from schemas.decisions import OrderDecided
from schemas.ids import fact_id, split_order_key
from schemas.production import (
    ProductionUpdate,
    Shipment,
    UpdateCancelled,
    UpdateDelivered,
    UpdateLabelReplaced,
    UpdateShipped,
)
from schemas.reasons import REASONS, Reason, ReasonCode

OrderNotice = Literal["order.held", "order.released", "order.shipped", "order.delivered", "order.cancelled"]
#: What an endpoint may choose from; the test and the notice of a disabled endpoint come unasked.
ORDER_NOTICES: tuple[OrderNotice, ...] = get_args(OrderNotice)
TEST = "webhook.test"
ENDPOINT_DISABLED = "endpoint.disabled"

_CANCELS = {ReasonCode.CANCELLED, ReasonCode.DELETED_ON_PLATFORM, ReasonCode.REFUNDED}


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell a seller. `notice_id` names the fact, so that it is told once however often it is heard."""

    notice_id: str
    seller_id: str
    type: str
    occurred_at: datetime
    data: dict[str, Any] = field(repr=False)

    def body(self) -> str:
        """The JSON text that is signed and sent."""
        moment = self.occurred_at.isoformat().replace("+00:00", "Z")
        return orjson.dumps({"type": self.type, "timestamp": moment, "data": self.data}).decode()


def of_decision(decided: OrderDecided) -> Notice | None:
    """What a decision tells; None: nothing that a seller's system waits for."""
    if decided.outcome == "held" and not _is_asked_about(decided):
        return _notice(decided, "order.held", decided.event_id, reasons=[_reason(reason) for reason in decided.reasons])
    if decided.step == "released":
        cost = {"amount": decided.cost.text(), "currency": decided.cost.currency} if decided.cost else None
        return _notice(decided, "order.released", decided.order_key, cost=cost)
    # What production already has is cancelled when production says so.
    if decided.outcome == "rejected" and decided.step is None and _is_cancelled(decided):
        return _cancelled(decided, reasons=[_reason(reason) for reason in decided.reasons])
    return None


def of_update(update: ProductionUpdate) -> Notice | None:
    """What production's word tells, likewise."""
    match update:
        case UpdateShipped(shipment=shipment):
            return _notice(update, "order.shipped", shipment.shipment_id, shipment=_shipment(shipment), replaces=None)
        case UpdateLabelReplaced(shipment=shipment, shipment_id=replaced):
            return _notice(
                update, "order.shipped", shipment.shipment_id, shipment=_shipment(shipment), replaces=replaced
            )
        case UpdateDelivered():
            return _notice(
                update,
                "order.delivered",
                update.shipment_id,
                shipment_id=update.shipment_id,
                delivered_at=update.delivered_at,
            )
        case UpdateCancelled():
            return _cancelled(update, reasons=[])
        case _:
            return None


def _is_asked_about(decided: OrderDecided) -> bool:
    """Whether an order only waits for its platform's word that it still stands: it goes on in a moment."""
    return [reason.code for reason in decided.reasons] == [ReasonCode.LAST_LOOK_ASKED]


def _is_cancelled(decided: OrderDecided) -> bool:
    return any(reason.code in _CANCELS for reason in decided.reasons)


def _cancelled(fact: OrderDecided | UpdateCancelled, *, reasons: list[dict[str, Any]]) -> Notice:
    # Platform and production may both say it, in any order: an order is cancelled once.
    return _notice(fact, "order.cancelled", fact.order_key, reasons=reasons)


def _notice(fact: OrderDecided | ProductionUpdate, kind: OrderNotice, name: str, **data: Any) -> Notice:
    platform, store_id, external_id = split_order_key(fact.order_key)
    order = {
        "order_key": fact.order_key,
        "platform": platform,
        "store_id": store_id,
        "external_id": external_id,
    }
    return Notice(fact_id(kind, fact.order_key, name), fact.seller_id, kind, fact.occurred_at, {**order, **data})


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "code": reason.code.value,
        "sentence": reason.sentence(),
        "item_id": reason.item_id,
        "who_must_act": REASONS[reason.code].actor,
    }


def _shipment(shipment: Shipment) -> dict[str, Any]:
    told: dict[str, Any] = shipment.model_dump(mode="json")
    return told
