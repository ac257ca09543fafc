"""The page about sellers' own addresses: which are called, why one is not, and what brings it back; ingest keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from services.kit.errors import TransientError
from services.kit.http.problems import Problem, not_found
from services.reporting.dashboard.browser import redirect
from services.reporting.dashboard.completeness_pages import Shows
from services.reporting.dashboard.imports_told import told
from services.reporting.dashboard.visit import Visit
from services.reporting.neighbours import Neighbour, Refusal

READ_SCOPE, WRITE_SCOPE = "webhooks:read", "webhooks:write"
_ENDPOINTS = "/v1/webhook-endpoints"


class EndpointPath(BaseModel):
    """One address."""

    id: str


class EndpointTold(BaseModel):
    """An address as ingest tells of it."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    endpoint_id: str
    url: str
    types: tuple[str, ...]
    state: Literal["enabled", "disabled"]
    problem: str | None
    failing_since: datetime | None


class EndpointsTold(BaseModel):
    """All of a seller's."""

    items: tuple[EndpointTold, ...]


class TrialTold(BaseModel):
    """How a test ended: `problem` says why it was not taken."""

    state: str
    problem: str | None


class WebhookPages:
    """Answers under `/webhooks`."""

    def __init__(self, ingest: Neighbour, *, shows: Shows) -> None:
        self._ingest = ingest
        self._shows = shows

    async def all_endpoints(self, visit: Visit) -> web.Response:
        """Show the seller's addresses, those that are not called any more first."""
        return await self._list_page(visit)

    async def steer(self, visit: Visit) -> web.Response:
        """Take a button: send a test there, or call the address again, another one if one was given."""
        endpoint_id = visit.request.match_info["id"]
        address = f"{_ENDPOINTS}/{quote(endpoint_id, safe='')}"
        match visit.form.get("action"):
            case "test":
                return await self._tried(visit, endpoint_id, address)
            case "enable":
                body: dict[str, str] = {"state": "enabled"}
                if url := visit.form.get("url", "").strip():
                    body["url"] = url
                reply = await self._ingest.call("PATCH", address, key=visit.login.key, json=body)
            case _:
                raise Problem(422, "invalid_request", "The form asks for nothing.")
        if reply.refusal is not None:
            return await self._list_page(visit, refused=_there(reply.refusal))
        return redirect(f"/webhooks#endpoint-{quote(endpoint_id)}")

    async def _tried(self, visit: Visit, endpoint_id: str, address: str) -> web.Response:
        try:
            reply = await self._ingest.call("POST", f"{address}/test", key=visit.login.key)
        except TransientError:
            slow = visit.viewer.texts("webhooks.slow")
            return await self._list_page(visit, trials={endpoint_id: TrialTold(state="failed", problem=slow)})
        if reply.refusal is not None:
            return await self._list_page(visit, refused=_there(reply.refusal))
        return await self._list_page(visit, trials={endpoint_id: told(TrialTold, reply.content)})

    async def _list_page(
        self, visit: Visit, *, refused: Refusal | None = None, trials: Mapping[str, TrialTold] | None = None
    ) -> web.Response:
        away, unreadable, endpoints = False, None, EndpointsTold(items=())
        try:
            reply = await self._ingest.call("GET", _ENDPOINTS, key=visit.login.key)
        except TransientError:
            away = True
        else:
            unreadable = reply.refusal
            endpoints = endpoints if unreadable else told(EndpointsTold, reply.content)
        return await self._shows(
            visit,
            "webhooks.html",
            status=refused.status if refused else 200,
            endpoints=sorted(endpoints.items, key=lambda one: one.state != "disabled"),
            trials=trials or {},
            away=away,
            unreadable=unreadable,
            refused=refused,
            may_write=visit.may(WRITE_SCOPE),
            write_scope=WRITE_SCOPE,
        )


def _there(refusal: Refusal) -> Refusal:
    if refusal.status == 404:  # noqa: PLR2004 - not found
        raise not_found("endpoint")
    return refusal
