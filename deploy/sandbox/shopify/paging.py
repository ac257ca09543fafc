"""Pages and cursors of connections: a cursor says after which value and id its page ended."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

import orjson

Node = TypeVar("Node")

#: The most that `first` or `last` may ask for.
MAX_PAGE = 250


class BadRequestError(Exception):
    """A request that is valid GraphQL but breaks a rule of the API; becomes an entry of `errors`."""


@dataclass(frozen=True, slots=True)
class Connection:
    """One page: its nodes, a cursor for each, and what lies beyond."""

    nodes: Sequence[Any]
    cursor: Callable[[Any], str]
    has_next: bool
    has_previous: bool


@dataclass(frozen=True, slots=True)
class Edge:
    """A node with its cursor."""

    node: Any
    cursor: str


def page_size(arguments: Mapping[str, Any]) -> int:
    """How many nodes are asked for; the API refuses none, both, and more than `MAX_PAGE`."""
    first, last = arguments.get("first"), arguments.get("last")
    if first is None and last is None:
        raise BadRequestError("you must provide one of first or last")
    if first is not None and last is not None:
        raise BadRequestError("providing both first and last is not supported")
    name, size = ("first", first) if first is not None else ("last", last)
    if size is None or size < 0:
        raise BadRequestError(f"{name} must be greater than or equal to 0")
    if size > MAX_PAGE:
        raise BadRequestError(f"{name} cannot exceed {MAX_PAGE}")
    return int(size)


def encode_cursor(last_id: int, last_value: float | str) -> str:
    """The opaque text of a cursor."""
    return base64.b64encode(orjson.dumps({"last_id": last_id, "last_value": last_value})).decode()


def decode_cursor(text: str) -> tuple[float, int]:
    """The sorted value and the id in a cursor; BadRequestError for anything else."""
    try:
        found = orjson.loads(base64.b64decode(text, validate=True))
        return float(found["last_value"]), int(found["last_id"])
    except (binascii.Error, orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise BadRequestError("Invalid cursor for current pagination sort.") from error


def take_page(nodes: Iterable[Node], size: int, *, cursor: Callable[[Node], str], has_previous: bool) -> Connection:
    """The first `size` nodes of what remains."""
    found = list(islice(nodes, size + 1))
    return Connection(found[:size], cursor, len(found) > size, has_previous)


def page_of_list(nodes: Sequence[Node], arguments: Mapping[str, Any], *, ident: Callable[[Node], int]) -> Connection:
    """A page of a short list in its own order; cursors hold the node's place."""
    size = page_size(arguments)
    ordered = list(reversed(nodes)) if arguments.get("reverse") else list(nodes)
    places = {ident(node): place for place, node in enumerate(ordered)}
    start, end = 0, len(ordered)
    if arguments.get("after"):
        start = int(decode_cursor(arguments["after"])[0]) + 1
    if arguments.get("before"):
        end = int(decode_cursor(arguments["before"])[0])
    if arguments.get("first") is None:
        start = max(start, end - size)
    page = ordered[start : min(end, start + size)]
    return Connection(
        page,
        lambda node: encode_cursor(ident(node), places[ident(node)]),
        has_next=start + len(page) < len(ordered),
        has_previous=start > 0,
    )
