"""Errors named by what the caller can do about them."""

from __future__ import annotations

from pydantic import ValidationError


class TransientError(Exception):
    """The same call may succeed later; wait `retry_after` seconds (None: the caller's own backoff)."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class AuthorizationError(Exception):
    """The other side no longer accepts our credentials; nothing helps until somebody authorizes again."""


class UnreadableMessage(Exception):  # noqa: N818 - the name says what the reader holds in hand
    """A message lacks or malforms what we need; it can never be read as it is, so it becomes a dead letter.

    `path` is where (`items.0.quantity`), `problem` is what, and neither contains the offending value.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem

    @classmethod
    def of(cls, error: ValidationError) -> UnreadableMessage:
        """The first of what pydantic found wrong, without what it found there."""
        found = error.errors(include_input=False, include_url=False, include_context=False)[0]
        return cls(".".join(map(str, found["loc"])) or "message", found["type"])


class OversizedMessage(Exception):  # noqa: N818 - as above
    """One message is larger than Kafka takes; sending it again never helps."""


class SettingsError(Exception):
    """A setting is unknown, missing or malformed; the text is one sentence that names it."""
