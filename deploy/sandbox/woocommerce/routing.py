"""What a call to the REST API is made of, how it is answered, and how it is refused in WordPress' words."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from deploy.sandbox.woocommerce.announcing import Announcer
from deploy.sandbox.woocommerce.desk import Desk
from deploy.sandbox.woocommerce.site import Site
from deploy.sandbox.woocommerce.wire import encode

JSON_TYPE = "application/json"
_FALSE = ("", "0", "false", "no", "off")


class WpError(Exception):
    """A refusal as WordPress words it; `data` joins the status in the body's `data`."""

    def __init__(self, code: str, message: str, *, status: int, **data: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": code, "message": message, "data": {"status": status, **data}}


@dataclass(frozen=True, slots=True)
class Backstage:
    """What stands behind a store: its memory, its desk and its webhooks."""

    site: Site
    desk: Desk
    announcer: Announcer


@dataclass(frozen=True, slots=True)
class Call:
    """One call that may go on; `given` are the parameters of query and body, the body's first."""

    behind: Backstage
    request: web.Request
    path: str
    query: Mapping[str, str]
    body: dict[str, Any]
    ids: tuple[str, ...]

    @property
    def site(self) -> Site:
        """The store."""
        return self.behind.site

    @property
    def given(self) -> dict[str, Any]:
        """All parameters, as WordPress merges them."""
        return {**self.query, **self.body}

    def flag(self, name: str) -> bool:
        """A boolean parameter by WordPress' rules, False when absent."""
        value = self.given.get(name)
        return value.lower() not in _FALSE if isinstance(value, str) else bool(value)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: bytes that are JSON already, or a value to encode."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] | None = None

    def response(self) -> web.Response:
        """The answer over HTTP."""
        body = self.value if isinstance(self.value, bytes) else encode(self.value)
        return web.Response(
            body=body, status=self.status, content_type=JSON_TYPE, charset="UTF-8", headers=self.headers
        )


Answer = Callable[[Call], Awaitable[Reply]]
#: What a refused key was about to do, for the error's code.
Verb = str


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint: `pattern` as the index shows it, the plugin that it needs, and whether it is public."""

    method: str
    pattern: str
    answer: Answer
    verb: Verb = "view"
    plugins: tuple[str, ...] = ()
    public: bool = False

    def match(self, path: str) -> tuple[str, ...] | None:
        """The ids in the path, or None when the path is another's."""
        found = re.fullmatch(self.pattern, path)
        return found.groups() if found else None


def no_route() -> WpError:
    """Nothing is served there, which is also how a missing plugin shows."""
    return WpError("rest_no_route", "No route was found matching the URL and request method.", status=404)


def invalid(name: str, message: str, code: str) -> WpError:
    """A parameter that cannot be honoured."""
    return WpError(
        "rest_invalid_param",
        f"Invalid parameter(s): {name}",
        status=400,
        params={name: message},
        details={name: {"code": code, "message": message, "data": None}},
    )


async def read_params(request: web.Request) -> dict[str, Any]:
    """The body's parameters; JSON must say so in its content type, anything else is read as a form."""
    raw = await request.read()
    if not raw:
        return {}
    if request.content_type != JSON_TYPE:
        return dict(await request.post())
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise WpError("rest_invalid_json", "Invalid JSON body passed.", status=400) from error
    return body if isinstance(body, dict) else {}


def reply_fields(value: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    """The value, or only what `_fields` asks for."""
    wanted = query.get("_fields")
    if not wanted:
        return value
    names = {name.strip().partition(".")[0] for name in wanted.split(",")}
    return {name: part for name, part in value.items() if name in names}
