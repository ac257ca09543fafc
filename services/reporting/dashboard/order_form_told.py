"""What ingest and eligibility tell the form for an order by hand, as far as the page shows it."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from schemas.money import Money
from schemas.order import Design, NameValue


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class ProductTold(_Told):
    """What production makes under a SKU; `areas` are those whose artwork the SKU brings along."""

    sku: str
    product_name: str
    options: tuple[NameValue, ...]
    cost: Money
    available: bool
    needs_artwork: bool
    areas: tuple[str, ...]
    picture_url: str | None

    @property
    def choice(self) -> str:
        """Its options in one line."""
        return " / ".join(option.value for option in self.options)

    @property
    def title(self) -> str:
        """What a line of an order calls it."""
        return " · ".join(filter(None, (self.product_name, self.choice)))[:200]


class ProductsTold(_Told):
    """Some of the catalog."""

    items: tuple[ProductTold, ...]
    next: str | None


class ChoiceTold(_Told):
    """A value, and what it is called."""

    value: str
    name: str


class CountriesTold(_Told):
    """All countries."""

    items: tuple[ChoiceTold, ...]


class FieldTold(_Told):
    """One field of an address; `choices` empty: any text."""

    name: str
    label: str
    required: bool
    choices: tuple[ChoiceTold, ...] = ()
    example: str | None = None


class AddressFormTold(_Told):
    """What an address of a country consists of, from top to bottom."""

    country: str
    name: str
    fields: tuple[FieldTold, ...]


class FaultTold(_Told):
    """What is wrong with one field of an address."""

    field: str
    problem: str
    remedy: str
    missing: bool


class CheckTold(_Told):
    """What an order would be held for."""

    complete: bool
    problems: tuple[FaultTold, ...]


class DraftTold(_Told):
    """A draft in a list."""

    draft_id: str
    title: str
    changed_at: datetime


class DraftsTold(_Told):
    """All drafts."""

    items: tuple[DraftTold, ...]


class DraftFieldsTold(DraftTold):
    """A draft with what was typed."""

    fields: dict[str, str]


class CopiedItemTold(_Told):
    """One line of an order that is copied."""

    sku: str | None
    title: str
    quantity: int
    unit_price: Money
    personalization: tuple[NameValue, ...]
    designs: tuple[Design, ...]


class CopyTold(_Told):
    """What a new order like an earlier one begins with; `ship_to` None: it must be typed."""

    order_key: str
    items: tuple[CopiedItemTold, ...]
    ship_to: dict[str, str | None] | None
    email: str | None
    shipping_service: str | None
    gift_message: str | None
    note: str | None


class GivenTold(_Told):
    """An order that was taken; `result` "existing": it was there already."""

    order_key: str
    reference: str
    result: str
