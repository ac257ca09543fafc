"""What rows of platforms' exports mean where a column alone does not say it: states, lines to leave out, variations.

An order that its platform says is shipped, cancelled or refunded is left out, with why: it must not be made again.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal, DecimalException

from services.ingest.platforms.direct.files.places import folded
from services.ingest.platforms.direct.files.values import Amount, Misread, amount, quantity


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number in the file, and by meaning what it says, without blanks."""

    number: int
    says: Mapping[str, str] = field(repr=False)

    def with_values(self, **values: str) -> Row:
        """The row saying this, too; what is empty is not said."""
        return replace(self, says={name: value for name, value in {**self.says, **values}.items() if value})


@dataclass(frozen=True, slots=True)
class Left:
    """The order, or all of its rows, that are not to be imported, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """A row that the export does not say enough of."""

    row: int
    meaning: str
    misread: Misread


Interpreted = list[Row] | Left | Unclear
_PAYMENTS_WITHOUT_MONEY = frozenset({"pending", "authorized", "partially paid", "expired", "unpaid"})
_NOTHING_LEFT = Left("No line of it is left to make: all are shipped, or nothing that ships.")


def interpreted(slug: str, rows: list[Row]) -> Interpreted:
    """Return the rows of one order in the words of our template."""
    interpret = _OF.get(slug)
    return rows if interpret is None else interpret(rows)


def _shopify(rows: list[Row]) -> Interpreted:
    head = rows[0].says
    payment, fulfilment = folded(head.get("_payment", "paid")), folded(head.get("_fulfilment", ""))
    if "_cancelled" in head:
        return Left("It is cancelled.")
    if payment in {"refunded", "voided"}:
        return Left(f"Its payment is {payment}.")
    if fulfilment == "fulfilled":
        return Left("It is shipped.")
    if payment == "partially refunded":
        misread = Misread(
            "A part of the order is refunded, and the file does not say which",
            'Take the refunded lines out and write "paid".',
        )
        return Unclear(rows[0].number, "_payment", misread)
    kept = [row for row in rows if _is_to_make(row)]
    if not kept:
        return _NOTHING_LEFT
    # What is said once for the order stands in its first row, which may be a line that is not to be made.
    first = kept[0].with_values(
        **{**_order_level(rows[0]), "paid": "no" if payment in _PAYMENTS_WITHOUT_MONEY else "yes"}
    )
    return [first, *kept[1:]]


_OF_A_LINE = frozenset({"quantity", "title", "unit_price", "sku"})


def _order_level(row: Row) -> dict[str, str]:
    return {name: value for name, value in row.says.items() if name not in _OF_A_LINE}


def _is_to_make(row: Row) -> bool:
    shipped = folded(row.says.get("_line_fulfilment", "")) == "fulfilled"
    return not shipped and folded(row.says.get("_ships", "true")) != "false"


def _etsy_items(rows: list[Row]) -> Interpreted:
    kept = [row for row in rows if "_date_shipped" not in row.says]
    if not kept:
        return Left("It is shipped.")
    return [
        row.with_values(
            paid="yes" if "_date_paid" in row.says else "no",
            **_variations(html.unescape(row.says.get("_variations", ""))),
        )
        for row in kept
    ]


#: A comma divides two variations only where a name and a colon follow: values have commas, too.
_NEXT_VARIATION = re.compile(r",(?=[^,:]{1,60}:)")


def _variations(text: str) -> dict[str, str]:
    options: list[str] = []
    personalization: list[str] = []
    for part in _NEXT_VARIATION.split(text):
        if ":" in part:
            is_personal = folded(part.partition(":")[0]).startswith("personali")
            (personalization if is_personal else options).append(part.strip())
    return {"options": "\n".join(options), "personalization": "\n".join(personalization)}


def _etsy_orders(rows: list[Row]) -> Interpreted:
    row = rows[0]
    if "_date_shipped" in row.says:
        return Left("It is shipped.")
    skus = [sku.strip() for sku in row.says.get("_skus", "").split(",") if sku.strip()]
    if not skus or quantity(row.says.get("_number_of_items", "")) != len(skus):
        misread = Misread(
            "This file does not say how many of what were ordered",
            'Download "Order Items" instead of "Orders", which names every line.',
        )
        return Unclear(row.number, "_skus", misread)
    return [
        row.with_values(sku=sku, quantity=str(count))
        if place == 0
        else Row(row.number, {"sku": sku, "quantity": str(count)})
        for place, (sku, count) in enumerate(Counter(skus).items())
    ]


def _amazon(rows: list[Row]) -> Interpreted:
    kept = []
    for row in rows:
        number = row.says.get("quantity") or row.says.get("_purchased", "")
        if quantity(number) == 0:
            continue
        second = ", ".join(part for part in (row.says.get("line2"), row.says.get("_line3")) if part)
        kept.append(row.with_values(quantity=number, line2=second, unit_price=_each(row.says, number)))
    return kept or _NOTHING_LEFT


def _each(says: Mapping[str, str], number: str) -> str:
    """The price of one: the report has that of all of a line."""
    count, price = quantity(number), amount(says.get("_line_price", ""), currency=says.get("currency"))
    if not isinstance(price, Amount) or not isinstance(count, int) or count < 1:
        return ""
    try:
        return f"{(Decimal(price.text) / count).quantize(Decimal('0.01')):f}"
    except DecimalException:
        return ""


_OF: Mapping[str, Callable[[list[Row]], Interpreted]] = {
    "shopify_orders": _shopify,
    "etsy_order_items": _etsy_items,
    "etsy_orders": _etsy_orders,
    "amazon_unshipped": _amazon,
}
