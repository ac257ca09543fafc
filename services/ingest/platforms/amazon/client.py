"""Calls the Selling Partner API within each seller's budgets; every refusal becomes an error named by its remedy."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

import structlog

from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import answer_object
from services.ingest.platforms.amazon.settings import AmazonSettings
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer, OversizedAnswer, RefusedAddress
from services.kit.limits import PATIENCE, Limit

log = structlog.get_logger(__name__)

#: Calls a second and at once, an operation, as Amazon documents them; an answer may tell another rate, never the burst.
USAGE_PLANS = {
    "searchOrders": (0.0056, 20),
    "getOrder": (0.5, 30),
    "confirmShipment": (2.0, 10),
    "getSubscriptions": (1.0, 5),
    "createSubscription": (1.0, 5),
    "deleteSubscriptionById": (1.0, 5),
    "getDestinations": (1.0, 5),
    "createDestination": (1.0, 5),
}
#: A call may take longer on its way than the one after it, so ours are spaced a little wider than Amazon's.
MARGIN = 0.95
#: What Amazon's clock may differ from ours before it is taken for another time: its answers tell whole seconds.
CLOCK_TOLERANCE = timedelta(seconds=5)
#: After a failure of Amazon's, in seconds: every try spends of a budget that refills slowly.
RETRY_AFTER = 15.0
LONGEST_RETRY_AFTER = 900.0

_SELLING_PARTNER_API = "https://sellingpartnerapi-{region}.amazon.com"
_LWA = "https://api.amazon.com"
_FORM = "application/x-www-form-urlencoded;charset=UTF-8"
_USER_AGENT = "SyncOrder/1 (Language=Python)"
_OK = frozenset({200, 201, 202, 204})
_NO_CONTENT, _NOT_FOUND, _TOO_MANY, _SERVER_ERROR = 204, 404, 429, 500
_APP_REFUSED_WAIT = 300.0
_JITTER = random.SystemRandom()

APP_REFUSED = (
    "Amazon refuses this installation's app: check AMAZON_CLIENT_ID and AMAZON_CLIENT_SECRET "
    "(Amazon has the secret rotated every 180 days)."
)
REVOKED = "The authorization was taken back in Amazon, or is over a year old. Link the store again."
DENIED = (
    "Amazon refuses this access: the authorization was taken back, or the app lacks the role that lets it read orders. "
    "Link the store again."
)


class RequestRefused(Exception):  # noqa: N818 - the fact
    """Amazon does not take this request as it is (400, 409, 413, 415): asking the same again never helps.

    `words` are Amazon's own, which may repeat what was sent: they are looked at and never shown.
    """

    def __init__(self, operation: str, status: int, *, words: str = "") -> None:
        super().__init__(f"Amazon refused {operation} with {status}")
        self.status = status
        self.words = words


class RightMissing(AuthorizationError):  # noqa: N818 - the fact
    """Amazon knows the token, and does not let the app do this with it."""


class NotSent(TransientError):  # noqa: N818 - the fact
    """The budget is used up: Amazon was not called."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a call is for: budgets are counted by selling partner, and each region has an address of its own."""

    seller_id: str
    region: str
    token: str = field(repr=False)


