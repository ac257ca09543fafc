"""Etsy's order webhooks: which events exist, what they say, how they are signed, and when they are tried again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Callable, ItemsView, Iterator, Mapping
from dataclasses import dataclass, field

import orjson

EVENTS = ("order.paid", "order.canceled", "order.shipped", "order.delivered")
#: Seconds between attempts after the first: eight attempts, the last about 27.5 hours after the event.
RETRY_DELAYS = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 36_000.0)
#: Etsy documents no limit; the engine behind its portal waits this many seconds for an answer.
ANSWER_WITHIN = 15.0
#: What no document settles, by name; the first of each is the one that is chosen.
FORMS = {"signature": ("list", "bare", "several"), "shop_id": ("text", "number"), "host": ("api", "openapi")}
_USUAL = {name: forms[0] for name, forms in FORMS.items()}
_PREFIX = "whsec_"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The app's one callback, as set up by hand in the webhook portal."""

    url: str
    secret: str = field(repr=False)
    events: frozenset[str] = frozenset(EVENTS)


def new_secret() -> str:
    """A signing secret in the portal's form."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def is_secret(text: str) -> bool:
    """Whether this is a signing secret the portal could have shown."""
    try:
        return text.startswith(_PREFIX) and bool(base64.b64decode(text.removeprefix(_PREFIX), validate=True))
    except ValueError:
        return False


def event_body(event: str, *, shop_id: int, receipt_id: int, forms: Mapping[str, str] = _USUAL) -> bytes:
    """The flat body Etsy sends; it names the receipt, it does not carry it."""
    path = f"/v3/application/shops/{shop_id}/receipts/{receipt_id}"
    return orjson.dumps(
        {
            "event_type": event,
            "resource_url": f"https://{forms['host']}.etsy.com{path}",
            "shop_id": shop_id if forms["shop_id"] == "number" else str(shop_id),
        }
    )


def signature(secret: str, *, message_id: str, timestamp: str, body: bytes) -> str:
    """Standard Webhooks: base64 HMAC-SHA256 over `id.timestamp.body` under the decoded secret."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = b".".join((message_id.encode(), timestamp.encode(), body))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


#: How a signature is written; "several" is what the scheme sends while a secret is being replaced.
_FORMED = {"list": "v1,{}", "bare": "{}", "several": "v1,bm90IHRoaXMgb25l v1,{}"}


class SignedHeaders(Mapping[str, str]):
    """The headers of one event: the id stays the same on retries, while each attempt is timed and signed anew.

    Standard Webhooks refuses a timestamp older than five minutes, which most retries of the first one would be.
    """

    def __init__(
        self, endpoint: Endpoint, body: bytes, *, now: Callable[[], float], form: str = _USUAL["signature"]
    ) -> None:
        self._form = form
        self._endpoint = endpoint
        self._body = body
        self._now = now
        self._message_id = new_message_id()

    def items(self) -> ItemsView[str, str]:
        """The headers as of now; time and signature always belong together."""
        return self._signed().items()

    def __getitem__(self, name: str) -> str:
        return self._signed()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._signed())

    def __len__(self) -> int:
        return len(self._signed())

    def _signed(self) -> dict[str, str]:
        timestamp = str(int(self._now()))
        signed = signature(self._endpoint.secret, message_id=self._message_id, timestamp=timestamp, body=self._body)
        return {
            "content-type": "application/json",
            "webhook-id": self._message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": _FORMED[self._form].format(signed),
        }


def new_message_id() -> str:
    """An id that names one event, whatever the number of attempts."""
    return f"msg_{secrets.token_hex(14)}"
