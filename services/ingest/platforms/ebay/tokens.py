"""Asks eBay's token endpoint, sparingly: the app may do so only so many times a day."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import answer_object, parsed
from services.ingest.platforms.ebay.budgets import never_above
from services.ingest.platforms.ebay.payloads import EbayTokens
from services.ingest.platforms.ebay.settings import EbaySettings
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer, OversizedAnswer, RefusedAddress

#: What an application token is asked for.
APP_SCOPE = "https://api.ebay.com/oauth/api_scope"
#: Calls a day of the token endpoint, by grant type.
A_DAY = {"client_credentials": 1_000, "authorization_code": 10_000, "refresh_token": 50_000}
#: A token is not used in its last minutes.
SPARE = timedelta(minutes=5)

_OK, _BAD_REQUEST, _UNAUTHORIZED = 200, 400, 401
_APP_REFUSED_WAIT = 300.0
#: Refusals that are the app's: no seller's store may be marked for them.
_ABOUT_THE_APP = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_request"})


class TokenEndpoint:
    """Gives tokens for sellers and for the app itself; the app's own is kept in memory for its two hours."""

    def __init__(self, settings: EbaySettings, tools: Tools, host: str) -> None:
        self._settings = settings
        self._tools = tools
        self._url = f"{host}/identity/v1/oauth2/token"
        self._turn = asyncio.Lock()
        self._app_token = ""
        self._app_token_ends: datetime | None = None

    async def give(self, form: Mapping[str, str]) -> EbayTokens:
        """Return what a grant is good for.

        Raises AuthorizationError when the grant is refused, TransientError when eBay is away or refuses the app.
        """
        kind = form["grant_type"]
        await self._tools.limits.take(f"ebay|app|token|{kind}", limit=never_above(A_DAY[kind]))
        try:
            answer = await self._tools.http.request("POST", self._url, headers=self._headers(), form=form)
        except (OversizedAnswer, RefusedAddress) as error:
            raise TransientError(f"eBay's token endpoint is not called: {error}") from error
        _refuse_status(answer)
        try:
            return parsed(EbayTokens, answer_object(answer.body))
        except UnreadablePayload as error:
            raise TransientError(f"eBay's token answer cannot be read: {error.path}") from None

    async def of_app(self) -> str:
        """Return an application token: it reads limits and public keys, and keeps destinations."""
        async with self._turn:
            now = self._tools.clock.now()
            if not self._app_token or self._app_token_ends is None or now >= self._app_token_ends:
                try:
                    tokens = await self.give({"grant_type": "client_credentials", "scope": APP_SCOPE})
                except AuthorizationError:
                    raise _app_refused() from None
                self._app_token = tokens.access_token
                self._app_token_ends = now + timedelta(seconds=tokens.expires_in) - SPARE
            return self._app_token

    def forget(self, token: str) -> None:
        """Ask for another application token next time: eBay refused this one."""
        if token == self._app_token:
            self._app_token = ""

    def _headers(self) -> dict[str, str]:
        secret = self._settings.ebay_client_secret.get_secret_value()
        pair = f"{self._settings.ebay_client_id}:{secret}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}", "Accept": "application/json"}


def _refuse_status(answer: HttpAnswer) -> None:
    if answer.status == _OK:
        return
    if answer.status not in (_BAD_REQUEST, _UNAUTHORIZED):
        raise TransientError(f"eBay's token endpoint answered {answer.status}", retry_after=_retry_after(answer))
    problem = _problem(answer)
    if answer.status == _UNAUTHORIZED or problem.get("error") in _ABOUT_THE_APP:
        raise _app_refused()
    # The text of the refusal is not documented: whatever else it says is about this seller's grant.
    raise AuthorizationError(
        "eBay ended our access: it was taken back, or its 18 months are over. Link the store again."
    )


def _problem(answer: HttpAnswer) -> dict[str, Any]:
    try:
        return answer_object(answer.body)
    except UnreadablePayload:
        raise TransientError("eBay's token endpoint refused without a reason", retry_after=1.0) from None


def _retry_after(answer: HttpAnswer) -> float | None:
    value = answer.headers.get("retry-after", "")
    return min(float(value), _APP_REFUSED_WAIT) if value.isascii() and value.isdecimal() else None


def _app_refused() -> TransientError:
    return TransientError(
        "eBay refuses this installation's app: check EBAY_CLIENT_ID and EBAY_CLIENT_SECRET.",
        retry_after=_APP_REFUSED_WAIT,
    )
