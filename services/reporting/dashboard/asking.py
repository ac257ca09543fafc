"""What a viewer asks for in the address bar: empty and malformed filters are left out rather than refused."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)

_LONGEST_ZONE = 64


def asked(model: type[M], values: Mapping[str, str], *, zone: str) -> M:
    """Return the query in `values`; `from` and `to` are days in the viewer's zone, both included."""
    given: dict[str, Any] = {name: value for name, value in values.items() if value}
    for name, days in (("from", 0), ("to", 1)):
        if name in given:
            given[name] = _start_of_day(given[name], ZoneInfo(zone), plus=days)
    known = {field.alias or name for name, field in model.model_fields.items()}
    given = {name: value for name, value in given.items() if name in known and value is not None}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        for name in {str(problem["loc"][0]) for problem in error.errors(include_input=False)}:
            given.pop(name, None)
        return model.model_validate(given)


def known_zone(name: str | None) -> str | None:
    """Return the zone if there is such a one."""
    if not name or len(name) > _LONGEST_ZONE:
        return None
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
    return name


def local_path(path: str | None) -> str:
    """Return a path of this page; anything else becomes the first page."""
    if not path or not path.startswith("/") or path.startswith("//") or "\\" in path or not path.isprintable():
        return "/"
    return path


def _start_of_day(day: str, zone: ZoneInfo, *, plus: int) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(day) + timedelta(days=plus), time.min, tzinfo=zone)
    except (ValueError, OverflowError):
        return None
