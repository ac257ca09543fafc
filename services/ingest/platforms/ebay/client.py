"""Calls eBay's REST APIs within the app's quotas; every refusal becomes an error named by its remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import answer_object, parsed
from services.ingest.platforms.ebay.budgets import FULFILLMENT, NOTIFICATION, DailyBudgets, DailyQuota
from services.ingest.platforms.ebay.payloads import EbayRateLimits
from services.ingest.platforms.ebay.settings import EbaySettings
from services.ingest.platforms.ebay.tokens import TokenEndpoint
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer, HttpClient, OversizedAnswer, RefusedAddress

SELL = "/sell/fulfillment/v1"
NOTIFY = "/commerce/notification/v1"
IDENTITY = "/commerce/identity/v1"
ANALYTICS = "/developer/analytics/v1_beta"
#: As long as a Retry-After may ask: wrong values have been seen.
LONGEST_RETRY_AFTER = 3600.0
#: A call that eBay declined for what it says will be declined again: there is no hurry.
DECLINED_WAIT = 300.0

_QUOTAS = {SELL: FULFILLMENT, NOTIFY: NOTIFICATION}
_TOO_MANY = 429
#: eBay's number of: not authorized for this topic. That is no missing access to anything else.
_TOPIC_REFUSED = 195011
_RECONNECT = "eBay no longer accepts our access. Link the store again."


@dataclass(frozen=True, slots=True)
class Hosts:
    """Where eBay is: the consent page, the API, and the API of what is about accounts."""

    web: str = "https://auth.ebay.com"
    api: str = "https://api.ebay.com"
    accounts: str = "https://apiz.ebay.com"

    @classmethod
    def of(cls, base: str) -> Hosts:
        """Return the hosts behind another base URL: eBay's own sandbox has three, any other address is one."""
        base = base.rstrip("/")
        if base == "https://api.sandbox.ebay.com":
            return cls("https://auth.sandbox.ebay.com", base, "https://apiz.sandbox.ebay.com")
        return cls(base, base, base) if base else cls()


class Declined(TransientError):  # noqa: N818 - the fact
    """eBay understood the call and declined it: `status`, mostly 400, 404 or 409, and its own numbers of the reasons.

    `at` is eBay's time. Where nobody knows better, it is tried again later.
    """

    def __init__(self, status: int, errors: frozenset[int], *, at: datetime | None) -> None:
        numbers = ", ".join(map(str, sorted(errors))) or "no number given"
        super().__init__(f"eBay declined the call with {status} (error {numbers})", retry_after=DECLINED_WAIT)
        self.status = status
        self.errors = errors
        self.at = at


class NotSent(TransientError):  # noqa: N818 - the fact
    """No call is left: eBay was not called."""


class RightMissing(AuthorizationError):  # noqa: N818 - the fact
    """eBay knows the token, and does not let it do this."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What eBay answered: a JSON object, empty where it said nothing, and where it put what it made."""

    body: dict[str, Any]
    location: str = ""


