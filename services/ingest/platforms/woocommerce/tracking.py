"""Tells a store of parcels in the way that it has: by its own fulfilments, by a tracking plugin, or by order and note.

Where telling takes several calls, each is made only when what it does is not there yet, and the parcel counts as known
when all of them did: a call that was lost is gone on from. An order is written by its status and meta data alone, for
whatever else is sent along is calculated or overwritten anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC
from typing import Any

from services.ingest.contract.parcels import Parcel, PushRefused, Shipping, plain_number
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.contract.stores import Access
from services.ingest.platforms.woocommerce.client import (
    KeyRefused,
    NotSent,
    NotUnderstood,
    RouteMissing,
    StoreAnswer,
    WooCommerceClient,
)
from services.ingest.platforms.woocommerce.mapping import OUR_PARCELS
from services.ingest.platforms.woocommerce.parcel_names import (
    OTHER,
    PROVIDERS,
    plugin_name,
    shown_name,
    written_number,
)
from services.ingest.platforms.woocommerce.parcel_state import (
    ADDRESS,
    ITEMS,
    NUMBER,
    PROVIDER_KEYS,
    Kept,
    Told,
    all_of,
    kept_parcels,
    meta_trackings,
)
from services.ingest.platforms.woocommerce.parcel_ways import WayFinder
from services.ingest.platforms.woocommerce.payloads import (
    WooFulfillment,
    WooNote,
    WooOrder,
    WooProduct,
    WooTracking,
)
from services.ingest.platforms.woocommerce.reading import OrderReader, is_number
from services.ingest.platforms.woocommerce.signing import Door, Method
from services.ingest.platforms.woocommerce.statuses import meaning, read_statuses
from services.ingest.tracking.carriers import BY_ID, tracking_url_of
from services.kit.clock import Clock
from services.kit.errors import TransientError

_ORDERS = "/wc/v3/orders"
_COMPLETED = "completed"
#: How the store says that our key may read and not write; a key that is gone may not even view.
_READS_ONLY = ("authentication_error", "cannot_edit", "cannot_create", "cannot_delete")


class WooCommerceParcels:
    """See `services.ingest.contract.parcels.ParcelWriter`."""

    proves_at_once = True
    replaces = True
    adds_units = True

    def __init__(self, client: WooCommerceClient, reader: OrderReader, clock: Clock) -> None:
        self._client = client
        self._reader = reader
        self._clock = clock
        self._ways = WayFinder(client, clock)

    async def read(self, access: Access, external_id: str) -> Shipping | None:
        """Read the order, and then what the store's way keeps beside it."""
        door = Door.of(access.secrets)
        order = await self._reader.whole(door, external_id) if is_number(external_id) else None
        if order is None:
            return None
        try:
            told = await self._told(door, order, read_statuses(access.secrets.get("statuses", "")))
            # The other ways complete the order with its first parcel.
            left = told.left if told.way.kind == "fulfillments" else None
            return Shipping(told.standing, told.parcels(), left=left, detail=told)
        except UnreadablePayload as error:
            raise TransientError(f"The store's order cannot be read: {error.path}", retry_after=60.0) from None

    async def write(self, access: Access, parcel: Parcel, shipping: Shipping) -> str | None:
        """Do what is missing of telling; return the store's id of the parcel where it has one."""
        told = shipping.detail
        if not isinstance(told, Told):
            raise TypeError("the shipping was read by another writer")
        door, parcel = Door.of(access.secrets), replace(parcel, tracking_number=written_number(parcel))
        try:
            return await self._tell(door, told, parcel)
        except NotSent as error:
            sentence = "The store answers other calls at the moment: this parcel has its turn later."
            raise PushRefused("wait", sentence, code="BUSY") from error
        except RouteMissing:
            self._ways.forget(door)
            raise
        except NotUnderstood as error:
            raise _refused() from error
        except KeyRefused as error:
            if error.code.endswith(_READS_ONLY):
                raise _right_missing() from error
            raise

    async def _told(self, door: Door, order: WooOrder, statuses: Mapping[str, str]) -> Told:
        way, found = await self._ways.parcels(door, order.id)
        told = Told(order, meaning(order.status, statuses), way, kept=kept_parcels(order))
        if way.kind == "plugin":
            return replace(told, trackings=all_of(WooTracking, found))
        told = replace(told, trackings=meta_trackings(order))
        if way.kind == "fulfillments":
            return replace(told, fulfillments=all_of(WooFulfillment, found))
        if any(kept.noted for kept in told.kept):
            return replace(told, notes=await self._notes(door, order.id))
        return told

    async def _tell(self, door: Door, told: Told, parcel: Parcel) -> str | None:
        match told.way.kind:
            case "fulfillments":
                return await self._fulfil(door, told, parcel)
            case "plugin":
                return await self._track(door, told, parcel)
        await self._note(door, told, parcel)
        return None

    async def _fulfil(self, door: Door, told: Told, parcel: Parcel) -> str | None:
        """Make a fulfilment of what is left of the parcel's units, or write another number into the one that it had."""
        meta: dict[str, Any] = {NUMBER: parcel.tracking_number, ADDRESS: _address(parcel)}
        meta |= dict.fromkeys(PROVIDER_KEYS, PROVIDERS.get(parcel.carrier or "", OTHER))
        path, known = told.way.path(told.order.id), told.fulfillment(parcel.replaces) if parcel.replaces else None
        if known is not None:
            # Keys that are not sent again would be removed.
            meta = {entry.key: entry.value for entry in known.meta_data or ()} | meta
            path = f"{path}/{known.id}"
        else:
            meta[ITEMS] = _items(told, parcel)
        body = {
            "status": "fulfilled",
            "is_fulfilled": True,
            "meta_data": [{"key": key, "value": value} for key, value in meta.items()],
        }
        query = {"notify_customer": "true"} if parcel.notify_buyer else {}
        # Never by PUT, which HTTP clients send again by themselves: each call may mail the buyer.
        answer = await self._write(door, "POST", path, body, query)
        made = all_of(WooFulfillment, [answer.value])
        return made[0].id if made else None

    async def _track(self, door: Door, told: Told, parcel: Parcel) -> str | None:
        """Give the plugin the number, then complete the order: the mail that says so has the plugin's numbers in it."""
        path, old = told.way.path(told.order.id), told.tracking(parcel.replaces) if parcel.replaces else None
        known = told.tracking(parcel.tracking_number)
        if known is None:
            if old is not None and old.tracking_id:
                await self._client.ask(door, "DELETE", f"{path}/{old.tracking_id}")
            answer = await self._add(door, path, parcel)
            known = next(iter(all_of(WooTracking, [answer.value])), None)
        await self._keep(door, told, parcel, noted=False)
        return known.tracking_id if known else None

    async def _note(self, door: Door, told: Told, parcel: Parcel) -> None:
        """Write the number into the order and complete it, then the note, which alone shows the buyer the number."""
        if not told.keeps(parcel.tracking_number):
            await self._keep(door, told, parcel, noted=True)
        plain = Kept(parcel.tracking_number, {}, noted=True)
        notes = await self._notes(door, told.order.id)
        if not replace(told, notes=notes).is_noted(plain):
            text = f"Shipped with {shown_name(parcel)} {parcel.tracking_number}: {_address(parcel)}"
            body = {"note": text, "customer_note": parcel.notify_buyer}
            await self._write(door, "POST", f"{_ORDERS}/{told.order.id}/notes", body)

    async def _add(self, door: Door, path: str, parcel: Parcel) -> StoreAnswer:
        """Add a number under the provider as the plugin lists it, or else under a name and address of our own."""
        day = min(parcel.shipped_at, self._clock.now()).astimezone(UTC).date().isoformat()
        listed = await self._client.ask(door, "GET", f"{path}/providers") if parcel.carrier in BY_ID else None
        name = plugin_name(parcel.carrier, listed.value if listed else None)
        body = {"tracking_number": parcel.tracking_number, "date_shipped": day}
        if name is not None:
            # A plugin may list a name that it does not take: it says so before it does anything.
            with suppress(NotUnderstood):
                return await self._write(door, "POST", path, body | {"tracking_provider": name})
        custom = {"custom_tracking_provider": shown_name(parcel), "custom_tracking_link": _address(parcel)}
        return await self._write(door, "POST", path, body | custom)

    async def _keep(self, door: Door, told: Told, parcel: Parcel, *, noted: bool) -> None:
        """Keep the parcel in the order, in the place of the one whose number it replaces, and complete the order."""
        others = [kept for kept in told.kept if not _is_of(kept, parcel)]
        instead = [kept for kept in told.kept if _is_of(kept, parcel)]
        units = instead[0].lines if instead else told.units(parcel)
        entries = [*others, Kept(parcel.tracking_number, units, noted=noted)]
        body: dict[str, Any] = {"meta_data": [{"key": OUR_PARCELS, "value": [kept.entry() for kept in entries]}]}
        if told.status == "processing" and not await self._left(door, replace(told, kept=tuple(entries))):
            body["status"] = _COMPLETED
        await self._write(door, "PUT", f"{_ORDERS}/{told.order.id}", body)

    async def _left(self, door: Door, told: Told) -> bool:
        """Tell whether anything is left to ship; what is virtual is not, and only the product says so."""
        lines = [line for line in told.order.line_items if told.left.get(line.id)]
        products = [line.product_id for line in lines if line.product_id not in {None, "", "0"}]
        if not products:
            return bool(lines)
        query = {"include": ",".join(map(str, products)), "per_page": 100, "_fields": "id,virtual"}
        try:
            answer = await self._client.ask(door, "GET", "/wc/v3/products", query)
        except (KeyRefused, NotUnderstood):
            return True
        found = all_of(WooProduct, answer.value if answer else None)
        virtual = {product.id for product in found if product.virtual}
        return any(line.product_id not in virtual for line in lines)

    async def _notes(self, door: Door, order_id: str) -> tuple[WooNote, ...]:
        answer = await self._client.ask(door, "GET", f"{_ORDERS}/{order_id}/notes")
        if answer is None or not isinstance(answer.value, list):
            raise TransientError("The store's notes of an order cannot be read")
        return all_of(WooNote, answer.value)

    async def _write(
        self, door: Door, method: Method, path: str, body: object, query: Mapping[str, object] | None = None
    ) -> StoreAnswer:
        answer = await self._client.ask(door, method, path, query, json=body)
        if answer is None:
            # The order is gone: the next reading tells.
            raise PushRefused("wait", "The order is changing in the store at the moment.", code="CONFLICT")
        return answer


