"""A page is a route like those of the API, in no document and with a gate of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from pydantic import BaseModel

from services.kit.http.routes import Routes


def declare(
    routes: Routes,
    method: str,
    path: str,
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
    *,
    path_model: type[BaseModel] | None = None,
) -> None:
    """Declare a page; `path_model` says what its address holds."""

    async def handler(request: web.Request) -> web.StreamResponse:
        return await answer(request)

    async def handler_of_one(request: web.Request, *, path: BaseModel) -> web.StreamResponse:  # noqa: ARG001
        return await answer(request)

    chosen: Callable[..., Awaitable[web.StreamResponse]] = handler
    if path_model is not None:
        # Routes learn the placeholders' form from the handler's own annotation.
        handler_of_one.__annotations__["path"] = path_model
        chosen = handler_of_one
    routes.route(method, path, summary=f"Page {path}", scope=None, in_docs=False)(chosen)
