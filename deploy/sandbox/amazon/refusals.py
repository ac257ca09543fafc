"""How the Selling Partner API refuses: one list of errors, whatever the operation."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web

#: What a dead access token is told; the status is 403, never 401.
EXPIRED = "The access token you provided has expired."
INVALID = "The access token you provided is revoked, malformed or invalid."
MISSING = "Access token is missing in the request header."


class RefusalError(Exception):
    """Answered with `status` and one error of `code`, `message` and `details`."""

    def __init__(self, status: int, code: str, message: str, *, details: str = "") -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.details = details


def invalid(details: str, *, message: str = "Invalid Input") -> RefusalError:
    """The request is wrong: 400."""
    return RefusalError(400, "InvalidInput", message, details=details)


def unauthorized(details: str) -> RefusalError:
    """The caller may not: 403, also where the token is dead."""
    return RefusalError(403, "Unauthorized", "Access to requested resource is denied.", details=details)


def not_found(details: str = "") -> RefusalError:
    """There is no such thing, or it is another seller's: 404."""
    return RefusalError(404, "NotFound", "The requested resource could not be found.", details=details)


def conflict(details: str) -> RefusalError:
    """It exists already, or is in use: 409."""
    return RefusalError(409, "Conflict", "The resource specified conflicts with the current state.", details=details)


def quota_exceeded() -> RefusalError:
    """The bucket is empty: 429."""
    return RefusalError(429, "QuotaExceeded", "You exceeded your quota for the requested resource.")


def errors_answer(refusal: RefusalError) -> web.Response:
    """The refusal as Amazon sends it."""
    error = {"code": refusal.code, "message": refusal.message, "details": refusal.details}
    return json_answer({"errors": [error]}, status=refusal.status)


def json_answer(value: Any, *, status: int = 200) -> web.Response:
    """A JSON response by orjson."""
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