class AmazonClient:
    """The Selling Partner API for every seller of the app, and the token endpoint."""

    def __init__(self, settings: AmazonSettings, tools: Tools) -> None:
        self._settings = settings
        self._http = tools.http
        self._clock = tools.clock
        self._limits = tools.limits
        self._ahead = timedelta()
        self._base = settings.platform_url_amazon.rstrip("/")

    @property
    def ahead(self) -> timedelta:
        """How far our clock is ahead of Amazon's, by its last answer; nothing where it is not, or barely."""
        return self._ahead

    def web(self, seller_central: str) -> str:
        """Return the address of the pages where sellers sign in."""
        return self._base or f"https://{seller_central}"

    async def call(
        self,
        account: Account,
        operation: str,
        path: str,
        *,
        method: str = "GET",
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        patience: float = PATIENCE,
        leave: float = 0.0,
    ) -> dict[str, Any] | None:
        """Return the JSON object that the operation answers; None when Amazon answers 404.

        `patience` is how many seconds to wait for our turn within the budget, `leave` what must remain for others.

        Raises TransientError (NotSent), AuthorizationError (RightMissing), and RequestRefused.
        """
        budget = _budget(account, operation)
        try:
            await self._limits.take(budget, limit=_limit(operation), patience=patience, leave=leave)
        except TransientError as error:
            raise NotSent(str(error), retry_after=error.retry_after) from error
        # Lists are comma-joined in one parameter, as Amazon's own SDK sends them.
        url = f"{self._api(account.region)}{path}" + (f"?{urlencode(query, safe=',')}" if query else "")
        answer = await self._request(method, url, headers=self._headers(account.token), json=body)
        self._compare_clocks(answer)
        await self._learn(budget, operation, answer)
        if answer.status == _NOT_FOUND:
            return None
        await self._refuse_status(answer, operation, budget)
        return {} if answer.status == _NO_CONTENT else _object(answer)

    async def left(self, account: Account, operation: str) -> float | None:
        """Return how many calls are there now; None where none was made yet."""
        there = await self._limits.available(_budget(account, operation))
        return there.available if there else None

    async def token(self, form: Mapping[str, str]) -> dict[str, Any]:
        """Ask the token endpoint in the app's name.

        Raises AuthorizationError when the seller's grant is gone, TransientError for everything else.
        """
        sent = {
            **form,
            "client_id": self._settings.amazon_client_id,
            "client_secret": self._settings.amazon_client_secret.get_secret_value(),
        }
        url = f"{self._base or _LWA}/auth/o2/token"
        answer = await self._request("POST", url, headers={"Content-Type": _FORM}, form=sent)
        if answer.status in _OK:
            return _object(answer)
        if answer.status == _TOO_MANY or answer.status >= _SERVER_ERROR:
            raise TransientError(f"Amazon's token endpoint answered {answer.status}", retry_after=_told_wait(answer))
        problem = _text(_object(answer).get("error"))
        if problem == "invalid_grant":
            raise AuthorizationError(REVOKED)
        log.warning("amazon.token_refused", status=answer.status, error=problem)
        raise TransientError(APP_REFUSED, retry_after=_APP_REFUSED_WAIT)

    def _api(self, region: str) -> str:
        return self._base or _SELLING_PARTNER_API.format(region=region)

    def _headers(self, token: str) -> dict[str, str]:
        now = self._clock.now().strftime("%Y%m%dT%H%M%SZ")
        return {"x-amz-access-token": token, "x-amz-date": now, "User-Agent": _USER_AGENT}

    async def _request(self, method: str, url: str, **sent: Any) -> HttpAnswer:
        try:
            return await self._http.request(method, url, **sent)
        except (OversizedAnswer, RefusedAddress) as error:
            raise TransientError(f"Amazon is not read: {error}") from error

    def _compare_clocks(self, answer: HttpAnswer) -> None:
        try:
            theirs = parsedate_to_datetime(answer.headers.get("date", ""))
            ahead = self._clock.now() - theirs
        except (ValueError, TypeError):
            return  # no date, or one without a zone
        self._ahead = ahead if ahead > CLOCK_TOLERANCE else timedelta()

    async def _learn(self, budget: str, operation: str, answer: HttpAnswer) -> None:
        """Take over the rate in effect; the header may be missing, and does not say what is left."""
        rate = _number(answer.headers.get("x-amzn-ratelimit-limit", ""))
        if rate is not None and rate > 0:
            await self._limits.learn(budget, limit=_limit(operation, rate))

    async def _refuse_status(self, answer: HttpAnswer, operation: str, budget: str) -> None:
        # Amazon's support asks for the id of the request, whatever came of it.
        request_id = answer.headers.get("x-amzn-requestid")
        if answer.status in _OK:
            log.debug("amazon.answered", operation=operation, request_id=request_id)
            return
        log.warning(
            "amazon.refused", operation=operation, status=answer.status, codes=_codes(answer), request_id=request_id
        )
        match answer.status:
            case 403 if (words := _words(answer)) and "token" not in words:
                raise RightMissing(DENIED)
            case 401 | 403:
                # A token that ran out is refused with 403 too; whoever asked renews it and tries once more.
                raise AuthorizationError(DENIED)
            case 400 | 409 | 413 | 415:
                raise RequestRefused(operation, answer.status, words=_words(answer))
            case 429:
                wait = _throttled_wait(answer, operation)
                await self._limits.close(budget, seconds=wait)
                raise TransientError(f"Amazon's budget for {operation} is used up", retry_after=wait)
        raise TransientError(f"Amazon answered {answer.status} to {operation}", retry_after=_told_wait(answer))


def iso(moment: datetime) -> str:
    """Return a time as Amazon takes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _budget(account: Account, operation: str) -> str:
    return f"amazon|{account.region}.{account.seller_id}|{operation}"


def _limit(operation: str, rate: float | None = None) -> Limit:
    documented, burst = USAGE_PLANS[operation]
    return Limit(burst, (documented if rate is None else rate) * MARGIN)


def _throttled_wait(answer: HttpAnswer, operation: str) -> float:
    """Return the seconds until a call is free: what Amazon says, if ever it does, or the interval of the rate."""
    told = _number(answer.headers.get("retry-after", ""))
    if told is not None:
        return _bounded(told)
    rate = _number(answer.headers.get("x-amzn-ratelimit-limit", "")) or USAGE_PLANS[operation][0]
    return _jittered(_bounded(1 / rate))


def _told_wait(answer: HttpAnswer) -> float:
    told = _number(answer.headers.get("retry-after", ""))
    return _jittered(RETRY_AFTER) if told is None else _bounded(told)


def _jittered(seconds: float) -> float:
    """Return a little more, so that not all come back at once."""
    return seconds + _JITTER.uniform(0.0, 0.1 * seconds)


def _bounded(seconds: float) -> float:
    return seconds if 0 <= seconds <= LONGEST_RETRY_AFTER else LONGEST_RETRY_AFTER


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number == number else None  # noqa: PLR0124 - NaN


def _codes(answer: HttpAnswer) -> list[str]:
    """Return the codes of a refusal: its messages may repeat what was sent."""
    return [_text(error.get("code")) for error in _errors(answer)]


def _words(answer: HttpAnswer) -> str:
    """Return all that a refusal says, in small letters; never to be shown."""
    said = [error.get(name) for error in _errors(answer) for name in ("code", "message", "details")]
    return " ".join(part for part in said if isinstance(part, str)).lower()


def _errors(answer: HttpAnswer) -> list[dict[str, Any]]:
    try:
        errors = _object(answer).get("errors")
    except TransientError:
        return []
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def _text(value: object) -> str:
    return value[:64] if isinstance(value, str) else ""


def _object(answer: HttpAnswer) -> dict[str, Any]:
    try:
        return answer_object(answer.body)
    except UnreadablePayload as error:
        raise TransientError(f"Amazon's answer is {error.problem}", retry_after=RETRY_AFTER) from None
