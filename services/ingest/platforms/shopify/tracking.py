"""Tells Shopify of parcels by fulfilment: what of it is left to ship, from each location, with the buyer told once.

Shopify has no key against repeats: what may have taken effect is never sent again before it was read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn
from urllib.parse import urlsplit

from services.ingest.contract.parcels import Parcel, PushRefused, Shipping, plain_number
from services.ingest.contract.stores import Access
from services.ingest.platforms.shopify import queries
from services.ingest.platforms.shopify.client import NotTaken, RightMissing, ShopifyClient
from services.ingest.platforms.shopify.paging import as_object
from services.ingest.platforms.shopify.shipping import GraphqlPart, GraphqlPartLine, GraphqlSent, ShippingReader, Told
from services.ingest.tracking.carriers import BY_ID, tracking_url_of
from services.kit.errors import TransientError

#: Companies spelled as Shopify's list has them (FulfillmentTrackingInfo.company): it knows their addresses itself.
COMPANIES: Mapping[str, str] = {
    "usps": "USPS",
    "ups": "UPS",
    "fedex": "FedEx",
    "fedex-smartpost": "FedEx",
    "dhl": "DHL Express",
    "dhl-ecommerce": "DHL eCommerce",
    "ontrac": "OnTrac",
    "canada-post": "Canada Post",
    "royal-mail": "Royal Mail",
    "evri": "Evri",
    "australia-post": "Australia Post",
    "china-post": "China Post",
    "yunexpress": "YunExpress",
    "4px": "4PX",
}
#: The most lines of one fulfilment.
MOST_LINES = 512
#: What a mutation costs, and what we read of its answer.
_MUTATION_POINTS = 13
_SCHEMES = frozenset({"http", "https"})

_Units = tuple[GraphqlPart, GraphqlPartLine, int]


class ShopifyParcels:
    """See `services.ingest.contract.parcels.ParcelWriter`."""

    proves_at_once = True
    replaces = True
    adds_units = True

    def __init__(self, client: ShopifyClient) -> None:
        self._client = client
        self._reader = ShippingReader(client)

    async def read(self, access: Access, external_id: str) -> Shipping | None:
        """Read the order's fulfilments, and its fulfilment orders with their ids of this moment."""
        told = await self._reader.read(access, external_id)
        return None if told is None else told.shipping()

    async def write(self, access: Access, parcel: Parcel, shipping: Shipping) -> str | None:
        """Fulfil the parcel's units, or change a fulfilment's number; returns the fulfilment's global id.

        Units of several locations become a fulfilment each, all of one number; the buyer hears of the first.
        """
        told = shipping.detail
        if not isinstance(told, Told):
            raise TypeError("the shipping was read by another writer")
        if not plain_number(parcel.tracking_number):
            raise PushRefused("seller", "The parcel has no tracking number that could be shown.", code="NUMBER_REFUSED")
        replaced = _replaced(told, parcel)
        if replaced is not None:
            tracking = _retracking(replaced, parcel)
            asked = {"id": replaced.id, "tracking": tracking, "notify": parcel.notify_buyer}
            return await self._mutate(access, told, queries.RETRACK, asked, "Retrack")
        made: str | None = None
        for entries in _shares(told, parcel):
            asked = {"fulfillment": _fulfillment(entries, parcel, notify=parcel.notify_buyer and made is None)}
            try:
                found = await self._mutate(access, told, queries.SHIP, asked, "Ship")
            except PushRefused as refused:
                if made is None:
                    raise
                raise TransientError("Shopify took a part of the parcel only") from refused
            made = made or found
        return made

    async def _mutate(
        self, access: Access, told: Told, document: str, variables: Mapping[str, object], operation: str
    ) -> str:
        secrets = access.secrets
        try:
            answer = await self._client.graphql(
                secrets["shop"],
                secrets["access_token"],
                document,
                variables,
                operation=operation,
                points=_MUTATION_POINTS,
                once=True,
            )
        except RightMissing as error:
            raise _right_missing() from error
        except NotTaken as error:
            raise PushRefused("wait", "Shopify takes no more calls for this store now.", code="BUSY") from error
        done = as_object(next(iter(answer.values()), None))
        if done.get("userErrors"):
            await self._refuse(access, told)
        made = as_object(done.get("fulfillment")).get("id")
        if not isinstance(made, str):
            raise TransientError("Shopify's answer holds no fulfilment")
        return made

    async def _refuse(self, access: Access, told: Told) -> NoReturn:
        """Say why: Shopify's refusals have no codes, but what changed since the order was read explains most."""
        if await self._reader.read(access, told.external_id) != told:
            raise PushRefused("wait", "The order is changing on Shopify at the moment.", code="CONFLICT")
        raise PushRefused(
            "seller",
            "Shopify does not take this parcel: mark the items as fulfilled in Shopify, with its number.",
            code="REFUSED",
        )


def _replaced(told: Told, parcel: Parcel) -> GraphqlSent | None:
    """Return the fulfilment with the number whose place this one takes."""
    old = plain_number(parcel.replaces or "")
    return next(
        (
            sent
            for sent in told.order.sent
            for each in sent.tracking_info
            if old and plain_number(each.number or "") == old
        ),
        None,
    )


