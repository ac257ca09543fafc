"""Calls Etsy's Open API within the app's budget; every refusal becomes an error named by its remedy."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import answer_object
from services.ingest.platforms.etsy.settings import EtsySettings
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer, OversizedAnswer, RefusedAddress
from services.kit.limits import Limit, calls_per_second

API = "https://api.etsy.com"
WEB = "https://www.etsy.com"
#: Without a Retry-After, and as the longest that one may ask: wrong values have been seen.
RETRY_AFTER = 1.0
LONGEST_RETRY_AFTER = 900.0
#: What an app has for a start, until an answer has told its own numbers.
USUAL_PER_SECOND, USUAL_PER_DAY = 10, 10_000
#: The share of a second's calls that is used: a busy machine lets calls go late, and so closer together than planned.
PACE = 0.85
#: The share of a day's calls that may go out at once. Etsy counts the last 24 hours at every moment: a bucket of this
#: share that refills by the rest in a day never lets more through in any 24 hours than the whole.
BURST = 0.25

_OK, _CREATED = 200, 201
_NOT_FOUND, _TOO_MANY = 404, 429
#: What says that nothing was written: a bad request, a right that is missing, no such receipt, one that changes.
_DECLINED = frozenset({400, 403, 404, 409})
_SERVER_ERROR = 500
_APP_REFUSED_WAIT = 300.0
_A_SECOND, _A_DAY = 1.0, 86_400
_RECONNECT = "Etsy no longer accepts our access. Link the store again."
_JITTER = random.SystemRandom()


class Declined(Exception):  # noqa: N818 - the fact
    """Etsy did not do what it was told to, and says so by `status`; `error` is its word for it, for sorting only."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(f"Etsy answered {status}")
        self.status = status
        self.error = error


class NotSent(TransientError):  # noqa: N818 - the fact
    """No call is left, by our count or by Etsy's: it did nothing."""


