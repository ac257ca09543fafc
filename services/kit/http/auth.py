"""Every request that needs it is tied to a principal: by its API key, or by a session cookie a service vouches for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web

from services.kit.http.problems import Problem
from services.kit.http.routes import Route
from services.kit.keys import Authenticator, Principal

SESSION_COOKIE = "session"

#: Tells whom a session cookie's value speaks for, None when it is not, or no longer, a session.
SessionReader = Callable[[str], Awaitable[Principal | None]]

_PRINCIPAL: web.RequestKey[Principal] = web.RequestKey("principal", Principal)


def principal(request: web.Request) -> Principal:
    """Who asks; only routes with a scope have one."""
    return request[_PRINCIPAL]


def principal_if_any(request: web.Request) -> Principal | None:
    """Who asks, or None at a public route."""
    return request.get(_PRINCIPAL)


class Gate:
    """Lets a request through when its principal has the route's scope."""

    def __init__(self, keys: Authenticator, *, sessions: SessionReader | None = None) -> None:
        self._keys = keys
        self._sessions = sessions

    async def admit(self, request: web.Request, route: Route) -> None:
        """Attach the principal to the request.

        Raises:
            Problem: 401 without a living key or session, 403 without the scope, 403 for a write that another site's
                page sends with the seller's cookie.
        """
        if route.scope is None:
            return
        found = await self._principal(request, route)
        if found is None:
            raise Problem(
                401,
                "unauthorized",
                "This needs an API key: Authorization: Bearer KEY.",
                headers={"WWW-Authenticate": "Bearer"},
            )
        if not found.may(route.scope):
            raise Problem(403, "forbidden", "The key does not have the scope that this needs.", scope=route.scope)
        request[_PRINCIPAL] = found

    async def _principal(self, request: web.Request, route: Route) -> Principal | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await self._keys.authenticate(text.strip())
        cookie = request.cookies.get(SESSION_COOKIE)
        if cookie is None or self._sessions is None:
            return None
        if route.writes and not _comes_from_our_page(request):
            raise Problem(403, "foreign_origin", "A session works only from its own pages.")
        return await self._sessions(cookie)


def _comes_from_our_page(request: web.Request) -> bool:
    # Browsers send a cookie with whatever any page asks for; these two headers a page cannot set.
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc == request.host
