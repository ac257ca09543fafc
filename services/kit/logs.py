"""Log events are JSON lines on stderr that never contain a secret or a buyer's data.

An event is a dotted noun with fields: `log.warning("poll.interrupted", store_id=store.id, retry_after=3)`. Whatever is
logged while a request or a record is at work tells its `trace_id`.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog
from structlog.types import Processor

from services.kit import trace

HIDDEN = "[hidden]"

#: A field is hidden when one of these is a word of its name (`access_token`, `buyer_email`).
HIDDEN_WORDS = frozenset(
    {
        *("authorization", "buyer", "ciphertext", "cookie", "email", "hmac", "passphrase", "password", "phone"),
        *("plaintext", "recipient", "secret", "signature", "token", "tokens"),
    }
)
#: Fields hidden by their whole name.
HIDDEN_NAMES = frozenset({"api_key", "dsn", "database_url", "first_name", "last_name", "payload", "body", "headers"})

_HIDDEN_VALUES = re.compile(
    r"""
      [\w.+-]+@[\w-]+(?:\.[\w-]+)+                 # e-mail
    | \+\d[\d\s().-]{7,}\d                         # phone, international
    | \(\d{3}\)\s?\d{3}[-.\s]\d{4}\b               # phone, (212) 555-0100
    | \b\d{3}[-.]\d{3}[-.]\d{4}\b                  # phone, 212-555-0100
    | \bshp[a-z]{2}_[A-Za-z0-9]+                   # Shopify tokens
    | \bosk_[a-z]+_[A-Za-z0-9_]+                   # our own keys
    | \b(?:Bearer|Basic)\s+[^\s"',]+
    | (?<=://)[^\s:/@]+:[^\s@]+(?=@)               # a password in a URL
    """,
    re.VERBOSE | re.IGNORECASE,
)
_MAX_DEPTH = 12
_REPEAT_AFTER_SECONDS = 10.0
_REMEMBERED = 1000


def configure_logging(*, service: str, level: str) -> None:
    """Route structlog and the standard library's loggers to stderr as JSON, tagged with `service`."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tag(service),
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
        redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_to_json)],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    _route_standard_library(shared, threshold)


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide values by field name and by shape, however deep they lie."""
    return {key: _redacted(key, value, 0) for key, value in event.items()}


def _redacted(key: str, value: Any, depth: int) -> Any:
    if _names_something_hidden(key):
        return HIDDEN
    if isinstance(value, str):
        return _HIDDEN_VALUES.sub(HIDDEN, value)
    if depth > _MAX_DEPTH:
        return HIDDEN
    if isinstance(value, dict):
        return {str(inner): _redacted(str(inner), item, depth + 1) for inner, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_redacted("", item, depth + 1) for item in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _HIDDEN_VALUES.sub(HIDDEN, str(value))


def _names_something_hidden(key: str) -> bool:
    name = key.lower()
    return name in HIDDEN_NAMES or not HIDDEN_WORDS.isdisjoint(name.replace("-", "_").split("_"))


def _add_trace(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if (span := trace.current()) is not None:
        event.setdefault("trace_id", span.trace_id)
    return event


def _tag(service: str) -> Processor:
    def add_service(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["service"] = service
        return event

    return add_service


def _route_standard_library(shared: list[Processor], threshold: int) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *shared,
                structlog.processors.JSONRenderer(serializer=_to_json),
            ],
        )
    )
    handler.addFilter(_Sparing())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries tell their daily business at INFO; only their troubles are ours.
    root.setLevel(max(threshold, logging.WARNING))


class _Sparing(logging.Filter):
    """Lets a library say the same thing once in a while: aiokafka tells ten times a second that a broker is away."""

    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        what = (record.name, str(record.msg))
        if record.created - self._said.get(what, 0.0) < _REPEAT_AFTER_SECONDS:
            return False
        if len(self._said) >= _REMEMBERED:
            self._said.clear()
        self._said[what] = record.created
        return True


def _to_json(event: Any, **_: Any) -> str:
    return orjson.dumps(event, default=str).decode()
