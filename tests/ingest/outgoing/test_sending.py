"""Deliveries to a receiver on loopback: signed, repeated for a day, given up with notice, and never sent elsewhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from schemas.production import UpdateShipped
from services.ingest.adapters.memory.outgoing import MemoryOutgoing
from services.ingest.outgoing.endpoints import WAITS, Delivery
from services.ingest.outgoing.routes import OutgoingApi, outgoing_routes
from services.ingest.outgoing.sending import Sending
from services.ingest.outgoing.taking import Taking
from services.kit.clock import ManualClock
from services.kit.errors import UnreadableMessage
from services.kit.health import Health
from services.kit.http.client import HttpClient
from services.kit.http.server import build_app, serve
from services.kit.kafka.records import Record
from services.kit.keys import MemoryKeyRing
from services.kit.metrics import Metrics
from services.kit.vault import Vault
from tests.ingest.outgoing.facts import NOW, SELLER, decided, shipment, update

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@dataclass
class Receiver:
    """A seller's system: what it got, and what it answers."""

    status: int = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        self.got.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return web.Response(status=self.status)


@dataclass
class Desk:
    """A seller's client, their receiver, and our sender."""

    receiver: Receiver
    url: str
    outgoing: MemoryOutgoing
    sending: Sending
    taking: Taking
    clock: ManualClock
    session: aiohttp.ClientSession
    keys: MemoryKeyRing
    key: str

    async def call(self, method: str, path: str = "", body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {key or self.key}"}
        address = f"/v1/webhook-endpoints{path}"
        async with self.session.request(method, address, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None) if response.status != 204 else None

    async def add(self, **body: Any) -> Any:
        status, endpoint = await self.call("POST", body={"url": self.url, **body})
        assert status == 201, endpoint
        return endpoint

    async def hear(self, *facts: Any) -> None:
        records = [record(fact) for fact in facts]
        await self.taking.handle(records)

    async def log(self, endpoint: Any) -> list[Any]:
        _, page = await self.call("GET", f"/{endpoint['endpoint_id']}/deliveries")
        items: list[Any] = page["items"]
        return items


def record(fact: Any) -> Record:
    topic = "orders.decisions" if fact.type == "order.decided" else "production.updates"
    return Record(topic, 0, 0, fact.order_key, fact.to_bytes(), {}, 0)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    clock, keys, outgoing, receiver = ManualClock(NOW), MemoryKeyRing(), MemoryOutgoing(), Receiver()
    vault, metrics = Vault.open_or_create(tmp_path / "master.key"), Metrics()
    listening = web.Application()
    listening.router.add_post("/hook", receiver.take)
    http = HttpClient(allow_private_addresses=True)
    sending = Sending(outgoing, http, vault=vault, clock=clock, metrics=metrics)
    api = OutgoingApi(outgoing, sending, vault, clock, allow_private_addresses=True)
    app = build_app(outgoing_routes(api), keys=keys, metrics=metrics, health=Health())
    server = await serve(app, "127.0.0.1", 0)
    async with TestServer(listening) as seller, aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        url = str(seller.make_url("/hook"))
        taking = Taking(outgoing, clock)
        yield Desk(receiver, url, outgoing, sending, taking, clock, session, keys, keys.grant(SELLER))
    await http.close()
    await server.stop()


async def test_a_fact_is_sent_once_and_signed_as_standard_webhooks_says(desk: Desk) -> None:
    endpoint = await desk.add()
    await desk.hear(decided(), decided())
    await desk.hear(decided())

    assert await desk.sending.send_due() == 1
    assert await desk.sending.send_due() == 0

    [(headers, body)] = desk.receiver.got
    secret = base64.b64decode(endpoint["secret"].removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert headers["content-type"] == "application/json"
    assert orjson.loads(body)["type"] == "order.held"
    [delivery] = await desk.log(endpoint)
    assert (delivery["delivery_id"], delivery["state"], delivery["status"]) == (headers["webhook-id"], "delivered", 204)


async def test_an_endpoint_hears_what_it_chose_and_what_happened_since_it_is_there(desk: Desk) -> None:
    await desk.add(types=["order.shipped", "order.shipped"])
    await desk.hear(decided(), update(UpdateShipped, shipment=shipment()))
    await desk.hear(update(UpdateShipped, shipment=shipment("S-0"), occurred_at=NOW - timedelta(seconds=1)))
    await desk.hear(update(UpdateShipped, shipment=shipment("S-9"), seller_id="seller-2"))

    await desk.sending.send_due()

    assert [orjson.loads(body)["data"]["shipment"]["shipment_id"] for _, body in desk.receiver.got] == ["S-1"]


async def test_a_failed_delivery_is_repeated_for_a_day_under_the_same_id_and_then_the_endpoint_is_disabled(
    desk: Desk,
) -> None:
    failing, other = await desk.add(), await desk.add(types=["order.delivered"])
    desk.receiver.status = 500
    await desk.hear(decided())

    attempts = await desk.sending.send_due()
    waits = []
    while desk.outgoing.endpoints[failing["endpoint_id"]].state == "enabled":
        [delivery] = desk.outgoing.deliveries.values()
        waits.append(delivery.due_at - desk.clock.now())
        desk.clock.advance(waits[-1].total_seconds())
        attempts += await desk.sending.send_due()

    [delivery] = await desk.log(failing)
    _, shown = await desk.call("GET", f"/{failing['endpoint_id']}")
    assert waits == list(WAITS)
    assert timedelta(hours=23) < sum(waits, timedelta()) < timedelta(hours=25)
    assert (delivery["state"], delivery["attempts"], attempts) == ("failed", 12, 12)
    assert (delivery["status"], delivery["problem"]) == (500, "It answered 500.")
    assert (shown["state"], shown["problem"]) == ("disabled", "Nothing was taken there for a day.")
    assert len({headers["webhook-id"] for headers, _ in desk.receiver.got}) == 1
    # The seller's other address is told, whatever it chose to hear.
    [notice] = await desk.log(other)
    assert (notice["type"], failing["endpoint_id"] in notice["body"]) == ("endpoint.disabled", True)


async def test_a_disabled_endpoint_is_sent_nothing_until_it_is_enabled_and_then_what_waits(desk: Desk) -> None:
    endpoint = await desk.add()
    path = f"/{endpoint['endpoint_id']}"
    desk.receiver.status = 410
    await desk.hear(decided())
    await desk.sending.send_due()
    desk.clock.advance(3600)
    desk.receiver.status = 200

    nothing = await desk.sending.send_due()
    _, enabled = await desk.call("PATCH", path, {"state": "enabled"})
    sent = await desk.sending.send_due()

    assert (nothing, sent, enabled["state"], enabled["problem"]) == (0, 1, "enabled", None)
    assert [each["state"] for each in await desk.log(endpoint)] == ["delivered"]


async def test_a_success_ends_a_row_of_failures(desk: Desk) -> None:
    endpoint = await desk.add()
    desk.receiver.status = 503
    await desk.hear(decided())
    await desk.sending.send_due()
    failing = desk.outgoing.endpoints[endpoint["endpoint_id"]].failing_since
    desk.receiver.status = 202
    desk.clock.advance(5)
    await desk.sending.send_due()

    assert failing == NOW
    assert desk.outgoing.endpoints[endpoint["endpoint_id"]].failing_since is None


async def test_the_test_button_shows_at_once_how_it_ended_and_is_not_repeated(desk: Desk) -> None:
    endpoint = await desk.add()
    _, fine = await desk.call("POST", f"/{endpoint['endpoint_id']}/test")
    desk.receiver.status = 404
    _, wrong = await desk.call("POST", f"/{endpoint['endpoint_id']}/test")
    desk.clock.advance(86_400)

    assert (fine["type"], fine["state"], fine["status"]) == ("webhook.test", "delivered", 204)
    assert (wrong["state"], wrong["problem"]) == ("failed", "It answered 404.")
    assert await desk.sending.send_due() == 0


async def test_a_delivery_is_sent_again_when_its_seller_asks(desk: Desk) -> None:
    endpoint = await desk.add()
    await desk.hear(decided())
    await desk.sending.send_due()
    [delivery] = await desk.log(endpoint)

    status, again = await desk.call("POST", f"/{endpoint['endpoint_id']}/deliveries/{delivery['delivery_id']}/repeat")
    await desk.sending.send_due()

    assert (status, again["state"]) == (202, "waiting")
    assert len(desk.receiver.got) == 2


async def test_a_new_secret_signs_from_then_on(desk: Desk) -> None:
    endpoint = await desk.add()
    _, renewed = await desk.call("POST", f"/{endpoint['endpoint_id']}/secret")
    await desk.hear(decided())
    await desk.sending.send_due()

    [(headers, body)] = desk.receiver.got
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(renewed["secret"].removeprefix("whsec_"))
    assert renewed["secret"] != endpoint["secret"]
    assert headers["webhook-signature"][3:] == base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    _, shown = await desk.call("GET")
    assert "secret" not in shown["items"][0]


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example.com/hook",
        "https://10.0.0.7/hook",
        "https://[::1]/hook",
        "https://localhost/hook",
        "https://db.internal/",
        "https://user:word@shop.example.com/",
        "ftp://shop.example.com/",
        "shop.example.com",
        "https://[broken/",
    ],
)
async def test_only_public_addresses_over_https_are_taken(desk: Desk, url: str) -> None:
    strict = OutgoingApi(desk.outgoing, desk.sending, desk.sending._vault, desk.clock, allow_private_addresses=False)
    server = await serve(
        build_app(outgoing_routes(strict), keys=desk.keys, metrics=Metrics(), health=Health()), "127.0.0.1", 0
    )
    headers = {"Authorization": f"Bearer {desk.key}"}
    address = f"http://127.0.0.1:{server.port}/v1/webhook-endpoints"
    async with aiohttp.ClientSession() as session, session.post(address, json={"url": url}, headers=headers) as answer:
        problem = await answer.json(content_type=None)
    await server.stop()

    assert (answer.status, problem["code"]) == (422, "address_refused")
    assert desk.outgoing.endpoints == {}


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://127.0.0.1/hook", "The address leads to a private network, or not over HTTPS."),
        ("http://shop.example.com/hook", "The address leads to a private network, or not over HTTPS."),
        (
            f"https://{'a' * 64}.example.com/",
            "The address cannot be called: its name is not one that can be looked up.",
        ),
    ],
)
async def test_what_must_not_or_cannot_be_called_is_not(desk: Desk, url: str, problem: str) -> None:
    endpoint = await desk.add()
    http = HttpClient()
    sending = Sending(desk.outgoing, http, vault=desk.sending._vault, clock=desk.clock, metrics=Metrics())
    held = desk.outgoing.endpoints[endpoint["endpoint_id"]]
    desk.outgoing.endpoints[endpoint["endpoint_id"]] = replace(held, url=url)
    await desk.hear(decided())

    await sending.send_due()
    await http.close()

    [delivery] = await desk.log(endpoint)
    assert (delivery["state"], delivery["problem"]) == ("waiting", problem)


