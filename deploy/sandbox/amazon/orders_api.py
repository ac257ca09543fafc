"""The Orders API over HTTP: searchOrders and getOrder of v2026-01-01, confirmShipment of v0."""

from __future__ import annotations

import re
from collections.abc import Sequence

import orjson
from aiohttp import web

from deploy.sandbox.amazon.calling import Call, operation_route
from deploy.sandbox.amazon.confirming import (
    Confirmation,
    apply_confirmation,
    check_confirmation,
    check_request,
    read_confirmation,
)
from deploy.sandbox.amazon.custom import CustomLinks, customization_zip
from deploy.sandbox.amazon.ledger import Ledger
from deploy.sandbox.amazon.orders import DataSet, Order, iso
from deploy.sandbox.amazon.refusals import invalid, not_found, unauthorized
from deploy.sandbox.amazon.search import (
    Listing,
    Listings,
    has_bounds,
    parse_included,
    parse_page_size,
    parse_search,
    shuffled,
)
from deploy.sandbox.amazon.world import Amazon, Seller
from deploy.sandbox.faults import Faults, PageFault

_ORDER_ID = re.compile(r"\d{3}-\d{7}-\d{7}")


class OrdersApi:
    """The routes of one sandbox."""

    def __init__(self, amazon: Amazon, faults: Faults) -> None:
        self._amazon = amazon
        self._faults = faults
        self._listings = Listings()
        self._links = CustomLinks()

    def routes(self) -> list[web.RouteDef]:
        """Every operation, and the downloads of Amazon Custom."""
        new, old = "/orders/2026-01-01/orders", "/orders/v0/orders/{order_id}/shipmentConfirmation"
        return [
            operation_route(self._amazon, "GET", new, "searchOrders", self._search),
            operation_route(self._amazon, "GET", f"{new}/{{order_id}}", "getOrder", self._one),
            operation_route(self._amazon, "POST", old, "confirmShipment", self._confirm),
            web.get("/custom/{order_id}_{item_id}.zip", self._customization),
        ]

    async def _search(self, call: Call) -> web.Response:
        listing, position = self._listing(call)
        size = parse_page_size(call.request.query)
        included = parse_included(call.request.query)
        fault = self._faults.draw_for_page(call.request.path_qs) if self._faults else None
        rows, following = self._rows(call.seller, listing, position, size=size, fault=fault)
        parts = [b'"orders":[%s]' % b",".join(self._wires(call, rows, included))]
        if following < len(listing.ids):
            token = self._listings.token(listing, following, now=self._amazon.now())
            parts.append(b'"pagination":' + orjson.dumps({"nextToken": token}))
        elif position:
            parts.append(b'"pagination":{}')
        bound = b"createdBefore" if listing.search.family == "created" else b"lastUpdatedBefore"
        parts.append(b'"%s":"%s"' % (bound, iso(listing.upper).encode()))
        return web.Response(body=b"{%s}" % b",".join(parts), content_type="application/json")

    async def _one(self, call: Call) -> web.Response:
        order = self._order(call)
        [wire] = self._wires(call, [order], parse_included(call.request.query))
        return web.Response(body=b'{"order":%s}' % wire, content_type="application/json")

    async def _confirm(self, call: Call) -> web.Response:
        """204 says that Amazon will see to it, no more."""
        if not call.seller.confirms:
            raise unauthorized("")
        amazon, order, body = self._amazon, self._order(call), await call.body()
        check_request(body, order)
        sent = read_confirmation(body, any_carrier=amazon.behaviour.any_carrier)
        check_confirmation(order, sent, now=amazon.now(), dates=amazon.behaviour.ship_dates_checked)
        if amazon.behaviour.confirmation_dropped > 0:
            amazon.behaviour.confirmation_dropped -= 1
        else:
            self._confirm_later(call.seller, order, sent)
        return web.Response(status=204)

    def _confirm_later(self, seller: Seller, order: Order, sent: Confirmation) -> None:
        def confirm(at: int) -> None:
            apply_confirmation(self._amazon, seller, order, sent, at=at)

        seller.ledger.later(self._amazon.now() + int(self._amazon.behaviour.confirmation_lag * 1000), confirm)
        seller.ledger.settle(self._amazon.now())

    async def _customization(self, request: web.Request) -> web.Response:
        """The ZIP behind a `customizedUrl`; it needs no token, and its link runs out."""
        order_id, item_id = request.match_info["order_id"], request.match_info["item_id"]
        expires, signature = request.query.get("expires", ""), request.query.get("signature", "")
        now = self._amazon.clock.seconds()
        if not self._links.opens(f"{order_id}_{item_id}", expires=expires, signature=signature, now=now):
            return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>", content_type="text/xml")
        for seller in self._amazon.sellers.values():
            order = seller.ledger.get(order_id)
            item = order.item(item_id) if order else None
            if order is not None and item is not None:
                form, images = self._amazon.behaviour.custom_form, self._amazon.behaviour.custom_images
                packed = customization_zip(order, item, seller_id=seller.seller_id, form=form, images=images)
                return web.Response(body=packed, content_type="application/zip")
        return web.Response(status=404)

    def _listing(self, call: Call) -> tuple[Listing, int]:
        """The search that goes on, or begins; a token comes with the parameters that it was given for."""
        query, seller, amazon = call.request.query, call.seller, self._amazon
        now, token = amazon.now(), query.get("paginationToken")
        ledger = amazon.settled(seller)
        if token and amazon.behaviour.token_alone and not has_bounds(query):
            return self._listings.resume(token, seller_id=seller.seller_id, now=now)
        search = parse_search(query, now=now, refuse_recent=amazon.behaviour.refuse_recent_after)
        if not all(seller.sells_in(market) for market in search.markets):
            raise unauthorized("The seller does not take part in this marketplace.")
        if token:
            listing, position = self._listings.resume(token, seller_id=seller.seller_id, now=now)
            if listing.search != search:
                raise invalid("The parameters are not those that the paginationToken was given for.")
            return listing, position
        listing = self._listings.begin(
            search,
            seller_id=seller.seller_id,
            ledger=ledger,
            now=now,
            far_east=seller.region == "fe",
            shuffle=amazon.behaviour.shuffle_pages,
        )
        return listing, 0

    def _rows(
        self, seller: Seller, listing: Listing, position: int, *, size: int, fault: PageFault | None
    ) -> tuple[list[Order], int]:
        """A page's orders, in an order that says nothing, and where the next page begins."""
        ids = list(listing.ids[position : position + size])
        if fault == "empty_page" and ids:
            return [], position
        if fault == "moved_row" and ids:
            self._move(seller, listing, position + size)
        if fault == "repeated_row" and ids:
            ids = [listing.ids[position - 1], *ids] if position else [*ids, ids[-1]]
        mixed = shuffled(ids, salt=f"{listing.began}:{position}")
        return _still_there(seller.ledger, listing, mixed), position + size

    def _move(self, seller: Seller, listing: Listing, following: int) -> None:
        """An order of the next page, or the last one, changes now: it is in a later window from here on."""
        order = seller.ledger.get(listing.ids[min(following, len(listing.ids) - 1)])
        if order is not None:
            self._amazon.touch(seller, order)

    def _order(self, call: Call) -> Order:
        order_id = call.request.match_info["order_id"]
        if not _ORDER_ID.fullmatch(order_id):
            raise invalid("orderId is not in 3-7-7 format.")
        order = self._amazon.settled(call.seller).get(order_id)
        if order is None:
            raise not_found("The order does not exist.")
        return order

    def _wires(self, call: Call, orders: Sequence[Order], included: frozenset[DataSet]) -> list[bytes]:
        behaviour = self._amazon.behaviour
        ends = int(self._amazon.clock.seconds() + behaviour.custom_seconds)
        base = str(call.request.url.origin())

        def wire(order: Order) -> bytes:
            return order.wire(
                included,
                role=call.seller.role,
                prices_early=behaviour.pending_prices,
                url_of=lambda item_id: self._links.link(base, order=order, item_id=item_id, ends=ends),
            )

        return [wire(order) for order in orders]


def _still_there(ledger: Ledger, listing: Listing, ids: Sequence[str]) -> list[Order]:
    """Of a page's orders, those that exist and have not changed since out of the window."""
    found = (ledger.get(order_id) for order_id in ids)
    changing = listing.search.family == "lastUpdated"
    return [order for order in found if order is not None and not (changing and order.updated > listing.upper)]
