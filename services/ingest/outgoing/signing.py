"""Signs a delivery as Standard Webhooks 1.0 says, so that a receiver knows us and every repetition of ours.

Specification: "Standard Webhooks", sections "Webhook headers" and "Signature scheme" (symmetric, `v1`).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime

_PREFIX = "whsec_"
_SECRET_BYTES = 32


def new_secret() -> str:
    """A secret as sellers are shown it, once."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def signed_headers(delivery_id: str, body: str, *, secret: str, now: datetime) -> Mapping[str, str]:
    """The headers of one attempt: the id stays the same over attempts, the time is the attempt's."""
    moment = str(int(now.timestamp()))
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    digest = hmac.new(key, f"{delivery_id}.{moment}.{body}".encode(), hashlib.sha256).digest()
    return {
        "Content-Type": "application/json",
        "webhook-id": delivery_id,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
