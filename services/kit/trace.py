"""Follows one fact through HTTP, Kafka and the log by its W3C Trace Context, without a tracing library.

A `traceparent` (https://www.w3.org/TR/trace-context/#traceparent-header) names a trace and the span that hands it on.
Whoever takes a message or request in goes on in the same trace with a span of its own; who hears of no trace begins
one. The current trace is the running task's; log events tell its `trace_id`.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

#: The name of the header in HTTP and in Kafka.
TRACEPARENT = "traceparent"

_SAMPLED = "01"
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_THIS_VERSION, _NO_VERSION = "00", "ff"
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16
#: Ids must be unlike each other, not secret; the operating system is not asked for each of thousands a second.
_ids = random.Random()  # noqa: S311


class Trace(NamedTuple):
    """One span of a trace: lower-case hexadecimal ids, and the flags as they came (01: sampled)."""

    trace_id: str
    span_id: str
    flags: str = _SAMPLED

    def text(self) -> str:
        """Return the `traceparent` by which others go on from this span."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags}"

    def header(self) -> tuple[str, bytes]:
        """Return the same as a Kafka header."""
        return TRACEPARENT, self.text().encode()

    def child(self) -> Trace:
        """Return a new span of the same trace."""
        return Trace(self.trace_id, _span_id(), self.flags)


def begin() -> Trace:
    """Return the first span of a new trace."""
    return Trace(f"{_ids.getrandbits(128) or 1:032x}", _span_id())


def parse(value: str | bytes | None) -> Trace | None:
    """Return the span that a `traceparent` names; None for none, or one that breaks the rules."""
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    found = _FORM.fullmatch(text) if text else None
    if found is None:
        return None
    version, trace_id, span_id, flags, more = found.groups()
    # Of a later version only what this one defines is read.
    if version == _NO_VERSION or (more and version == _THIS_VERSION) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    return Trace(trace_id, span_id, flags)


def continued(value: str | bytes | None) -> Trace:
    """Return a span of our own in the trace of a `traceparent`, or in a new trace if there is none to go on with."""
    heard = parse(value)
    return heard.child() if heard is not None else begin()


def current() -> Trace | None:
    """Return the span in which the running task is."""
    return _current.get()


@contextmanager
def bound(trace: Trace) -> Iterator[Trace]:
    """Within the block `current` is `trace`, here and in tasks that are created meanwhile."""
    token = _current.set(trace)
    try:
        yield trace
    finally:
        _current.reset(token)


_current: ContextVar[Trace | None] = ContextVar("trace", default=None)


def _span_id() -> str:
    return f"{_ids.getrandbits(64) or 1:016x}"
