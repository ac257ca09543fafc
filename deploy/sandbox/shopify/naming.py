"""Global ids and times as the Admin API writes them."""

from __future__ import annotations

from datetime import datetime


def gid(kind: str, number: int) -> str:
    """A global id."""
    return f"gid://shopify/{kind}/{number}"


def utc(at: datetime | None) -> str | None:
    """A moment as GraphQL's DateTime writes it."""
    return None if at is None else at.isoformat()[:19] + "Z"


def number_of(text: str, kind: str) -> int | None:
    """The number in a global id of this kind, None if it is not one."""
    prefix = f"gid://shopify/{kind}/"
    number = text.removeprefix(prefix).partition("?")[0]
    return int(number) if text.startswith(prefix) and number.isdecimal() else None
