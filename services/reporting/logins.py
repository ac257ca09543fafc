"""A login to the page is a sealed cookie that is worth what the API key in it is worth at that moment."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import orjson

from services.kit.clock import Clock
from services.kit.keys import Authenticator, Principal
from services.kit.vault import UnsealingError, Vault

READ_SCOPE = "reports:read"

_CONTEXT = "reporting.login"
_FORM_CONTEXT = "reporting.form"
_LONGEST_COOKIE = 2048


@dataclass(frozen=True, slots=True)
class Login:
    """Who looks at the page. `form_token` must come back with everything the page posts.

    `key` is the API key itself, for what the page asks of other services in the seller's name.
    """

    principal: Principal
    form_token: str
    key: str = field(repr=False)


class Logins:
    """Opens and reads logins.

    The cookie holds the key itself, sealed, so no table of sessions is kept: a revoked key ends its logins
    everywhere as soon as it ends itself, and a login ends by its own time. The price: a stolen cookie is not ended by
    logging out, only by its time or by revoking the key.
    """

    def __init__(self, keys: Authenticator, *, vault: Vault, clock: Clock, lasts: timedelta) -> None:
        self._keys = keys
        self._vault = vault
        self._clock = clock
        self.lasts = lasts

    async def open(self, key: str) -> str | None:
        """Return the cookie of a new login; None when the key does not open the report."""
        principal = await self._keys.authenticate(key)
        if principal is None or not principal.may(READ_SCOPE):
            return None
        content = {
            "key": key,
            "until": (self._clock.now() + self.lasts).isoformat(),
            # The same in every login of a key: a page stays good while its reader logs in again.
            "form": self._vault.digests(key, context=_FORM_CONTEXT)[0].hex(),
        }
        sealed = self._vault.seal(orjson.dumps(content), context=_CONTEXT)
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    async def read(self, cookie: str) -> Login | None:
        """Return the login in a cookie; None when it is none, is over, or its key was revoked."""
        if len(cookie) > _LONGEST_COOKIE:
            return None
        try:
            sealed = base64.urlsafe_b64decode(cookie + "=" * (-len(cookie) % 4))
            content = orjson.loads(self._vault.unseal(sealed, context=_CONTEXT))
        except (binascii.Error, ValueError, UnsealingError):
            return None
        if datetime.fromisoformat(content["until"]) <= self._clock.now():
            return None
        principal = await self._keys.authenticate(content["key"])
        if principal is None or not principal.may(READ_SCOPE):
            return None
        return Login(principal, content["form"], content["key"])

    async def principal(self, cookie: str) -> Principal | None:
        """Return whom a cookie speaks for: what the API asks for a request without a key."""
        login = await self.read(cookie)
        return login.principal if login else None
