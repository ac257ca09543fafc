"""The seller's way: Seller Central's consent page, which agrees by itself, and LWA's token endpoint."""

from __future__ import annotations

from urllib.parse import urlencode, urlsplit

from aiohttp import web

from deploy.sandbox.amazon.lwa import OAuthError
from deploy.sandbox.amazon.refusals import json_answer
from deploy.sandbox.amazon.world import Amazon

_FORM = "application/x-www-form-urlencoded"


class ConsentPages:
    """The two addresses outside the Selling Partner API."""

    def __init__(self, amazon: Amazon) -> None:
        self._amazon = amazon

    def routes(self) -> list[web.RouteDef]:
        """`/apps/authorize/consent` and `/auth/o2/token`."""
        return [web.get("/apps/authorize/consent", self._consent), web.post("/auth/o2/token", self._token)]

    async def _consent(self, request: web.Request) -> web.Response:
        """Back to the app with state, selling_partner_id and spapi_oauth_code; or with an error, if denied."""
        query = request.query
        app = self._amazon.lwa.app_of(query.get("application_id", ""))
        seller_id = self._amazon.signed_in()
        if app is None or seller_id is None:
            return _page("MD5100: the application is not known, or nobody is signed in.")
        # Without an address in the request, the first that was registered is used.
        redirect = query.get("redirect_uri") or (app.redirect_uris[0] if app.redirect_uris else "")
        if redirect not in app.redirect_uris:
            return _page("MD5101: the redirect_uri is not registered with the application.")
        back = {"state": query["state"]} if "state" in query else {}
        if self._amazon.behaviour.consent:
            code = self._amazon.lwa.new_code(app, seller_id=seller_id, redirect_uri=redirect)
            back |= {"selling_partner_id": seller_id, "spapi_oauth_code": code}
        else:
            back |= {"error": "access_denied", "error_description": "The seller did not agree."}
        joint = "&" if urlsplit(redirect).query else "?"
        return web.Response(status=302, headers={"Location": f"{redirect}{joint}{urlencode(back)}"})

    async def _token(self, request: web.Request) -> web.Response:
        """A form body only; errors are OAuth's."""
        try:
            form = await _form(request)
            answer = self._amazon.lwa.exchange(form)
        except OAuthError as error:
            body = {"error": error.error, "error_description": error.description}
            return json_answer(body, status=error.status)
        renewed = form["grant_type"] == "refresh_token"
        self._amazon.books.count("tokens_refreshed" if renewed else "tokens_issued")
        return json_answer(answer)


async def _form(request: web.Request) -> dict[str, str]:
    if request.content_type != _FORM:
        raise OAuthError("invalid_request", "The Content-Type must be application/x-www-form-urlencoded")
    return {name: str(value) for name, value in (await request.post()).items()}


def _page(message: str) -> web.Response:
    return web.Response(status=400, text=f"<html><body>{message}</body></html>", content_type="text/html")
