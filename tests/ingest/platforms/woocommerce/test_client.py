"""Every answer of a store becomes what to do next; calls are polite, never cached, and never show a secret."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs, urlsplit

import pytest
from oauthlib import oauth1

from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import Window
from services.ingest.contract.stores import Access
from services.ingest.platforms.woocommerce.connector import WooCommerceConnector
from services.ingest.platforms.woocommerce.signing import Door, sign
from services.kit.clock import ManualClock
from services.kit.errors import AuthorizationError, TransientError
from services.kit.http.client import HttpAnswer, HttpClient, OversizedAnswer, RefusedAddress
from services.kit.limits import MemoryLimits
from tests.ingest.platforms.twin_http import Asked, Reply, ScriptedHttp, answer
from tests.ingest.platforms.woocommerce.shop import ACCESS, KEY, NOW, SECRET, Shop, access, asked_of, connector, error

OAUTH = access(store_url="http://store.example.com", auth="oauth", home="http://www.store.example.com:8080")


async def read(*replies: Reply, opened: Access = ACCESS) -> list[Asked]:
    found, http = connector(*replies)
    await found.read_order(opened, "7", way="poll")
    return http.asked


async def test_the_key_goes_in_the_header_over_tls() -> None:
    [asked] = await read(Shop({7: 1}).answer)

    pair = base64.b64encode(f"{KEY}:{SECRET}".encode()).decode()
    assert asked.headers["Authorization"] == f"Basic {pair}"
    assert asked.url.startswith("https://store.example.com/wp-json/wc/v3/orders/7?dp=6&_=")
    assert SECRET not in asked.url


async def test_the_key_goes_in_the_query_where_the_host_strips_the_header() -> None:
    [asked] = await read(Shop({7: 1}).answer, opened=access(auth="query"))

    assert asked_of(asked)[1] | {"_": ""} == {"dp": "6", "_": "", "consumer_key": KEY, "consumer_secret": SECRET}
    assert "Authorization" not in asked.headers


async def test_plain_permalinks_put_the_route_into_the_query() -> None:
    [asked] = await read(Shop({7: 1}).answer, opened=access(permalinks="plain"))

    assert asked.url.startswith("https://store.example.com/?rest_route=%2Fwc%2Fv3%2Forders%2F7&dp=6&_=")


def verified(asked: Asked, *, home: str) -> bool:
    """Check an OAuth signature over the home address that the store is configured with."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(asked.url).query).items()}
    signed = {name: value for name, value in query.items() if name.startswith("oauth_")}
    client = oauth1.Client(
        KEY,
        client_secret=SECRET,
        signature_method=oauth1.SIGNATURE_HMAC_SHA256,
        signature_type=oauth1.SIGNATURE_TYPE_QUERY,
        nonce=signed["oauth_nonce"],
        timestamp=signed["oauth_timestamp"],
    )
    plain = "&".join(f"{name}={value}" for name, value in query.items() if not name.startswith("oauth_"))
    again = client.sign(f"{home}{urlsplit(asked.url).path}?{plain}", http_method="GET")[0]
    return bool(parse_qs(urlsplit(again).query)["oauth_signature"][0] == signed["oauth_signature"])


async def test_without_tls_the_call_is_signed_by_the_stores_own_home_and_shows_no_secret() -> None:
    [asked] = await read(Shop({7: 1}).answer, opened=OAUTH)

    assert asked.url.startswith("http://store.example.com/wp-json/wc/v3/orders/7?")
    assert verified(asked, home="http://www.store.example.com:8080")
    assert not verified(asked, home="http://store.example.com")
    assert SECRET not in asked.url + str(asked.headers)
    assert "Authorization" not in asked.headers


async def test_a_nonce_is_never_used_twice() -> None:
    shop = Shop({7: 1})

    nonces = {asked_of((await read(shop.answer, opened=OAUTH))[0])[1]["oauth_nonce"] for _ in range(5)}

    assert len(nonces) == 5


async def test_a_store_whose_clock_is_off_gets_signatures_of_its_own_time() -> None:
    there = NOW + timedelta(seconds=1000)
    date = {"Date": format_datetime(there, usegmt=True)}
    refused = answer({"code": "woocommerce_rest_authentication_error"}, status=401, headers=date)

    first, second = await read(refused, Shop({7: 1}).answer, opened=OAUTH)

    times = [int(asked_of(asked)[1]["oauth_timestamp"]) for asked in (first, second)]
    assert times == [int(NOW.timestamp()), int(there.timestamp())]
    assert asked_of(first)[1]["oauth_nonce"] != asked_of(second)[1]["oauth_nonce"]


async def test_a_refused_signature_at_the_right_time_is_not_tried_again() -> None:
    date = {"Date": format_datetime(NOW, usegmt=True)}
    found, http = connector(answer({"code": "woocommerce_rest_authentication_error"}, status=401, headers=date))

    with pytest.raises(AuthorizationError):
        await found.read_order(OAUTH, "7", way="poll")

    assert len(http.asked) == 1


