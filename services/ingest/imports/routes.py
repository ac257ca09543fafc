"""`/v1/imports`: files of orders; parse, call, answer."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from schemas.ids import OrderKey
from services.ingest.direct.given import Given, GivenOrders, content_of, key_of
from services.ingest.imports.files import FileGone, ImportFiles
from services.ingest.imports.ports import ImportLease, Imports
from services.ingest.imports.reading import OrdersOfFile, findings_of, read_file
from services.ingest.imports.record import (
    Import,
    NothingLeft,
    Steering,
    Unsteerable,
    cancelled,
    new_import,
    resumed,
    started,
)
from services.ingest.imports.uploads import FORM_TYPE, Upload
from services.ingest.imports.views import (
    MOST_UNFINISHED,
    FindingsView,
    ImportPage,
    ImportPath,
    ImportQuery,
    ImportView,
    NewImportQuery,
    Outcome,
    Preview,
    PreviewQuery,
    ProblemPage,
    ProblemQuery,
    ResumeImport,
    StartImport,
    TemplateQuery,
    import_view,
    previewed,
    problem_view,
)
from services.ingest.platforms.direct.files.assembling import Made, Ready
from services.ingest.platforms.direct.files.refusals import MEGABYTE, MOST_BYTES, FileRefused
from services.ingest.platforms.direct.files.writing import (
    CSV_TYPE,
    REASON,
    XLSX_TYPE,
    csv_rows,
    template_csv,
    template_xlsx,
)
from services.ingest.ports import Stores
from services.ingest.registry import is_read
from services.ingest.schedule import Schedule
from services.ingest.stores.store import Store
from services.kit.clock import Clock
from services.kit.http.auth import principal
from services.kit.http.problems import Problem, not_found
from services.kit.http.routes import Routes

READ, WRITE = "orders:read", "orders:write"
#: A form has some bytes around its file.
_UPLOAD_LIMIT_BYTES = MOST_BYTES + MEGABYTE
_UPLOAD = "Upload it again: what is imported already is not imported twice."
_PREVIEWED_ROWS = 2000
_FAILED_AT_ONCE = 200
#: What to do about an import that is in a state in which something cannot be asked of it.
_REMEDIES = {"checking": "Wait until it is ready.", "ready": "Start it.", "succeeded": "All of it is imported."}
_REFUSED = "The file cannot be read as orders."


@dataclass(frozen=True, slots=True)
class ImportApi:
    """The handlers of imports. An import or store of another seller is not there."""

    imports: Imports
    files: ImportFiles
    stores: Stores
    given: GivenOrders
    schedule: Schedule[ImportLease]
    clock: Clock

    async def upload_file(self, request: web.Request, *, query: NewImportQuery) -> ImportView:
        """Take a file: as the body itself, or as the part `file` of a form. At most 50 MB and 200,000 rows.

        It is looked through at once; ask for the import until its state is `ready`, and start it then.
        """
        asker = principal(request)
        store = await self._store(request, query.store_id)
        await self._has_room(store)
        now = self.clock.now()
        # Ids rise with time, so that lists need no other order.
        import_id = f"{int(now.timestamp() * 1_000_000):014x}{secrets.token_hex(5)}"
        upload = Upload(request)
        try:
            received = await self.files.keep(import_id, upload.content())
        except FileRefused as error:
            raise Problem(422, "file_refused", _REFUSED, error.sentence, refusal=error.code) from error
        held = new_import(
            import_id,
            store,
            by_key=asker.key_id,
            file_name=(query.file_name or upload.file_name or "orders")[:200],
            digest=received.digest,
            size=received.size,
            chunks=received.pieces,
            repeats=await self.imports.same_file(store.store_id, received.digest),
            now=now,
        )
        await self.imports.add(held)
        self.schedule.wake()
        return import_view(held, now=self.clock.now())

    async def list_imports(self, request: web.Request, *, query: ImportQuery) -> ImportPage:
        """The newest first."""
        found = await self.imports.page(
            principal(request).seller_id, store_id=query.store_id, after=query.cursor, limit=query.limit + 1
        )
        shown, now = found[: query.limit], self.clock.now()
        more = shown[-1].import_id if len(found) > len(shown) else None
        return ImportPage(items=[import_view(held, now=now) for held in shown], next=more)

    async def show_import(self, request: web.Request, *, path: ImportPath) -> ImportView:
        """One import and how far it is."""
        return import_view(await self._own(request, path.import_id), now=self.clock.now())

    async def preview_import(self, request: web.Request, *, path: ImportPath, query: PreviewQuery) -> Preview:
        """What the first rows of the file would become, orders whole, by what the store has now."""
        held = await self._own(request, path.import_id)
        store = await self._store(request, held.store_id)
        try:
            async with read_file(self.files, held, store, most_rows=_PREVIEWED_ROWS) as file:
                made = await file.made(0, min(query.limit, file.gathering.orders))
                findings = FindingsView.model_validate(findings_of(file.gathering.table), from_attributes=True)
                whole = file.gathering.orders <= query.limit and file.gathering.rows < _PREVIEWED_ROWS
        except (FileRefused, FileGone) as error:
            raise _unreadable(error) from error
        keys = [key_of(store.ref, each.order.reference) for each in made if isinstance(each, Ready)]
        standing = await self.given.get(keys)
        items = [previewed(each, outcome=_outcome(each, store, standing)) for each in made]
        return Preview(findings=findings, items=items, whole=whole)

    async def list_problems(self, request: web.Request, *, path: ImportPath, query: ProblemQuery) -> ProblemPage:
        """What is wrong with orders of the file, by row and column, and what to do."""
        await self._own(request, path.import_id)
        first, _, second = (query.cursor or "").partition("-")
        after = (int(first), int(second)) if query.cursor else (-1, 0)
        found = await self.imports.problems(path.import_id, after=after, limit=query.limit + 1)
        shown = found[: query.limit]
        more = f"{shown[-1][1].order}-{shown[-1][0]}" if len(found) > len(shown) else None
        return ProblemPage(items=[problem_view(problem) for _, problem in shown], next=more)

    async def start_import(self, request: web.Request, *, path: ImportPath, body: StartImport) -> ImportView:
        """Give the orders of a file that is looked through; those with problems wait in the file of failed rows."""
        now, by_key = self.clock.now(), principal(request).key_id
        return await self._steered(
            request, path.import_id, lambda held: started(held, on_changed=body.on_changed, by_key=by_key, now=now)
        )

    async def resume_import(self, request: web.Request, *, path: ImportPath, body: ResumeImport) -> ImportView:
        """Go on with the orders that an ended import did not come to, or that were refused, while its file is kept."""
        held = await self._own(request, path.import_id)
        store = await self._store(request, held.store_id)
        if not await self.files.has(held):
            raise _unreadable(FileGone())
        await self._has_room(store)
        now, by_key = self.clock.now(), principal(request).key_id
        return await self._steered(
            request, path.import_id, lambda held: resumed(held, on_changed=body.on_changed, by_key=by_key, now=now)
        )

    async def cancel_import(self, request: web.Request, *, path: ImportPath) -> ImportView:
        """End it after the orders that are being given; what it brought stays."""
        return await self._steered(request, path.import_id, lambda held: cancelled(held, now=self.clock.now()))

    async def failed_rows(self, request: web.Request, *, path: ImportPath) -> web.StreamResponse:
        """The rows that were not imported, as they stood in the file, with the reason: mend and upload them again."""
        held = await self._own(request, path.import_id)
        store = await self._store(request, held.store_id)
        try:
            async with read_file(self.files, held, store) as file:
                return await self._answered(request, held, file)
        except (FileRefused, FileGone) as error:
            raise _unreadable(error) from error

    async def show_template(self, request: web.Request, *, query: TemplateQuery) -> web.Response:
        """An empty file to fill: its columns, explained, and example rows."""
        name = "orders"
        if query.store_id is not None:
            name = f"orders-{(await self._store(request, query.store_id)).store_id}"
        body, form = (template_csv(), CSV_TYPE) if query.form == "csv" else (template_xlsx(), XLSX_TYPE)
        return web.Response(body=body, headers={"Content-Type": form, **_named(f"{name}.{query.form}")})

    async def _answered(self, request: web.Request, held: Import, file: OrdersOfFile) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": CSV_TYPE, **_named(f"failed-{held.import_id}.csv")})
        await response.prepare(request)
        headers = [column.header for column in file.gathering.table.columns]
        for line in csv_rows([[*headers, REASON]]):
            await response.write(line)
        after = -1
        while found := await self.imports.faulty_orders(held.import_id, after=after, limit=_FAILED_AT_ONCE):
            after = found[-1][0]
            await response.write(await self._lines(file, found, width=len(headers)))
        await response.write_eof()
        return response

    async def _lines(self, file: OrdersOfFile, found: Sequence[tuple[int, str]], *, width: int) -> bytes:
        orders = await file.raw([place for place, _ in found])
        rows = (
            [*cells[:width], *[""] * (width - len(cells)), reason]
            for rows, (_, reason) in zip(orders, found, strict=True)
            for _, cells in rows
        )
        return b"".join(csv_rows(rows, marked=False))

    async def _store(self, request: web.Request, store_id: str) -> Store:
        store = await self.stores.get(store_id)
        if store is None or store.seller_id != principal(request).seller_id:
            raise not_found("store")
        if is_read(store.platform):
            raise Problem(
                409,
                "store_not_direct",
                "Files can be imported only into a direct store.",
                "This store's orders come from its platform. Link a direct store for files.",
            )
        if store.state != "linked":
            raise Problem(409, "store_not_linked", "The store is not linked any more.", "Link another direct store.")
        return store

    async def _has_room(self, store: Store) -> None:
        if await self.imports.unfinished(store.store_id) >= MOST_UNFINISHED:
            raise Problem(
                409,
                "too_many_imports",
                f"A store has at most {MOST_UNFINISHED} imports that have not ended.",
                "Start or cancel some.",
            )

    async def _own(self, request: web.Request, import_id: str) -> Import:
        held = await self.imports.get(import_id)
        if held is None or held.seller_id != principal(request).seller_id:
            raise not_found("import")
        return held

    async def _steered(self, request: web.Request, import_id: str, change: Steering) -> ImportView:
        await self._own(request, import_id)
        try:
            held = await self.imports.steer(import_id, change)
        except Unsteerable as error:
            state = str(error)
            remedy = _REMEDIES.get(state, "Resume it, or upload the file again.")
            raise Problem(
                409, "import_not_ready", f"The import is {state}; this cannot be asked of it.", remedy, state=state
            ) from error
        except NothingLeft as error:
            raise Problem(
                409, "nothing_left", "Nothing of this file is left that could be imported.", str(error)
            ) from error
        if held is None:
            raise not_found("import")
        self.schedule.wake()
        return import_view(held, now=self.clock.now())


def import_routes(api: ImportApi) -> Routes:
    """The routes of imports."""
    routes = Routes(title="imports", version="1")
    imports, held, tags = "/v1/imports", "/v1/imports/{import_id}", ["imports"]
    # Whatever media type a file is sent with, its bytes say what it is.
    files = (FORM_TYPE, "application/octet-stream")
    routes.post(
        imports,
        status=202,
        summary="Upload a file of orders",
        tags=tags,
        scope=WRITE,
        errors=[400, 404, 408, 409, 413, 415],
        body_limit=_UPLOAD_LIMIT_BYTES,
        takes=files,
    )(api.upload_file)
    routes.get(imports, summary="List imports", tags=tags, scope=READ)(api.list_imports)
    # Before the address of one import, which it would be otherwise.
    routes.get(
        f"{imports}/template",
        summary="Get the template of files",
        tags=tags,
        scope=READ,
        errors=[404, 409],
        gives=("text/csv", XLSX_TYPE),
    )(api.show_template)
    routes.get(held, summary="Show an import", tags=tags, scope=READ, errors=[404])(api.show_import)
    routes.get(f"{held}/preview", summary="Preview an import", tags=tags, scope=READ, errors=[404, 409])(
        api.preview_import
    )
    routes.get(f"{held}/problems", summary="List what is wrong in a file", tags=tags, scope=READ, errors=[404])(
        api.list_problems
    )
    routes.get(
        f"{held}/failed",
        summary="Get the rows that failed",
        tags=tags,
        scope=READ,
        errors=[404, 409],
        gives=("text/csv",),
    )(api.failed_rows)
    routes.post(f"{held}/start", summary="Start an import", tags=tags, scope=WRITE, errors=[404, 409])(api.start_import)
    routes.post(f"{held}/resume", summary="Resume an import", tags=tags, scope=WRITE, errors=[404, 409])(
        api.resume_import
    )
    routes.post(f"{held}/cancel", summary="Cancel an import", tags=tags, scope=WRITE, errors=[404, 409])(
        api.cancel_import
    )
    return routes


def _outcome(made: Made, store: Store, standing: Mapping[OrderKey, Given]) -> Outcome:
    if not isinstance(made, Ready):
        return "faulty"
    given = standing.get(key_of(store.ref, made.order.reference))
    if given is None:
        return "new"
    return "existing" if given.content == content_of(made.order) else "changed"


def _unreadable(error: FileRefused | FileGone) -> Problem:
    if isinstance(error, FileRefused):
        return Problem(409, "file_refused", _REFUSED, error.sentence, refusal=error.code)
    return Problem(409, "file_gone", "The file is not kept any more.", _UPLOAD)


def _named(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}