class EbayClient:
    """eBay's APIs for every account of the app: quotas are counted by app, so all accounts share them."""

    def __init__(self, settings: EbaySettings, tools: Tools) -> None:
        self.hosts = Hosts.of(settings.platform_url_ebay)
        self.tokens = TokenEndpoint(settings, tools, self.hosts.api)
        self._http = tools.http
        self._budgets = DailyBudgets(tools.limits, tools.clock, self._what_is_left)

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str,
        query: Mapping[str, object] | None = None,
        json: object = None,
    ) -> Reply:
        """Return what eBay answers to a call with a token.

        Raises AuthorizationError for 401 and 403 (RightMissing), Declined for 400, 404 and 409, TransientError for all
        else (NotSent where no call is left).
        """
        quota = next((quota for prefix, quota in _QUOTAS.items() if path.startswith(prefix)), None)
        host = self.hosts.accounts if path.startswith(IDENTITY) else self.hosts.api
        url = f"{host}{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        if json is not None:
            headers["Content-Type"] = "application/json"
        async with self._counted(quota):
            answer = await ask(self._http, method, url, headers=headers, json=json)
        if answer.status == _TOO_MANY:
            raise await self._throttled(answer, quota)
        _refuse_status(answer)
        if quota:
            self._budgets.went_through(quota)
        return Reply(json_of(answer), answer.headers.get("location", ""))

    async def call_as_app(
        self, method: str, path: str, *, query: Mapping[str, object] | None = None, json: object = None
    ) -> Reply:
        """Call for the app itself. A refusal is no seller's fault: it raises TransientError."""
        token = await self.tokens.of_app()
        try:
            return await self.call(method, path, token=token, query=query, json=json)
        except AuthorizationError:
            self.tokens.forget(token)
            raise TransientError("eBay refuses the app itself, no seller.", retry_after=DECLINED_WAIT) from None

    @asynccontextmanager
    async def _counted(self, quota: DailyQuota | None) -> AsyncIterator[None]:
        """Count the call that is made inside."""
        async with AsyncExitStack() as stack:
            try:
                if quota:
                    await stack.enter_async_context(self._budgets.call(quota))
            except TransientError as error:
                raise NotSent(str(error), retry_after=error.retry_after) from error
            yield

    async def _what_is_left(self, quota: DailyQuota) -> EbayRateLimits | None:
        query = {"api_context": quota.context, "api_name": quota.api}
        reply = await self.call_as_app("GET", f"{ANALYTICS}/rate_limit/", query=query)
        try:
            return parsed(EbayRateLimits, reply.body)
        except UnreadablePayload as error:
            raise TransientError(f"eBay's limits cannot be read: {error.path}") from None

    async def _throttled(self, answer: HttpAnswer, quota: DailyQuota | None) -> TransientError:
        asked = retry_after(answer)
        seconds = await self._budgets.refused(quota, retry_after=asked) if quota else asked
        return TransientError("eBay's call budget is used up", retry_after=seconds)


async def ask(
    http: HttpClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    json: object = None,
    form: Mapping[str, str] | None = None,
) -> HttpAnswer:
    """Return the answer, whatever its status. Raises TransientError."""
    try:
        return await http.request(method, url, headers=headers, json=json, form=form)
    except (OversizedAnswer, RefusedAddress) as error:
        raise TransientError(f"eBay is not read: {error}") from error


def _refuse_status(answer: HttpAnswer) -> None:
    match answer.status:
        case 200 | 201 | 202 | 204:
            return
        case 401:
            raise AuthorizationError(_RECONNECT)
        case 403 if _TOPIC_REFUSED in _error_numbers(answer):
            raise Declined(answer.status, _error_numbers(answer), at=_told_time(answer))
        case 403:
            raise RightMissing(
                "eBay refuses this access: a permission is missing, or the account is suspended. "
                "Link the store again and grant what it asks for."
            )
        case 400 | 404 | 409:
            raise Declined(answer.status, _error_numbers(answer), at=_told_time(answer))
    raise TransientError(f"eBay answered {answer.status}", retry_after=retry_after(answer))


def retry_after(answer: HttpAnswer) -> float | None:
    """Return the seconds that eBay asks us to wait; it promises no such header."""
    try:
        seconds = float(answer.headers.get("retry-after", ""))
    except ValueError:
        return None
    return min(seconds, LONGEST_RETRY_AFTER) if seconds >= 0 else None


def json_of(answer: HttpAnswer) -> dict[str, Any]:
    """Return the JSON object of an answer, empty when there is no body. Raises TransientError."""
    if not answer.body and answer.status != 200:  # noqa: PLR2004 - only 200 promises a body
        return {}
    try:
        return answer_object(answer.body)
    except UnreadablePayload as error:
        raise TransientError(f"eBay's answer is {error.problem}", retry_after=1.0) from None


def _error_numbers(answer: HttpAnswer) -> frozenset[int]:
    try:
        errors = answer_object(answer.body).get("errors")
    except UnreadablePayload:
        return frozenset()
    numbers = [error.get("errorId") for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    return frozenset(number for number in numbers if isinstance(number, int))


def _told_time(answer: HttpAnswer) -> datetime | None:
    try:
        told = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return None
    return told if told.tzinfo else None
