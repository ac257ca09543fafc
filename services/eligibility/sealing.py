"""Packs what holds personal data: compressed, then sealed for the order it belongs to."""

from __future__ import annotations

from collections.abc import Iterable

import cramjam
from pydantic import ValidationError

from schemas.order import OrderRevised
from services.eligibility.dossier import Dossier, OutboxMessage
from services.eligibility.facts import Correction
from services.kit.vault import Vault

_PERSONAL_DATA = "eligibility.personal_data"
_CORRECTION = "eligibility.correction"
_OUTBOX = "eligibility.outbox"
_BUYER = "eligibility.buyer"


class Sealer:
    """Seals and opens what eligibility keeps of buyers."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def seal_event(self, key: str, event: bytes) -> bytes:
        """Seal the bytes of a revision as they came."""
        # Sealed bytes do not compress, so it is done before: a payload shrinks to a third.
        packed = bytes(cramjam.lz4.compress_block(event))
        return self._vault.seal(packed, context=f"{_PERSONAL_DATA}|{key}")

    def open_event(self, dossier: Dossier) -> OrderRevised | None:
        """Return an order's valid revision; None when it was erased."""
        if dossier.sealed_event is None:
            return None
        packed = self._vault.unseal(dossier.sealed_event, context=f"{_PERSONAL_DATA}|{dossier.order_key}")
        try:
            return OrderRevised.model_validate_json(bytes(cramjam.lz4.decompress_block(packed)))
        except ValidationError as error:
            raise ValueError(f"a kept revision cannot be read: {error.error_count()} problems") from None

    def seal_correction(self, key: str, correction: Correction) -> bytes:
        """Seal what the seller said about an address."""
        return self._vault.seal(correction.model_dump_json().encode(), context=f"{_CORRECTION}|{key}")

    def open_correction(self, dossier: Dossier) -> Correction | None:
        """Return what the seller said about the order's address, if anything."""
        if dossier.sealed_correction is None:
            return None
        context = f"{_CORRECTION}|{dossier.order_key}"
        return Correction.model_validate_json(self._vault.unseal(dossier.sealed_correction, context=context))

    def buyers(self, platform: str, buyer_id: str | None) -> tuple[bytes, ...]:
        """Return the digests under which a platform's buyer may be known, the one to keep first; none without an id."""
        return self._vault.digests(buyer_id, context=f"{_BUYER}|{platform}") if buyer_id else ()

    def asked_buyers(self, platform: str, buyer_ids: Iterable[str]) -> tuple[bytes, ...]:
        """Return all digests under which any process may have kept these buyers."""
        self._vault.reload()
        return tuple(digest for buyer_id in buyer_ids for digest in self.buyers(platform, buyer_id))

    def seal_message(self, message: OutboxMessage) -> OutboxMessage:
        """Seal a message that is marked so, for its stay in the outbox."""
        if not message.sealed:
            return message
        value = self._vault.seal(message.value, context=f"{_OUTBOX}|{message.key}")
        return OutboxMessage(message.topic, message.key, value, sealed=True, trace=message.trace)

    def open_message(self, message: OutboxMessage) -> OutboxMessage:
        """Return the message as it is sent."""
        if not message.sealed:
            return message
        value = self._vault.unseal(message.value, context=f"{_OUTBOX}|{message.key}")
        return OutboxMessage(message.topic, message.key, value, trace=message.trace)
