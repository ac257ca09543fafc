"""An order as a seller gives it to us, by API, file or form; checked field by field, then a raw order like any other.

The model refuses only what cannot be meant; whether an address is complete or an item is matched is judged later, as
for every order, so that it can be resolved.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator
from pydantic_core.core_schema import ValidationInfo

from schemas.address import Address
from schemas.base import UtcTime
from schemas.currencies import MINOR_DIGITS
from schemas.ids import order_key
from schemas.money import Money, MoneyError
from schemas.order import Design, NameValue, OrderItem, Payload, RawOrder, Way
from services.ingest.contract.stores import StoreRef
from services.ingest.platforms.direct.countries import COUNTRIES, MEANT
from services.ingest.platforms.direct.problems import FieldProblem, wrong

MOST_ITEMS = 200
#: Of one item; whoever wants more asks us first.
MOST_OF_AN_ITEM = 10_000
MOST_DESIGNS = 20
LARGEST_REFERENCE = 100
#: Clocks and time zones of those who give orders may be off; by more a date is a slip of the pen.
AHEAD = timedelta(days=1)
#: In `Payload.form`.
FORM = "direct"

_LONG = 5000
#: Digits before the point of amounts that fit whatever their currency.
_SURELY_SMALL = 11
_BREAKS = "\n\t\r"


def _printable(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    if any(unicodedata.category(sign) == "Cc" and sign not in _BREAKS for sign in text if not sign.isprintable()):
        raise wrong("It has control characters", "Remove them: only what can be seen may stand there.")
    return unicodedata.normalize("NFC", text)


def _one_line(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    text = _printable(text)
    return text if text.isprintable() else " ".join(text.split())


def _reference(text: str) -> str:
    text = _printable(text)
    if any(sign in text for sign in _BREAKS):
        raise wrong("It goes over several lines", "Give a reference of one line.")
    if not text.strip("."):
        # In an address it would mean a folder.
        raise wrong("It consists of points", "Give a number or a word.")
    return text


def _currency(text: str) -> str:
    code = text.upper()
    if code not in MINOR_DIGITS:
        raise wrong("It is no currency that we know", "Give an ISO 4217 code, like USD.")
    return code


def _country(text: str) -> str:
    code = text.upper()
    code = MEANT.get(code, code)
    if code not in COUNTRIES:
        raise wrong("It is no country that we know", "Give an ISO 3166-1 code of two letters, like US.")
    return code


def _amount(value: object) -> object:
    # A whole number loses nothing; a JSON number with a point already has when it comes here.
    if isinstance(value, bool | float):
        raise wrong("It is not an exact amount", 'Give it as a text, like "12.50".')
    return str(value) if isinstance(value, int) else value


def _plain_amount(text: str) -> str:
    whole, _, decimals = text.partition(".")
    if not (whole.isascii() and whole.isdigit() and len(whole) <= 12) or (  # noqa: PLR2004 - far above any order
        "." in text and not (decimals.isascii() and decimals.isdigit())
    ):
        raise wrong(
            "It is no amount: digits with a point, not negative", 'Give it in major units, like "12.50", without signs.'
        )
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        fine = parts.scheme == "https" and bool(parts.hostname) and text.isascii() and " " not in text
    except ValueError:
        fine = False
    if not fine or "@" in parts.netloc:
        raise wrong("It is no address that production can fetch from", "Give a whole https:// address.")
    return text


Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
Text = Annotated[str, Field(min_length=1, max_length=_LONG), AfterValidator(_printable)]
#: An amount in major units of the order's currency, as text.
Amount = Annotated[
    str,
    BeforeValidator(_amount),
    Field(max_length=20, json_schema_extra={"pattern": r"^\d{1,12}(\.\d+)?$"}, examples=["12.50"]),
    AfterValidator(_plain_amount),
]
Url = Annotated[str, Field(max_length=2000), AfterValidator(_url)]
Reference = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LARGEST_REFERENCE,
        description="The seller's own number of the order, unique in the store. Not for names or e-mail addresses.",
        examples=["W-1001"],
    ),
    AfterValidator(_reference),
]


class _Given(BaseModel):
    """What all parts have in common: blanks around texts go, empty texts and nulls count as absent."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, str_strip_whitespace=True)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {
            name: value
            for name, value in given.items()
            if value is not None and not (isinstance(value, str) and (not value or value.isspace()))
        }


