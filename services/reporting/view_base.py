"""What every answer of the API is made of."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

T = TypeVar("T")


class View(BaseModel):
    """A frozen answer."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class ListOf(View, Generic[T]):
    """One page of a list; `next` is the cursor of the next page, null on the last."""

    items: tuple[T, ...]
    next: str | None = None
