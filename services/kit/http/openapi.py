"""The OpenAPI 3.1 document and a plain page of it, both derived from the declared routes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Literal

from jinja2 import Environment
from pydantic import BaseModel, TypeAdapter

from services.kit.http.problems import PROBLEM_TYPE
from services.kit.http.routes import Route, Routes

_REFERENCE = "#/components/schemas/{model}"
_PATTERN_IN_PATH = re.compile(r"\{(\w+):[^{}]+\}")

_PROBLEM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "description": "RFC 9457 problem details; `code` is stable.",
    "required": ["type", "status", "code", "title"],
    "properties": {
        "type": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "in": {"enum": ["path", "query", "body"]},
                    "path": {"type": "string"},
                    "problem": {"type": "string"},
                    "remedy": {"type": "string"},
                },
            },
        },
    },
}

_Key = tuple[int, Literal["body", "answer"]]


def document(routes: Routes) -> dict[str, Any]:
    """The OpenAPI document of `routes`."""
    documented = [route for route in routes if route.in_docs]
    schemas, definitions = _schemas(documented)
    paths: dict[str, dict[str, Any]] = {}
    for number, route in enumerate(documented):
        path = _PATTERN_IN_PATH.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(number, route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": routes.title, "version": routes.version, "description": routes.description},
        "paths": paths,
        "components": {
            "schemas": {**definitions, "Problem": dict(_PROBLEM_SCHEMA)},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key: osk_live_…"}},
        },
    }


def _schemas(routes: list[Route]) -> tuple[dict[_Key, dict[str, Any]], dict[str, Any]]:
    inputs: list[tuple[_Key, Literal["validation", "serialization"], TypeAdapter[Any]]] = []
    for number, route in enumerate(routes):
        if route.body_model is not None:
            inputs.append(((number, "body"), "validation", route.body_model))
        if route.answer_model is not None:
            inputs.append(((number, "answer"), "serialization", route.answer_model))
    by_key_and_mode, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REFERENCE)
    found: dict[str, Any] = definitions.get("$defs", {})
    return {key: schema for (key, _), schema in by_key_and_mode.items()}, found


def _operation(number: int, route: Route, schemas: Mapping[_Key, dict[str, Any]]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "tags": list(route.tags),
        "parameters": [*_parameters(route.path_model, "path"), *_parameters(route.query_model, "query")],
        "responses": _responses(route, schemas.get((number, "answer"))),
    }
    if route.description:
        operation["description"] = route.description
    if (body := schemas.get((number, "body"))) is not None:
        required = {"type": "null"} not in body.get("anyOf", ())
        operation["requestBody"] = {"required": required, "content": {"application/json": {"schema": body}}}
    if route.takes:
        operation["requestBody"] = {"required": True, "content": {form: _file(form) for form in route.takes}}
    if route.scope is not None:
        operation["security"] = [{"key": []}]
        operation["x-scope"] = route.scope
    if route.scope is not None and route.writes and not route.takes:
        operation["parameters"].append(_IDEMPOTENCY_KEY)
    return operation


_IDEMPOTENCY_KEY: Mapping[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 255},
    "description": "The same key and body get the same answer for 24 hours.",
}


def _parameters(model: type[BaseModel] | None, place: Literal["path", "query"]) -> list[dict[str, Any]]:
    if model is None:
        return []
    schema = model.model_json_schema(ref_template=_REFERENCE)
    required = set(schema.get("required", ()))
    return [
        {
            "name": name,
            "in": place,
            "required": place == "path" or name in required,
            "schema": _inlined(found, schema.get("$defs", {})),
            **({"description": found["description"]} if "description" in found else {}),
        }
        for name, found in schema.get("properties", {}).items()
    ]


def _inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Parameters are small, so what they refer to stands in place."""
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        others = {key: value for key, value in schema.items() if key != "$ref"}
        return {**_inlined(definitions[name], definitions), **others}
    return {key: _inlined(value, definitions) for key, value in schema.items()}


def _responses(route: Route, answer: dict[str, Any] | None) -> dict[str, Any]:
    empty = route.answer_model is None and not route.gives and route.status == HTTPStatus.OK
    status = 204 if empty else route.status
    success: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if answer is not None:
        success["content"] = {"application/json": {"schema": answer}}
    if route.gives:
        success["content"] = {form: _file(form) for form in route.gives}
    return {str(status): success, **{str(code): _problem_response(code) for code in sorted(_error_codes(route))}}


def _file(form: str) -> dict[str, Any]:
    file = {"type": "string", "format": "binary"}
    if form == "multipart/form-data":
        return {"schema": {"type": "object", "required": ["file"], "properties": {"file": file}}}
    return {"schema": file}


def _error_codes(route: Route) -> set[int]:
    codes = {*route.errors, 500, 503}
    if route.scope is not None:
        codes |= {401, 403}
        if route.writes:
            codes |= {409, 422}
    if route.body_model is not None or route.takes:
        codes |= {408, 413, 422}
    if route.path_model is not None or route.query_model is not None:
        codes.add(422)
    return codes


def _problem_response(code: int) -> dict[str, Any]:
    return {
        "description": HTTPStatus(code).phrase,
        "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


#: Nothing on the page comes from elsewhere, and nothing on it runs.
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"

_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    (Path(__file__).parent / "docs.html").read_text(encoding="utf-8")
)


def page(api: Mapping[str, Any]) -> str:
    """A readable page of an OpenAPI document, without scripts."""
    return _PAGE.render(api=api, form=_form)


def _form(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[1]
    if schema.get("type") == "array":
        return f"list of {_form(schema.get('items', {}))}"
    options = schema.get("anyOf") or schema.get("oneOf")
    if options:
        return " or ".join(_form(option) for option in options)
    if "const" in schema:
        return repr(schema["const"])
    return str(schema.get("format") or schema.get("type") or "anything")
