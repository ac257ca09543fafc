"""Calls a store's API politely, two calls at a time; every refusal becomes an error named by its remedy.

Every store is another server behind another host, cache and firewall: what is not JSON is none of WooCommerce's
words, whatever its status, and says nothing of orders.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import answer_object
from services.ingest.platforms.woocommerce.addresses import StoreAddress
from services.ingest.platforms.woocommerce.signing import Door, Method, Permalinks, Signed, api_url, sign
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer, OversizedAnswer, RefusedAddress
from services.kit.limits import Limit

#: Two calls at a time a store, whichever processes make them: each gives its slot back when it has its answer. A slot
#: whose process died comes back within a minute.
SLOTS = Limit(2.0, 1 / 60)
#: A store may take this long over a page, and over an order that a webhook waits for, in seconds.
TIMEOUT, HASTY_TIMEOUT = 60.0, 3.0
#: Firewalls, maintenance pages and hosts in trouble are asked again slowly, in seconds.
SLOW_RETRY, MOVED_RETRY, LONGEST_RETRY_AFTER = 10.0, 300.0, 900.0
#: How far a store's clock may be off before an OAuth signature is made by the store's own time.
CLOCK_TOLERANCE = timedelta(minutes=1)
_SLOT_WAIT = 0.05
_BOM = b"\xef\xbb\xbf"
_MULTIPLE_CHOICES, _BAD_REQUEST, _TOO_MANY, _UNAVAILABLE = 300, 400, 429, 503


class KeyRefused(AuthorizationError):  # noqa: N818 - as below
    """The store refuses our key; `code` is WooCommerce's name of the reason. The seller must connect it again."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class NotSent(TransientError):  # noqa: N818 - as below
    """The store was not called: others' calls did not end, or it asked for quiet."""


class RouteMissing(TransientError):  # noqa: N818 - as below
    """Nothing is served there: WooCommerce itself is switched off, or the plugin that was asked is."""


class NotUnderstood(Exception):  # noqa: N818 - the fact
    """The store does not know a parameter or value that we sent: ask in an older way. `code` is its name of it."""

    def __init__(self, code: str) -> None:
        super().__init__(f"the store does not take what was asked: {code}")
        self.code = code


@dataclass(frozen=True, slots=True)
class StoreAnswer:
    """JSON of the store's. `total` is how many rows a list has in all, `ahead` the store's clock before ours."""

    value: Any = field(repr=False)
    total: int | None = None
    ahead: timedelta = timedelta()


