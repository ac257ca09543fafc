"""One request of somebody who is logged in, as every page takes it."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from aiohttp import web

from services.kit.http.problems import Problem
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

    def may(self, scope: str) -> bool:
        """Say whether the seller's key allows it."""
        return self.login.principal.may(scope)

    def admit(self, form_token: str) -> None:
        """Let go on only what one of our own pages sent. Raises a 403 `Problem`."""
        if not hmac.compare_digest(form_token.encode(), self.login.form_token.encode()):
            raise Problem(403, "foreign_form", "The form is not one that this page gave.")


Page = Callable[[Visit], Awaitable[web.StreamResponse]]
