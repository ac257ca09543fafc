"""Signs notifications as eBay does (ECDSA P-256 over SHA-1), and knows the answer to a challenge."""

from __future__ import annotations

import base64
import hashlib
import uuid

import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_SCHEME = ec.ECDSA(hashes.SHA1())  # noqa: S303 - eBay signs with SHA-1, and says so in `digest`


class SigningKey:
    """One of eBay's keys: clients learn the public half by its id."""

    def __init__(self) -> None:
        self.kid = str(uuid.uuid4())
        self._private = ec.generate_private_key(ec.SECP256R1())

    def public_answer(self) -> dict[str, str]:
        """The answer of getPublicKey: a PEM text without its line breaks."""
        pem = self._private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return {"key": pem.decode().replace("\n", ""), "algorithm": "ECDSA", "digest": "SHA1"}

    def header(self, message: bytes) -> str:
        """The value of X-EBAY-SIGNATURE for these bytes."""
        signed = base64.b64encode(self._private.sign(message, _SCHEME)).decode()
        stamp = {"alg": "ecdsa", "kid": self.kid, "signature": signed, "digest": "SHA1"}
        return base64.b64encode(orjson.dumps(stamp)).decode()


def challenge_answer(code: str, *, token: str, endpoint: str) -> str:
    """SHA-256 over code, verification token and endpoint, in this order, as lower-case hex."""
    return hashlib.sha256(f"{code}{token}{endpoint}".encode()).hexdigest()
