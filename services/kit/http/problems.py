"""Every error answer is `application/problem+json` (RFC 9457) with a `code` that stays the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

PROBLEM_TYPE = "application/problem+json"


class Problem(Exception):  # noqa: N818 - the RFC's own word
    """An answer that refuses: raise it anywhere below a handler.

    `code` is for programs and never changes; `title` is one sentence about the kind, `detail` about this case;
    neither holds a secret, personal data or what the asker sent. `headers` go out with the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(f"{status} {code}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.headers = dict(headers or {})
        self.extra = extra

    def document(self) -> dict[str, Any]:
        """The answer's JSON object. `type` is about:blank: the code says it all."""
        document = {"type": "about:blank", "status": self.status, "code": self.code, "title": self.title}
        if self.detail is not None:
            document["detail"] = self.detail
        return {**document, **self.extra}

    def response(self) -> web.Response:
        """The answer itself."""
        return web.Response(
            status=self.status,
            body=orjson.dumps(self.document()),
            content_type=PROBLEM_TYPE,
            headers=self.headers,
        )


def not_found(what: str) -> Problem:
    """404 for a thing that is not there, or not the asker's: `not_found("store")` has the code `store_not_found`."""
    return Problem(404, f"{what}_not_found", f"There is no such {what}.")


def unavailable(retry_after: float | None = None) -> Problem:
    """503 for what works again by itself."""
    seconds = str(max(1, round(retry_after or 1)))
    return Problem(503, "unavailable", "Something this needs is away; try again.", headers={"Retry-After": seconds})


def too_large(limit: int) -> Problem:
    """413; the connection is closed, for the rest of the body is not read."""
    return Problem(413, "body_too_large", f"The body is larger than {limit} bytes.", headers={"Connection": "close"})


def too_slow() -> Problem:
    """408; the connection is closed."""
    return Problem(408, "body_too_slow", "The body did not arrive in time.", headers={"Connection": "close"})
