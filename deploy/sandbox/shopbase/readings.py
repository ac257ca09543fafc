"""What ShopBase's documents leave open: the reading that this sandbox picks for each point, and the other ones."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from deploy.sandbox.standin import ControlError

#: The readings of every open point, the picked one first.
CHOICES: dict[str, tuple[Any, ...]] = {
    # Which orders a list holds when `order_status` is not given.
    "default_order_status": ("open", "any"),
    # How absent values are written: the order's number decides, or always the same way.
    "zero_values": ("mixed", "null", "empty", "zero"),
    # The order of a list without `since_id`.
    "sort": ("newest", "oldest", "updated"),
    # The header that names a webhook's topic: X-ShopBase-Entity-Type, X-ShopBase-Topic, or none.
    "topic_header": ("entity", "topic", "none"),
    # Whether a created fulfillment and the shop come inside an object; the Swagger says not.
    "wrap_created": (False, True),
    "wrap_shop": (False, True),
    # What `notify_customer` on a new fulfillment does.
    "notify_on_create": ("ignored", "honoured", "refused"),
    # Where lists hear their parameters: in the query, also in a JSON body as the Swagger draws them, or only there.
    "parameters": ("query", "both", "body"),
    # Whether a 429 says how long to wait.
    "retry_after": (False, True),
    # Whether webhook addresses on loopback are refused, as the platform does.
    "require_https": (False, True),
}


@dataclass(slots=True)
class Readings:
    """The readings in force; `list_lag` is how many seconds lists are behind what happened."""

    default_order_status: str = "open"
    zero_values: str = "mixed"
    sort: str = "newest"
    topic_header: str = "entity"
    wrap_created: bool = False
    wrap_shop: bool = False
    notify_on_create: str = "ignored"
    parameters: str = "query"
    retry_after: bool = False
    require_https: bool = False
    list_lag: float = 0.0

    def change(self, name: str, value: Any) -> None:
        """Pick another reading; ControlError names the possible ones."""
        if name == "list_lag":
            self.list_lag = float(value)
            return
        if name not in CHOICES:
            raise ControlError(f"unknown setting: {name}")
        if value not in CHOICES[name]:
            raise ControlError(f"{name} must be one of {', '.join(map(str, CHOICES[name]))}")
        setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """All readings by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}
