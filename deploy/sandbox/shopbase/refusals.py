"""Refusals in ShopBase's two shapes: details by field under `errors`, or one sentence under `error`."""

from __future__ import annotations

from typing import Any

import orjson
from aiohttp import web


class RefusalError(Exception):
    """A request that is answered with `status`; a mapping goes under `errors`, a sentence under `error`."""

    def __init__(self, status: int, detail: str | dict[str, list[str]]) -> None:
        super().__init__(str(detail))
        self.status = status
        self.detail = detail

    def response(self) -> web.Response:
        """The answer."""
        key = "error" if isinstance(self.detail, str) else "errors"
        return json_response({key: self.detail}, status=self.status)


def json_response(value: Any, *, status: int = 200) -> web.Response:
    """A JSON answer."""
    return wire_response(orjson.dumps(value), status=status)


def wire_response(body: bytes, *, status: int = 200) -> web.Response:
    """An answer whose JSON is written already."""
    return web.Response(body=body, status=status, content_type="application/json")
