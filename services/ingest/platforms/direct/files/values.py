"""Reads the values of cells as people type them, or says why not and what to do; never says what a cell holds."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Literal

from schemas.currencies import MINOR_DIGITS
from services.ingest.platforms.direct.files.places import DIGITS_OF_POSTAL_CODES, folded, state_of_zip

#: Which of two numbers in a date with strokes is the month, where the file's maker always writes it so.
DateOrder = Literal["month first", "day first", "unknown"]

_SHORTENED = re.compile(r"[+-]?\d([.,]\d+)?[eE][+-]?\d{2,}")
_UNWRAPPED = re.compile(r'="([^"]*)"')
_GUARDED = re.compile(r"'[=+\-@\t\r\d]")
_PLAIN_AMOUNT = re.compile(r"\d{1,9}(\.\d{1,2})?", re.ASCII)
_AMOUNT = re.compile(r"[+-]?\d[\d.,' \u00a0\u202f]*")
_SPACES = re.compile(r"[' \u00a0\u202f]")
_AMBIGUOUS = re.compile(r"\d{1,3}[.,]\d{3}")
_CLOCK = r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d+)?)?"
_ISO = re.compile(
    rf"(\d{{4}})-(\d{{1,2}})-(\d{{1,2}})(?:[T ]+{_CLOCK})?\s*(Z|UTC|[+-]\d{{2}}:?\d{{2}})?", re.IGNORECASE
)
_NUMBERS = re.compile(rf"(\d{{1,4}})([./-])(\d{{1,2}})\2(\d{{2,4}})(?:,?\s+{_CLOCK}\s*([ap]m)?)?", re.IGNORECASE)
_NAME = r"([a-z]{3,9})\.?"
_WORDS = re.compile(rf"(?:{_NAME} (\d{{1,2}})(?:st|nd|rd|th)?|(\d{{1,2}})\.? {_NAME}),? (\d{{4}})", re.IGNORECASE)
_SERIAL = re.compile(r"\d{5}(\.\d+)?")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_0 = datetime(1899, 12, 30)  # noqa: DTZ001 - of a spreadsheet's serials, which have no zone
_CENTURY, _LATE_MONTH = 2000, 12
_EARLIEST_SERIAL = 36526  # 1 January 2000

_CURRENCIES = {"€": "EUR", "£": "GBP", "₫": "VND", "đ": "VND", "us$": "USD", "c$": "CAD", "ca$": "CAD", "a$": "AUD"}
#: Signs of several currencies: they say nothing.
_SHARED_SIGNS = {"$", "¥", "kr", ""}

_YES = frozenset(["yes", "y", "true", "1", "x", "paid", "co", "roi", "da", "thanh", "toan"]) | {"da thanh toan", "co"}
_NO = frozenset({"no", "n", "false", "0", "unpaid", "pending", "khong", "chua", "chua thanh toan"})


@dataclass(frozen=True, slots=True)
class Misread:
    """A cell that cannot be read for certain: what is wrong with it, and what to do."""

    problem: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount in major units with a point, and the currency that stood beside it."""

    text: str
    currency: str | None


@dataclass(frozen=True, slots=True)
class Mended:
    """A value that was repaired; `notice` says what was done."""

    text: str
    notice: str


SHORTENED = Misread(
    "A spreadsheet shortened this number (like 1.23E+12), and its digits are lost",
    "Format the column as text and enter the number again.",
)
FORMULA = Misread("It is a formula, which is not run", "Replace the formula by its value.")


def cleaned(cell: str) -> str:
    """Return a cell without what spreadsheets put around texts: blanks, ="02134", '02134."""
    text = cell.strip()
    if not text or text[0] not in "='":
        return text
    if found := _UNWRAPPED.fullmatch(text):
        return found[1]
    return text[1:] if _GUARDED.match(text) else text


def text_trouble(text: str, *, number_like: bool) -> Misread | None:
    """What is wrong with a text; `number_like`: it may consist of digits only, which spreadsheets shorten."""
    if text.startswith("="):
        return FORMULA
    return SHORTENED if number_like and _SHORTENED.fullmatch(text) else None


def quantity(text: str) -> int | Misread:
    """Return a whole number, "2", "2.0" or "2,00"."""
    whole, _, decimals = text.replace(",", ".").partition(".")
    if re.fullmatch(r"[+-]?\d{1,9}", whole) and (not decimals or (decimals.strip("0") == "" and len(decimals) < 3)):  # noqa: PLR2004
        return int(whole)
    if _AMBIGUOUS.fullmatch(text):
        return Misread("It can be read in two ways", "Write the whole number without a sign for thousands, like 1000.")
    return Misread("It is not a whole number", "Write how many, like 2.")


def amount(text: str, *, currency: str | None) -> Amount | Misread:
    """Return an amount with a decimal comma or point, signs for thousands, and a currency's sign or code."""
    if _PLAIN_AMOUNT.fullmatch(text):
        return Amount(text, None)
    found = _AMOUNT.search(text)
    if found is None or _SHORTENED.fullmatch(text):
        return Misread("It is not an amount", "Write it like 12.50 or 12,50.")
    beside = (text[: found.start()] + text[found.end() :]).strip().casefold()
    if beside.upper() not in MINOR_DIGITS and beside not in _CURRENCIES and beside not in _SHARED_SIGNS:
        return Misread("It is not an amount", "Write it like 12.50 or 12,50.")
    named = _CURRENCIES.get(beside) or (beside.upper() if beside.upper() in MINOR_DIGITS else None)
    number = _SPACES.sub("", found[0].strip().rstrip(".,"))
    digits = MINOR_DIGITS.get(currency or named or "", 2)
    if _AMBIGUOUS.fullmatch(number.lstrip("+-")) and digits:
        return Misread("It can be read in two ways: with thousands, or with decimals", "Write it like 1234.00.")
    plain = _plain(number, digits=digits)
    return Misread("It is not an amount", "Write it like 12.50 or 12,50.") if plain is None else Amount(plain, named)


