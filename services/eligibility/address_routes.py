"""`/v1/address-forms`, `/v1/address-checks`: what an address needs in its country, and what is wrong with one."""

from __future__ import annotations

import asyncio
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from schemas.address import Address
from services.eligibility.address_forms import countries, faults, form_of
from services.kit.http.problems import not_found
from services.kit.http.routes import Routes

_SCOPE = "orders:read"
_TAGS = ["addresses"]

Part = Annotated[str, StringConstraints(max_length=200)]


class ChoiceView(BaseModel):
    """A value, and what it is called."""

    model_config = ConfigDict(from_attributes=True)

    value: str
    name: str


class CountryList(BaseModel):
    """All countries, by name."""

    items: tuple[ChoiceView, ...]


class FormFieldView(BaseModel):
    """One field. `choices` empty: any text."""

    model_config = ConfigDict(from_attributes=True)

    name: str = Field(examples=["postal_code"])
    label: str = Field(examples=["ZIP code"])
    required: bool
    choices: tuple[ChoiceView, ...]
    example: str | None = Field(examples=["95014"])


class AddressFormView(BaseModel):
    """What an address of a country consists of, from top to bottom."""

    model_config = ConfigDict(from_attributes=True)

    country: str
    name: str
    fields: tuple[FormFieldView, ...]


class CountryPath(BaseModel):
    """ISO 3166-1 alpha-2."""

    country: str = Field(pattern="^[A-Z]{2}$", examples=["US"])


class CheckedAddress(BaseModel):
    """An address as far as it is typed."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Part | None = None
    company: Part | None = None
    line1: Part | None = None
    line2: Part | None = None
    city: Part | None = None
    region: Part | None = None
    postal_code: Part | None = None
    country: Part | None = None
    phone: Part | None = None


class FaultView(BaseModel):
    """What is wrong with one field. `missing`: nothing stands there yet."""

    model_config = ConfigDict(from_attributes=True)

    field: str = Field(examples=["postal_code"])
    problem: str = Field(examples=["It is no ZIP code of United States"])
    remedy: str = Field(examples=["It looks like 95014."])
    missing: bool


class AddressCheck(BaseModel):
    """Whether an order to this address would be held for it, and why."""

    complete: bool
    problems: tuple[FaultView, ...]


async def _countries(_request: web.Request) -> CountryList:
    # The first time it reads a large file; judging must not wait for that.
    found = await asyncio.to_thread(countries)
    return CountryList(items=tuple(map(ChoiceView.model_validate, found)))


async def _form(_request: web.Request, *, path: CountryPath) -> AddressFormView:
    """Which fields there are, which must be filled, and how each is called in that country."""
    form = form_of(path.country)
    if form is None:
        raise not_found("country")
    return AddressFormView.model_validate(form)


async def _check(_request: web.Request, *, body: CheckedAddress) -> AddressCheck:
    """By the rules by which orders are judged; nothing of it is kept."""
    found = faults(Address(**body.model_dump()))
    return AddressCheck(complete=not found, problems=tuple(map(FaultView.model_validate, found)))


def address_routes() -> Routes:
    """Declare the routes."""
    routes = Routes(title="Sync Order: eligibility", version="1")
    forms = "/v1/address-forms"
    routes.get(forms, summary="The countries", tags=_TAGS, scope=_SCOPE)(_countries)
    routes.get(f"{forms}/{{country}}", summary="A country's address", tags=_TAGS, scope=_SCOPE, errors=[404])(_form)
    routes.post("/v1/address-checks", summary="Check an address", tags=_TAGS, scope=_SCOPE)(_check)
    return routes
