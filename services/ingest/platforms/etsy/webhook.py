"""Verifies Etsy's webhooks (Standard Webhooks scheme) and says which receipt to read again."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from services.ingest.contract.reading import Unreadable, UnreadablePayload
from services.ingest.contract.stores import StoreRef
from services.ingest.contract.webhooks import (
    AboutStore,
    AppFact,
    NotOurs,
    OrderHinted,
    OrderTold,
    SignatureRefused,
    WebhookFact,
)
from services.ingest.parsing import json_object, parsed
from services.ingest.platforms.etsy.payloads import EtsyNotice

#: A webhook signed longer ago, or in the future by more than this, is not accepted.
SIGNATURE_AGE = timedelta(seconds=300)
EVENTS = frozenset({"order.paid", "order.canceled", "order.shipped", "order.delivered"})
_PREFIX = "whsec_"
_HOSTS = frozenset({"api.etsy.com", "openapi.etsy.com"})
_PATH = re.compile(r"/v3/application/shops/(\d{1,20})/receipts/(\d{1,20})")


def verify_webhook(headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> None:
    """Check signature and age. Raises SignatureRefused.

    The header holds one bare base64 value or a list "v1,<base64> v1,<base64>": both forms are taken, any match passes.
    """
    timestamp = headers.get("webhook-timestamp", "")
    if not secret or not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:  # noqa: PLR2004
        raise SignatureRefused("no secret is set, or no time was signed")
    if abs(now.timestamp() - int(timestamp)) > SIGNATURE_AGE.total_seconds():
        raise SignatureRefused("the signature is too old or from the future")
    signed = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + body
    expected = hmac.new(_key(secret), signed, hashlib.sha256).digest()
    right = False
    for given in headers.get("webhook-signature", "").split():
        right |= hmac.compare_digest(expected, _digest(given))
    if not right:
        raise SignatureRefused("the signature is missing or wrong")


def read_webhook(store: StoreRef, body: bytes, *, trusted_host: str | None = None) -> WebhookFact:
    """Say which receipt to read again; the ids are taken from the address, which itself is never called.

    `trusted_host` is the host of another base URL than Etsy's own.
    """
    try:
        named = _named(body, trusted_host=trusted_host)
    except UnreadablePayload as error:
        return _unreadable(error.path, error.problem, body)
    if named is None:
        return NotOurs("another event than an order's")
    shop_id, receipt_id = named
    return OrderHinted(receipt_id) if shop_id == store.external_id else NotOurs("another shop's order")


def read_app_webhook(body: bytes, *, trusted_host: str | None = None) -> AppFact:
    """Say which shop it is about. Raises UnreadablePayload."""
    named = _named(body, trusted_host=trusted_host)
    return AboutStore(named[0]) if named is not None else NotOurs("another event than an order's")


def _named(body: bytes, *, trusted_host: str | None) -> tuple[str, str] | None:
    """Return the ids of shop and receipt; None for an event that is not an order's. Raises UnreadablePayload."""
    notice = parsed(EtsyNotice, json_object(body))
    if notice.event_type not in EVENTS:
        return None
    address = urlsplit(notice.resource_url)
    found = _PATH.fullmatch(address.path)
    if found is None or (address.hostname not in _HOSTS and address.netloc != trusted_host):
        raise UnreadablePayload("resource_url", "not the address of a receipt of Etsy's")
    shop_id, receipt_id = found.groups()
    if (notice.shop_id or shop_id) != shop_id:
        raise UnreadablePayload("shop_id", "another shop than the address names")
    return shop_id, receipt_id


def _unreadable(path: str, problem: str, body: bytes) -> WebhookFact:
    return OrderTold(Unreadable(external_id=None, path=path, problem=problem, body=body.decode(errors="replace")))


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureRefused("the signing secret that is set is not one of Etsy's") from None


def _digest(given: str) -> bytes:
    try:
        return base64.b64decode(given.removeprefix("v1,"), validate=True)
    except (binascii.Error, ValueError):
        return b""
