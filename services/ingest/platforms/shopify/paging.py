"""Decides where in a store's list of orders the next page begins, whatever is asked of each order; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from services.ingest.contract.reading import By, Window
from services.kit.errors import TransientError

#: Shopify's largest page.
MOST_ORDERS = 250
SORTED_BY: Mapping[By, str] = {"created": "CREATED_AT", "updated": "UPDATED_AT"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where reading goes on: after `cursor`, which is good for one window's search text only.

    `total` is what the window holds, which only the first page is told; `last` is the id and the time of the last order
    read, by which the list is sorted.
    """

    cursor: str | None = None
    total: int | None = None
    last: tuple[str, str] | None = None

    def text(self) -> str:
        """Return it as the opaque text that a page hands out."""
        return orjson.dumps([self.cursor, self.total, self.last]).decode()

    @classmethod
    def parse(cls, text: str | None) -> Place:
        """Read what `text` wrote; None is the beginning."""
        if text is None:
            return cls()
        cursor, total, last = orjson.loads(text)
        return cls(cursor, total, (last[0], last[1]) if last else None)


def search_text(window: Window) -> str:
    """Return the search text of [start, end): Shopify's times are whole seconds, and colons need quotes."""
    start = window.start.astimezone(UTC).replace(microsecond=0)
    end = window.end.astimezone(UTC)
    if end.microsecond:
        end = end.replace(microsecond=0) + timedelta(seconds=1)
    return f"{window.by}_at:>='{_zulu(start)}' AND {window.by}_at:<'{_zulu(end)}'"


def _zulu(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def nodes_of(connection: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the orders of a page, as they came."""
    return [as_object(node) for node in connection.get("nodes") or ()]


def news_of(nodes: list[dict[str, Any]], place: Place, by: By) -> tuple[list[dict[str, Any]], tuple[str, str] | None]:
    """Return a page without the order that the page before ended with, and what marks its own last order."""
    fresh = nodes[1:] if nodes and place.last and mark_of(nodes[0], by) == place.last else nodes
    return fresh, next((mark for node in reversed(nodes) if (mark := mark_of(node, by))), place.last)


def mark_of(node: Mapping[str, Any], by: By) -> tuple[str, str] | None:
    """Return an order's id and the time it is sorted by, which tells revisions apart; None where it is unreadable."""
    gid, changed = node.get("id"), node.get(f"{by}At")
    if not isinstance(gid, str) or not isinstance(changed, str):
        return None
    try:
        is_aware = datetime.fromisoformat(changed).tzinfo is not None
    except ValueError:
        return None
    return (gid, changed) if is_aware else None


def cursor_after(connection: Mapping[str, Any], nodes: list[dict[str, Any]], *, asked: str | None) -> str | None:
    """Return the next page's cursor; None when this page is the last. Raises TransientError where paging stalls."""
    cursor = next_cursor(connection)
    has_more = as_object(connection.get("pageInfo")).get("hasNextPage")
    if (has_more and cursor is None) or (cursor is not None and not nodes and cursor == asked):
        raise TransientError("Shopify gave a page without orders though more follow", retry_after=1)
    return cursor


def total_of(answer: Mapping[str, Any]) -> int | None:
    """Return what the window holds; None where Shopify only says that it is at least so many."""
    count = as_object(answer.get("ordersCount"))
    return count.get("count") if count.get("precision") == "EXACT" else None


def next_cursor(connection: Mapping[str, Any]) -> str | None:
    """Return what asks for the rest of a connection; None where there is none."""
    info = as_object(connection.get("pageInfo"))
    cursor = info.get("endCursor")
    return cursor if info.get("hasNextPage") and isinstance(cursor, str) else None


def as_object(value: object) -> dict[str, Any]:
    """Return an object of an answer; empty where there is another thing."""
    return value if isinstance(value, dict) else {}
