"""Calls one ShopBase shop's Admin API within its bucket; every refusal becomes an error named by its remedy."""

from __future__ import annotations

import base64
import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import answer_object
from services.ingest.platforms.shopbase.settings import ShopbaseSettings
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer, OversizedAnswer, RefusedAddress
from services.kit.limits import Limit

#: A shop's leaky bucket: its size in calls, and how many leak out each second.
SIZE, LEAK = 30, 2.0
#: Calls of the bucket that we leave: what is still on its way may arrive closer together than it left.
RESERVE = 2
#: Orders that a page number may reach (page x limit); beyond, ShopBase answers 429 as if the bucket were full.
CEILING = 100_000
#: How full the bucket is, told with each answer: "22/30".
CALL_LIMIT = "x-sb-shop-api-call-limit"
TOKEN = "X-ShopBase-Access-Token"  # noqa: S105 - a header's name

#: No Retry-After is documented: a 429 is waited out until the bucket has room, this long a call.
_A_CALL = 1 / LEAK
_LONGEST_RETRY_AFTER = 120.0
_JITTER = random.SystemRandom()

#: Statuses that only the seller can mend, with the sentence that says how.
_SELLERS_TURN = {
    401: "ShopBase no longer accepts our access: the app was removed or its password changed. Link the store again.",
    402: "ShopBase froze this store because its plan is unpaid. Settle the bill in ShopBase, then link it again.",
    403: "ShopBase refuses us: the app lacks a permission. Grant it read_orders and write_orders, then link it again.",
    423: "ShopBase locked this store. Clear it with ShopBase, then link the store again.",
}
_SUCCESS = range(200, 203)
_UNKNOWN, _FORBIDDEN, _NOT_FOUND, _REFUSED, _TOO_MANY, _SERVER_ERROR = 401, 403, 404, 422, 429, 500


class TooDeep(Exception):  # noqa: N818 - the fact
    """The page lies beyond the ceiling: no waiting helps, a smaller window does."""


class AccessRefused(AuthorizationError):  # noqa: N818 - the fact
    """ShopBase does not know the key or token that was sent (401)."""


class RightMissing(AuthorizationError):  # noqa: N818 - the fact
    """ShopBase knows who asks, and does not let them do this (403)."""


class NotTaken(TransientError):  # noqa: N818 - the fact
    """The call had no turn, at us or at ShopBase: nothing was done, and it may be made again."""


class InputRefused(Exception):  # noqa: N818 - the fact
    """ShopBase understood the request and refuses what it asks for (422)."""


