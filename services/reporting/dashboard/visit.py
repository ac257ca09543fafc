"""One request of somebody who is logged in, as every page takes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from services.reporting.dashboard.view import Viewer
from services.reporting.logins import Login


@dataclass(frozen=True, slots=True)
class Visit:
    """Who looks at what. `form` is what was posted."""

    request: web.Request
    login: Login
    viewer: Viewer
    form: Mapping[str, str]
    #: The newest change before anything was read for this page; the page hears of all that come after it.
    seen: str

    @property
    def seller_id(self) -> str:
        """Whose report is shown."""
        return self.login.principal.seller_id


Page = Callable[[Visit], Awaitable[web.Response]]
