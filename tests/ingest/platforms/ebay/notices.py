"""eBay's notifications, signed as eBay signs them, with a key of this test run's own."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.ingest.contract.webhooks import Delivery

APP_URL = "https://sync.example.com/webhooks/ebay"
KID = "9936261a-7d7b-4621-a0f1-96ccb428af49"
_KEY = ec.generate_private_key(ec.SECP256R1())


def public_key(*, digest: str = "SHA1", line_breaks: bool = False) -> dict[str, str]:
    """What eBay answers about the key: as it does, without line breaks, or as a PEM should be."""
    pem = _KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return {"key": pem if line_breaks else pem.replace("\n", ""), "algorithm": "ECDSA", "digest": digest}


def notice(topic: str, data: dict[str, Any], *, number: str = "n-1") -> dict[str, Any]:
    return {
        "metadata": {"topic": topic, "schemaVersion": "1.0", "deprecated": False},
        "notification": {
            "notificationId": number,
            "eventDate": "2026-11-23T08:59:00.000Z",
            "publishDate": "2026-11-23T08:59:01.000Z",
            "publishAttemptCount": 1,
            "data": data,
        },
    }


def confirmation(order_id: object = "13-14786-65872", *, user: str | None = "AbCdEfGhIjK") -> dict[str, Any]:
    seller = {"user": {"userId": user, "username": "example_seller"}} if user else {}
    lines = [{"orderLineItemId": "10000000000001", "listingId": "280000000001", "quantity": 2}]
    return notice("ORDER_CONFIRMATION", seller | {"order": {"orderId": order_id, "orderLineItems": lines}})


def compact(message: object) -> bytes:
    return json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode()


def header(signed: bytes, *, digest: hashes.HashAlgorithm | None = None, **told: Any) -> str:
    signature = _KEY.sign(signed, ec.ECDSA(digest or hashes.SHA1()))
    fields = {"alg": "ecdsa", "kid": KID, "signature": base64.b64encode(signature).decode(), "digest": "SHA1"}
    return base64.b64encode(json.dumps(fields | told).encode()).decode()


def delivery(message: object, *, signed: bytes | None = None, body: bytes | None = None, **told: Any) -> Delivery:
    sent = compact(message) if body is None else body
    headers = {"x-ebay-signature": header(sent if signed is None else signed, **told)}
    return Delivery(headers=headers, body=sent, address=APP_URL)
