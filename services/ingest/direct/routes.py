"""`/v1/orders`: orders that sellers give us, one by one and in batches; parse, call, answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from aiohttp import web
from pydantic import ValidationError

from schemas.ids import SessionId
from schemas.order import order_revised
from services.ingest.contract.stores import StoreRef
from services.ingest.direct.batches import Batches
from services.ingest.direct.given import NotChangeable
from services.ingest.direct.giving import Giving, Refused, Taken
from services.ingest.direct.views import (
    BATCH_LIMIT_BYTES,
    CancelOrder,
    GivenOrder,
    GivenPath,
    GiveQuery,
    NewerOrder,
    NewOrder,
    NewOrders,
    TakenBatch,
    TakenOrder,
    given_order,
    taken_batch,
    taken_order,
)
from services.ingest.platforms.direct.problems import problems_of
from services.ingest.registry import is_read
from services.ingest.stores.access import AccessCache
from services.ingest.webhooks.bookkeeping import Bookkeeping, Note
from services.kit.clock import Clock
from services.kit.http.auth import principal
from services.kit.http.problems import Problem, not_found
from services.kit.http.routes import Routes

READ, WRITE = "orders:read", "orders:write"
_STATUS = {"invalid_order": 422, "order_too_large": 413}


@dataclass(frozen=True, slots=True)
class DirectApi:
    """The handlers of given orders. A store of another seller is not there."""

    giving: Giving
    batches: Batches
    accesses: AccessCache
    books: Bookkeeping
    clock: Clock

    async def give_order(self, request: web.Request, *, query: GiveQuery, body: NewOrder) -> TakenOrder:
        """Take an order; answered when it is durable.

        The same order again is answered with `result` "existing". Another order with the same reference is refused
        (409): update the first one, or give this one a reference of its own.
        """
        store, by, at = await self._store(request, body.store_id), principal(request).key_id, self.clock.now()
        session_id = self.books.session_id(store.store_id, at, way=query.way, by=by)
        order = body.order()
        handed = await self.giving.give(store, [order], way=query.way, session_id=session_id)
        [result] = handed.results
        if isinstance(result, Refused):
            raise Problem(
                _STATUS.get(result.code, 409),
                result.code,
                "The order was not taken.",
                result.sentence,
                errors=[{"in": "body", **problem.model_dump()} for problem in result.problems],
            )
        return self._noted(store, result, at, by=by, way=query.way, session_id=session_id)

    async def give_orders(self, request: web.Request, *, body: NewOrders) -> TakenBatch:
        """Take up to 1,000 orders; each is answered by itself, and what is wrong with one refuses no other."""
        store = await self._store(request, body.store_id)
        session, answers = await self.batches.give(store, body.lines, by=principal(request).key_id)
        return taken_batch(session, answers)

    async def show_order(self, request: web.Request, *, path: GivenPath) -> GivenOrder:
        """What is kept of an order here: nothing of its buyer. What became of it stands in the report."""
        store = await self._store(request, path.store_id)
        given = await self.giving.find(store, path.reference)
        if given is None:
            raise not_found("order")
        return given_order(given)

    async def replace_order(self, request: web.Request, *, path: GivenPath, body: NewerOrder) -> TakenOrder:
        """Take the newer form of an order, the whole of it.

        Before its release it is judged anew; after that production is told of the change, unless it has begun: then
        the order's timeline says that the change came too late.
        """
        store, by, at = await self._store(request, path.store_id), principal(request).key_id, self.clock.now()
        if body.reference != path.reference:
            sentence = "An order keeps its reference: give the same one in the address and in the body."
            raise Problem(422, "reference_differs", "The order was not taken.", sentence)
        session_id = self.books.session_id(store.store_id, at, way="api", by=by)
        try:
            taken = await self.giving.replace(store, body, session_id=session_id)
        except NotChangeable as error:
            raise Problem(409, error.code, "The order was not changed.", str(error)) from error
        if taken is None:
            raise not_found("order")
        return self._noted(store, taken, at, by=by, session_id=session_id)

    async def cancel_order(self, request: web.Request, *, path: GivenPath, body: CancelOrder | None) -> TakenOrder:
        """Tell that an order is not wanted any more; it is never made, unless production has begun."""
        store, by, at = await self._store(request, path.store_id), principal(request).key_id, self.clock.now()
        session_id = self.books.session_id(store.store_id, at, way="api", by=by)
        reason = (body.reason if body else None) or None
        taken = await self.giving.cancel(store, path.reference, reason=reason, session_id=session_id)
        if taken is None:
            raise not_found("order")
        return self._noted(store, taken, at, by=by, session_id=session_id)

    async def _store(self, request: web.Request, store_id: str) -> StoreRef:
        opened = await self.accesses.get(store_id)
        if opened is None or opened.store.seller_id != principal(request).seller_id:
            raise not_found("store")
        if is_read(opened.store.platform):
            raise Problem(
                409,
                "store_is_read",
                "Orders of this store are read from its platform.",
                "Give orders to a direct store: link one with POST /v1/stores.",
            )
        return opened.store.ref

    def _noted(
        self,
        store: StoreRef,
        taken: Taken,
        at: datetime,
        *,
        by: str,
        session_id: SessionId,
        way: Literal["api", "form"] = "api",
    ) -> TakenOrder:
        if taken.raw is not None:
            event = order_revised(taken.raw, session_id=session_id)
            self.books.note(Note(store, at, event, way, by))
        return taken_order(taken)


def direct_routes(api: DirectApi) -> Routes:
    """The routes of given orders."""
    routes = Routes(title="orders", version="1")
    orders, order, tags = "/v1/orders", "/v1/orders/{store_id}/{reference}", ["orders"]
    routes.post(orders, status=201, summary="Give an order", tags=tags, scope=WRITE, errors=[404], explain=_explained)(
        api.give_order
    )
    routes.post(
        f"{orders}/batch",
        summary="Give many orders",
        tags=tags,
        scope=WRITE,
        errors=[404],
        body_limit=BATCH_LIMIT_BYTES,
        explain=_explained,
    )(api.give_orders)
    routes.get(order, summary="Show a given order", tags=tags, scope=READ, errors=[404, 409])(api.show_order)
    routes.put(order, summary="Update an order", tags=tags, scope=WRITE, errors=[404], explain=_explained)(
        api.replace_order
    )
    routes.post(f"{order}/cancel", summary="Cancel an order", tags=tags, scope=WRITE, errors=[404])(api.cancel_order)
    return routes


def _explained(error: ValidationError) -> list[dict[str, str]]:
    return [{"in": "body", **problem.model_dump()} for problem in problems_of(error)]