class DirectAddress(_Given):
    """Where the parcel goes. `region` is the state or province, best as its code ("CA")."""

    name: Line = Field(examples=["Buyer 0042"])
    company: Line | None = None
    line1: Line = Field(examples=["100 Example Street"])
    line2: Line | None = None
    city: Line = Field(examples=["Springfield"])
    region: Line | None = Field(default=None, examples=["IL"])
    postal_code: Line | None = Field(default=None, examples=["62701"])
    country: Annotated[str, AfterValidator(_country)] = Field(
        description="ISO 3166-1 alpha-2.", max_length=100, examples=["US"]
    )
    phone: Line | None = None


class DirectPair(_Given):
    """A name and its value, such as an option or the buyer's answer to a question."""

    name: Line = Field(examples=["Name on the back"])
    value: Text = Field(examples=["RIVERA"])


class DirectDesign(_Given):
    """Artwork for one print area; production fetches the file from `url`."""

    area: Line = Field(description="front, back, sleeve_left, all_over …", examples=["front"])
    url: Url = Field(examples=["https://files.example.com/front.png"])


class DirectItem(_Given):
    """One line. What it is is said by `sku`, or by the seller's own listing: `product_id`, `variant_id`.

    `line_id` tells lines apart when the order is updated; by default it is the line's place: "1", "2", …
    """

    line_id: Line | None = None
    sku: Line | None = Field(default=None, examples=["TEE-BLK-M"])
    product_id: Line | None = None
    variant_id: Line | None = None
    title: Line | None = Field(default=None, examples=["Black tee, M"])
    quantity: int = Field(ge=1, le=MOST_OF_AN_ITEM, examples=[2])
    unit_price: Amount | None = Field(default=None, description="What the buyer paid for one.", examples=["19.99"])
    options: tuple[DirectPair, ...] = Field(default=(), max_length=50)
    personalization: tuple[DirectPair, ...] = Field(default=(), max_length=50)
    designs: tuple[DirectDesign, ...] = Field(
        default=(), max_length=MOST_DESIGNS, description="Artwork of this line; it goes before the match's own."
    )

    @model_validator(mode="after")
    def _says_what(self) -> DirectItem:
        if not (self.sku or self.product_id or self.variant_id):
            raise wrong("It does not say what is ordered", "Give a sku, or the product_id or variant_id of a listing.")
        return self


class DirectOrder(_Given):
    """An order that a seller gives us. Amounts are texts in major units of `currency`.

    `total` is by default what items, shipping and tax come to. `paid` false: it waits until an update says that it is
    paid. `test`: it goes everywhere but into production. `placed_at` is by default when we got it.
    """

    reference: Reference
    currency: Annotated[str, AfterValidator(_currency)] = Field(default="USD", max_length=10, examples=["USD"])
    ship_to: DirectAddress
    email: Line | None = Field(default=None, description="The buyer's.")
    items: tuple[DirectItem, ...] = Field(min_length=1, max_length=MOST_ITEMS)
    shipping_service: Line | None = Field(default=None, description="One of production's.", examples=["standard"])
    shipping_label_url: Url | None = Field(default=None, description="The seller's own label, if there is one.")
    shipping_price: Amount | None = None
    tax_value: Amount | None = Field(default=None, description="The tax that the buyer paid, for customs.")
    total: Amount | None = None
    ioss_number: Line | None = None
    tax_number: Line | None = None
    gift_message: Text | None = None
    note: Text | None = Field(default=None, description="For production.")
    paid: bool = True
    test: bool = Field(default=False, description="Goes everywhere but into production.")
    placed_at: UtcTime | None = Field(default=None, examples=["2026-11-20T12:00:00Z"])

    @field_validator("shipping_price", "tax_value", "total")
    @classmethod
    def _fits_currency(cls, amount: str | None, info: ValidationInfo) -> str | None:
        if amount is not None:
            _refuse_inexact(amount, info.data.get("currency"))
        return amount

    @field_validator("items")
    @classmethod
    def _fit_together(cls, items: tuple[DirectItem, ...], info: ValidationInfo) -> tuple[DirectItem, ...]:
        for place, item in enumerate(items):
            if item.unit_price is not None:
                _refuse_inexact(item.unit_price, info.data.get("currency"), path=f"items.{place}.unit_price")
        repeated = _repeated(line_ids(items))
        if repeated is not None:
            path = f"items.{repeated}.line_id"
            raise wrong("Another line has this line_id", "Give every line one of its own, or none.", path=path)
        return items


