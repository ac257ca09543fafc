"""A cursor is the place after which a list goes on; callers get it as one opaque word."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime

import orjson

from services.kit.http.problems import Problem

Part = str | int | datetime
Cursor = tuple[Part, ...]

_TIME = "t:"


def written(cursor: Cursor) -> str:
    """Return the cursor as a word for URLs."""
    parts = [_TIME + part.isoformat() if isinstance(part, datetime) else part for part in cursor]
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def read(word: str | None, *, like: tuple[type, ...]) -> Cursor | None:
    """Return the cursor in `word`, whose parts must have the types in `like`.

    Raises:
        Problem: 422 when it is not a cursor of this list.
    """
    if not word:
        return None
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4)))
        cursor = tuple(_part(part) for part in parts)
    except (binascii.Error, ValueError, TypeError):
        raise _invalid() from None
    if len(cursor) != len(like) or not all(type(part) is kind for part, kind in zip(cursor, like, strict=True)):
        raise _invalid()
    # What Postgres has no room for cannot be a place in a list.
    if any(isinstance(part, int) and abs(part) >= 2**31 for part in cursor) or any(
        isinstance(part, str) and "\0" in part for part in cursor
    ):
        raise _invalid()
    return cursor


def _part(part: object) -> Part:
    if isinstance(part, str):
        if not part.startswith(_TIME):
            return part
        at = datetime.fromisoformat(part.removeprefix(_TIME))
        if at.tzinfo is None:
            raise ValueError("a time without a zone")
        return at.astimezone(UTC)
    if isinstance(part, int) and not isinstance(part, bool):
        return part
    raise TypeError("not a part of a cursor")


def _invalid() -> Problem:
    return Problem(422, "cursor_invalid", "The cursor is not one that this list gave.")
