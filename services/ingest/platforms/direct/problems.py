"""Says of a given order which field is wrong, what is wrong with it and what to do, and never what the field holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

#: So many problems of one order are told; who mends them hears of the others next.
MOST_PROBLEMS = 50
_PATH_LENGTH = 200

#: What to do about what pydantic itself finds; what is in braces comes from the error.
_REMEDIES: Mapping[str, str] = {
    "missing": "Give it.",
    "extra_forbidden": "Leave it out, or check how it is spelled.",
    "string_too_long": "Shorten it to {max_length} characters.",
    "string_too_short": "Give at least {min_length} character.",
    "too_long": "Give at most {max_length} of them.",
    "too_short": "Give at least {min_length}.",
    "greater_than_equal": "Give {ge} or more.",
    "less_than_equal": "Give {le} or less.",
    "int_parsing": "Give a whole number.",
    "int_from_float": "Give a whole number.",
    "int_type": "Give a whole number.",
    "string_type": 'Give a text in quotes, like "12.50".',
    "bool_type": "Give true or false.",
    "bool_parsing": "Give true or false.",
    "timezone_aware": "Add the time zone, like 2026-11-20T12:00:00Z.",
}
_ANY_TIME = "Give a date and time with its time zone, like 2026-11-20T12:00:00Z."
_ANY = "Look up the field in the documentation of orders."


class FieldProblem(BaseModel):
    """What is wrong with one field. `path` names it ("items.0.quantity"); "" is the order as a whole."""

    model_config = ConfigDict(frozen=True)

    path: str = Field(examples=["items.0.quantity"])
    problem: str = Field(examples=["Input should be greater than or equal to 1"])
    remedy: str = Field(examples=["Give 1 or more."])

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        return f"{self.path}: {self.problem}. {self.remedy}" if self.path else f"{self.problem}. {self.remedy}"


def wrong(problem: str, remedy: str, *, path: str | None = None) -> PydanticCustomError:
    """Return what a validator raises: what is wrong, what to do, and where, if it is not the validated field itself."""
    context: dict[str, Any] = {"problem": problem, "remedy": remedy}
    return PydanticCustomError("given_order", "{problem}", context if path is None else {**context, "path": path})


def problems_of(error: ValidationError) -> tuple[FieldProblem, ...]:
    """Return what a failed validation of an order means for whoever gave it."""
    found = error.errors(include_input=False, include_url=False)
    deeper = {each["loc"][:depth] for each in found for depth in range(len(each["loc"]))}
    return tuple(
        _problem(each["type"], each["loc"], each["msg"], each.get("ctx", {}))
        # A list whose members are all wrong counts as empty, which is not what its giver has to mend.
        for each in found
        if each["type"] != "too_short" or each["loc"] not in deeper
    )[:MOST_PROBLEMS]


def _problem(kind: str, place: tuple[int | str, ...], message: str, context: Mapping[str, Any]) -> FieldProblem:
    path = context.get("path") or ".".join(map(str, place))[:_PATH_LENGTH]
    remedy = context.get("remedy") or _remedy(kind, context)
    return FieldProblem(path=path, problem=message, remedy=remedy)


def _remedy(kind: str, context: Mapping[str, Any]) -> str:
    if kind in _REMEDIES:
        return _REMEDIES[kind].format_map(context)
    return _ANY_TIME if kind.startswith(("datetime", "timezone", "date")) else _ANY