def _refuse_inexact(amount: str, currency: str | None, *, path: str | None = None) -> None:
    if currency is None:
        return
    whole, _, decimals = amount.partition(".")
    if len(decimals) <= MINOR_DIGITS[currency] and len(whole) <= _SURELY_SMALL:
        return
    try:
        Money.parse(amount, currency)
    except MoneyError:
        problem = f"It has more decimals than {currency} has, or is too large"
        raise wrong(problem, f"Give at most {MINOR_DIGITS[currency]} decimals.", path=path) from None


def _repeated(ids: Iterable[str]) -> int | None:
    known: set[str] = set()
    for place, line_id in enumerate(ids):
        if line_id in known:
            return place
        known.add(line_id)
    return None


def line_ids(items: Iterable[DirectItem]) -> list[str]:
    """Return the id of each line: its own, else its place from 1."""
    return [item.line_id or str(place) for place, item in enumerate(items, 1)]


def timely(order: DirectOrder, *, now: datetime) -> FieldProblem | None:
    """Return what is wrong with the order's date, None when nothing is."""
    if order.placed_at is None or order.placed_at <= now + AHEAD:
        return None
    return FieldProblem(
        path="placed_at",
        problem="It lies in the future",
        remedy="Give when the buyer ordered; look at day and month, and at the year.",
    )


def to_raw_order(
    order: DirectOrder,
    store: StoreRef,
    *,
    revised_at: datetime,
    way: Way = "api",
    placed_at: datetime | None = None,
    cancelled_at: datetime | None = None,
) -> RawOrder:
    """Return the order in our nouns. Pure.

    `revised_at` is when we took this form of it; `placed_at` when we took the first, for orders without a date of
    their own.
    """
    currency = order.currency
    items = tuple(
        _item(item, line_id, currency) for item, line_id in zip(order.items, line_ids(order.items), strict=True)
    )
    return RawOrder(
        key=order_key(store.platform, store.store_id, order.reference),
        seller_id=store.seller_id,
        store_id=store.store_id,
        platform=store.platform,
        external_id=order.reference,
        display_name=order.reference,
        placed_at=order.placed_at or placed_at or revised_at,
        revised_at=revised_at,
        fetched_at=revised_at,
        way=way,
        test=order.test,
        payment="paid" if order.paid else "pending",
        cancelled_at=cancelled_at,
        total=_total(order, items),
        ship_to=_address(order.ship_to),
        email=order.email,
        phone=order.ship_to.phone,
        items=items,
        shipping_service=order.shipping_service,
        note=order.note,
        ioss_number=order.ioss_number,
        tax_number=order.tax_number,
        is_gift=order.gift_message is not None,
        gift_message=order.gift_message,
        shipping_label_url=order.shipping_label_url,
        tax_value=Money.parse(order.tax_value, currency) if order.tax_value else None,
        payload=Payload(form=FORM, body=verbatim(order)),
    )


def verbatim(order: DirectOrder) -> str:
    """Return the order's JSON without what is as it is by default: the same text for the same order, always."""
    return order.model_dump_json(exclude_defaults=True)


def _address(given: DirectAddress) -> Address:
    return Address(
        name=given.name,
        company=given.company,
        line1=given.line1,
        line2=given.line2,
        city=given.city,
        region=given.region,
        postal_code=given.postal_code,
        country=given.country,
        phone=given.phone,
    )


def _item(item: DirectItem, line_id: str, currency: str) -> OrderItem:
    options = tuple(NameValue(name=option.name, value=option.value) for option in item.options)
    return OrderItem(
        external_id=line_id,
        title=item.title or item.sku or item.variant_id or item.product_id or "",
        variant_title=" / ".join(option.value for option in options) or None,
        sku=item.sku,
        product_id=item.product_id,
        variant_id=item.variant_id,
        quantity=item.quantity,
        quantity_to_make=item.quantity,
        unit_price=_price(item, currency),
        options=options,
        personalization=tuple(NameValue(name=pair.name, value=pair.value) for pair in item.personalization),
        designs=tuple(Design(area=design.area, url=design.url) for design in item.designs),
    )


def _price(item: DirectItem, currency: str) -> Money:
    return Money.parse(item.unit_price, currency) if item.unit_price else Money.zero(currency)


def _total(order: DirectOrder, items: Iterable[OrderItem]) -> Money:
    currency = order.currency
    if order.total is not None:
        return Money.parse(order.total, currency)
    total = Money(amount=sum(item.unit_price.amount * item.quantity for item in items), currency=currency)
    for amount in (order.shipping_price, order.tax_value):
        total = total.plus(Money.parse(amount, currency)) if amount else total
    return total
