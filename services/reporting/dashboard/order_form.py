"""An order as far as it is typed into the page's form: read from its fields, written as fields and as an order; pure.

Fields are named as what ingest takes is (`ship_to.city`, `items.0.quantity`), so that what it refuses lands beside its
field.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from schemas.money import Money, MoneyError
from services.reporting.dashboard.order_form_told import CopyTold, ProductTold

#: Lines that the form takes; more come by file.
MOST_LINES = 50
#: Fields of the largest form, with what it holds of each line.
MOST_FIELDS = 3000
ADDRESS = ("name", "company", "line1", "line2", "city", "region", "postal_code", "country", "phone")
_TEXTS = (
    *("store_id", "reference", "currency", "email", "shipping_service", "shipping_price", "gift_message", "note"),
    *("copied_from", "unpaid", "test"),
)
#: Of these a form holds what ingest takes under the same name.
_SENT = ("store_id", "reference", "currency", "email", "shipping_service", "shipping_price", "gift_message", "note")
_OF_LINE = re.compile(r"items\.(\d{1,3})\.(sku|title|quantity|unit_price)")
_OF_PAIR = re.compile(r"items\.(\d{1,3})\.(personalization|designs)\.(\d{1,2})\.(name|value|area|url)")

#: The print area that the form proposes.
PROPOSED_AREA = "front"

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `personalization`: names and values; `designs`: print areas and addresses of files."""

    sku: str
    title: str = ""
    quantity: str = "1"
    unit_price: str = field(default="", repr=False)
    personalization: tuple[Pair, ...] = field(default=(), repr=False)
    designs: tuple[Pair, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class OrderForm:
    """All that is typed, right or wrong. `form_id` names this form from its first sight until the order is given."""

    form_id: str
    texts: Mapping[str, str] = field(default_factory=dict, repr=False)
    address: Mapping[str, str] = field(default_factory=dict, repr=False)
    lines: tuple[Line, ...] = ()

    @classmethod
    def read(cls, fields: Mapping[str, str], *, form_id: str) -> OrderForm:
        """Return what the fields say; blank lines and pairs go, and others move up."""
        return cls(
            form_id=form_id,
            texts={name: fields[name] for name in _TEXTS if fields.get(name, "").strip()},
            address={name: fields[f"ship_to.{name}"] for name in ADDRESS if fields.get(f"ship_to.{name}", "").strip()},
            lines=tuple(_lines(fields))[:MOST_LINES],
        )

    @property
    def country(self) -> str:
        """The country's code as it was chosen, or nothing."""
        return self.address.get("country", "").strip().upper()

    @property
    def title(self) -> str:
        """What a list of drafts calls it."""
        return " · ".join(filter(None, (self.texts.get("reference", ""), self.address.get("name", ""))))[:200]

    def text(self, name: str) -> str:
        """What stands in a field, or nothing."""
        return self.texts.get(name, "")

    def with_text(self, name: str, text: str) -> OrderForm:
        """The form with another text in a field."""
        return replace(self, texts={**self.texts, name: text})

    def with_product(self, product: ProductTold) -> OrderForm:
        """The form with one more line."""
        return replace(self, lines=(*self.lines, Line(product.sku, product.title)))

    def without_line(self, place: int) -> OrderForm:
        """The form without the line at `place`, from 0."""
        return replace(self, lines=self.lines[:place] + self.lines[place + 1 :])

    def with_address_of(self, names: Iterable[str]) -> OrderForm:
        """The form with the parts of the address that its country has, whatever was typed for another."""
        kept = {"country", *names}
        return replace(self, address={name: text for name, text in self.address.items() if name in kept})

    def fields(self) -> dict[str, str]:
        """All of it as fields."""
        found = dict(self.texts) | {f"ship_to.{name}": text for name, text in self.address.items()}
        for place, line in enumerate(self.lines):
            at = f"items.{place}"
            found |= {f"{at}.sku": line.sku, f"{at}.title": line.title, f"{at}.quantity": line.quantity}
            found |= {f"{at}.unit_price": line.unit_price} if line.unit_price else {}
            for number, (name, value) in enumerate(line.personalization):
                found |= {f"{at}.personalization.{number}.name": name, f"{at}.personalization.{number}.value": value}
            for number, (area, url) in enumerate(line.designs):
                found |= {f"{at}.designs.{number}.area": area, f"{at}.designs.{number}.url": url}
        return found

    def order(self) -> dict[str, Any]:
        """All of it as the order that ingest takes; what is no number stays as it was typed."""
        return {
            **{name: self.texts[name] for name in _SENT if name in self.texts},
            "ship_to": {name: text for name, text in self.address.items() if text},
            "items": [_item(line) for line in self.lines],
            "paid": not self.text("unpaid"),
            "test": bool(self.text("test")),
        }

    def idempotency_key(self) -> str:
        """The same for the same form with the same content: twice the same button makes one order."""
        content = orjson.dumps([self.form_id, self.order()], option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(content).hexdigest()[:40]


@dataclass(frozen=True, slots=True)
class Totals:
    """What it comes to; None where a price is missing, or is none. `pieces` counts what is made."""

    pieces: int
    cost: Money | None
    total: Money | None


def totals(form: OrderForm, products: Mapping[str, ProductTold]) -> Totals:
    """Return what production asks for the lines, and what the buyer pays."""
    counts = [_count(line.quantity) for line in form.lines]
    currency = form.text("currency").upper() or "USD"
    costs = [
        (products[line.sku].cost.times(count) if line.sku in products else None)
        for line, count in zip(form.lines, counts, strict=True)
    ]
    prices = [
        price.times(count) if (price := _money(line.unit_price, currency)) else None
        for line, count in zip(form.lines, counts, strict=True)
    ]
    shipping = [_money(form.text("shipping_price"), currency)] if form.text("shipping_price") else []
    return Totals(sum(counts), _sum(costs), _sum([*prices, *shipping]))


def copied(copy: CopyTold, form: OrderForm) -> OrderForm:
    """Return the form filled from an earlier order, as far as that tells."""
    address = {name: text for name in ADDRESS if (text := (copy.ship_to or {}).get(name))}
    texts = {
        name: text
        for name in ("email", "shipping_service", "gift_message", "note")
        if (text := getattr(copy, name)) is not None
    }
    lines = tuple(
        Line(
            sku=item.sku or "",
            title=item.title,
            quantity=str(item.quantity),
            unit_price=item.unit_price.text() if item.unit_price.amount else "",
            personalization=tuple((pair.name, pair.value) for pair in item.personalization),
            designs=tuple((design.area, design.url) for design in item.designs),
        )
        for item in copy.items
    )
    currency = copy.items[0].unit_price.currency if copy.items else form.text("currency")
    texts |= {"copied_from": copy.order_key, "currency": currency}
    return replace(form, texts={**form.texts, **texts}, address={**form.address, **address}, lines=lines[:MOST_LINES])


def _lines(fields: Mapping[str, str]) -> Iterator[Line]:
    plain: dict[int, dict[str, str]] = {}
    pairs: dict[tuple[int, str], dict[int, dict[str, str]]] = {}
    for name, text in fields.items():
        if found := _OF_LINE.fullmatch(name):
            plain.setdefault(int(found[1]), {})[found[2]] = text.strip()
        elif found := _OF_PAIR.fullmatch(name):
            place = pairs.setdefault((int(found[1]), found[2]), {})
            place.setdefault(int(found[3]), {})[found[4]] = text
    for number in sorted(plain):
        line = plain[number]
        if not line.get("sku"):
            continue
        yield Line(
            sku=line["sku"],
            title=line.get("title", ""),
            quantity=line.get("quantity", ""),
            unit_price=line.get("unit_price", ""),
            personalization=_pairs(pairs.get((number, "personalization"), {}), "name", "value"),
            designs=_pairs(pairs.get((number, "designs"), {}), "area", "url"),
        )


def _pairs(found: Mapping[int, Mapping[str, str]], first: str, second: str) -> tuple[Pair, ...]:
    pairs = ((found[number].get(first, ""), found[number].get(second, "")) for number in sorted(found))
    # The form proposes an area where nothing is typed yet.
    return tuple(pair for pair in pairs if pair[1].strip() or pair[0].strip() not in ("", PROPOSED_AREA))


def _item(line: Line) -> dict[str, Any]:
    item: dict[str, Any] = {
        "sku": line.sku,
        "quantity": int(line.quantity) if _is_whole(line.quantity) else line.quantity,
        "personalization": [{"name": name, "value": value} for name, value in line.personalization],
        "designs": [{"area": area, "url": url} for area, url in line.designs],
    }
    optional = {"title": line.title, "unit_price": line.unit_price}
    return item | {name: text for name, text in optional.items() if text}


def _is_whole(text: str) -> bool:
    return text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 9  # noqa: PLR2004 - far above any order


def _count(quantity: str) -> int:
    return max(0, int(quantity)) if _is_whole(quantity) else 0


def _money(text: str, currency: str) -> Money | None:
    try:
        return Money.parse(text, currency) if text else None
    except MoneyError:
        return None


def _sum(amounts: Iterable[Money | None]) -> Money | None:
    known = list(amounts)
    if not known or any(each is None or each.currency != known[0].currency for each in known if known[0] is not None):
        return None
    total = known[0]
    for each in known[1:]:
        total = total.plus(each) if total is not None and each is not None else None
    return total
