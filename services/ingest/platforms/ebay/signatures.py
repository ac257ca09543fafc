"""Proves that a notification is eBay's, by the public key that its signature names."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.webhooks import Delivery, SignatureRefused
from services.ingest.parsing import json_object, parsed
from services.ingest.platforms.ebay.client import NOTIFY, Declined, EbayClient
from services.ingest.platforms.ebay.payloads import EbayPublicKey, EbaySignature
from services.kit.errors import TransientError
from services.kit.limits import Limit

#: A key is asked for again after this long, a key that eBay does not have after that.
KEPT = timedelta(hours=12)
KEPT_UNKNOWN = timedelta(hours=1)
#: Anybody can send us names of keys that do not exist: asking for keys must not use up the day's calls.
KEYS_ASKED_FOR = Limit(30, 1 / 60)

_KEY_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_ARMOUR = re.compile(r"-----(?:BEGIN|END) PUBLIC KEY-----|\s")
#: Whole keys in memory at most; beyond, what is known is forgotten and asked for again.
_KEYS_KEPT = 1_000


@dataclass(frozen=True, slots=True)
class _Key:
    key: ec.EllipticCurvePublicKey
    digest: hashes.HashAlgorithm


class Signatures:
    """Checks notifications; keys are kept by their id."""

    def __init__(self, client: EbayClient, tools: Tools) -> None:
        self._client = client
        self._tools = tools
        self._keys: dict[str, tuple[_Key | None, datetime]] = {}

    async def verify(self, delivery: Delivery, *, now: datetime) -> None:
        """Check the header X-EBAY-SIGNATURE. Raises SignatureRefused, TransientError while the key is not to be had."""
        told = _signature(delivery.headers.get("x-ebay-signature", ""))
        key = await self._key(told.kid, now=now)
        if key is None:
            raise SignatureRefused("eBay knows no key of this name")
        signature = _decoded(told.signature)
        if not any(_is_signed(key, signature, message) for message in _messages(delivery.body)):
            raise SignatureRefused("the signature is not right for these bytes")

    async def _key(self, kid: str, *, now: datetime) -> _Key | None:
        kept, until = self._keys.get(kid, (None, None))
        if until is not None and now < until:
            return kept
        if len(self._keys) >= _KEYS_KEPT:
            self._keys.clear()
        key = await self._ask(kid)
        self._keys[kid] = key, now + (KEPT if key else KEPT_UNKNOWN)
        return key

    async def _ask(self, kid: str) -> _Key | None:
        await self._tools.limits.take("ebay|app|public_key", limit=KEYS_ASKED_FOR)
        try:
            reply = await self._client.call_as_app("GET", f"{NOTIFY}/public_key/{kid}")
        except Declined:
            return None
        try:
            return _public_key(parsed(EbayPublicKey, reply.body))
        except UnreadablePayload as error:
            raise TransientError(f"eBay's public key cannot be read: {error.path}") from None


def _signature(header: str) -> EbaySignature:
    try:
        told = parsed(EbaySignature, json_object(_decoded(header)))
    except UnreadablePayload:
        raise SignatureRefused("the signature is missing or malformed") from None
    if told.alg.lower() != "ecdsa" or not _KEY_ID.fullmatch(told.kid):
        raise SignatureRefused("the signature is of another kind than eBay's")
    return told


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SignatureRefused("the signature is malformed") from None


def _messages(body: bytes) -> list[bytes]:
    """Return what eBay may have signed: the bytes as they came, or the same JSON written compactly."""
    try:
        compact = json.dumps(json.loads(body), separators=(",", ":"), ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return [body]
    return [body, compact]


def _is_signed(key: _Key, signature: bytes, message: bytes) -> bool:
    try:
        key.key.verify(signature, message, ec.ECDSA(key.digest))
    except InvalidSignature:
        return False
    return True


def _public_key(told: EbayPublicKey) -> _Key:
    """Return the key. eBay's PEM has no line breaks, which no PEM reader takes; with line breaks it is as good."""
    # SHA-1 is what eBay signs with; nothing but these two is believed, whatever a key says.
    digests = {"SHA1": hashes.SHA1(), "SHA256": hashes.SHA256()}  # noqa: S303
    digest = digests.get(told.digest.upper().replace("-", ""))
    if digest is None:
        raise UnreadablePayload("digest", "not one that we trust")
    try:
        key = load_der_public_key(base64.b64decode(_ARMOUR.sub("", told.key), validate=True))
    except (ValueError, UnsupportedAlgorithm):
        raise UnreadablePayload("key", "not a public key") from None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise UnreadablePayload("key", "not a key for ECDSA")
    return _Key(key, digest)
