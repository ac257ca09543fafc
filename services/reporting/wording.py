"""Every sentence that the report says comes from one file a language, by key."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from schemas.reasons import Reason, ReasonCode
from schemas.stores import Capability
from services.reporting.timeline import EntryKind

_DIRECTORY = Path(__file__).parent / "dashboard" / "texts"
_ANSWERS: Mapping[bool | None, str] = {True: "yes", False: "no", None: "unknown"}


class Texts:
    """The texts of one language: `texts("sessions.title")`, `texts("counts.orders", n=3)`."""

    def __init__(self, language: str, texts: Mapping[str, str]) -> None:
        self.language = language
        self._texts = dict(texts)

    def __call__(self, key: str, /, **values: object) -> str:
        """Return the text of `key` with `values` filled in. Raises KeyError for a key that no file has."""
        return self._texts[key].format(**values)

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def of(self, family: str, word: str | None) -> str:
        """Return the text of one word of a closed set (`states.order`, "held"); a new word stands for itself."""
        return self._texts.get(f"{family}.{word}", word or self._texts["common.none"])

    def count(self, key: str, n: int, **values: object) -> str:
        """Return `key.one` or `key.other`, as the number wants it."""
        return self(f"{key}.{'one' if n == 1 else 'other'}", n=f"{n:,}", **values)


@cache
def load_texts(language: str = "en") -> Texts:
    """Read the texts of a language."""
    tree = tomllib.loads((_DIRECTORY / f"{language}.toml").read_text(encoding="utf-8"))
    return Texts(language, dict(_flat(tree, "")))


def reason_sentence(reason: Reason, *, texts: Texts | None = None) -> str:
    """Return an objection in plain words; a language without its own sentence uses the schema's."""
    texts = texts or load_texts()
    key = f"reasons.sentences.{reason.code}"
    return texts(key, **reason.evidence) if key in texts else reason.sentence()


def reason_title(code: ReasonCode, *, texts: Texts | None = None) -> str:
    """Return what a reason is called, without any one order's evidence."""
    return (texts or load_texts())(f"reasons.titles.{code}")


def capability_title(name: str, *, texts: Texts | None = None) -> str:
    """Return what a capability is called; one of a plugin by the plugin, and one without a text by its own name."""
    texts = texts or load_texts()
    kind, _, plugin = name.partition(":")
    return texts("capabilities.plugin", name=plugin) if plugin else texts.of("capabilities.titles", kind)


def capability_sentence(capability: Capability, *, texts: Texts | None = None) -> str:
    """Return what a capability means and what to do: the probe's own sentence, where it has one."""
    texts = texts or load_texts()
    kind, _, plugin = capability.name.partition(":")
    answer = _ANSWERS[capability.allowed]
    family = f"capabilities.{answer}"
    known = "plugin" if plugin else kind
    return capability.detail or texts(f"{family}.{known}" if f"{family}.{known}" in texts else f"{family}.any")


def day(at: datetime) -> str:
    """Return a day in UTC, as sentences name it."""
    return f"{at.day} {at:%B %Y}"


def moment(at: datetime) -> str:
    """Return a minute in UTC, as sentences name it."""
    return f"{day(at)}, {at:%H:%M} UTC"


def entry_sentence(kind: EntryKind, data: Mapping[str, Any], *, texts: Texts | None = None) -> str:
    """Return what happened, in one sentence."""
    texts = texts or load_texts()
    if kind.startswith("tracking_"):
        return _tracking_sentence(kind, data, texts)
    match kind:
        case "imported" | "revised":
            way = data.get("way")
            return texts(f"entries.{kind}_by" if way else f"entries.{kind}", way=texts.of("ways_in_words", way))
        case "decided":
            cause = texts.of("causes", _cause(data))
            if data["outcome"] == "eligible" and data.get("reasons"):
                return texts("entries.decided.remarked", cause=cause)
            return texts(f"entries.decided.{data['outcome']}", cause=cause)
        case "shipped" | "label_replaced":
            return texts(f"entries.{kind}", carrier=data["carrier"], number=data["tracking_number"])
        case "on_hold":
            return texts("entries.on_hold", problem=data["problem"])
        case "cancelled" | "cancel_refused" | "label_voided":
            return texts(f"entries.{kind}", reason=data["reason"])
        case _:
            return texts(f"entries.{kind}")


def tracking_title(code: str, *, texts: Texts | None = None) -> str:
    """Return what a reason is called that keeps a parcel's number; one without a text by its own name."""
    texts, key = texts or load_texts(), f"tracking.codes.{code}"
    return texts(key) if key in texts else code.replace("_", " ").capitalize()


def _tracking_sentence(kind: EntryKind, data: Mapping[str, Any], texts: Texts) -> str:
    said = texts(f"entries.{kind}", carrier=data["carrier"], number=data["tracking_number"])
    return f"{said} {data['problem']}" if data["problem"] else said


def _cause(data: Mapping[str, Any]) -> str:
    """Return what had an order judged; that its platform lost it is a revision with a word of its own."""
    lost = any(reason["code"] == ReasonCode.DELETED_ON_PLATFORM for reason in data.get("reasons") or ())
    return "gone" if lost and data["cause"] == "revision" else str(data["cause"])


def _flat(tree: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    flat: list[tuple[str, str]] = []
    for name, value in tree.items():
        if isinstance(value, Mapping):
            flat += _flat(value, f"{prefix}{name}.")
        else:
            flat.append((f"{prefix}{name}", value))
    return flat