def _retracking(sent: GraphqlSent, parcel: Parcel) -> dict[str, Any]:
    """Return a fulfilment's tracking with one number changed: singular and plural fields never stand together."""
    new = _tracking(parcel)
    if len(sent.tracking_info) == 1:
        return new
    old = plain_number(parcel.replaces or "")
    rows = [
        (parcel.tracking_number, new.get("url"))
        if plain_number(each.number or "") == old
        else (each.number or "", each.url)
        for each in sent.tracking_info
    ]
    found: dict[str, Any] = {"numbers": [number for number, _ in rows]}
    if "company" in new:
        found["company"] = new["company"]
    if all(url for _, url in rows):
        found["urls"] = [url for _, url in rows]
    return found


def _tracking(parcel: Parcel) -> dict[str, Any]:
    """Return the number with its carrier: by Shopify's spelling, or by any name with an address that shows it."""
    number = parcel.tracking_number
    company = COMPANIES.get(parcel.carrier or "")
    if company:
        return {"company": company, "number": number}
    carrier = BY_ID.get(parcel.carrier or "")
    name = carrier.name if carrier else parcel.carrier_name.strip()
    url = tracking_url_of(carrier, number, told=_web_address(parcel.tracking_url))
    return {"number": number, "url": url} | ({"company": name} if name else {})


def _web_address(url: str | None) -> str | None:
    """Return the address if it is one: Shopify takes no other text for it."""
    try:
        found = urlsplit(url or "")
    except ValueError:
        return None
    return url if found.scheme in _SCHEMES and found.hostname and " " not in (url or "") else None


def _fulfillment(entries: list[_Units], parcel: Parcel, *, notify: bool) -> dict[str, Any]:
    parts: dict[str, list[dict[str, Any]]] = {}
    for part, line, units in entries:
        parts.setdefault(part.id, []).append({"id": line.id, "quantity": units})
    return {
        "lineItemsByFulfillmentOrder": [
            {"fulfillmentOrderId": part, "fulfillmentOrderLineItems": lines} for part, lines in parts.items()
        ],
        "trackingInfo": _tracking(parcel),
        "notifyCustomer": notify,
    }


def _shares(told: Told, parcel: Parcel) -> Iterator[list[_Units]]:
    """Yield what each fulfilment is to hold: units of one location, never more than remain there."""
    if told.parts is None:
        raise _right_missing()
    ready = [part for part in told.parts if part.may_be_shipped]
    wanted = dict(parcel.lines) or _left(ready)
    chosen = list(_chosen(ready, wanted))
    missing = {line: units for line, units in wanted.items() if units > 0}
    if missing.keys() & _left(part for part in told.parts if part.waits).keys():
        raise PushRefused("wait", "A part of this parcel is on hold at Shopify.", code="ON_HOLD")
    if not chosen:
        raise _nothing_to_ship(told.parts, missing)
    locations: dict[str | None, list[_Units]] = {}
    for entry in chosen:
        locations.setdefault(entry[0].location, []).append(entry)
    for entries in locations.values():
        for start in range(0, len(entries), MOST_LINES):
            yield entries[start : start + MOST_LINES]


def _chosen(parts: list[GraphqlPart], wanted: dict[str, int]) -> Iterator[_Units]:
    """Take the wanted units out of the parts that have them; `wanted` keeps those that none has."""
    for part in parts:
        for line in part.left:
            units = min(wanted.get(line.line, 0), line.remaining_quantity)
            if units > 0:
                wanted[line.line] -= units
                yield part, line, units


def _left(parts: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for part in parts:
        for line in part.left:
            found[line.line] = found.get(line.line, 0) + line.remaining_quantity
    return found


def _nothing_to_ship(parts: tuple[GraphqlPart, ...], missing: Mapping[str, int]) -> PushRefused:
    known = {line.line for part in parts for line in part.line_items.nodes}
    theirs = _left(part for part in parts if part.is_under_way and not part.may_be_shipped)
    if not parts or (theirs and (not missing or missing.keys() & theirs.keys())):
        return PushRefused(
            "seller",
            "Shopify has these items shipped from a location that this app may not ship for: assign them to your own "
            "location in Shopify and try again, or mark them as fulfilled there, with the number.",
            code="NOT_OURS",
        )
    if missing and not missing.keys() & known:
        return PushRefused(
            "seller",
            "Shopify does not know the items of this parcel: mark the order as fulfilled there, with the number.",
            code="LINES_REFUSED",
        )
    return PushRefused(
        "final",
        "Nothing of this parcel is left to ship on Shopify: it was marked as fulfilled by other means. If the number "
        "is missing there, add it to the fulfillment.",
        code="SHIPPED_BY_HAND",
    )


def _right_missing() -> PushRefused:
    return PushRefused(
        "seller",
        "The app may not fulfil this store's orders: link the store again, and grant it to read and write fulfillment "
        "orders.",
        code="RIGHT_MISSING",
        store_wide=True,
    )
