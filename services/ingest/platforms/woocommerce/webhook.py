"""Verifies a store's webhooks over their raw bytes; each only says which order to read again.

A delivery carries the order as it was when it was sent, but no time is signed and nothing identifies the event: a
replayed one cannot be told from a fresh one, and on post storage not even the change time tells which is newer. Read
again, the order is what it is now, with exact amounts, and an echo of our own writes changes nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import html
import re
from collections.abc import Mapping

from services.ingest.contract.reading import Unreadable, UnreadablePayload
from services.ingest.contract.stores import Access
from services.ingest.contract.webhooks import (
    Delivery,
    Greeting,
    NotOurs,
    OrderHinted,
    OrderTold,
    SignatureRefused,
    WebhookFact,
)
from services.ingest.parsing import json_object

SIGNATURE = "x-wc-webhook-signature"
RESOURCE = "x-wc-webhook-resource"
TOPIC = "x-wc-webhook-topic"
_ORDER = "order"
_PING = re.compile(rb"webhook_id=[0-9]{1,20}")
_ERROR_CODE = re.compile(r"[a-z_]{1,80}")
_LONGEST_ID = 20


def greet(delivery: Delivery) -> Greeting | None:
    """Answer a ping, which is unsigned and sent again at every save until exactly 200 answers it."""
    if SIGNATURE in delivery.headers or not _PING.fullmatch(delivery.body.strip()):
        return None
    return Greeting()


def verify_webhook(access: Access | None, delivery: Delivery) -> None:
    """Check the signature with the store's own secret. Raises SignatureRefused."""
    secret = access.secrets.get("webhook_secret") if access is not None else None
    if not secret or not is_signed(delivery.headers, delivery.body, secret=secret):
        raise SignatureRefused("the signature is missing or wrong")


def is_signed(headers: Mapping[str, str], body: bytes, *, secret: str) -> bool:
    """Tell whether the bytes, as they came, are signed: base64 of their HMAC-SHA256. Escapes in a secret are undone."""
    try:
        given = base64.b64decode(headers.get(SIGNATURE, ""), validate=True)
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(html.unescape(secret).encode(), body, hashlib.sha256).digest(), given)


def read_webhook(delivery: Delivery) -> WebhookFact:
    """Say which order to read again: created, updated, restored, or in the trash, its state now is what counts."""
    resource = delivery.headers.get(RESOURCE) or delivery.headers.get(TOPIC, "").partition(".")[0]
    if resource and resource != _ORDER:
        return NotOurs("another resource than an order")
    try:
        told = json_object(delivery.body)
    except UnreadablePayload as error:
        return _unreadable(error.path, error.problem, delivery)
    number = told.get("id")
    if not isinstance(number, str) or not number.isdecimal() or not number.isascii() or len(number) > _LONGEST_ID:
        return _unreadable("id", _problem(told), delivery)
    return OrderHinted(number)


def _problem(told: Mapping[str, object]) -> str:
    code = told.get("code")
    if isinstance(code, str) and _ERROR_CODE.fullmatch(code):
        # The body is made with the rights of the user who made the webhook.
        return f"the store sent an error instead of an order ({code}): its user may no longer see orders"
    return "Field required"


def _unreadable(path: str, problem: str, delivery: Delivery) -> WebhookFact:
    text = delivery.body.decode(errors="replace")
    return OrderTold(Unreadable(external_id=None, path=path, problem=problem, body=text))
