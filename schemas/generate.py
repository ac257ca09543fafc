"""`python -m schemas.generate [--check|--release]`: the JSON Schema of every topic, for those who do not use Python.

`schemas/json/` says what writers write today. `schemas/released/` keeps what readers of the last release expect;
`--release` renews it, and a test holds today's writers against it.
"""

import json
import sys
from pathlib import Path
from typing import Literal

from schemas.topics import TOPICS, Topic

TODAY = Path(__file__).parent / "json"
RELEASED = Path(__file__).parent / "released"


def schema_of(topic: Topic, *, side: Literal["reader", "writer"] = "writer") -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a topic's messages, as one side must take or produce them."""
    mode: Literal["validation", "serialization"] = "serialization" if side == "writer" else "validation"
    schema = topic.adapter.json_schema(mode=mode)
    title = f"{topic.name}, keyed by {topic.key}"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema | {"title": title}


def rendered(*, side: Literal["reader", "writer"] = "writer") -> dict[str, str]:
    """Return file name -> text of every schema."""
    return {
        f"{topic.name}.json": json.dumps(schema_of(topic, side=side), indent=2, sort_keys=True) + "\n"
        for topic in TOPICS
    }


def main(arguments: list[str]) -> int:
    """Write the schemas; with `--check` only compare, and return 1 when a file is stale."""
    files = rendered()
    if "--check" in arguments:
        stale = [name for name, text in files.items() if _current(name) != text]
        if stale:
            print(f"stale schemas: {', '.join(stale)}; run `make schemas`", file=sys.stderr)  # noqa: T201
        return 1 if stale else 0
    _write(TODAY, files)
    if "--release" in arguments:
        _write(RELEASED, rendered(side="reader"))
    return 0


def _current(name: str) -> str | None:
    path = TODAY / name
    return path.read_text() if path.exists() else None


def _write(directory: Path, files: dict[str, str]) -> None:
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
