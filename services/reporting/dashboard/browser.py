"""What the page takes from a browser and gives back to it: forms, redirects, cookies that are no secret."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from services.kit.http.bodies import read_body
from services.kit.http.problems import Problem
from services.reporting.dashboard.view import query

ZONE_COOKIE = "zone"
_ZONE_KEPT_SECONDS = 400 * 24 * 3600
#: Fields of an ordinary form, with its token.
FORM_FIELDS = 20
_BYTES_A_FIELD = 512


async def posted(request: web.Request, *, fields: int = FORM_FIELDS) -> dict[str, str]:
    """Return the fields of a posted form, of so many at most; empty ones are left out.

    Raises a `Problem` when it cannot be read, or is larger than so many fields can be.
    """
    body = await read_body(request, limit=fields * _BYTES_A_FIELD)
    try:
        values = parse_qs(body.decode(), max_num_fields=fields)
    except ValueError:
        raise Problem(400, "form_malformed", "The form cannot be read.") from None
    return {name: found[0] for name, found in values.items()}


def refuse_foreign(request: web.Request) -> None:
    """Refuse a login that another site's page sends: it would have the viewer look at a stranger's report."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        foreign = site not in {"same-origin", "none"}
    else:
        foreign = origin is not None and urlsplit(origin).netloc != request.host
    if foreign:
        raise Problem(403, "foreign_origin", "A login works only from its own page.")


def to_login(request: web.Request) -> web.Response:
    """Send somebody to the login, and back to this page afterwards."""
    target = request.rel_url.path_qs if request.method == "GET" else "/"
    address = query("/login", next=None if target == "/" else target)
    if "HX-Request" in request.headers:
        # A page that refreshed itself goes to the login as a whole, instead of showing it inside; one that holds what
        # somebody typed stays, and says so itself.
        return web.Response(status=401, headers={"HX-Redirect": address} if request.method == "GET" else None)
    return redirect(address)


def redirect(target: str) -> web.Response:
    """Send the browser on to a path of this page."""
    return web.Response(status=303, headers={"Location": target})


def keep_zone(response: web.Response, zone: str) -> None:
    """Have the browser remember the viewer's zone."""
    response.set_cookie(ZONE_COOKIE, zone, max_age=_ZONE_KEPT_SECONDS, httponly=True, samesite="Lax")


def is_secure(request: web.Request) -> bool:
    """Say whether the browser speaks TLS, to us or to the proxy before us."""
    return request.scheme == "https" or request.headers.get("X-Forwarded-Proto") == "https"
