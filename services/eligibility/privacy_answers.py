"""What the API of privacy requests is asked and answers, as models."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, StringConstraints

from schemas.address import Address
from schemas.order import NameValue, Payload, RawOrder
from schemas.privacy import PrivacyKind
from services.eligibility.erasures import PrivacyRequest
from services.eligibility.facts import Correction

State = Literal["open", "answered", "erased"]


class PrivacyRequestPath(BaseModel):
    """A privacy request's id."""

    id: str = Field(min_length=1, max_length=64)


class PrivacyRequestQuery(BaseModel):
    """Which privacy requests to list."""

    state: State | None = None
    limit: int = Field(default=100, ge=1, le=500)
    cursor: Annotated[str, StringConstraints(pattern=r"^\d{1,18}$")] | None = Field(
        default=None, description="`next` of the page before."
    )


class PersonalDataQuery(BaseModel):
    """Which of a request's orders to show."""

    limit: int = Field(default=50, ge=1, le=200)
    cursor: str = Field(default="", max_length=500, description="`next` of the page before.")


class PrivacyRequestView(BaseModel):
    """What a platform passed on for a buyer. `id` names it here, `request_id` on the platform.

    `data`: send the buyer what is held of them, by `due_at`, then say that it is answered. `erase_buyer` and
    `erase_store` are done by themselves; `orders_erased` counts orders of yours whose data were taken away.
    """

    id: str
    request_id: str
    kind: PrivacyKind
    platform: str
    store_id: str | None
    state: State
    asked_at: datetime
    due_at: datetime
    closed_at: datetime | None
    orders_named: int
    orders_erased: int

    @classmethod
    def of(cls, request: PrivacyRequest, orders_erased: int) -> Self:
        """Return the view of a request."""
        return cls(
            id=request.event_id,
            request_id=request.request_id,
            kind=request.kind,
            platform=request.platform,
            store_id=request.store_id,
            state=request.state,
            asked_at=request.asked_at,
            due_at=request.due_at,
            closed_at=request.closed_at,
            orders_named=len(request.order_keys),
            orders_erased=orders_erased,
        )


class PrivacyRequestList(BaseModel):
    """Privacy requests, the newest first; `next` goes into `cursor` for those that follow."""

    items: tuple[PrivacyRequestView, ...]
    next: str | None


class PersonalData(BaseModel):
    """All that is held of a buyer in one order; `payload` is the platform's own text of it, verbatim."""

    order_key: str
    display_name: str
    placed_at: datetime
    buyer_id: str | None
    email: str | None
    phone: str | None
    ship_to: Address | None
    corrected_address: Address | None
    note: str | None
    buyer_message: str | None
    gift_message: str | None
    attributes: tuple[NameValue, ...]
    personalization: tuple[NameValue, ...]
    payload: Payload

    @classmethod
    def of(cls, order: RawOrder, correction: Correction | None) -> Self:
        """Return what an order and the seller's correction of its address tell of the buyer."""
        return cls(
            order_key=order.key,
            display_name=order.display_name,
            placed_at=order.placed_at,
            buyer_id=order.buyer_id,
            email=order.email,
            phone=order.phone,
            ship_to=order.ship_to,
            corrected_address=correction.address if correction else None,
            note=order.note,
            buyer_message=order.buyer_message,
            gift_message=order.gift_message,
            attributes=order.attributes,
            personalization=tuple(pair for item in order.items for pair in item.personalization),
            payload=order.payload,
        )


class PrivacyRequestDetail(PrivacyRequestView):
    """The request and, where it asks for data, what is held; `next` goes into `cursor` for the orders that follow."""

    orders: tuple[PersonalData, ...] = ()
    next: str | None = None
