"""Says whether a reader of the last release can read everything that today's writers may write."""

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

#: Keywords that must not change for a value that both sides know, because loosening them surprises the reader.
_BOUNDS = ("pattern", "format", "const", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems")


def breaks(reader: Schema, writer: Schema) -> list[str]:
    """Return what the reader (its JSON Schema) could not read of the writer's messages, one sentence a place."""
    return sorted(set(_Comparison(reader, writer).differences(reader, writer, "")))


class _Comparison:
    """Walks two documents side by side; `$ref`s are looked up in the document they stand in."""

    def __init__(self, reader: Schema, writer: Schema) -> None:
        self._reader_root = reader
        self._writer_root = writer
        self._seen: set[tuple[int, int]] = set()

    def differences(self, reader: Schema, writer: Schema, path: str) -> Iterator[str]:
        reader, writer = _resolved(reader, self._reader_root), _resolved(writer, self._writer_root)
        if (id(reader), id(writer)) in self._seen:
            return
        self._seen.add((id(reader), id(writer)))
        readable, written = _alternatives(reader), _alternatives(writer)
        if len(readable) > 1 or len(written) > 1:
            yield from self._unions(readable, written, path)
            return
        yield from _value_differences(reader, writer, path)
        yield from self._object_differences(reader, writer, path)
        if isinstance(reader.get("items"), Mapping) and isinstance(writer.get("items"), Mapping):
            yield from self.differences(reader["items"], writer["items"], f"{path}[]")

    def _unions(self, readable: list[Schema], written: list[Schema], path: str) -> Iterator[str]:
        for alternative in written:
            attempts = [
                list(_Comparison(self._reader_root, self._writer_root).differences(known, alternative, path))
                for known in readable
            ]
            if all(attempts):
                yield min(attempts, key=len)[0] if len(readable) == 1 else f"{path}: a form no reader knows"

    def _object_differences(self, reader: Schema, writer: Schema, path: str) -> Iterator[str]:
        ours, theirs = reader.get("properties", {}), writer.get("properties", {})
        for name in reader.get("required", ()):
            if name not in theirs:
                yield f"{path}.{name}: readers need it, writers no longer write it"
        for name in ours.keys() & theirs.keys():
            yield from self.differences(ours[name], theirs[name], f"{path}.{name}")


def _resolved(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    return schema


def _alternatives(schema: Schema) -> list[Schema]:
    return list(schema.get("anyOf") or schema.get("oneOf") or [schema])


def _value_differences(reader: Schema, writer: Schema, path: str) -> Iterator[str]:
    if "type" in reader and reader["type"] != writer.get("type", reader["type"]):
        yield f"{path}: was {reader['type']}, is {writer['type']}"
    if "enum" in reader or "const" in reader:
        known = set(reader.get("enum", [reader.get("const")]))
        new = set(writer.get("enum", [writer["const"]] if "const" in writer else [])) - known
        if new or not ("enum" in writer or "const" in writer):
            yield f"{path}: values that readers do not know: {', '.join(sorted(map(str, new))) or 'any'}"
        return
    for bound in _BOUNDS:
        if bound in reader and reader[bound] != writer.get(bound):
            yield f"{path}: {bound} was {reader[bound]}, is {writer.get(bound)}"
