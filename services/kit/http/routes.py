"""A route is declared once, with types; validation, the answer's form and OpenAPI all follow from that.

::

    routes = Routes(title="Sync Order: ingest", version="1")

    @routes.post("/v1/stores", status=201, summary="Link a store", tags=["stores"], scope="stores:write")
    async def link_store(request: web.Request, *, body: LinkStore) -> StoreView: ...
"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from services.kit.http.bodies import BODY_LIMIT_BYTES, read_body
from services.kit.http.problems import Problem

Handler = Callable[..., Awaitable[Any]]
H = TypeVar("H", bound=Handler)
#: Runs before anything of the request is read, and raises a `Problem` to refuse it.
Guard = Callable[[web.Request, "Route"], Awaitable[None]]
#: Answers a write once however often it is asked: gets the request, its body, and how to answer it.
Repeat = Callable[[web.Request, bytes, Callable[[], Awaitable[web.StreamResponse]]], Awaitable[web.StreamResponse]]

#: Says what is wrong with a body that does not validate: an object for each field, with `in`, `path` and `problem`.
Explain = Callable[[ValidationError], list[dict[str, str]]]

_PLACEHOLDER = re.compile(r"\{(\w+)(?::[^{}]+)?\}")
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_MAX_ERRORS = 50
_MAX_PATH_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Route:
    """One declared route; `scope` None means that anyone may ask."""

    method: str
    path: str
    handler: Handler
    status: int
    summary: str
    description: str
    tags: tuple[str, ...]
    scope: str | None
    errors: tuple[int, ...]
    body_limit: int
    in_docs: bool
    streams: bool
    path_model: type[BaseModel] | None
    query_model: type[BaseModel] | None
    body_model: TypeAdapter[Any] | None
    answer_model: TypeAdapter[Any] | None
    many_valued: frozenset[str] = field(default_factory=frozenset)
    explain: Explain | None = None
    takes: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()

    @property
    def writes(self) -> bool:
        """Whether the method changes something."""
        return self.method in _WRITES

    async def answer(self, request: web.Request, *, guard: Guard, repeat: Repeat | None) -> web.StreamResponse:
        """Check, read, validate, call the handler, and render what it returns."""
        await guard(request, self)
        if self.takes:
            # The handler reads it: nothing of it may be read, or kept to be compared, before.
            repeat = None
        body = b""
        if self.body_model is not None or (repeat is not None and request.can_read_body):
            body = await read_body(request, limit=self.body_limit)

        async def respond() -> web.StreamResponse:
            arguments = self._arguments(request, body)
            return self._rendered(await self.handler(request, **arguments))

        return await respond() if repeat is None else await repeat(request, body, respond)

    def _arguments(self, request: web.Request, body: bytes) -> dict[str, Any]:
        arguments: dict[str, Any] = {}
        problems: list[dict[str, str]] = []
        for place, parse in self._parsers(request, body):
            try:
                arguments[place] = parse()
            except ValidationError as error:
                problems += self.explain(error) if self.explain and place == "body" else _located(place, error)
        if problems:
            raise Problem(422, "invalid_request", "The request is not valid.", errors=problems[:_MAX_ERRORS])
        return arguments

    def _parsers(self, request: web.Request, body: bytes) -> Iterator[tuple[str, Callable[[], Any]]]:
        if (path_model := self.path_model) is not None:
            yield "path", lambda: path_model.model_validate(dict(request.match_info))
        if (query_model := self.query_model) is not None:
            yield "query", lambda: query_model.model_validate(_query_values(request, self.many_valued))
        if (body_model := self.body_model) is not None:
            # No body at all is JSON's null, so that a handler may take `Model | None`.
            yield "body", lambda: body_model.validate_json(body or b"null")

    def _rendered(self, result: Any) -> web.StreamResponse:
        if isinstance(result, web.StreamResponse):
            return result
        if self.answer_model is None:
            return web.Response(status=204)
        return web.Response(
            status=self.status,
            body=self.answer_model.dump_json(result, by_alias=True),
            content_type="application/json",
        )


class Routes:
    """The routes of one service, in the order they were declared."""

    def __init__(self, *, title: str, version: str, description: str = "") -> None:
        self.title = title
        self.version = version
        self.description = description
        self._routes: list[Route] = []

    def __iter__(self) -> Iterator[Route]:
        return iter(self._routes)

    def get(self, path: str, **declared: Any) -> Callable[[H], H]:
        """Declare a route that reads; see `route` for the keywords."""
        return self.route("GET", path, **declared)

    def post(self, path: str, **declared: Any) -> Callable[[H], H]:
        """Declare a route that creates or acts."""
        return self.route("POST", path, **declared)

    def put(self, path: str, **declared: Any) -> Callable[[H], H]:
        """Declare a route that sets."""
        return self.route("PUT", path, **declared)

    def patch(self, path: str, **declared: Any) -> Callable[[H], H]:
        """Declare a route that changes parts."""
        return self.route("PATCH", path, **declared)

    def delete(self, path: str, **declared: Any) -> Callable[[H], H]:
        """Declare a route that removes."""
        return self.route("DELETE", path, **declared)

    def route(
        self,
        method: str,
        path: str,
        *,
        summary: str,
        scope: str | None,
        status: int = 200,
        tags: Sequence[str] = (),
        errors: Iterable[int] = (),
        body_limit: int = BODY_LIMIT_BYTES,
        in_docs: bool = True,
        streams: bool = False,
        explain: Explain | None = None,
        takes: Sequence[str] = (),
        gives: Sequence[str] = (),
    ) -> Callable[[H], H]:
        """Declare a route.

        The handler takes the request and, by keyword, any of `path`, `query` and `body`, annotated with what they are
        parsed into, and returns a model (or anything pydantic can write), None (204), or a response of its own.
        `scope` None lets anyone ask. `explain` tells what is wrong with a body in words of its own. `streams` marks an
        answer that stays open (events), which does not count as a request in flight. `takes` are the media types of a
        file that the handler reads from the request itself, as it comes, and that no `Idempotency-Key` covers; `gives`
        are those of a file that it answers with.
        """

        def declare(handler: H) -> H:
            hints = typing.get_type_hints(handler)
            query_model = _model(hints.get("query"))
            route = Route(
                method=method,
                path=path,
                handler=handler,
                status=status,
                summary=summary,
                description=inspect.getdoc(handler) or "",
                tags=tuple(tags),
                scope=scope,
                errors=tuple(errors),
                body_limit=body_limit,
                in_docs=in_docs,
                streams=streams,
                path_model=_model(hints.get("path")),
                query_model=query_model,
                body_model=TypeAdapter(hints["body"]) if "body" in hints else None,
                answer_model=_answer_model(hints.get("return")),
                many_valued=_many_valued(query_model),
                explain=explain,
                takes=tuple(takes),
                gives=tuple(gives),
            )
            _refuse_other_placeholders(route)
            self._routes.append(route)
            return handler

        return declare

    def include(self, other: Routes) -> None:
        """Take over another's routes, so that each area of a service declares its own."""
        self._routes.extend(other)


