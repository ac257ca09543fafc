"""What `/v1/webhook-endpoints` takes and shows."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from services.ingest.outgoing.endpoints import Delivery, Endpoint
from services.ingest.outgoing.notices import ORDER_NOTICES, OrderNotice

_ALL: list[OrderNotice] = list(ORDER_NOTICES)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True)


def _once(types: list[OrderNotice]) -> list[OrderNotice]:
    return list(dict.fromkeys(types))


Types = Annotated[list[OrderNotice], Field(min_length=1, max_length=20), AfterValidator(_once)]
Url = Annotated[str, Field(min_length=1, max_length=2000, examples=["https://shop.example.com/hooks/sync-order"])]


class NewEndpoint(_Body):
    """An address of yours that is told what becomes of your orders."""

    url: Url
    types: Types = _ALL


class ChangeEndpoint(_Body):
    """What to change of an endpoint; what is absent stays. `state` "enabled" ends a disabling."""

    url: Url | None = None
    types: Types | None = None
    state: Literal["enabled"] | None = None


class EndpointView(BaseModel):
    """An endpoint. `failing_since` is the first failure after the last success; `problem` says why it is disabled."""

    endpoint_id: str
    url: str
    types: list[str]
    state: Literal["enabled", "disabled"]
    problem: str | None
    failing_since: datetime | None
    created_at: datetime


class EndpointWithSecret(EndpointView):
    """The same with its secret, which is shown this once."""

    secret: str = Field(description="What verifies our signature; keep it.", examples=["whsec_…"])


class EndpointPage(BaseModel):
    """All endpoints; there are few."""

    items: list[EndpointView]
    next: None = None


class DeliveryView(BaseModel):
    """One notice to one endpoint. `status` is the last answer's, `problem` why the last attempt failed."""

    delivery_id: str
    type: str
    state: Literal["waiting", "delivered", "failed"]
    attempts: int
    status: int | None
    problem: str | None
    created_at: datetime
    due_at: datetime | None = Field(description="When it is tried next, while it waits.")
    ended_at: datetime | None
    body: str


class DeliveryPage(BaseModel):
    """Some deliveries; `next` asks for older ones."""

    items: list[DeliveryView]
    next: str | None


class EndpointPath(BaseModel):
    """One endpoint."""

    endpoint_id: str


class DeliveryPath(BaseModel):
    """One delivery to it."""

    endpoint_id: str
    delivery_id: str


class DeliveryQuery(BaseModel):
    """A part of the log."""

    cursor: str | None = Field(default=None, max_length=200, description="The `next` of the part before.")
    limit: int = Field(default=50, ge=1, le=200)


def endpoint_view(endpoint: Endpoint) -> EndpointView:
    """An endpoint as its seller sees it."""
    return EndpointView(
        endpoint_id=endpoint.endpoint_id,
        url=endpoint.url,
        types=list(endpoint.types),
        state=endpoint.state,
        problem=endpoint.problem,
        failing_since=endpoint.failing_since,
        created_at=endpoint.created_at,
    )


def with_secret(endpoint: Endpoint, secret: str) -> EndpointWithSecret:
    """The same, with what verifies our signature."""
    return EndpointWithSecret(**endpoint_view(endpoint).model_dump(), secret=secret)


def delivery_view(delivery: Delivery) -> DeliveryView:
    """A delivery as its seller sees it."""
    return DeliveryView(
        delivery_id=delivery.delivery_id,
        type=delivery.type,
        state=delivery.state,
        attempts=delivery.attempts,
        status=delivery.status,
        problem=delivery.problem,
        created_at=delivery.created_at,
        due_at=delivery.due_at if delivery.state == "waiting" else None,
        ended_at=delivery.ended_at,
        body=delivery.body,
    )