def _plain(number: str, *, digits: int) -> str | None:
    point = max(number.rfind("."), number.rfind(","))
    if point < 0:
        return number
    sign = number[point]
    other = "," if sign == "." else "."
    # Two of a kind, or a currency without decimals: they mark thousands.
    is_decimal = number.count(sign) == 1 and bool(digits or len(number) - point - 1 != 3)  # noqa: PLR2004
    whole, decimals = (number[:point], number[point + 1 :]) if is_decimal else (number, "")
    marks = {mark for mark in ",." if mark in whole}
    if (decimals and sign in marks) or len(marks) > 1:
        return None
    if marks and not re.fullmatch(rf"[+-]?\d{{1,3}}([{other if decimals else sign}]\d{{3}})+", whole):
        return None
    plain = whole.replace(",", "").replace(".", "")
    return f"{plain}.{decimals}" if decimals else plain


def moment(text: str, *, order: DateOrder, zone: tzinfo) -> datetime | Misread:
    """Return an aware time; a date without one means its beginning, in `zone`."""
    try:
        read = _moment(text.strip(), order=order, zone=zone)
    except (ValueError, OverflowError):
        return Misread("It is not a date that exists", "Write it like 2026-11-20.")
    if isinstance(read, datetime) and read.year < _CENTURY:
        return Misread("The year is not one of an order", "Write it like 2026-11-20.")
    return read


def _moment(text: str, *, order: DateOrder, zone: tzinfo) -> datetime | Misread:
    if found := _ISO.fullmatch(text):
        year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
        return datetime(year, month, day, hour, minute, second, tzinfo=_offset(found[7], zone))
    if found := _NUMBERS.fullmatch(text):
        return _of_numbers(found, order=order, zone=zone)
    if found := _WORDS.fullmatch(text):
        name, number = (found[1], found[2]) if found[1] else (found[4], found[3])
        return datetime(int(found[5]), _MONTHS.index(name[:3].lower()) + 1, int(number), tzinfo=zone)
    if _SERIAL.fullmatch(text) and Decimal(text) >= _EARLIEST_SERIAL:
        return (_DAY_0 + timedelta(seconds=round(Decimal(text) * 86_400))).replace(tzinfo=zone)
    return Misread("It is not a date", "Write it like 2026-11-20.")


def _of_numbers(found: re.Match[str], *, order: DateOrder, zone: tzinfo) -> datetime | Misread:
    first, second, last = int(found[1]), int(found[3]), int(found[4])
    if len(found[1]) == 4:  # noqa: PLR2004 - the year stands first
        year, month, day = first, second, last
    elif len(found[1]) > 2 or len(found[4]) == 3:  # noqa: PLR2004
        return Misread("It is not a date", "Write it like 2026-11-20.")
    else:
        year = last if len(found[4]) == 4 else _CENTURY + last  # noqa: PLR2004
        if found[2] == "." or first > _LATE_MONTH:
            day, month = first, second
        elif order == "month first" or second > _LATE_MONTH or first == second:
            month, day = first, second
        elif order == "day first":
            day, month = first, second
        else:
            return Misread("It does not say which number is the month", "Write it like 2026-11-20.")
    hour = int(found[5] or 0)
    if found[8]:
        hour = hour % 12 + (12 if found[8].lower() == "pm" else 0)
    return datetime(year, month, day, hour, int(found[6] or 0), int(found[7] or 0), tzinfo=zone)


def _offset(text: str | None, zone: tzinfo) -> tzinfo:
    if text is None:
        return zone
    if text.upper() in {"Z", "UTC"}:
        return UTC
    offset = timedelta(hours=int(text[1:3]), minutes=int(text[-2:]))
    return timezone(-offset if text[0] == "-" else offset)


def yes(text: str) -> bool | Misread:
    """Return a yes or no, in English or Vietnamese."""
    word = folded(text)
    if word in _YES:
        return True
    return False if word in _NO else Misread("It is neither yes nor no", "Write yes or no.")


def postal_code(text: str, *, country: str, region: str | None) -> str | Mended | Misread:
    """Return the postal code, with the zeros that a spreadsheet took from its beginning where that is certain.

    Certain is a US ZIP code whose state has codes of just this beginning; otherwise the seller is asked.
    """
    length = DIGITS_OF_POSTAL_CODES.get(country)
    if length is None or not text.isascii() or not text.isdigit() or len(text) == length:
        return text
    if country == "US" and len(text) in {7, 8}:
        text, rest = text[:-4].zfill(length), f"-{text[-4:]}"
    elif length - 2 <= len(text) < length:
        text, rest = text.zfill(length), ""
    else:
        return text
    if country in {"US", "PR"} and state_of_zip(text, region or ("PR" if country == "PR" else "")):
        return Mended(text + rest, "The zeros at the beginning of the postal code were put back.")
    return Misread(
        "The postal code is too short; a spreadsheet may have taken zeros from its beginning",
        "Format the column as text and write the whole code.",
    )
