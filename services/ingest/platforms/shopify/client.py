"""Calls one Shopify store's Admin API within its budget; every refusal becomes an error named by its remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import structlog

from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import answer_object
from services.ingest.platforms.shopify.settings import ShopifySettings
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer, OversizedAnswer, RefusedAddress
from services.kit.limits import Limit

log = structlog.get_logger(__name__)

#: Waits up to this many seconds in all are waited here; a longer one is the caller's (it holds a lease to renew).
PATIENCE = 5.0
#: How long a query waits for its points: a whole bucket refills in 20 s.
TURN_PATIENCE = 30.0
#: What a query is taken to cost before its first answer, where the caller knows no better: as much as the dearest does.
FIRST_GUESS = 100.0
#: A bucket on the smallest plan that was ever documented, until an answer has told its real size.
SMALLEST_PLAN = Limit(1000.0, 50.0)
#: What Shopify's own client waits after 429 and 503 when no Retry-After says otherwise.
RETRY_AFTER = 1.0
_LONGEST_RETRY_AFTER = 120.0

#: Statuses that only the seller can mend, with the sentence that says how.
_SELLERS_TURN = {
    401: "Shopify no longer accepts our access: the app was uninstalled or its token revoked. Link the store again.",
    402: "Shopify froze this store because its plan is unpaid. Settle the bill in Shopify, then link the store again.",
    403: "Shopify refuses us: the app lacks a permission. Link the store again and grant what it asks for.",
    423: "Shopify locked this store. Clear it with Shopify, then link the store again.",
}
#: Of these, what says that the store itself is closed, also to the token endpoint.
_CLOSED = frozenset({402, 423})
_MUST_END = (
    "Shopify no longer takes access that never ends from this app: link the store again, and it gets access that is "
    "renewed."
)
_OK = 200
_FORBIDDEN = 403
_TOO_MANY = 429
_SERVER_ERROR = 500


class TooDear(Exception):  # noqa: N818 - the fact
    """The query costs more than Shopify allows for one (MAX_COST_EXCEEDED): ask for less."""


class RightMissing(AuthorizationError):  # noqa: N818 - the fact
    """Shopify knows the app, and does not let it do this."""


class FieldDenied(RightMissing):
    """A field of the query is not this app's to see (ACCESS_DENIED): the rest may be asked for without it."""


class NotTaken(TransientError):  # noqa: N818 - the fact
    """The call had no turn, at us or at Shopify: nothing was done, and it may be made again."""


class ShopifyClient:
    """The Admin API of every store of the app. Budgets are kept a store, as Shopify counts points by app and store."""

    def __init__(self, settings: ShopifySettings, tools: Tools) -> None:
        self._settings = settings
        self._http = tools.http
        self._clock = tools.clock
        self._limits = tools.limits
        #: By the name of its operation: what the last query cost when asked, and that by what was expected.
        self._costs: dict[str, float] = {}
        self._ratios: dict[str, float] = {}
        self._versions_seen: set[str] = set()

    def cost_of(self, operation: str) -> float | None:
        """Return what the last query of this name was charged before it ran; None before the first answer."""
        return self._costs.get(operation)

    async def graphql(
        self,
        shop: str,
        token: str,
        document: str,
        variables: Mapping[str, object],
        *,
        operation: str,
        points: float = FIRST_GUESS,
        once: bool = False,
    ) -> dict[str, Any]:
        """Return the answer's `data`. Fields that protected data leaves out are null.

        `points` is what the query should cost by its form; Shopify's own reckoning corrects it from then on. With
        `once` it is not made again when it may have taken effect.

        Raises TransientError, AuthorizationError, and TooDear when the query must be made smaller.
        """
        waited = 0.0
        while True:
            try:
                return await self._ask(shop, token, document, variables, operation=operation, points=points)
            except TransientError as error:
                wait = error.retry_after
                if wait is None or waited + wait > PATIENCE or (once and not isinstance(error, NotTaken)):
                    raise
                waited += max(wait, 0.1)
                await self._clock.sleep(max(wait, 0.1))

    async def token(self, shop: str, form: Mapping[str, str]) -> dict[str, Any]:
        """Ask the token endpoint. Raises AuthorizationError when it refuses, TransientError when it is away."""
        url, headers = self._address(shop, "/admin/oauth/access_token")
        answer = await self._post(url, headers, dict(form))
        if answer.status == _OK:
            return _object(answer)
        if answer.status in _CLOSED:
            raise AuthorizationError(_SELLERS_TURN[answer.status])
        if answer.status == _TOO_MANY or answer.status >= _SERVER_ERROR:
            raise TransientError(f"Shopify's token endpoint answered {answer.status}", retry_after=_retry_after(answer))
        raise AuthorizationError(
            "Shopify did not give an access token: the authorization is used up, expired or revoked, or the app's "
            "credentials are wrong. Link the store again."
        )

    async def _ask(
        self,
        shop: str,
        token: str,
        document: str,
        variables: Mapping[str, object],
        *,
        operation: str,
        points: float,
    ) -> dict[str, Any]:
        taken = points * self._ratios.get(operation, 1.0)
        try:
            await self._limits.take(_budget(shop), taken, limit=SMALLEST_PLAN, patience=TURN_PATIENCE)
        except TransientError as error:
            raise NotTaken(str(error), retry_after=error.retry_after) from error
        url, headers = self._address(shop, f"/admin/api/{self._settings.shopify_api_version}/graphql.json")
        headers["X-Shopify-Access-Token"] = token
        answer = await self._post(url, headers, {"query": document, "variables": variables})
        _refuse_status(answer)
        self._check_version(answer)
        document_answer = _object(answer)
        cost = _as_object(_as_object(document_answer.get("extensions")).get("cost"))
        requested = _number(cost.get("requestedQueryCost"))
        if requested is not None:
            self._costs[operation], self._ratios[operation] = requested, requested / points
        await self._learn(shop, cost, taken=taken)
        return _data(document_answer, cost)

    async def _post(self, url: str, headers: Mapping[str, str], body: Mapping[str, object]) -> HttpAnswer:
        try:
            return await self._http.request("POST", url, headers=headers, json=body)
        except OversizedAnswer:
            raise TooDear from None
        except RefusedAddress as error:
            raise TransientError(f"Shopify is not called: {error}") from error

    def _address(self, shop: str, path: str) -> tuple[str, dict[str, str]]:
        base = self._settings.platform_url_shopify.rstrip("/")
        if base:
            return f"{base}{path}", {"X-Forwarded-Host": shop}
        return f"https://{shop}{path}", {}

    async def _learn(self, shop: str, cost: Mapping[str, Any], *, taken: float) -> None:
        status = _as_object(cost.get("throttleStatus"))
        maximum, available = _number(status.get("maximumAvailable")), _number(status.get("currentlyAvailable"))
        rate = _number(status.get("restoreRate"))
        if maximum is not None and available is not None and rate is not None:
            actual = _number(cost.get("actualQueryCost")) or 0.0
            limit = Limit(max(maximum, 1.0), max(rate, 1.0))
            await self._limits.learn(_budget(shop), limit=limit, available=available, refund=max(taken - actual, 0.0))

    def _check_version(self, answer: HttpAnswer) -> None:
        served = answer.headers.get("x-shopify-api-version")
        if served and served != self._settings.shopify_api_version and served not in self._versions_seen:
            # An expired version silently falls forward: the fields we read may mean something else there.
            self._versions_seen.add(served)
            log.warning("shopify.version_differed", asked=self._settings.shopify_api_version, served=served)


