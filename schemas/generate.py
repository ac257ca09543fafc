"""`python -m schemas.generate [--check]`: writes every topic's JSON Schema to `schemas/json/`, or says what is old."""

import json
import sys
from pathlib import Path

from pydantic import BaseModel

from schemas.topics import TOPICS, Topic

DIRECTORY = Path(__file__).parent / "json"


def schema_of(topic: Topic) -> dict[str, object]:
    """Return the JSON Schema (draft 2020-12) of a topic's messages, as a writer must produce them."""
    message = topic.message
    if isinstance(message, type) and issubclass(message, BaseModel):
        schema = message.model_json_schema(mode="serialization")
    else:
        schema = message.json_schema(mode="serialization")
    title = f"{topic.name}, keyed by {topic.key}"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | schema | {"title": title}


def rendered() -> dict[str, str]:
    """Return file name -> text of every schema."""
    return {f"{topic.name}.json": json.dumps(schema_of(topic), indent=2, sort_keys=True) + "\n" for topic in TOPICS}


def main(arguments: list[str]) -> int:
    """Write the schemas; with `--check` only compare, and return 1 when a file is stale."""
    files = rendered()
    if "--check" in arguments:
        stale = [name for name, text in files.items() if _current(name) != text]
        if stale:
            print(f"stale schemas: {', '.join(stale)}; run `make schemas`", file=sys.stderr)  # noqa: T201
        return 1 if stale else 0
    DIRECTORY.mkdir(exist_ok=True)
    for name, text in files.items():
        (DIRECTORY / name).write_text(text)
    return 0


def _current(name: str) -> str | None:
    path = DIRECTORY / name
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