def _model(annotation: Any) -> type[BaseModel] | None:
    if annotation is None:
        return None
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        raise TypeError(f"{annotation} is not a model")
    return annotation


def _answer_model(annotation: Any) -> TypeAdapter[Any] | None:
    members = (
        typing.get_args(annotation)
        if typing.get_origin(annotation) in (typing.Union, types.UnionType)
        else (annotation,)
    )
    models = [
        member
        for member in members
        if member not in (None, types.NoneType)
        and not (inspect.isclass(member) and issubclass(member, web.StreamResponse))
    ]
    if not models:
        return None
    union: Any = typing.Union[tuple(models)]  # noqa: UP007 - the members are known only at run time
    return TypeAdapter(union)


def _many_valued(model: type[BaseModel] | None) -> frozenset[str]:
    if model is None:
        return frozenset()
    properties: Mapping[str, Any] = model.model_json_schema().get("properties", {})
    return frozenset(
        name
        for name, schema in properties.items()
        if any(option.get("type") == "array" for option in (schema, *schema.get("anyOf", ())))
    )


def _refuse_other_placeholders(route: Route) -> None:
    named = set(_PLACEHOLDER.findall(route.path))
    modelled = {
        info.alias or name for name, info in (route.path_model.model_fields if route.path_model else {}).items()
    }
    if named != modelled:
        raise TypeError(f"{route.path} names {sorted(named)}, its handler's path model {sorted(modelled)}")


def _query_values(request: web.Request, many_valued: frozenset[str]) -> dict[str, Any]:
    return {name: request.query.getall(name) if name in many_valued else request.query[name] for name in request.query}


def _located(place: str, error: ValidationError) -> list[dict[str, str]]:
    return [
        {
            "in": place,
            "path": ".".join(map(str, found["loc"]))[:_MAX_PATH_LENGTH],
            "problem": _without_value(found),
        }
        for found in error.errors(include_input=False, include_url=False)
    ]


def _without_value(found: Mapping[str, Any]) -> str:
    # The one message of pydantic's own that quotes what was sent.
    if found["type"] == "union_tag_invalid":
        return f"Input should be one of {found['ctx']['expected_tags']}"
    return str(found["msg"])