def _budget(shop: str) -> str:
    return f"shopify|{shop.lower()}"


def _refuse_status(answer: HttpAnswer) -> None:
    if answer.status == _OK:
        return
    if answer.status == _FORBIDDEN and b"non-expiring" in answer.body.lower():
        raise AuthorizationError(_MUST_END)
    if answer.status == _FORBIDDEN:
        raise RightMissing(_SELLERS_TURN[answer.status])
    if answer.status in _SELLERS_TURN:
        raise AuthorizationError(_SELLERS_TURN[answer.status])
    kind = NotTaken if answer.status == _TOO_MANY else TransientError
    raise kind(f"Shopify answered {answer.status}", retry_after=_retry_after(answer))


def _data(document: Mapping[str, Any], cost: Mapping[str, Any]) -> dict[str, Any]:
    """Return `data`, after a look at the errors beside it: a refused query too is answered with 200."""
    errors = document.get("errors")
    data = document.get("data")
    if errors:
        _refuse_errors(errors if isinstance(errors, Sequence) else [errors], cost, has_data=_has_content(data))
    if not isinstance(data, dict):
        raise TransientError("Shopify's answer holds no data")
    return data


def _refuse_errors(errors: Sequence[Any], cost: Mapping[str, Any], *, has_data: bool) -> None:
    codes = {str(_as_object(_as_object(error).get("extensions")).get("code", "")) for error in errors}
    if "THROTTLED" in codes:
        raise NotTaken("Shopify throttled the query", retry_after=_throttled_wait(cost))
    if "MAX_COST_EXCEEDED" in codes:
        raise TooDear
    if "SHOP_INACTIVE" in codes:
        raise AuthorizationError("This Shopify store is not active. Reopen it, then link it again.")
    if codes == {"ACCESS_DENIED"}:
        if has_data:
            return  # protected customer data: those fields are null and the rest of the order is there
        raise FieldDenied(_SELLERS_TURN[_FORBIDDEN])
    raise TransientError(f"Shopify could not answer the query: {', '.join(sorted(codes - {''})) or 'no code given'}")


def _has_content(data: object) -> bool:
    """Tell whether all that was asked for is there: a count beside orders that are denied is no empty store."""
    return isinstance(data, dict) and bool(data) and all(value is not None for value in data.values())


def _throttled_wait(cost: Mapping[str, Any]) -> float:
    """Return the seconds until the bucket holds what the query costs."""
    status = _as_object(cost.get("throttleStatus"))
    requested, available = _number(cost.get("requestedQueryCost")), _number(status.get("currentlyAvailable"))
    rate = _number(status.get("restoreRate"))
    if requested is None or available is None or not rate:
        return RETRY_AFTER
    return max(0.1, (requested - available) / rate)


def _retry_after(answer: HttpAnswer) -> float:
    try:
        seconds = float(answer.headers.get("retry-after", ""))
    except ValueError:
        return RETRY_AFTER
    return min(max(seconds, 0.0), _LONGEST_RETRY_AFTER) if seconds == seconds else RETRY_AFTER  # noqa: PLR0124 - NaN


def _object(answer: HttpAnswer) -> dict[str, Any]:
    try:
        return answer_object(answer.body)
    except UnreadablePayload as error:
        raise TransientError(f"Shopify's answer is {error.problem}", retry_after=RETRY_AFTER) from None


def _as_object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
