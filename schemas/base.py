"""What every value on the wire has in common: frozen, tolerant of unknown fields, silent about its content."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from schemas.ids import SellerId


def _to_utc(value: datetime) -> datetime:
    return value if value.tzinfo is UTC else value.astimezone(UTC)


#: An aware time in UTC. Other offsets are accepted and converted; a naive time is refused.
UtcTime = Annotated[AwareDatetime, AfterValidator(_to_utc)]


class Value(BaseModel):
    """A frozen value. Unknown fields are ignored (a newer writer may add them); errors never show the input."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)


class Event(Value):
    """One fact on a topic.

    `event_id` is deterministic: the same fact gets the same id however often it is produced, so a reader may
    drop an id it has seen. `schema_version` rises only when an old reader could not read the new form.
    """

    event_id: str = Field(min_length=1, max_length=64)
    schema_version: Literal[1] = 1
    occurred_at: UtcTime
    seller_id: SellerId

    def to_bytes(self) -> bytes:
        """Return the JSON that goes on the wire."""
        return self.model_dump_json().encode()
