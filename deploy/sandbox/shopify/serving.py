"""Serves GraphQL: parse and validate once per text, hold the cost, run, refund, and answer as Shopify does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    build_schema,
    get_operation_ast,
    parse,
    validate,
)
from graphql.execution.values import VariableValues, get_variable_values

from deploy.sandbox.books import Books
from deploy.sandbox.shopify.cost import BUCKET_SECONDS, MAX_QUERY_COST, UNLIMITED, Bucket
from deploy.sandbox.shopify.paging import BadRequestError
from deploy.sandbox.shopify.projection import Call, Compiled, compile_operation
from deploy.sandbox.shopify.reading import READERS
from deploy.sandbox.shopify.requesting import FULFILLMENT_ORDER_SCOPES, AccessDeniedError, Request
from deploy.sandbox.shopify.search import parse_search

SCHEMA = build_schema((Path(__file__).parent / "schema.graphql").read_text(encoding="utf-8"))

#: Scopes of which an app needs one for a root field; fields that are not here need none.
_NEEDED: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("order", "orders", "ordersCount"), ("read_orders",)),
    **dict.fromkeys(
        ("fulfillmentCreate", "fulfillmentTrackingInfoUpdate", "fulfillmentCancel"),
        (
            "write_merchant_managed_fulfillment_orders",
            "write_assigned_fulfillment_orders",
            "write_third_party_fulfillment_orders",
        ),
    ),
    "fulfillmentOrder": FULFILLMENT_ORDER_SCOPES,
}
#: How many query texts are kept compiled.
_CACHED = 256


@dataclass(frozen=True, slots=True)
class _Ready:
    """A text that was parsed, validated and compiled."""

    operation: OperationDefinitionNode
    compiled: Compiled


@dataclass(slots=True)
class Server:
    """Answers GraphQL requests; `limited` switches the rate limit, not the limit of a single query."""

    books: Books
    limited: bool = True
    bucket_seconds: float = BUCKET_SECONDS
    _buckets: dict[tuple[str, str], Bucket] = field(default_factory=dict)

    def answer(self, body: Mapping[str, Any], request: Request, *, rate: float) -> dict[str, Any]:
        """The response to one request body; `rate` is the store's restore rate in points per second."""
        try:
            ready = _ready(str(body.get("query") or ""), body.get("operationName"))
            call = Call(
                _variables(ready.operation, body.get("variables") or {}),
                request,
                withhold=not request.access.app.sees_buyers,
            )
            cost = ready.compiled.cost(call)
        except GraphQLError as error:
            return {"errors": [_error(error)]}
        refusal = _too_dear(cost) or _access_refusal(ready.compiled, request)
        if refusal is not None:
            return refusal
        bucket = self._bucket(request, rate)
        if not bucket.take(cost, now=request.now.timestamp()):
            self.books.count("api_calls_over_budget")
            return _throttled(cost, bucket)
        return _run(ready, call, cost, bucket)

    def _bucket(self, request: Request, rate: float) -> Bucket:
        rate = rate if self.limited else UNLIMITED
        key = (request.access.app.client_id, request.store.handle)
        bucket = self._buckets.get(key)
        if bucket is None or (bucket.rate, bucket.seconds) != (rate, self.bucket_seconds):
            bucket = self._buckets[key] = Bucket(rate, at=request.now.timestamp(), seconds=self.bucket_seconds)
        return bucket


@lru_cache(maxsize=_CACHED)
def _ready(text: str, operation_name: str | None) -> _Ready:
    document: DocumentNode = parse(text)
    errors = validate(SCHEMA, document)
    if errors:
        raise errors[0]
    operation = get_operation_ast(document, operation_name)
    if operation is None:
        raise GraphQLError("No operation selected")
    return _Ready(operation, compile_operation(SCHEMA, document, operation, READERS))


def _variables(operation: OperationDefinitionNode, given: Mapping[str, Any]) -> VariableValues:
    found = get_variable_values(SCHEMA, operation.variable_definitions or (), dict(given))
    if isinstance(found, list):
        raise found[0]
    return found


