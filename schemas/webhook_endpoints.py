"""`webhook.endpoints`: addresses of sellers' own systems that are not called any more, or again. Compacted."""

from typing import Literal

from schemas.base import UtcTime, Value
from schemas.ids import SellerId


class WebhookEndpointRecord(Value):
    """An address that a seller wants to be told at, by its `host`: the rest of an address may hold a password.

    Told when it is disabled, and of such a one when it is enabled again or removed. `problem` says why, in plain words,
    `failing_since` since when nothing was taken there.
    """

    type: Literal["webhook_endpoint"] = "webhook_endpoint"
    schema_version: Literal[1] = 1
    endpoint_id: str
    seller_id: SellerId
    host: str
    state: Literal["enabled", "disabled", "removed"]
    problem: str | None = None
    failing_since: UtcTime | None = None
    changed_at: UtcTime
