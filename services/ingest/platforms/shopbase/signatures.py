"""Checks ShopBase's two signatures: hex over a visit's query, base64 over a webhook's raw bytes; both HMAC-SHA256."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import urlencode

#: A visit signed longer ago, or further in the future, is not accepted: as long as a seller may take for linking, for
#: the state is good for one use only, and a platform's clock may be wrong by minutes.
VISIT_AGE = timedelta(minutes=15)


def is_visit_signed(query: Mapping[str, str], *, secret: str) -> bool:
    """Tell whether a query's `hmac` is right: over the other pairs, "k=v" sorted by key and joined by "&".

    It is not published whether values are signed as they are sent or decoded: either is taken.
    """
    given = query.get("hmac", "").encode()
    pairs = sorted((key, value) for key, value in query.items() if key != "hmac")
    forms = ("&".join(f"{key}={value}" for key, value in pairs), urlencode(pairs))
    right = False
    for form in forms:
        right |= hmac.compare_digest(
            hmac.new(secret.encode(), form.encode(), hashlib.sha256).hexdigest().encode(), given
        )
    return right and bool(secret)


def is_visit_recent(query: Mapping[str, str], *, now: datetime) -> bool:
    """Tell whether a query's `timestamp`, in seconds, is near enough."""
    timestamp = query.get("timestamp", "")
    # Twelve digits are the year 33658: enough, and never too large for a float.
    if not timestamp.isascii() or not timestamp.isdecimal() or len(timestamp) > 12:  # noqa: PLR2004 - said above
        return False
    return abs(now.timestamp() - int(timestamp)) <= VISIT_AGE.total_seconds()


def is_body_signed(body: bytes, given: str, *, secret: str) -> bool:
    """Tell whether `given` is the base64 digest of exactly these bytes."""
    try:
        digest = base64.b64decode(given, validate=True)
    except (binascii.Error, ValueError):
        return False
    right = hmac.compare_digest(hmac.new(secret.encode(), body, hashlib.sha256).digest(), digest)
    return right and bool(secret)
