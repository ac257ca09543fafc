"""The API of privacy requests: what a seller's buyers asked, what is held of them, and that they were answered."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from services.eligibility.erasures import PrivacyRequest
from services.eligibility.ports import PrivacyRequests, Repository
from services.eligibility.privacy_answers import (
    PersonalData,
    PersonalDataQuery,
    PrivacyRequestDetail,
    PrivacyRequestList,
    PrivacyRequestPath,
    PrivacyRequestQuery,
    PrivacyRequestView,
)
from services.eligibility.sealing import Sealer
from services.kit.clock import Clock
from services.kit.http.auth import principal
from services.kit.http.problems import Problem, not_found
from services.kit.http.routes import Routes

_ALL = "/v1/privacy-requests"
_NEWEST = 2**62
_TAGS = ["privacy"]
#: Who may change an address may see it.
_SCOPE_OF_ADDRESSES = "orders:write"


@dataclass(frozen=True, slots=True)
class PrivacyApi:
    """What the routes work with."""

    requests: PrivacyRequests
    repository: Repository
    sealer: Sealer
    clock: Clock

    async def find(self, seller_id: str, event_id: str) -> tuple[PrivacyRequest, int]:
        """Return a request that concerns the seller, and how many of their orders were erased."""
        found = await self.requests.find(seller_id, event_id)
        if found is None:
            raise not_found("privacy request")
        return found

    async def held(
        self, request: PrivacyRequest, seller_id: str, query: PersonalDataQuery
    ) -> tuple[tuple[PersonalData, ...], str | None]:
        """Return a page of what is held of the seller's orders that the request is about, and where the next begins."""
        found = await self.requests.affected(request, after=query.cursor, limit=query.limit + 1)
        page = found[: query.limit]
        dossiers = await self.repository.dossiers([order.order_key for order in page if order.seller_id == seller_id])
        held = []
        for _, dossier in sorted(dossiers.items()):
            event = self.sealer.open_event(dossier)
            if event is not None:
                held.append(PersonalData.of(event.order, self.sealer.open_correction(dossier)))
        return tuple(held), page[-1].order_key if len(found) > query.limit else None


def privacy_routes(api: PrivacyApi) -> Routes:
    """Declare the routes."""
    routes = Routes(title="Sync Order: eligibility", version="1")

    @routes.get(_ALL, summary="What buyers asked about their data", tags=_TAGS, scope="orders:read")
    async def list_privacy_requests(request: web.Request, *, query: PrivacyRequestQuery) -> PrivacyRequestList:
        """The newest first. Requests for data wait for you; erasures are done by themselves and only counted."""
        before = int(query.cursor) if query.cursor else _NEWEST
        found = await api.requests.of_seller(
            principal(request).seller_id, before=before, state=query.state, limit=query.limit + 1
        )
        page = found[: query.limit]
        following = str(page[-1][0].number) if len(found) > query.limit else None
        return PrivacyRequestList(items=tuple(PrivacyRequestView.of(*each) for each in page), next=following)

    @routes.get(
        f"{_ALL}/{{id}}",
        summary="A request, and the data it asks for",
        tags=_TAGS,
        scope=_SCOPE_OF_ADDRESSES,
        errors=[404],
    )
    async def get_privacy_request(
        request: web.Request, *, path: PrivacyRequestPath, query: PersonalDataQuery
    ) -> PrivacyRequestDetail:
        """For `data`: all that is held of the buyer in your orders, opened for you to send on; nothing for erasures."""
        seller = principal(request).seller_id
        found, erased = await api.find(seller, path.id)
        orders, following = await api.held(found, seller, query) if found.kind == "data" else ((), None)
        view = PrivacyRequestView.of(found, erased)
        return PrivacyRequestDetail(**view.model_dump(), orders=orders, next=following)

    @routes.post(
        f"{_ALL}/{{id}}/answered",
        summary="Say that the buyer has their data",
        tags=_TAGS,
        scope=_SCOPE_OF_ADDRESSES,
        errors=[404, 409],
    )
    async def answer_privacy_request(request: web.Request, *, path: PrivacyRequestPath) -> PrivacyRequestView:
        """Said again it changes nothing."""
        seller = principal(request).seller_id
        found, _ = await api.find(seller, path.id)
        if found.kind != "data":
            raise Problem(409, "nothing_to_answer", "Erasures are done by themselves.")
        await api.requests.close(path.id, "answered", now=api.clock.now())
        return PrivacyRequestView.of(*await api.find(seller, path.id))

    return routes
