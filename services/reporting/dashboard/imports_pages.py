"""The pages about files of orders: one is given, looked through, imported and watched. Ingest decides and keeps all."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from aiohttp import web
from pydantic import BaseModel

from services.kit.errors import TransientError
from services.kit.http.problems import Problem, not_found
from services.reporting.dashboard.browser import redirect
from services.reporting.dashboard.completeness_pages import Shows
from services.reporting.dashboard.imports_told import (
    ImportsTold,
    ImportTold,
    PreviewTold,
    ProblemsTold,
    StoreTold,
    told,
)
from services.reporting.dashboard.imports_upload import FormWithFile
from services.reporting.dashboard.own_stores import own_stores
from services.reporting.dashboard.view import query
from services.reporting.dashboard.visit import Visit
from services.reporting.neighbours import Neighbour, Refusal, Reply
from services.reporting.ports import Reports
from services.reporting.watermark import OUR_OWN

READ_SCOPE, WRITE_SCOPE = "orders:read", "orders:write"
_IMPORTS = "/v1/imports"
_LISTED = 20
_PROBLEMS = 50
_PREVIEWED = 20
_STEPS = frozenset({"start", "resume"})
_FORMS = frozenset({"csv", "xlsx"})
_PASSED_ON = ("Content-Type", "Content-Disposition")
_NOTHING = ImportsTold(items=(), next=None)


class ImportPath(BaseModel):
    """One import."""

    id: str


class ImportPages:
    """Answers under `/imports`."""

    def __init__(self, reports: Reports, ingest: Neighbour, *, shows: Shows) -> None:
        self._reports = reports
        self._ingest = ingest
        self._shows = shows

    async def all_imports(self, visit: Visit) -> web.Response:
        """Show where a file goes in, and the imports there were."""
        return await self._list_page(visit)

    async def take_store(self, visit: Visit) -> web.Response:
        """Make a store that files can go into, and go on with it."""
        name = visit.form.get("name", "").strip()
        body = {"platform": OUR_OWN, "name": name}
        once = {"Idempotency-Key": visit.form.get("once") or secrets.token_hex(8)}
        reply = await self._ingest.call("POST", "/v1/stores", key=visit.login.key, json=body, headers=once)
        if reply.refusal is not None:
            return await self._list_page(visit, refused=reply.refusal, store_name=name)
        store = told(StoreTold, reply.content)
        return redirect(query("/imports", store=store.store_id))

    async def take_file(self, visit: Visit) -> web.Response:
        """Pass a file on to ingest while it comes, and show what ingest finds in it."""
        form = FormWithFile(visit.request)
        if form.is_too_large:
            return await self._refused_as_too_large(visit, form)
        await form.open()
        visit.admit(form.fields.get("form_token", ""))
        asked = {"store_id": form.fields.get("store_id", ""), "file_name": form.file_name[:200] or "orders"}
        try:
            reply = await self._ingest.upload(_IMPORTS, form.content(), key=visit.login.key, query=asked)
        except TransientError:
            refused = Refusal(503, "neighbour_away", visit.viewer.texts("imports.away"))
        else:
            if reply.refusal is None:
                return redirect(f"/imports/{told(ImportTold, reply.content).import_id}")
            refused = reply.refusal
        await form.drain()
        return await self._list_page(visit, refused=refused, chosen=asked["store_id"])

    async def _refused_as_too_large(self, visit: Visit, form: FormWithFile) -> web.Response:
        t = visit.viewer.texts
        await form.drain()
        return await self._list_page(
            visit, refused=Refusal(413, "too_large", t("imports.too_large"), t("imports.divide"))
        )

    async def template(self, visit: Visit) -> web.StreamResponse:
        """Pass the template on."""
        form = visit.request.query.get("form", "csv")
        return await self._downloaded(visit, f"{_IMPORTS}/template", {"form": form if form in _FORMS else "csv"})

    async def one_import(self, visit: Visit) -> web.Response:
        """Show one import: how far it is, what was found, what each row would become, what is wrong."""
        return await self._import_page(visit)

    async def steer(self, visit: Visit) -> web.Response:
        """Take a button: import it, go on with it, or end it."""
        action, address = visit.form.get("action"), self._address(visit)
        if action in _STEPS:
            body = {"on_changed": "update" if visit.form.get("on_changed") == "update" else "refuse"}
            reply = await self._asked(visit, "POST", f"{address}/{action}", json=body)
        elif action == "cancel":
            reply = await self._asked(visit, "POST", f"{address}/cancel")
        else:
            raise Problem(422, "invalid_request", "The form asks for nothing.")
        if reply.refusal is not None:
            return await self._import_page(visit, refused=reply.refusal)
        return redirect(f"/imports/{self._id(visit)}")

    async def failed_rows(self, visit: Visit) -> web.StreamResponse:
        """Pass on the file of rows that were not imported."""
        return await self._downloaded(visit, f"{self._address(visit)}/failed")

    async def _list_page(
        self, visit: Visit, *, refused: Refusal | None = None, chosen: str = "", store_name: str = ""
    ) -> web.Response:
        asked = {"limit": str(_LISTED)}
        if cursor := visit.request.query.get("cursor"):
            asked["cursor"] = cursor
        away, unreadable, page = False, None, _NOTHING
        try:
            reply = await self._ingest.call("GET", _IMPORTS, key=visit.login.key, query=asked)
        except TransientError:
            away = True
        else:
            unreadable = reply.refusal
            page = _NOTHING if unreadable else told(ImportsTold, reply.content)
        chosen = chosen or visit.request.query.get("store", "")
        return await self._shows(
            visit,
            "imports.html",
            status=refused.status if refused else 200,
            into=await self._stores(visit, chosen),
            chosen=chosen,
            page=page,
            away=away,
            unreadable=unreadable,
            refused=refused,
            may_write=visit.may(WRITE_SCOPE),
            write_scope=WRITE_SCOPE,
            once=secrets.token_hex(8),
            store_name=store_name,
            working=any(each.working for each in page.items),
        )

    async def _import_page(self, visit: Visit, *, refused: Refusal | None = None) -> web.Response:
        held = told(ImportTold, (await self._found(visit, "")).content)
        cursor = visit.request.query.get("cursor")
        part = {"limit": str(_PROBLEMS), **({"cursor": cursor} if cursor else {})}
        problems = await self._found(visit, "/problems", part)
        preview = None
        if held.state == "ready":
            shown = await self._asked(visit, "GET", f"{self._address(visit)}/preview", {"limit": str(_PREVIEWED)})
            preview = None if shown.refusal else told(PreviewTold, shown.content)
        return await self._shows(
            visit,
            "import.html",
            status=refused.status if refused else 200,
            held=held,
            page=told(ProblemsTold, problems.content),
            preview=preview,
            refused=refused,
            may_write=visit.may(WRITE_SCOPE),
            write_scope=WRITE_SCOPE,
        )

    async def _stores(self, visit: Visit, chosen: str) -> list[StoreTold]:
        called = visit.viewer.texts("imports.new_store")
        return await own_stores(self._reports, visit.seller_id, chosen=chosen, called=called)

    async def _found(self, visit: Visit, below: str, asked: Mapping[str, str] | None = None) -> Reply:
        reply = await self._asked(visit, "GET", f"{self._address(visit)}{below}", asked)
        if reply.refusal is not None:
            raise _problem(reply.refusal)
        return reply

    async def _asked(
        self, visit: Visit, method: str, path: str, asked: Mapping[str, str] | None = None, *, json: Any = None
    ) -> Reply:
        return await self._ingest.call(method, path, key=visit.login.key, query=asked, json=json)

    async def _downloaded(self, visit: Visit, path: str, asked: Mapping[str, str] | None = None) -> web.StreamResponse:
        async with self._ingest.download(path, key=visit.login.key, query=asked) as file:
            if file.refusal is not None:
                raise _problem(file.refusal)
            headers = {name: file.headers[name] for name in _PASSED_ON if name in file.headers}
            response = web.StreamResponse(headers=headers)
            await response.prepare(visit.request)
            async for chunk in file.chunks:
                await response.write(chunk)
            await response.write_eof()
            return response

    def _id(self, visit: Visit) -> str:
        return quote(visit.request.match_info["id"], safe="")

    def _address(self, visit: Visit) -> str:
        return f"{_IMPORTS}/{self._id(visit)}"


def _problem(refusal: Refusal) -> Problem:
    if refusal.status == 404:  # noqa: PLR2004 - not found
        return not_found("import")
    return Problem(refusal.status, refusal.code, refusal.title, refusal.detail)
