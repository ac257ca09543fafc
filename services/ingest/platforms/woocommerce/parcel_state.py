"""What a store has of an order's parcels, in whichever of three ways it is told of them; pure.

A parcel is known when all of what tells of it is done: with a plugin also what completes the order, without one also
the note. So what was interrupted in between goes on where it stopped, and nothing is said twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from services.ingest.contract.parcels import KnownParcel, Parcel, Standing, plain_number
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import parsed
from services.ingest.platforms.woocommerce.lines import refunded_units, to_item
from services.ingest.platforms.woocommerce.mapping import OUR_PARCELS, PARCELS, ships_nothing
from services.ingest.platforms.woocommerce.parcel_ways import ParcelWay
from services.ingest.platforms.woocommerce.payloads import (
    WooFulfilledItem,
    WooFulfillment,
    WooNote,
    WooOrder,
    WooTracking,
)

M = TypeVar("M", bound=BaseModel)
#: Keys of a fulfilment's meta data.
ITEMS, NUMBER, ADDRESS = "_items", "_tracking_number", "_tracking_url"
#: The documentation names one key of the provider, the code reads the other; sending both does no harm.
PROVIDER_KEYS = ("_shipment_provider", "_shipping_provider")
_CANCELLED = frozenset({"cancelled", "trash"})


@dataclass(frozen=True, slots=True)
class Kept:
    """A parcel that we told, as we keep it in the order's meta data: plugins and notes do not say what is in one."""

    number: str
    lines: Mapping[str, int]
    #: Whether a note to the buyer belongs to it.
    noted: bool

    def entry(self) -> dict[str, Any]:
        """Return it as it is kept."""
        return {"tracking_number": self.number, "lines": dict(self.lines), "noted": self.noted}


@dataclass(frozen=True, slots=True)
class Told:
    """What the store told of an order and its parcels. `status` is WooCommerce's own word for the order's."""

    order: WooOrder
    status: str
    way: ParcelWay
    fulfillments: tuple[WooFulfillment, ...] = ()
    trackings: tuple[WooTracking, ...] = ()
    kept: tuple[Kept, ...] = ()
    notes: tuple[WooNote, ...] = ()

    @property
    def standing(self) -> Standing:
        """What may be done with the order."""
        if self.status == "completed" or (self.status == "refunded" and self.order.date_completed_gmt is not None):
            return "shipped"
        if self.status in _CANCELLED or self.status == "refunded":
            return "cancelled"
        if self.status != "processing":
            # Unpaid, held, or in a plugin's status that the seller did not say the meaning of.
            return "on_hold"
        if not any(self.wanted.values()):
            return "exempt"
        return "open" if any(self.left.values()) else "shipped"

    @property
    def wanted(self) -> dict[str, int]:
        """Units of each line that are shipped at all: not given back, and no downloads or gift cards."""
        refunded, digital = refunded_units(self.order.refund_details or ()), ships_nothing(self.order)
        items = [
            to_item(line, self.order.currency, digital=digital, refunded=refunded.get(line.id, 0), path="line_items")
            for line in self.order.line_items
        ]
        return {item.external_id: item.quantity_to_make for item in items}

    @property
    def left(self) -> dict[str, int]:
        """Units of each line that are in no parcel that says so."""
        sent: dict[str, int] = {}
        ours = [kept.lines for kept in self.kept] if self.way.kind != "fulfillments" else []
        for lines in (*map(lines_of, self.fulfillments), *ours):
            for line, units in lines.items():
                sent[line] = sent.get(line, 0) + units
        return {line: max(units - sent.get(line, 0), 0) for line, units in self.wanted.items()}

    def units(self, parcel: Parcel) -> dict[str, int]:
        """Return what of a parcel is left: never more, for it may have become less since it was made."""
        left = self.left
        sent = dict(parcel.lines) or left
        return {line: min(count, left[line]) for line, count in sent.items() if min(count, left.get(line, 0)) > 0}

    def parcels(self) -> tuple[KnownParcel, ...]:
        """Return the parcels that the store knows, all that belongs to telling of them included."""
        found = [
            KnownParcel(str(each.value(NUMBER)), each.id, _text(each.value(PROVIDER_KEYS[0])), lines_of(each))
            for each in self.fulfillments
            if each.is_fulfilled and each.value(NUMBER)
        ]
        kept = {plain_number(each.number): each for each in self.kept}
        for each in self.trackings:
            ours = kept.get(plain_number(each.tracking_number or ""))
            # While the order is open, a parcel that only the plugin knows of is told by half.
            if ours is not None or self.way.kind != "plugin" or self.standing != "open":
                lines = ours.lines if ours else None
                found.append(KnownParcel(each.tracking_number, each.tracking_id, each.tracking_provider, lines))
        has = {plain_number(known.tracking_number or "") for known in found}
        found += [
            KnownParcel(each.number, lines=each.lines)
            for number, each in kept.items()
            if number not in has and self.is_noted(each)
        ]
        return tuple(found)

    def keeps(self, number: str) -> bool:
        """Tell whether the order's own meta data has a number."""
        return any(plain_number(each.number) == plain_number(number) for each in self.kept)

    def tracking(self, number: str) -> WooTracking | None:
        """Return what the plugin has of a number."""
        plain = plain_number(number)
        return next((each for each in self.trackings if plain_number(each.tracking_number or "") == plain), None)

    def fulfillment(self, number: str) -> WooFulfillment | None:
        """Return the fulfilment with a number."""
        plain = plain_number(number)
        return next((each for each in self.fulfillments if plain_number(str(each.value(NUMBER) or "")) == plain), None)

    def is_noted(self, kept: Kept) -> bool:
        """Tell whether the note that belongs to a parcel is there; notes are read only where they tell of parcels."""
        if not kept.noted or self.way.kind != "note":
            return True
        return any(plain_number(kept.number) in plain_number(each.note) for each in self.notes)


def lines_of(fulfillment: WooFulfillment) -> dict[str, int]:
    """Return the units of each line in a fulfilment; a part of a unit counts as one."""
    found: dict[str, int] = {}
    for item in all_of(WooFulfilledItem, fulfillment.value(ITEMS)):
        found[item.item_id] = found.get(item.item_id, 0) + -int(-item.qty // 1)
    return found


def meta_trackings(order: WooOrder) -> tuple[WooTracking, ...]:
    """Return what a tracking plugin, perhaps one that is gone, left in the order."""
    return all_of(WooTracking, _meta(order, PARCELS))


def kept_parcels(order: WooOrder) -> tuple[Kept, ...]:
    """Return what we keep in the order."""
    value = _meta(order, OUR_PARCELS)
    entries = [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
    return tuple(
        Kept(entry["tracking_number"], _units(entry.get("lines")), noted=bool(entry.get("noted")))
        for entry in entries
        if isinstance(entry.get("tracking_number"), str)
    )


def all_of(model: type[M], value: object) -> tuple[M, ...]:
    """Return those of a list that can be read: what others wrote may have any form."""
    found = []
    for entry in value if isinstance(value, list) else ():
        try:
            found.append(parsed(model, entry))
        except UnreadablePayload:
            continue
    return tuple(found)


def _meta(order: WooOrder, key: str) -> Any:
    return next((entry.value for entry in order.meta_data or () if entry.key == key), None)


def _units(value: object) -> dict[str, int]:
    pairs: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else ()
    return {str(line): units for line, units in pairs if isinstance(units, int)}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
