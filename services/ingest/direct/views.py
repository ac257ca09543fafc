"""What `/v1/orders` takes and shows."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, WrapValidator
from pydantic.config import JsonDict

from services.ingest.direct.batches import Answered, Malformed
from services.ingest.direct.given import Given
from services.ingest.direct.giving import Refused, Taken
from services.ingest.platforms.direct.orders import LARGEST_REFERENCE, DirectOrder, Reference
from services.ingest.platforms.direct.problems import FieldProblem, problems_of
from services.ingest.sessions import Session

MOST_AT_ONCE = 1000
#: A thousand orders with artwork and personalization, generously.
BATCH_LIMIT_BYTES = 8 * 1024 * 1024

_ORDER: JsonDict = {
    "reference": "W-1001",
    "currency": "USD",
    "ship_to": {
        "name": "Buyer 0042",
        "line1": "100 Example Street",
        "city": "Springfield",
        "region": "IL",
        "postal_code": "62701",
        "country": "US",
    },
    "items": [
        {
            "sku": "TEE-BLK-M",
            "quantity": 2,
            "unit_price": "19.99",
            "personalization": [{"name": "Name on the back", "value": "RIVERA"}],
            "designs": [{"area": "front", "url": "https://files.example.com/front.png"}],
        }
    ],
    "shipping_service": "standard",
    "gift_message": "Happy birthday!",
}


class NewOrder(DirectOrder):
    """An order to give to a store."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"store_id": "5f0c3b1a9d2e4f60", **_ORDER}]})

    store_id: str = Field(description="The direct store that it belongs to.", max_length=64)

    def order(self) -> DirectOrder:
        """The order alone: the store is no part of its content."""
        return DirectOrder.model_construct(
            self.model_fields_set - {"store_id"}, **{name: getattr(self, name) for name in DirectOrder.model_fields}
        )


class GiveQuery(BaseModel):
    """How an order came, for the report."""

    way: Literal["api", "form"] = Field(default="api", description="form: a person typed it.")


def _kept(given: Any, read: Any) -> DirectOrder | Malformed:
    try:
        order: DirectOrder = read(given)
    except ValidationError as error:
        return Malformed(_reference_of(given), problems_of(error))
    return order


def _reference_of(given: Any) -> str | None:
    reference = given.get("reference") if isinstance(given, dict) else None
    fits = isinstance(reference, str) and 0 < len(reference) <= LARGEST_REFERENCE and reference.isprintable()
    return reference if fits else None


#: One order of a batch; one that is wrong must not refuse the others.
BatchLine = Annotated[DirectOrder, WrapValidator(_kept)]


class NewOrders(BaseModel):
    """Orders to give to a store at once."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        json_schema_extra={"examples": [{"store_id": "5f0c3b1a9d2e4f60", "orders": [_ORDER]}]},
    )

    store_id: str = Field(max_length=64)
    orders: list[BatchLine] = Field(min_length=1, max_length=MOST_AT_ONCE)

    @property
    def lines(self) -> list[DirectOrder | Malformed]:
        """The orders, and what stands where there is none."""
        return [*self.orders]


class NewerOrder(DirectOrder):
    """The whole order as it is from now on."""

    model_config = ConfigDict(json_schema_extra={"examples": [_ORDER]})


class CancelOrder(BaseModel):
    """Why an order is not wanted any more."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True)

    reason: str | None = Field(
        default=None,
        max_length=200,
        pattern=r"^[^\x00-\x1f]*$",
        description="In your words, for the report; no names or addresses.",
        examples=["the buyer changed their mind"],
    )


class GivenPath(BaseModel):
    """One order of a store."""

    store_id: str
    reference: Reference


class GivenOrder(BaseModel):
    """An order that is taken, that is: durable in Kafka. What becomes of it stands in the report, by `order_key`.

    `revision` counts its forms from 1. `state` is what the seller said last: whether production could still follow an
    update or a cancellation stands in the order's timeline.
    """

    store_id: str
    reference: str
    order_key: str
    state: Literal["given", "cancelled"]
    revision: int
    test: bool
    given_at: datetime
    revised_at: datetime


class TakenOrder(GivenOrder):
    """The same, after a write. `result`: "existing" where there was nothing new in it."""

    result: Literal["new", "updated", "existing"]


class TakenLine(BaseModel):
    """What became of one order of a batch; `line` counts from 1. A failed one says why, field by field."""

    line: int
    reference: str | None
    result: Literal["new", "existing", "failed"]
    order_key: str | None = None
    code: Literal["invalid_order", "reference_taken", "reference_repeated", "order_too_large"] | None = None
    problem: str | None = Field(default=None, description="What is wrong and what to do, in one sentence.")
    errors: list[FieldProblem] = []


class TakenBatch(BaseModel):
    """What became of a batch. The report shows it under `session_id`."""

    session_id: str
    new: int
    existing: int
    failed: int
    items: list[TakenLine]


def given_order(given: Given) -> GivenOrder:
    """An order as it stands."""
    return GivenOrder(**_fields(given))


def taken_order(taken: Taken) -> TakenOrder:
    """An order after a write."""
    return TakenOrder(**_fields(taken.given), result=taken.result)


def taken_batch(session: Session, answers: tuple[Answered, ...]) -> TakenBatch:
    """A batch's answer, line by line."""
    items = [_line(place, answer) for place, answer in enumerate(answers, 1)]
    counts = {result: sum(item.result == result for item in items) for result in ("new", "existing", "failed")}
    return TakenBatch(session_id=session.session_id, items=items, **counts)


def _fields(given: Given) -> dict[str, Any]:
    return {
        "store_id": given.store_id,
        "reference": given.reference,
        "order_key": given.order_key,
        "state": given.state,
        "revision": given.revision,
        "test": given.test,
        "given_at": given.given_at,
        "revised_at": given.revised_at,
    }


def _line(place: int, answer: Answered) -> TakenLine:
    if isinstance(answer.result, Refused):
        refused = answer.result
        return TakenLine(
            line=place,
            reference=answer.reference,
            result="failed",
            code=refused.code,
            problem=refused.sentence,
            errors=list(refused.problems),
        )
    result: Literal["new", "existing"] = "new" if answer.result.result == "new" else "existing"
    return TakenLine(line=place, reference=answer.reference, result=result, order_key=answer.result.given.order_key)
