"""What a platform passes on of buyers' privacy requests, as the message for those who hold personal data; pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from schemas.ids import fact_id, order_key
from schemas.privacy import PrivacyKind, PrivacyRequested
from schemas.topics import PRIVACY_REQUESTS
from services.ingest.contract.stores import StoreRef
from services.ingest.contract.webhooks import BuyerForgotten, DataRequested, StoreForgotten
from services.kit.kafka.publisher import Message

PrivacyFact = DataRequested | BuyerForgotten | StoreForgotten


def asked_of_store(fact: PrivacyFact, store: StoreRef, *, now: datetime) -> Message:
    """The request, about one store's orders."""
    orders = () if isinstance(fact, StoreForgotten) else fact.order_ids
    return _message(
        PrivacyRequested(
            event_id=fact_id("privacy", fact.request_id, store.store_id),
            occurred_at=now,
            request_id=fact.request_id,
            kind=_kind(fact),
            platform=store.platform,
            store_id=store.store_id,
            seller_id=store.seller_id,
            order_keys=tuple(order_key(store.platform, store.store_id, order) for order in orders),
            buyer_ids=tuple(_buyers(fact)),
        )
    )


def asked_of_platform(fact: BuyerForgotten, platform: str, *, now: datetime) -> Message:
    """The request, about a buyer who may have bought in any store of the platform."""
    return _message(
        PrivacyRequested(
            event_id=fact_id("privacy", fact.request_id, platform),
            occurred_at=now,
            request_id=fact.request_id,
            kind="erase_buyer",
            platform=platform,
            buyer_ids=fact.buyer_ids,
        )
    )


def _kind(fact: PrivacyFact) -> PrivacyKind:
    match fact:
        case DataRequested():
            return "data"
        case BuyerForgotten():
            return "erase_buyer"
        case StoreForgotten():
            return "erase_store"


def _buyers(fact: PrivacyFact) -> Sequence[str]:
    match fact:
        case DataRequested(buyer_id=str(buyer_id)):
            return [buyer_id]
        case BuyerForgotten(buyer_ids=buyer_ids):
            return buyer_ids
    return []


def _message(request: PrivacyRequested) -> Message:
    return Message(PRIVACY_REQUESTS.name, request.store_id or request.platform, request.model_dump_json().encode())
