"""Which requests a fault rule hits, and how the answers look; the server behind them is a plain echo."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from deploy.sandbox.books import Books
from deploy.sandbox.faults import FaultRule, Faults, faults_middleware

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


class Echo:
    """Answers a JSON object and counts how often it did."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.books = Books()
        self.worked = 0

    def app(self) -> web.Application:
        app = web.Application(middlewares=[faults_middleware(self.faults, books=self.books)])
        app.router.add_get("/{name}", self._answer)
        return app

    async def _answer(self, _request: web.Request) -> web.Response:
        self.worked += 1
        return web.json_response({"orders": list(range(20))})


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
async def client(echo: Echo) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    async with TestClient(TestServer(echo.app())) as client:
        yield client


Client = TestClient[web.Request, web.Application]


async def test_a_status_fault_tells_when_to_come_back(echo: Echo, client: Client) -> None:
    echo.faults.add(FaultRule("status_429", retry_after=2))

    answer = await client.get("/orders")

    assert (answer.status, answer.headers["Retry-After"]) == (429, "2")
    assert echo.worked == 0


async def test_a_rule_is_used_up_by_its_count(echo: Echo, client: Client) -> None:
    echo.faults.add(FaultRule("status_500", count=2))

    statuses = [(await client.get("/orders")).status for _ in range(3)]

    assert statuses == [500, 500, 200]
    assert echo.books["faults"] == 2


async def test_a_rule_with_a_path_spares_other_paths(echo: Echo, client: Client) -> None:
    echo.faults.add(FaultRule("status_503", path="^/orders"))

    assert (await client.get("/shop")).status == 200
    assert (await client.get("/orders")).status == 503


async def test_truncated_json_cannot_be_read(echo: Echo, client: Client) -> None:
    echo.faults.add(FaultRule("truncated_json"))

    answer = await client.get("/orders")

    assert answer.status == 200
    with pytest.raises(ValueError, match=r"delimiter|Expecting|Unterminated"):
        await answer.json()


async def test_html_comes_with_status_200(echo: Echo, client: Client) -> None:
    echo.faults.add(FaultRule("html_200"))

    answer = await client.get("/orders")

    assert (answer.status, answer.content_type) == (200, "text/html")


@pytest.mark.parametrize(("when", "worked"), [("before", 0), ("after", 1)])
async def test_a_cut_connection_loses_the_answer_and_only_after_the_work_if_asked(
    echo: Echo, client: Client, when: str, worked: int
) -> None:
    echo.faults.add(FaultRule.parse({"kind": "cut_connection", "when": when}))

    with pytest.raises(aiohttp.ClientError):
        await client.get("/orders")

    assert echo.worked == worked


async def test_a_timeout_holds_the_request_and_then_cuts_it(echo: Echo, client: Client) -> None:
    echo.faults.add(FaultRule("timeout", seconds=0.05))

    with pytest.raises(aiohttp.ClientError):
        await client.get("/orders")

    assert echo.worked == 0


def test_a_rate_hits_about_its_share_and_repeats_by_seed() -> None:
    def hits() -> list[bool]:
        faults = Faults(seed=1)
        faults.add(FaultRule("status_500", rate=0.3))
        return [faults.draw_for_answer("/") is not None for _ in range(1000)]

    first = hits()

    assert 250 < sum(first) < 350
    assert hits() == first


def test_a_rule_for_a_method_leaves_the_others_alone() -> None:
    faults = Faults()
    faults.add(FaultRule("status_500", method="POST"))

    assert faults.draw_for_answer("/", method="GET") is None
    assert faults.draw_for_answer("/", method="POST") is not None


def test_clearing_the_rules_ends_the_faults() -> None:
    faults = Faults()
    faults.add(FaultRule("status_500"))

    faults.clear()

    assert faults.draw_for_answer("/") is None


@pytest.mark.parametrize("body", [{"kind": "earthquake"}, {"kind": "status_500", "colour": "red"}])
def test_a_rule_that_makes_no_sense_is_refused(body: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"kind must be|unknown fields"):
        FaultRule.parse(body)