class ShopbaseClient:
    """The Admin API of every shop. Budgets are kept a shop, as ShopBase counts calls by shop."""

    def __init__(self, settings: ShopbaseSettings, tools: Tools) -> None:
        self._base = settings.platform_url_shopbase.rstrip("/")
        self._http = tools.http
        self._limits = tools.limits
        #: The Swagger draws what a list is asked for as a GET's body. It goes in the query, and in a body as well once
        #: a list has shown that the query is not heard.
        self.asks_in_bodies = False

    async def get(
        self, secrets: Mapping[str, str], path: str, query: Mapping[str, object] | None = None
    ) -> HttpAnswer | None:
        """Return the answer at /admin{path}; None when ShopBase answers 404.

        Raises TransientError, AuthorizationError, and TooDeep for a page beyond the ceiling.
        """
        answer = await self._ask(secrets, "GET", path, query or {}, body=query if self.asks_in_bodies else None)
        if answer.status == _TOO_MANY and _is_too_deep(answer, query or {}):
            raise TooDeep
        return await self._checked(secrets, answer)

    async def send(
        self, secrets: Mapping[str, str], method: str, path: str, body: Mapping[str, object] | None = None
    ) -> HttpAnswer | None:
        """Write; None when ShopBase answers 404. Raises TransientError, AuthorizationError, and InputRefused."""
        answer = await self._ask(secrets, method, path, {}, body=body)
        if answer.status == _REFUSED:
            raise InputRefused
        return await self._checked(secrets, answer)

    async def token(self, shop: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Exchange a code. Raises AuthorizationError when it is refused, TransientError when ShopBase is away."""
        # Unlike Shopify's, this path ends in .json too.
        answer = await self._request(shop, "POST", "/oauth/access_token.json", {}, body=form)
        if answer.status in _SUCCESS:
            return answered(answer)
        if answer.status == _TOO_MANY or answer.status >= _SERVER_ERROR:
            raise TransientError(f"ShopBase's token endpoint answered {answer.status}", retry_after=_wait(answer))
        raise AuthorizationError(
            "ShopBase did not give an access token: the authorization is used up or expired, or the app's credentials "
            "are wrong. Link the store again."
        )

    def web(self, shop: str) -> str:
        """Return the address that a shop's own pages begin with."""
        return self._base or f"https://{shop}"

    async def _ask(
        self,
        secrets: Mapping[str, str],
        method: str,
        path: str,
        query: Mapping[str, object],
        *,
        body: Mapping[str, object] | None = None,
    ) -> HttpAnswer:
        shop = secrets["shop"]
        try:
            await self._limits.take(budget(shop), limit=_limit(SIZE))
        except TransientError as error:
            raise NotTaken(str(error), retry_after=error.retry_after) from error
        answer = await self._request(shop, method, path, query, headers=_credentials(secrets), body=body)
        told = _told(answer)
        if told is not None:
            used, size = told
            await self._limits.learn(budget(shop), limit=_limit(size), available=max(size - used - RESERVE, 0))
        return answer

    async def _request(
        self,
        shop: str,
        method: str,
        path: str,
        query: Mapping[str, object],
        *,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, object] | None = None,
    ) -> HttpAnswer:
        url = f"{self.web(shop)}/admin{path}" + (f"?{urlencode(query)}" if query else "")
        sent = dict(headers or {}) | ({"X-Forwarded-Host": shop} if self._base else {})
        try:
            return await self._http.request(method, url, headers=sent, json=body)
        except (OversizedAnswer, RefusedAddress) as error:
            raise TransientError(f"ShopBase is not read: {error}") from error

    async def _checked(self, secrets: Mapping[str, str], answer: HttpAnswer) -> HttpAnswer | None:
        """Return an answer that is one; refuse the others."""
        if answer.status in _SUCCESS:
            return answer
        if answer.status == _NOT_FOUND:
            return None
        if answer.status == _UNKNOWN:
            raise AccessRefused(_SELLERS_TURN[answer.status])
        if answer.status == _FORBIDDEN:
            raise RightMissing(_SELLERS_TURN[answer.status])
        if answer.status in _SELLERS_TURN:
            raise AuthorizationError(_SELLERS_TURN[answer.status])
        wait = _wait(answer)
        if answer.status == _TOO_MANY:
            await self._limits.close(budget(secrets["shop"]), seconds=wait)
            raise NotTaken("The shop's calls are used up", retry_after=wait)
        raise TransientError(f"ShopBase answered {answer.status}", retry_after=wait)


def budget(shop: str) -> str:
    """Return the name under which a shop's calls are counted, for everybody who calls it."""
    return f"shopbase|{shop}"


def answered(answer: HttpAnswer) -> dict[str, Any]:
    """Return the JSON object of an answer. Raises TransientError for anything else, HTML with 200 among it."""
    try:
        return answer_object(answer.body)
    except UnreadablePayload as error:
        raise TransientError(f"ShopBase's answer is {error.problem}", retry_after=1.0) from None


def _limit(size: int) -> Limit:
    return Limit(max(size - RESERVE, 1), LEAK)


def _credentials(secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the header that proves who asks: a token, or a private app's key and password."""
    if token := secrets.get("access_token"):
        return {TOKEN: token}
    pair = f"{secrets['api_key']}:{secrets['password']}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _told(answer: HttpAnswer) -> tuple[int, int] | None:
    """Return the calls used and the bucket's size; None where the header does not say."""
    used, _, size = answer.headers.get(CALL_LIMIT, "").partition("/")
    if not all(part.isascii() and part.isdecimal() and len(part) <= 6 for part in (used, size)):  # noqa: PLR2004
        return None
    return int(used), int(size)


def _is_too_deep(answer: HttpAnswer, query: Mapping[str, object]) -> bool:
    """Tell the ceiling's 429 from the bucket's: such a page was asked for, and the bucket does not say it is full."""
    told = _told(answer)
    is_full = told is not None and told[0] >= told[1]
    return int(str(query.get("page", 1))) * int(str(query.get("limit", 1))) > CEILING and not is_full


def _wait(answer: HttpAnswer) -> float:
    """Return the seconds to wait: what ShopBase says, if it does; else until there is room; not all at once."""
    try:
        seconds = float(answer.headers.get("retry-after", ""))
    except ValueError:
        used, size = _told(answer) or (0, 0)
        seconds = _A_CALL * max(used - size + RESERVE, 1)
    if not 0 <= seconds <= _LONGEST_RETRY_AFTER:
        seconds = _LONGEST_RETRY_AFTER
    return seconds + _JITTER.uniform(0.0, _A_CALL)
