"""How values look on the page: times in the viewer's zone, money, durations, and the tone of a state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from zoneinfo import ZoneInfo

import jinja2

from schemas.money import Money
from services.reporting.wording import Texts, load_texts

_DIRECTORY = Path(__file__).parent

#: What a chip's colour says beside its word.
_TONES: Mapping[str, str] = {
    **dict.fromkeys(("succeeded", "linked", "shipped", "delivered", "new", "agreed", "explained", "enabled"), "good"),
    **dict.fromkeys(("verified", "tracking_verified"), "good"),
    **dict.fromkeys(("running", "released", "accepted", "in_production", "eligible", "imported", "updated"), "busy"),
    **dict.fromkeys(("sent", "tracking_sent", "tracking_accepted", "checking"), "busy"),
    **dict.fromkeys(("held", "on_hold", "partial", "cancelling", "warning", "stale", "unknown"), "wait"),
    **dict.fromkeys(("queued", "at_risk", "tracking_queued", "ready", "changed"), "wait"),
    **dict.fromkeys(("failed", "rejected", "reconnect", "urgent", "differs", "missing", "late", "disabled"), "bad"),
    **dict.fromkeys(("faulty", "refused", "needs_attention", "tracking_refused", "tracking_needs_attention"), "bad"),
}

#: Zones offered for choosing; the viewer's own comes from the browser at login.
ZONES = (
    "UTC",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Sao_Paulo",
    "Europe/London",
    "Europe/Berlin",
    "Europe/Kyiv",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Ho_Chi_Minh",
    "Asia/Singapore",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
)

_MINUTE = 60
_HOUR = 3600


@dataclass(frozen=True, slots=True)
class Viewer:
    """For whom a page is rendered."""

    zone: str
    texts: Texts


class Renderer:
    """Renders templates; every word comes from the viewer's texts."""

    def __init__(self) -> None:
        self._environment = _environment()

    def render(self, template: str, viewer: Viewer, **values: Any) -> str:
        """Return the page."""
        zone = ZoneInfo(viewer.zone)
        zones = ZONES if viewer.zone in ZONES else (viewer.zone, *ZONES)
        return self._environment.get_template(template).render(
            t=viewer.texts,
            zone=viewer.zone,
            zones=zones,
            when=lambda at: when(at, zone, nothing=viewer.texts("common.none")),
            clock=lambda at: short(at, zone),
            **values,
        )


@cache
def _environment() -> jinja2.Environment:
    """Compile each template once a process."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_DIRECTORY / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        money=money, number=number, duration=duration, tone=tone, safe_link=safe_link, query=query
    )
    environment.globals.update(with_cursor=with_cursor, without_cursor=without_cursor)
    return environment


def default_viewer(zone: str = "UTC") -> Viewer:
    """Return a viewer who reads English."""
    return Viewer(zone=zone, texts=load_texts())


@dataclass(frozen=True, slots=True)
class Shown:
    """A moment in the viewer's zone, with UTC for whoever points at it."""

    at: datetime
    zone: ZoneInfo

    def __html__(self) -> str:
        """Return markup made of numbers and names of months alone: what jinja2 leaves as it is."""
        utc, local = self.at.astimezone(UTC), self.at.astimezone(self.zone)
        return (
            f'<time datetime="{utc.isoformat()}" title="{utc:%Y-%m-%d %H:%M:%S} UTC">'
            f"{local.day} {local:%b %Y, %H:%M:%S}</time>"
        )


def when(at: datetime | None, zone: ZoneInfo, *, nothing: str) -> Shown | str:
    """Return a moment as the page shows it."""
    return Shown(at, zone) if at is not None else nothing


def short(at: datetime, zone: ZoneInfo) -> str:
    """Return a moment without its year and seconds."""
    local = at.astimezone(zone)
    return f"{local.day} {local:%b %H:%M}"


def money(value: Money | None) -> str:
    """Return an amount with its currency."""
    return "–" if value is None else f"{value.text()} {value.currency}"  # noqa: RUF001


def number(value: int) -> str:
    """Return a count with separators."""
    return f"{value:,}"


def duration(seconds: float | None) -> str:
    """Return a length of time in the two largest units that matter."""
    if seconds is None:
        return "–"  # noqa: RUF001
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{int(seconds // _MINUTE)} min {int(seconds % _MINUTE)} s"
    return f"{int(seconds // _HOUR)} h {int(seconds % _HOUR // _MINUTE)} min"


def tone(state: str | None) -> str:
    """Return the tone of a state: good, busy, wait, bad or quiet."""
    return _TONES.get(state or "", "quiet")


def safe_link(url: str | None) -> str | None:
    """Return a link that production gave, if it is one of the web."""
    return url if url and urlsplit(url).scheme in {"http", "https"} else None


def query(path: str, **values: object) -> str:
    """Return a link with those values that are not None."""
    given = {name.rstrip("_"): value for name, value in values.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(given)}" if given else path


def with_cursor(asked: Mapping[str, str], cursor: str) -> dict[str, str]:
    """Return the query of the list's next page."""
    return {**without_cursor(asked), "cursor": cursor}


def without_cursor(asked: Mapping[str, str]) -> dict[str, str]:
    """Return the query of the list's first page."""
    return {name: value for name, value in asked.items() if name != "cursor"}
