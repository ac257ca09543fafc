"""Bytes as WordPress sends them: JSON by PHP's rules, times without an offset, money as decimal strings."""

from __future__ import annotations

import functools
import json
from datetime import UTC, datetime, tzinfo
from typing import Any

#: Amounts are whole millionths of a currency's unit, because lines are kept unrounded to six decimals.
UNIT = 1_000_000
_PLACES = 6
_ENCODER = json.JSONEncoder(separators=(",", ":"), check_circular=False)
#: Amounts and moments repeat within an order and between orders.
_REMEMBERED = 20_000


def encode(value: Any) -> bytes:
    r"""JSON as PHP writes it: ASCII only (`\u00fc`), and every slash escaped (`\/`)."""
    return _ENCODER.encode(value).replace("/", "\\/").encode()


@functools.lru_cache(_REMEMBERED)
def decimal(amount: int, places: int) -> str:
    """An amount with so many decimals, rounded half away from zero: 8_403_361 with two is "8.40"."""
    step = 10 ** max(0, _PLACES - places)
    whole = (abs(amount) + step // 2) // step * step
    sign = "-" if amount < 0 and whole else ""
    units, rest = divmod(whole, UNIT)
    digits = f"{rest:06d}".ljust(places, "0")[:places]
    return f"{sign}{units}.{digits}" if places else f"{sign}{units}"


def parse_decimal(text: Any) -> int:
    """An amount from a number or a decimal string; ValueError for anything else."""
    return round(float(text) * UNIT)


def number(value: float) -> int | float:
    """A number as PHP's JSON shows it: whole ones without a fraction."""
    return int(value) if value == int(value) else value


def gmt(seconds: int | None) -> str | None:
    """UTC without a Z, as the `_gmt` fields carry it."""
    return _naive(seconds, UTC)


def local(seconds: int | None, zone: tzinfo) -> str | None:
    """The store's own time without an offset, as the fields without `_gmt` carry it."""
    return _naive(seconds, zone)


@functools.lru_cache(_REMEMBERED)
def _naive(seconds: int | None, zone: tzinfo) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, zone).replace(tzinfo=None).isoformat()