async def test_a_cache_on_the_way_never_knows_the_question() -> None:
    found, http = connector(Shop({7: 1}).answer)

    for _ in range(3):
        await found.read_order(ACCESS, "7", way="poll")

    assert len({asked.url for asked in http.asked}) == 3
    assert {asked.headers["Cache-Control"] for asked in http.asked} == {"no-cache"}


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("woocommerce_rest_cannot_view", 401),
        ("woocommerce_rest_authentication_error", 401),
        ("woocommerce_rest_cannot_view", 403),
    ],
)
async def test_a_refused_key_asks_for_the_seller(code: str, status: int) -> None:
    with pytest.raises(AuthorizationError, match=r"onnect the store"):
        await read(error(code, status))


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"<html>Just a moment...</html>"),
        answer(b"<html>Forbidden</html>", status=403),
        answer(b"<html>Log in</html>", status=401),
        answer(b"<html>Maintenance</html>", status=503),
        answer(b"<html>Not found</html>", status=404),
        answer({"code": "forbidden_by_firewall"}, status=403),
        answer(b'[{"id": 1, "sta'),
        answer(b""),
        answer(status=500),
        answer({"code": "internal_server_error"}, status=500),
        answer(status=502),
        error("rest_no_route", 404),
        answer(status=301, headers={"Location": "https://elsewhere.example.com/"}),
        TransientError("no connection"),
        OversizedAnswer("too much"),
        RefusedAddress("private"),
    ],
)
async def test_what_may_pass_is_tried_again_and_is_never_no_orders(reply: Reply) -> None:
    with pytest.raises(TransientError):
        await read(reply)


@pytest.mark.parametrize("status", [200, 403, 404])
async def test_a_page_that_is_no_json_is_asked_for_again_slowly(status: int) -> None:
    with pytest.raises(TransientError, match="firewall") as refused:
        await read(answer(b"<html>", status=status))

    assert refused.value.retry_after == 10


async def test_json_behind_a_byte_order_mark_is_json() -> None:
    found, _ = connector(answer(b"\xef\xbb\xbf[]"))

    assert (await found.read_page(ACCESS, Window(NOW - timedelta(hours=1), NOW), after=None, way="poll")).orders == ()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3", 3),
        ("", None),
        ("soon", None),
        ("99999999", 900),
        ("-1", 0),
        ("nan", None),
        (format_datetime(NOW + timedelta(seconds=45), usegmt=True), 45),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_kept_to_as_seconds_and_as_a_date(text: str, seconds: float | None, status: int) -> None:
    with pytest.raises(TransientError) as refused:
        await read(answer(status=status, headers={"retry-after": text} if text else {}))

    assert refused.value.retry_after == seconds


async def test_after_a_refused_call_nobody_calls_that_store() -> None:
    clock = ManualClock(NOW)
    http = ScriptedHttp(answer(status=429, headers={"Retry-After": "30"}))
    limits = MemoryLimits(clock)
    found, other_process = (WooCommerceConnector(Tools(http, clock, limits)) for _ in range(2))
    with pytest.raises(TransientError):
        await found.read_order(ACCESS, "7", way="webhook")

    waiting = asyncio.create_task(other_process.read_order(ACCESS, "7", way="webhook"))
    for _ in range(100):
        clock.advance(0.05)
        await asyncio.sleep(0)
    with pytest.raises(TransientError):
        await waiting

    assert len(http.asked) == 1


class _Slow(ScriptedHttp):
    """Answers when told."""

    def __init__(self) -> None:
        super().__init__(answer([]))
        self.open = 0
        self.most = 0
        self.go = asyncio.Event()

    async def request(self, *given: object, **named: object) -> HttpAnswer:
        self.open += 1
        self.most = max(self.most, self.open)
        await self.go.wait()
        self.open -= 1
        return await super().request(*given, **named)  # type: ignore[arg-type]


async def test_a_store_is_asked_two_things_at_a_time_however_many_processes_ask() -> None:
    clock = ManualClock(NOW)
    http, limits = _Slow(), MemoryLimits(clock)
    processes = [WooCommerceConnector(Tools(http, clock, limits)) for _ in range(5)]

    asking = [asyncio.create_task(one.read_order(ACCESS, "7", way="poll")) for one in processes]
    for _ in range(20):
        await asyncio.sleep(0)
    at_first = http.open
    http.go.set()
    while not all(task.done() for task in asking):
        clock.advance(0.05)
        await asyncio.sleep(0)

    assert (at_first, http.most, len(http.asked)) == (2, 2, 5)


async def test_plain_http_to_a_private_address_is_refused_for_real() -> None:
    clock = ManualClock(NOW)
    http = HttpClient()
    found = WooCommerceConnector(Tools(http, clock, MemoryLimits(clock)))

    with pytest.raises(TransientError, match="not a public address"):
        await found.read_order(access(store_url="http://192.168.0.7", auth="oauth", home=""), "7", way="poll")
    await http.close()


async def test_no_secret_is_ever_shown() -> None:
    for way in ("header", "query", "oauth"):
        door = Door.of(access(auth=way).secrets)
        shown = f"{door!r} {sign(door, 'GET', '/', {}, now=NOW)!r}"
        assert SECRET not in shown