class EtsyClient:
    """The Open API for every shop of the app: calls a second and a day are counted by app, so they share one budget."""

    def __init__(self, settings: EtsySettings, tools: Tools) -> None:
        self._settings = settings
        self._http = tools.http
        self._limits = tools.limits
        #: What Etsy last said of calls a second and a day.
        self._per_second, self._per_day = USUAL_PER_SECOND, USUAL_PER_DAY
        base = settings.platform_url_etsy.rstrip("/")
        self.api = base or API
        self.web = base or WEB

    async def get(self, token: str, path: str, query: Mapping[str, object] | None = None) -> dict[str, Any] | None:
        """Return the JSON object at /v3/application{path}; None when Etsy answers 404.

        Raises TransientError and AuthorizationError.
        """
        url = f"{self.api}/v3/application{path}" + (f"?{urlencode(query)}" if query else "")
        answer = await self._counted("GET", url, headers=self._headers(token))
        if answer.status == _NOT_FOUND:
            return None
        await self._refuse_status(answer)
        return _object(answer)

    async def post(self, token: str, path: str, json: Mapping[str, object]) -> dict[str, Any]:
        """Write once, as JSON, and return the object that Etsy answers.

        Raises Declined for what Etsy refused and so did not do, NotSent where no call is left, TransientError for what
        it may or may not have done, and AuthorizationError.
        """
        url = f"{self.api}/v3/application{path}"
        answer = await self._counted("POST", url, headers=self._headers(token), json=json)
        if answer.status in _DECLINED and not _is_about_the_app(answer):
            raise Declined(answer.status, _error(answer))
        if answer.status != _CREATED:
            await self._refuse_status(answer)
        return _object(answer)

    async def scopes(self, token: str) -> frozenset[str] | None:
        """Return what this token may do; None where the answer does not tell. Raises as `get` does.

        Etsy's description names "a list of scopes" and no form: a list and a text are both read.
        """
        url, key = f"{self.api}/v3/application/scopes", self._headers(token)["x-api-key"]
        answer = await self._counted("POST", url, headers={"x-api-key": key}, form={"token": token})
        if answer.status == _NOT_FOUND:
            return None
        await self._refuse_status(answer)
        found = _object(answer).get("scopes")
        if isinstance(found, str):
            found = found.replace(",", " ").split()
        return frozenset(str(scope) for scope in found) if isinstance(found, list) else None

    async def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Ask the token endpoint. Raises AuthorizationError when it refuses, TransientError when it is away."""
        answer = await self._request("POST", f"{self.api}/v3/public/oauth/token", form=form)
        if answer.status == _OK:
            return _object(answer)
        if answer.status == _TOO_MANY or answer.status >= _SERVER_ERROR:
            raise TransientError(f"Etsy's token endpoint answered {answer.status}", retry_after=_retry_after(answer))
        raise AuthorizationError(
            "Etsy ended our access: it was taken back, or not used for 90 days. Link the store again."
        )

    def _headers(self, token: str) -> dict[str, str]:
        secret = self._settings.etsy_shared_secret.get_secret_value()
        return {"x-api-key": f"{self._settings.etsy_keystring}:{secret}", "Authorization": f"Bearer {token}"}

    async def _counted(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
        json: Mapping[str, object] | None = None,
    ) -> HttpAnswer:
        """Call when the app's two budgets let it, and learn from the answer what is left of them."""
        try:
            await self._limits.take(self._budget("day"), limit=_calls_a_day(self._per_day))
            await self._limits.take(self._budget("second"), limit=_calls_a_second(self._per_second))
        except TransientError as error:
            raise NotSent(str(error), retry_after=error.retry_after) from error
        answer = await self._request(method, url, headers=headers, form=form, json=json)
        await self._learn(answer)
        return answer

    async def _request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Mapping[str, object] | None = None,
    ) -> HttpAnswer:
        try:
            return await self._http.request(method, url, headers=headers, form=form, json=json)
        except (OversizedAnswer, RefusedAddress) as error:
            raise TransientError(f"Etsy is not read: {error}") from error

    async def _learn(self, answer: HttpAnswer) -> None:
        """Take the budgets from the answer's own headers; the numbers differ from app to app."""
        per_second = _count(answer, "x-limit-per-second")
        if per_second and per_second != self._per_second:
            self._per_second = per_second
            await self._limits.learn(self._budget("second"), limit=_calls_a_second(per_second))
        if _count(answer, "x-remaining-this-second") == 0:
            await self._limits.close(self._budget("second"), seconds=_A_SECOND)
        self._per_day = _count(answer, "x-limit-per-day") or self._per_day
        left = _count(answer, "x-remaining-today")
        if left is not None:
            await self._limits.learn(self._budget("day"), limit=_calls_a_day(self._per_day), available=left)

    def _budget(self, period: str) -> str:
        return f"etsy|{self._settings.etsy_keystring}|{period}"

    async def _refuse_status(self, answer: HttpAnswer) -> None:
        match answer.status:
            case 200:
                return
            case 401 if not _is_about_the_app(answer):
                raise AuthorizationError(_RECONNECT)
            case 401 | 403 if _is_about_the_app(answer):
                raise TransientError(
                    "Etsy refuses this installation's app: check ETSY_KEYSTRING and ETSY_SHARED_SECRET.",
                    retry_after=_APP_REFUSED_WAIT,
                )
            case 403:
                raise AuthorizationError(
                    "Etsy refuses this access: a permission is missing, or the app's key is not active. "
                    "Link the store again and grant what it asks for."
                )
            case 429:
                wait = _retry_after(answer)
                await self._limits.close(self._budget("second"), seconds=wait)
                raise NotSent("Etsy's call budget is used up", retry_after=wait)
        raise TransientError(f"Etsy answered {answer.status}", retry_after=_retry_after(answer))


def _calls_a_second(number: int) -> Limit:
    return calls_per_second(number * PACE)


def _calls_a_day(number: int) -> Limit:
    return Limit(max(number * BURST, 1.0), max(number * (1 - BURST), 0.01) / _A_DAY)


def _is_about_the_app(answer: HttpAnswer) -> bool:
    """Tell whether the app's own key is refused, which no seller can mend: no store may be marked for it."""
    return any(word in _error(answer).lower() for word in ("api key", "api-key", "shared secret"))


def _error(answer: HttpAnswer) -> str:
    try:
        return str(_object(answer).get("error", ""))
    except TransientError:
        return ""


def _retry_after(answer: HttpAnswer) -> float:
    """Return the seconds to wait: what Etsy says, capped, and a little more so that not all come back at once."""
    try:
        seconds = float(answer.headers.get("retry-after", ""))
    except ValueError:
        seconds = RETRY_AFTER
    if not 0 <= seconds <= LONGEST_RETRY_AFTER:
        seconds = LONGEST_RETRY_AFTER
    return seconds + _JITTER.uniform(0.0, 0.25 * max(seconds, RETRY_AFTER))


def _count(answer: HttpAnswer, header: str) -> int | None:
    value = answer.headers.get(header, "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) <= 12 else None  # noqa: PLR2004


def _object(answer: HttpAnswer) -> dict[str, Any]:
    try:
        return answer_object(answer.body)
    except UnreadablePayload as error:
        raise TransientError(f"Etsy's answer is {error.problem}", retry_after=RETRY_AFTER) from None
