"""SQL lives in files, every statement with a name and a purpose; code reaches it as an attribute.

A file holds statements like this one::

    -- name: insert_orders
    -- Puts in the orders of one batch that are not there yet, and tells which were new.
    INSERT INTO orders (...) SELECT ... ON CONFLICT DO NOTHING RETURNING order_key;
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_HEADING = re.compile(r"^-- name:[ \t]*(?P<name>\S*)[ \t]*$", re.MULTILINE)
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Queries:
    """The statements of one or more files: `queries.insert_orders` is the SQL text."""

    def __init__(self, texts: Mapping[str, str], descriptions: Mapping[str, str]) -> None:
        self._texts = dict(texts)
        self._descriptions = dict(descriptions)

    def __getattr__(self, name: str) -> str:
        try:
            return self.__dict__["_texts"][name]  # type: ignore[no-any-return]
        except KeyError:
            raise AttributeError(f"no SQL statement is named {name}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def description(self, name: str) -> str:
        """What the statement is for."""
        return self._descriptions[name]


def load_sql(place: Path) -> Queries:
    """Read one `.sql` file, or all of a directory.

    Raises:
        ValueError: a statement has no proper name, no description or no text, or a name stands twice.
    """
    files = sorted(place.glob("*.sql")) if place.is_dir() else [place]
    texts: dict[str, str] = {}
    descriptions: dict[str, str] = {}
    for file in files:
        for name, description, text in _statements(file):
            if name in texts:
                raise ValueError(f"{file.name}: {name} is there twice")
            texts[name], descriptions[name] = text, description
    return Queries(texts, descriptions)


def _statements(file: Path) -> Iterator[tuple[str, str, str]]:
    content = file.read_text(encoding="utf-8")
    headings = list(_HEADING.finditer(content))
    ends = [heading.start() for heading in headings[1:]] + [len(content)]
    for heading, end in zip(headings, ends, strict=False):
        name = heading["name"]
        if not _NAME.fullmatch(name):
            raise ValueError(f"{file.name}: '{name}' is not a name for a statement")
        description, text = _split(content[heading.end() : end].strip())
        if not description:
            raise ValueError(f"{file.name}: {name} does not say what it is for")
        if not text:
            raise ValueError(f"{file.name}: {name} has no SQL")
        yield name, description, text


def _split(body: str) -> tuple[str, str]:
    lines = body.splitlines()
    comments = 0
    while comments < len(lines) and lines[comments].startswith("--"):
        comments += 1
    description = " ".join(line.removeprefix("--").strip() for line in lines[:comments]).strip()
    return description, "\n".join(lines[comments:]).strip().removesuffix(";")