async def test_the_log_is_read_in_parts_and_another_seller_sees_none_of_it(desk: Desk) -> None:
    endpoint = await desk.add()
    await desk.hear(*(decided(event_id=f"decision-{number}") for number in range(5)))
    path = f"/{endpoint['endpoint_id']}/deliveries"

    _, first = await desk.call("GET", f"{path}?limit=3")
    cursor = first["next"].replace("+", "%2B")
    _, second = await desk.call("GET", f"{path}?limit=3&cursor={cursor}")
    stranger = desk.keys.grant("seller-2")

    assert len({each["delivery_id"] for each in first["items"] + second["items"]}) == 5
    assert second["next"] is None
    assert (await desk.call("GET", f"{path}?cursor=x"))[0] == 422
    for method, below in (("GET", ""), ("DELETE", ""), ("GET", "/deliveries"), ("POST", "/test"), ("POST", "/secret")):
        status, problem = await desk.call(method, f"/{endpoint['endpoint_id']}{below}", key=stranger)
        assert (status, problem["code"]) == (404, "endpoint_not_found")


async def test_an_endpoint_that_is_removed_takes_its_deliveries_along(desk: Desk) -> None:
    endpoint = await desk.add()
    await desk.hear(decided())

    status, _ = await desk.call("DELETE", f"/{endpoint['endpoint_id']}")

    assert status == 204
    assert await desk.sending.send_due() == 0
    assert (await desk.call("GET"))[1]["items"] == []


async def test_a_seller_has_only_so_many(desk: Desk) -> None:
    for _ in range(20):
        await desk.add()

    status, problem = await desk.call("POST", body={"url": desk.url})

    assert (status, problem["code"]) == (409, "too_many_endpoints")


async def test_what_can_never_be_read_is_named(desk: Desk) -> None:
    broken = Record("orders.decisions", 0, 0, None, b"{}", {}, 0)

    await desk.taking.handle([broken])
    await desk.add()

    # As long as nobody wants to be told, nobody looks.
    with pytest.raises(UnreadableMessage):
        await desk.taking.handle([broken])


def test_a_delivery_shows_nothing_of_its_body() -> None:
    delivery = Delivery("msg_1", "e-1", "order.held", "the body", NOW, NOW)

    assert "the body" not in repr(delivery)