class WooCommerceClient:
    """The API of any store."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._count = itertools.count()

    async def ask(
        self,
        door: Door,
        method: Method,
        path: str,
        query: Mapping[str, object] | None = None,
        *,
        json: object = None,
        hasty: bool = False,
    ) -> StoreAnswer | None:
        """Return what the store answers at /wp-json{path}; None for what it does not have. `hasty`: somebody waits.

        Raises TransientError, KeyRefused, NotUnderstood.
        """
        answer = await self._call(door, method, path, query or {}, json=json, hasty=hasty)
        ahead = self._ahead(answer)
        if answer.status == 401 and door.way == "oauth" and abs(ahead) > CLOCK_TOLERANCE:  # noqa: PLR2004
            answer = await self._call(door, method, path, query or {}, json=json, hasty=hasty, ahead=ahead)
        value = await self._understood(door.address, answer)
        if value is None:
            return None
        return StoreAnswer(value, total=_count(answer, "x-wp-total"), ahead=ahead)

    async def index(self, address: StoreAddress, permalinks: Permalinks) -> HttpAnswer:
        """Return what the store shows strangers of its API, as it came. Raises TransientError."""
        url = api_url(address.url, permalinks, "/", self._fresh({}))
        async with self._slot(address, patience=TIMEOUT):
            return await self._send("GET", Signed(url, plain_http=True), timeout=TIMEOUT)

    async def _call(
        self,
        door: Door,
        method: Method,
        path: str,
        query: Mapping[str, object],
        *,
        json: object,
        hasty: bool,
        ahead: timedelta = timedelta(),
    ) -> HttpAnswer:
        timeout = HASTY_TIMEOUT if hasty else TIMEOUT
        asked = self._fresh(query) if method == "GET" else {name: str(value) for name, value in query.items()}
        async with self._slot(door.address, patience=timeout):
            # A nonce is good for one call only: each is signed anew.
            signed = sign(door, method, path, asked, now=self._tools.clock.now() + ahead)
            return await self._send(method, signed, json=json, timeout=timeout)

    async def _send(
        self,
        method: Method,
        signed: Signed,
        *,
        timeout: float,  # noqa: ASYNC109 - the HTTP client's own
        json: object = None,
    ) -> HttpAnswer:
        headers = {"Accept": "application/json", "Cache-Control": "no-cache", **signed.headers}
        try:
            return await self._tools.http.request(
                method, signed.url, headers=headers, json=json, timeout=timeout, plain_http=signed.plain_http
            )
        except (OversizedAnswer, RefusedAddress) as error:
            raise TransientError(f"The store is not read: {error}", retry_after=MOVED_RETRY) from error

    def _fresh(self, query: Mapping[str, object]) -> dict[str, str]:
        """Return the query with a part that changes each time, so that no cache on the way knows the answer."""
        now = int(self._tools.clock.now().timestamp())
        return {name: str(value) for name, value in query.items()} | {"_": f"{now}{next(self._count) % 1000:03}"}

    def _ahead(self, answer: HttpAnswer) -> timedelta:
        try:
            told = parsedate_to_datetime(answer.headers.get("date", ""))
        except ValueError:
            return timedelta()
        return told - self._tools.clock.now() if told.tzinfo else timedelta()

    @asynccontextmanager
    async def _slot(self, address: StoreAddress, *, patience: float) -> AsyncIterator[None]:
        """Hold one of the store's slots, which all processes share."""
        limits, name, waited = self._tools.limits, _budget(address), 0.0
        while True:
            try:
                await limits.take(name, limit=SLOTS, patience=0.0)
                break
            except TransientError as error:
                if waited >= patience:
                    raise NotSent(str(error), retry_after=error.retry_after) from error
            await self._tools.clock.sleep(_SLOT_WAIT)
            waited += _SLOT_WAIT
        try:
            yield
        finally:
            # What is not given back comes back by itself; an answer is not thrown away for it.
            with suppress(TransientError):
                await limits.learn(name, limit=SLOTS, refund=1.0)

    async def _understood(self, address: StoreAddress, answer: HttpAnswer) -> Any:
        """Return the JSON of an answer; None for what is not there."""
        status = answer.status
        if status in {_TOO_MANY, _UNAVAILABLE}:
            wait = _retry_after(answer, now=self._tools.clock.now())
            if wait is not None:
                await self._tools.limits.close(_budget(address), seconds=wait)
            raise TransientError(
                f"The store's host answered {status}: too many calls, or maintenance", retry_after=wait
            )
        if _MULTIPLE_CHOICES <= status < _BAD_REQUEST:
            raise TransientError(
                "The store's address leads elsewhere: connect the store again at its new address.",
                retry_after=MOVED_RETRY,
            )
        value = json_of(answer)
        if value is None:
            raise TransientError(
                f"The store answered {status} and no JSON: a firewall, a cache or a maintenance page is in the way",
                retry_after=SLOW_RETRY,
            )
        return value if status < _MULTIPLE_CHOICES else _refused(status, value)


def json_of(answer: HttpAnswer) -> Any:
    """Return the JSON value of an answer; None when it is none, or null."""
    body = answer.body.removeprefix(_BOM)
    try:
        # Lists come as they are; the reader of objects mends what JSON parsers choke on.
        return answer_object(b'{"value":' + body + b"}").get("value")
    except UnreadablePayload:
        return None


def _refused(status: int, value: Any) -> None:
    """Return None for what is not there; raise for everything else that the store objects."""
    code = str(value.get("code", "")) if isinstance(value, dict) else ""
    if code.endswith(("_invalid_id", "_already_trashed")):
        return
    if status == 401 or (status == 403 and code.startswith("woocommerce_rest_")):  # noqa: PLR2004
        raise KeyRefused(_why(status, code), code=code)
    if status == 400:  # noqa: PLR2004
        raise NotUnderstood(code if code.replace("_", "").isalnum() else "unnamed")
    if code == "rest_no_route":
        raise RouteMissing("The store's WooCommerce API is not there: is the plugin active?", retry_after=MOVED_RETRY)
    raise TransientError(f"The store answered {status}", retry_after=SLOW_RETRY if status == 403 else None)  # noqa: PLR2004


def _why(status: int, code: str) -> str:
    if status == 403:  # noqa: PLR2004
        return (
            "The WordPress user of our key may no longer see orders. Make them an administrator or shop manager again, "
            "or connect the store with another user's key."
        )
    if code == "woocommerce_rest_authentication_error":
        return "The store refuses our key's secret, or its permission. Connect the store again with a read/write key."
    return "The store no longer knows our key: it was deleted, or its user was. Connect the store again."


def _budget(address: StoreAddress) -> str:
    return f"woocommerce|{address.place}"


def _retry_after(answer: HttpAnswer, *, now: datetime) -> float | None:
    """Return the seconds that the host asks for, as a number or a date; None when it does not say."""
    text = answer.headers.get("retry-after", "")
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (moment - now).total_seconds() if moment.tzinfo else SLOW_RETRY
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER) if seconds == seconds else None  # noqa: PLR0124 - NaN


def _count(answer: HttpAnswer, header: str) -> int | None:
    value = answer.headers.get(header, "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) <= 12 else None  # noqa: PLR2004
