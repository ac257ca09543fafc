"""A body is read whole, within a size and a time, or refused."""

from __future__ import annotations

import asyncio

from aiohttp import web
from aiohttp.web_exceptions import HTTPRequestEntityTooLarge

from services.kit.http.problems import Problem, too_large, too_slow

BODY_LIMIT_BYTES = 2 * 1024 * 1024
BODY_TIMEOUT_SECONDS = 5.0


async def read_body(
    request: web.Request,
    *,
    limit: int = BODY_LIMIT_BYTES,
    timeout: float = BODY_TIMEOUT_SECONDS,  # noqa: ASYNC109 - one limit for the whole body, not a cancel scope
) -> bytes:
    """The raw bytes of the request.

    A declared length over `limit` is refused before reading, a chunked body as soon as it passes it (413), a body not
    complete after `timeout` seconds is given up (408). A body cut off by its sender is 400.
    """
    if request.content_length is not None and request.content_length > limit:
        raise too_large(limit)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        # A compressed body has two sizes, and a signature over one of them.
        raise Problem(415, "body_encoded", "Send the body without a Content-Encoding.")
    body = bytearray()
    try:
        async with asyncio.timeout(timeout):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise too_large(limit)
    except TimeoutError:
        raise too_slow() from None
    except HTTPRequestEntityTooLarge:
        raise too_large(limit) from None
    except (web.RequestPayloadError, ConnectionError):
        raise Problem(400, "body_incomplete", "The body is not what its headers say.") from None
    return bytes(body)