def _run(ready: _Ready, call: Call, cost: int, bucket: Bucket) -> dict[str, Any]:
    try:
        data = ready.compiled.run(call)
    except BadRequestError as error:
        bucket.give_back(cost)
        return {
            "errors": [_entry(str(error), code="BAD_REQUEST", path=[*ready.compiled.fields[:1]])],
            "extensions": _cost(cost, None, bucket),
        }
    except AccessDeniedError as denied:
        bucket.give_back(cost)
        answer = _denied(list(denied.path), denied.needed)
        return answer | {"data": dict.fromkeys(ready.compiled.fields), "extensions": _cost(cost, None, bucket)}
    spent = min(cost, call.spent)
    bucket.give_back(cost - spent)
    answer = {"data": data, "extensions": _cost(cost, spent, bucket)}
    if call.denied:
        answer["errors"] = [_withheld(*name) for name in sorted(call.denied)]
    warnings = list(_warnings(call))
    if warnings:
        answer["extensions"]["search"] = warnings
    return answer


def _cost(requested: int, actual: int | None, bucket: Bucket) -> dict[str, Any]:
    return {
        "cost": {
            "requestedQueryCost": requested,
            "actualQueryCost": actual,
            "throttleStatus": bucket.status(),
        }
    }


def _warnings(call: Call) -> Iterator[dict[str, Any]]:
    """Search fields that were ignored, told as the platform tells them."""
    texts = {str(value["query"]) for value in call.arguments.values() if value.get("query")}
    for text in sorted(texts):
        for name in parse_search(text, call.context.store.zone).ignored:
            yield {
                "path": ["orders"],
                "query": text,
                "warnings": [
                    {"field": name, "message": "Invalid search field for this query.", "code": "invalid_field"}
                ],
            }


def _too_dear(cost: int) -> dict[str, Any] | None:
    if cost <= MAX_QUERY_COST:
        return None
    message = (
        f"Query cost is {cost}, which exceeds the single query max cost limit ({MAX_QUERY_COST}). "
        "See https://shopify.dev/concepts/about-apis/rate-limits for more information on how the "
        "cost of a query is calculated. To query larger amounts of data with fewer limits, bulk operations "
        "should be used instead. See https://shopify.dev/tutorials/perform-bulk-operations-with-admin-api "
        "for usage details."
    )
    entry = _entry(message, code="MAX_COST_EXCEEDED")
    entry["extensions"] |= {"cost": cost, "maxCost": MAX_QUERY_COST}
    return {"errors": [entry]}


def _throttled(cost: int, bucket: Bucket) -> dict[str, Any]:
    entry = _entry("Throttled", code="THROTTLED")
    entry["extensions"]["documentation"] = "https://shopify.dev/api/usage/rate-limits"
    return {"errors": [entry], "extensions": _cost(cost, None, bucket)}


def _access_refusal(compiled: Compiled, request: Request) -> dict[str, Any] | None:
    for name in compiled.fields:
        needed = _NEEDED.get(name, ())
        if needed and not set(needed) & set(request.access.scopes):
            return _denied([name], needed) | {"data": dict.fromkeys(compiled.fields)}
    return None


def _denied(path: list[str], needed: tuple[str, ...]) -> dict[str, Any]:
    required = " or ".join(f"`{scope}`" for scope in needed) + " access scope."
    message = f"Access denied for {path[-1]} field. Required access: {required}"
    entry = _entry(message, code="ACCESS_DENIED", path=path)
    entry["extensions"] |= {
        "documentation": "https://shopify.dev/api/usage/access-scopes",
        "requiredAccess": required,
    }
    return {"errors": [entry]}


def _withheld(kind: str, name: str) -> dict[str, Any]:
    message = (
        f"This app is not approved to use the {name} field. "
        "See https://shopify.dev/docs/apps/launch/protected-customer-data for more details."
    )
    return _entry(message, code="ACCESS_DENIED", path=[kind, name])


def _entry(message: str, *, code: str, path: list[str] | None = None) -> dict[str, Any]:
    entry: dict[str, Any] = {"message": message, "extensions": {"code": code}}
    return entry if path is None else entry | {"path": path}


def _error(error: GraphQLError) -> dict[str, Any]:
    return {**error.formatted, "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"}}
