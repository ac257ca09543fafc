"""`/v1/drafts`: orders that a seller has begun; parse, call, answer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from schemas.ids import order_key
from services.ingest.drafts.draft import LARGEST_DRAFT_BYTES, MOST_DRAFTS, Draft, Drafts, Typed, opened
from services.ingest.stores.access import AccessCache
from services.kit.clock import Clock
from services.kit.http.auth import principal
from services.kit.http.problems import Problem, not_found
from services.kit.http.routes import Routes
from services.kit.vault import Vault

#: What is typed is a buyer's; who may give orders may see it.
_SCOPE = "orders:write"
_MOST_FIELDS = 3000
_DRAFT_ID = r"^[A-Za-z0-9_-]{8,64}$"

Name = Annotated[str, StringConstraints(max_length=100)]
Text = Annotated[str, StringConstraints(max_length=5000)]


class DraftPath(BaseModel):
    """One draft, by the id that whoever keeps it chose."""

    draft_id: str = Field(pattern=_DRAFT_ID)


class NewDraft(BaseModel):
    """An order as far as it is typed. Nothing of it is checked: wrong fields are kept as they are."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    title: str = Field(default="", max_length=200, description="What a list calls it.")
    store_id: str | None = Field(default=None, max_length=64)
    reference: str | None = Field(default=None, max_length=100)
    copied_from: str | None = Field(
        default=None, max_length=500, description="The key of the order it was copied from."
    )
    fields: dict[Name, Text] = Field(max_length=_MOST_FIELDS, examples=[{"ship_to.city": "Springfield"}])

    @field_validator("fields")
    @classmethod
    def _not_too_large(cls, fields: dict[str, str]) -> dict[str, str]:
        if sum(len(name) + len(text.encode()) for name, text in fields.items()) > LARGEST_DRAFT_BYTES:
            raise ValueError(f"a draft holds at most {LARGEST_DRAFT_BYTES} bytes")
        return fields


class DraftView(BaseModel):
    """A draft in a list."""

    draft_id: str
    title: str
    store_id: str | None
    changed_at: datetime


class DraftDetail(DraftView):
    """A draft with all that was typed."""

    fields: dict[str, str]


class DraftList(BaseModel):
    """All of a seller's drafts, the one changed last first."""

    items: list[DraftView]


@dataclass(frozen=True, slots=True)
class DraftApi:
    """The handlers of drafts. One of another seller is not there."""

    drafts: Drafts
    accesses: AccessCache
    vault: Vault
    clock: Clock

    async def list_drafts(self, request: web.Request) -> DraftList:
        """What was begun and not given; kept for 90 days after the last change."""
        found = await self.drafts.of_seller(principal(request).seller_id)
        return DraftList(items=[_view(draft, opened(draft, self.vault)) for draft in found])

    async def show_draft(self, request: web.Request, *, path: DraftPath) -> DraftDetail:
        """One draft with all that was typed."""
        draft = await self.drafts.get(principal(request).seller_id, path.draft_id)
        if draft is None:
            raise not_found("draft")
        return _detail(draft, opened(draft, self.vault))

    async def put_draft(self, request: web.Request, *, path: DraftPath, body: NewDraft) -> DraftDetail:
        """Keep a draft, or what it has become; sealed like all data of buyers."""
        seller_id = principal(request).seller_id
        typed = Typed(body.title, body.fields)
        draft = Draft(
            draft_id=path.draft_id,
            seller_id=seller_id,
            store_id=body.store_id,
            order_keys=await self._order_keys(seller_id, body),
            changed_at=self.clock.now(),
            sealed=typed.sealed(self.vault, seller_id, path.draft_id),
        )
        if not await self.drafts.put(draft, most=MOST_DRAFTS):
            sentence = f"A seller has at most {MOST_DRAFTS}; give or drop some."
            raise Problem(409, "too_many_drafts", "There are too many drafts.", sentence)
        return _detail(draft, typed)

    async def remove_draft(self, request: web.Request, *, path: DraftPath) -> None:
        """Forget a draft; one that is not there is forgotten already."""
        await self.drafts.remove(principal(request).seller_id, path.draft_id)

    async def _order_keys(self, seller_id: str, body: NewDraft) -> tuple[str, ...]:
        keys = [body.copied_from] if body.copied_from else []
        if body.store_id and body.reference:
            access = await self.accesses.get(body.store_id)
            if access is not None and access.store.seller_id == seller_id:
                keys.append(order_key(access.store.platform, access.store.store_id, body.reference))
        return tuple(keys)


def draft_routes(api: DraftApi) -> Routes:
    """The routes of drafts."""
    routes = Routes(title="drafts", version="1")
    drafts, draft, tags = "/v1/drafts", "/v1/drafts/{draft_id}", ["drafts"]
    routes.get(drafts, summary="List drafts", tags=tags, scope=_SCOPE)(api.list_drafts)
    routes.get(draft, summary="Show a draft", tags=tags, scope=_SCOPE, errors=[404])(api.show_draft)
    routes.put(draft, summary="Keep a draft", tags=tags, scope=_SCOPE, errors=[409])(api.put_draft)
    routes.delete(draft, summary="Drop a draft", tags=tags, scope=_SCOPE, status=204)(api.remove_draft)
    return routes


def _view(draft: Draft, typed: Typed) -> DraftView:
    return DraftView(draft_id=draft.draft_id, title=typed.title, store_id=draft.store_id, changed_at=draft.changed_at)


def _detail(draft: Draft, typed: Typed) -> DraftDetail:
    return DraftDetail(**_view(draft, typed).model_dump(), fields=dict(typed.fields))