def _is_of(kept: Kept, parcel: Parcel) -> bool:
    """Tell whether it is this parcel, under its number or the one that this takes the place of."""
    numbers = {plain_number(parcel.tracking_number), plain_number(parcel.replaces or "")}
    return plain_number(kept.number) in numbers


def _address(parcel: Parcel) -> str:
    return tracking_url_of(BY_ID.get(parcel.carrier or ""), parcel.tracking_number, told=parcel.tracking_url)


def _items(told: Told, parcel: Parcel) -> list[dict[str, int]]:
    """Return `_items`, whose ids and units must be whole numbers."""
    units = told.units(parcel)
    if not units and parcel.lines and not parcel.lines.keys() & told.wanted.keys():
        raise PushRefused(
            "seller",
            "The store does not know a line of this parcel: the order was edited. Add the number to the order there.",
            code="LINES_REFUSED",
        )
    if not units:
        raise PushRefused(
            "final",
            "Nothing of this parcel is left to ship in the store: it was fulfilled by other means. If the number is "
            "missing there, add it to the order.",
            code="SHIPPED_BY_HAND",
        )
    return [{"item_id": int(line), "qty": count} for line, count in units.items()]


def _refused() -> PushRefused:
    sentence = "The store does not take this parcel: add its number to the order there."
    return PushRefused("seller", sentence, code="REFUSED")


def _right_missing() -> PushRefused:
    sentence = "Our key for the store may not write: link the store again with a Read/Write key of an administrator."
    return PushRefused("seller", sentence, code="RIGHT_MISSING", store_wide=True)
