"""The Notification API: setting up, what is told, signatures, resends, and a destination that is down."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import replace
from typing import Any, Protocol

import orjson
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

pytestmark = pytest.mark.integration

BASE = "/commerce/notification/v1"
PAYLOAD = {"format": "JSON", "schemaVersion": "1.0", "deliveryProtocol": "HTTPS"}


class Ebay(Protocol):
    """The fixture's client; see conftest."""

    store: dict[str, Any]
    token: str
    sandbox: Any

    async def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **sent: Any) -> Any: ...
    async def orders(self, criteria: str = "", **query: Any) -> Any: ...
    async def get(self, order: str) -> Any: ...
    async def control(self, method: str, path: str, /, **body: Any) -> Any: ...
    async def order(self, state: str = "ready", **options: Any) -> str: ...
    async def change(self, order: str, action: str, **change: Any) -> Any: ...
    async def as_app(self) -> Ebay: ...
    async def open_seller(self, **body: Any) -> Ebay: ...


class Endpoint(Protocol):
    """The fixture's endpoint; see conftest."""

    url: str
    token: str
    status: int
    challenge_token: str
    bodies: list[bytes]
    signatures: list[str]


def last(location: Any) -> str:
    return str(location.headers["location"]).rsplit("/", 1)[1]


async def destination(ebay: Ebay, endpoint: Endpoint, **changed: Any) -> Any:
    app = await ebay.as_app()
    await app.call("PUT", f"{BASE}/config", json={"alertEmail": "alerts@example.com"})
    config = {"endpoint": endpoint.url, "verificationToken": endpoint.token}
    body = {"name": "sync", "status": "ENABLED", "deliveryConfig": config} | changed
    return await app.call("POST", f"{BASE}/destination", json=body)


async def subscribe(caller: Ebay, topic: str, destination_id: str, **changed: Any) -> Any:
    body = {"topicId": topic, "status": "ENABLED", "destinationId": destination_id, "payload": PAYLOAD} | changed
    return await caller.call("POST", f"{BASE}/subscription", json=body)


async def listening(ebay: Ebay, endpoint: Endpoint, topic: str = "ORDER_CONFIRMATION") -> str:
    """Subscribe the seller, and answer the destination's id."""
    destination_id = last(await destination(ebay, endpoint))
    assert (await subscribe(ebay, topic, destination_id)).status == 201
    return destination_id


async def settled(ebay: Ebay) -> None:
    async with asyncio.timeout(5):
        await ebay.sandbox._publisher.settle()


def told(endpoint: Endpoint) -> list[dict[str, Any]]:
    return [orjson.loads(body) for body in endpoint.bodies]


async def public_key(ebay: Ebay, header: str) -> Any:
    kid = orjson.loads(base64.b64decode(header))["kid"]
    answer = await (await ebay.as_app()).call("GET", f"{BASE}/public_key/{kid}")
    pem = answer.json["key"]
    assert "\n" not in pem
    begin, end = "-----BEGIN PUBLIC KEY-----", "-----END PUBLIC KEY-----"
    broken = f"{begin}\n{pem.removeprefix(begin).removesuffix(end)}\n{end}"
    return serialization.load_pem_public_key(broken.encode())


def verify(key: Any, header: str, message: bytes) -> None:
    stamp = orjson.loads(base64.b64decode(header))
    assert (stamp["alg"], stamp["digest"]) == ("ecdsa", "SHA1")
    key.verify(base64.b64decode(stamp["signature"]), message, ec.ECDSA(hashes.SHA1()))


async def test_a_completed_checkout_is_told_once_a_line(ebay: Ebay, endpoint: Endpoint) -> None:
    await listening(ebay, endpoint)

    order = await ebay.order("global_shipping")
    await settled(ebay)

    messages = told(endpoint)
    lines = (await ebay.get(order)).json["lineItems"]
    data = [each["notification"]["data"] for each in messages]
    assert {each["metadata"]["topic"] for each in messages} == {"ORDER_CONFIRMATION"}
    assert {each["order"]["orderId"] for each in data} == {order}
    assert {each["user"]["userId"] for each in data} == {ebay.store["store"]}
    assert sorted(each["order"]["orderLineItems"][0]["orderLineItemId"] for each in data) == sorted(
        line["lineItemId"] for line in lines
    )
    assert len({each["notification"]["notificationId"] for each in messages}) == len(lines) == 2


async def test_messages_may_list_all_lines_and_leave_the_user_out(ebay: Ebay, endpoint: Endpoint) -> None:
    await listening(ebay, endpoint)
    await ebay.control("POST", "/settings", confirmation="order", confirmation_user=False)

    await ebay.order("global_shipping")
    await settled(ebay)

    data = [each["notification"]["data"] for each in told(endpoint)]
    assert [len(each["order"]["orderLineItems"]) for each in data] == [2, 2]
    assert all("user" not in each for each in data)


async def test_a_signature_is_ecdsa_with_sha1_over_the_raw_bytes(ebay: Ebay, endpoint: Endpoint) -> None:
    await listening(ebay, endpoint)
    await ebay.order()
    await settled(ebay)
    body, header = endpoint.bodies[0], endpoint.signatures[0]

    key = await public_key(ebay, header)

    verify(key, header, body)
    with pytest.raises(InvalidSignature):
        verify(key, header, body.replace(b"1.0", b"1.1"))


async def test_a_spaced_body_is_signed_in_its_compact_form(ebay: Ebay, endpoint: Endpoint) -> None:
    await listening(ebay, endpoint)
    await ebay.control("POST", "/settings", spaced_bodies=True)
    await ebay.order()
    await settled(ebay)
    body, header = endpoint.bodies[0], endpoint.signatures[0]

    key = await public_key(ebay, header)

    verify(key, header, orjson.dumps(orjson.loads(body)))
    with pytest.raises(InvalidSignature):
        verify(key, header, body)


async def test_a_new_key_signs_and_the_old_one_is_still_told(ebay: Ebay, endpoint: Endpoint) -> None:
    await listening(ebay, endpoint)
    await ebay.order("adjusted")
    await settled(ebay)
    await ebay.control("POST", "/keys")

    await ebay.order("adjusted")
    await settled(ebay)

    kids = {orjson.loads(base64.b64decode(header))["kid"] for header in endpoint.signatures}
    assert len(kids) == 2
    for body, header in zip(endpoint.bodies, endpoint.signatures, strict=True):
        verify(await public_key(ebay, header), header, body)


@pytest.mark.parametrize("action", ["cancel", "refund", "address", "cancel_request", "hold", "note", "ship"])
async def test_nothing_but_new_orders_is_told(ebay: Ebay, endpoint: Endpoint, action: str) -> None:
    await listening(ebay, endpoint)
    order = await ebay.order("adjusted", webhooks=False)

    await ebay.change(order, action)
    await settled(ebay)

    assert endpoint.bodies == []


async def test_a_failed_payment_made_good_is_confirmed_again(ebay: Ebay, endpoint: Endpoint) -> None:
    await listening(ebay, endpoint)
    order = await ebay.order("payment_failed")
    pending = await ebay.order("unpaid_pending")
    await settled(ebay)
    before = len(endpoint.bodies)

    await ebay.change(pending, "pay")
    await ebay.change(order, "pay")
    await settled(ebay)

    again = told(endpoint)[before:]
    assert again
    assert {each["notification"]["data"]["order"]["orderId"] for each in again} == {order}


async def test_an_unacknowledged_message_comes_again_counted_and_signed_anew(ebay: Ebay, endpoint: Endpoint) -> None:
    await listening(ebay, endpoint)
    await ebay.control("POST", "/settings", time_scale=10_000)
    endpoint.status = 412

    await ebay.order("adjusted", count=1)
    await settled(ebay)

    messages = told(endpoint)
    first = messages[0]["notification"]["notificationId"]
    same = [each["notification"] for each in messages if each["notification"]["notificationId"] == first]
    assert [each["publishAttemptCount"] for each in same] == [1, 2, 3, 4]
    key = await public_key(ebay, endpoint.signatures[0])
    for body, header in zip(endpoint.bodies, endpoint.signatures, strict=True):
        verify(key, header, body)


async def test_a_destination_that_keeps_failing_is_marked_down_until_it_is_enabled_again(
    ebay: Ebay, endpoint: Endpoint
) -> None:
    destination_id = await listening(ebay, endpoint)
    app = await ebay.as_app()
    await ebay.control("POST", "/settings", time_scale=10_000)
    endpoint.status = 500
    await ebay.order()
    await settled(ebay)
    down = await app.call("GET", f"{BASE}/destination/{destination_id}")
    endpoint.status, endpoint.bodies = 204, []

    await ebay.order()
    await settled(ebay)
    unheard = list(endpoint.bodies)
    config = {"endpoint": endpoint.url, "verificationToken": endpoint.token}
    body = {"name": "sync", "status": "ENABLED", "deliveryConfig": config}
    enabled = await app.call("PUT", f"{BASE}/destination/{destination_id}", json=body)
    await ebay.order()
    await settled(ebay)

    assert down.json["status"] == "MARKED_DOWN"
    assert unheard == []
    assert enabled.status == 204
    assert endpoint.bodies


async def test_a_destination_must_answer_the_challenge(ebay: Ebay, endpoint: Endpoint) -> None:
    endpoint.challenge_token = "x" * 32

    refused = await destination(ebay, endpoint)
    endpoint.challenge_token = ""
    taken = await destination(ebay, endpoint)
    again = await destination(ebay, endpoint)

    assert (refused.status, refused.error_id) == (409, 195020)
    assert taken.status == 201
    assert (again.status, again.error_id) == (409, 195021)


@pytest.mark.parametrize(
    ("changed", "error_id"),
    [
        ({"name": ""}, 195016),
        ({"name": "<b>"}, 195016),
        ({"status": "ON"}, 195018),
        ({"deliveryConfig": {"endpoint": "http://shop.example.com/x", "verificationToken": "t" * 32}}, 195017),
        ({"deliveryConfig": {"endpoint": "https://shop.example.com/x", "verificationToken": "t" * 31}}, 195019),
        ({"deliveryConfig": {"endpoint": "https://shop.example.com/x", "verificationToken": "ü" * 40}}, 195019),
    ],
)
async def test_each_rule_of_a_destination_has_its_own_refusal(
    ebay: Ebay, endpoint: Endpoint, changed: dict[str, Any], error_id: int
) -> None:
    answer = await destination(ebay, endpoint, **changed)

    assert (answer.status, answer.error_id) == (400, error_id)


async def test_nothing_is_set_up_before_somebody_can_be_alerted(ebay: Ebay) -> None:
    app = await ebay.as_app()

    missing = await app.call("GET", f"{BASE}/config")
    early = await app.call("POST", f"{BASE}/destination", json={"name": "sync"})
    bad = await app.call("PUT", f"{BASE}/config", json={"alertEmail": "nobody"})

    assert [(each.status, each.error_id) for each in (missing, early, bad)] == [
        (404, 195026),
        (409, 195003),
        (400, 195025),
    ]


@pytest.mark.parametrize(
    ("changed", "error_id"),
    [
        ({"topicId": "ORDER_CANCELLED"}, 195027),
        ({"status": "ON"}, 195006),
        ({"destinationId": "none"}, 195007),
        ({"payload": PAYLOAD | {"schemaVersion": "9"}}, 195008),
        ({"payload": PAYLOAD | {"format": "XML"}}, 195009),
        ({"payload": PAYLOAD | {"deliveryProtocol": "SMTP"}}, 195010),
    ],
)
async def test_each_rule_of_a_subscription_has_its_own_refusal(
    ebay: Ebay, endpoint: Endpoint, changed: dict[str, Any], error_id: int
) -> None:
    destination_id = last(await destination(ebay, endpoint))

    answer = await subscribe(ebay, "ORDER_CONFIRMATION", **({"destination_id": destination_id} | changed))

    assert (answer.status, answer.error_id) == (400, error_id)


async def test_topics_of_users_need_the_users_token_and_those_of_the_app_its_own(
    ebay: Ebay, endpoint: Endpoint
) -> None:
    destination_id = last(await destination(ebay, endpoint))
    app = await ebay.as_app()

    for_app = await subscribe(app, "ORDER_CONFIRMATION", destination_id)
    for_user = await subscribe(ebay, "MARKETPLACE_ACCOUNT_DELETION", destination_id)

    assert [(each.status, each.error_id) for each in (for_app, for_user)] == [(403, 195011)] * 2
    assert (await subscribe(app, "MARKETPLACE_ACCOUNT_DELETION", destination_id)).status == 201


async def test_a_second_subscription_to_the_same_exists_already_and_survives_a_new_consent(
    ebay: Ebay, endpoint: Endpoint
) -> None:
    destination_id = await listening(ebay, endpoint)
    await ebay.control("POST", f"/stores/{ebay.store['store']}/revoke")
    again = replace(ebay, token=ebay.sandbox._world.tokens.grant(ebay.store["store"])["access_token"])  # type: ignore[type-var]
    other = await ebay.open_seller()

    repeated = await subscribe(again, "ORDER_CONFIRMATION", destination_id)

    assert (repeated.status, repeated.error_id) == (409, 195012)
    assert (await subscribe(other, "ORDER_CONFIRMATION", destination_id)).status == 201


async def test_subscriptions_are_paused_resumed_tested_listed_and_dropped(ebay: Ebay, endpoint: Endpoint) -> None:
    destination_id = last(await destination(ebay, endpoint))
    made = await subscribe(ebay, "ORDER_CONFIRMATION", destination_id, status="DISABLED")
    path = f"{BASE}/subscription/{last(made)}"

    await ebay.order()
    await settled(ebay)
    unheard = list(endpoint.bodies)
    tested = await ebay.call("POST", f"{path}/test")
    enabled = await ebay.call("POST", f"{path}/enable")
    await settled(ebay)
    listed = await ebay.call("GET", f"{BASE}/subscription")
    hidden = await (await ebay.open_seller()).call("GET", path)
    dropped = await ebay.call("DELETE", path)

    assert unheard == []
    assert (tested.status, enabled.status, dropped.status) == (202, 204, 204)
    assert told(endpoint)[0]["notification"]["data"]["user"]["username"] == "test_user"
    assert [each["status"] for each in listed.json["subscriptions"]] == ["ENABLED"]
    assert (hidden.status, hidden.error_id) == (404, 195013)
    assert (await ebay.call("GET", path)).status == 404


async def test_an_enabled_destination_cannot_be_deleted_nor_a_disabled_one_subscribed_to(
    ebay: Ebay, endpoint: Endpoint
) -> None:
    made = await destination(ebay, endpoint, status="DISABLED")
    app = await ebay.as_app()
    path = f"{BASE}/destination/{last(made)}"

    early = await subscribe(ebay, "ORDER_CONFIRMATION", last(made))
    config = {"endpoint": endpoint.url, "verificationToken": endpoint.token}
    await app.call("PUT", path, json={"name": "sync", "status": "ENABLED", "deliveryConfig": config})
    refused = await app.call("DELETE", path)
    await app.call("PUT", path, json={"name": "sync", "status": "DISABLED", "deliveryConfig": config})

    assert (early.status, early.error_id) == (409, 195015)
    assert (refused.status, refused.error_id) == (409, 195024)
    assert (await app.call("DELETE", path)).status == 204


async def test_a_revocation_says_whose_and_why(ebay: Ebay, endpoint: Endpoint) -> None:
    await listening(ebay, endpoint, "AUTHORIZATION_REVOCATION")

    await ebay.control("POST", f"/stores/{ebay.store['store']}/revocation", reason="PASSWORD_CHANGE")
    await settled(ebay)

    [message] = told(endpoint)
    data = message["notification"]["data"]
    assert message["metadata"]["topic"] == "AUTHORIZATION_REVOCATION"
    assert (data["userId"], data["revokeReason"]) == (ebay.store["store"], "PASSWORD_CHANGE")
    assert {"username", "eiasToken", "revocationDate"} < set(data)


async def test_an_ended_consent_ends_the_confirmations(ebay: Ebay, endpoint: Endpoint) -> None:
    await listening(ebay, endpoint)
    await ebay.control("POST", f"/stores/{ebay.store['store']}/revoke")

    await ebay.order()
    await settled(ebay)

    assert endpoint.bodies == []


async def test_the_deletion_of_a_buyers_account_is_told_to_the_app(ebay: Ebay, endpoint: Endpoint) -> None:
    destination_id = last(await destination(ebay, endpoint))
    await subscribe(await ebay.as_app(), "MARKETPLACE_ACCOUNT_DELETION", destination_id)
    order = await ebay.order()

    gone = await ebay.control("POST", "/account-deletions", store=ebay.store["store"], order=order)
    await settled(ebay)

    [message] = told(endpoint)
    data = message["notification"]["data"]
    assert (data["username"], data["userId"]) == (gone["username"], gone["userId"])
    assert data["username"] == (await ebay.get(order)).json["buyer"]["username"]


async def test_an_app_may_be_shut_out_until_it_hears_of_deletions(ebay: Ebay, endpoint: Endpoint) -> None:
    await ebay.control("POST", "/settings", require_account_deletion=True)

    shut_out = await ebay.orders()
    destination_id = last(await destination(ebay, endpoint))
    await subscribe(await ebay.as_app(), "MARKETPLACE_ACCOUNT_DELETION", destination_id)

    assert (shut_out.status, shut_out.error_id) == (403, 1100)
    assert (await ebay.orders()).status == 200


@pytest.mark.parametrize(
    ("kind", "count"), [("drop_webhooks", 0), ("duplicate_webhooks", 4), ("disordered_webhooks", 2)]
)
async def test_messages_can_be_dropped_doubled_and_delayed(
    ebay: Ebay, endpoint: Endpoint, kind: str, count: int
) -> None:
    await listening(ebay, endpoint)
    await ebay.control("POST", "/faults", kind=kind)

    await ebay.order("global_shipping")
    await settled(ebay)

    assert len(endpoint.bodies) == count
    assert len({each["notification"]["notificationId"] for each in told(endpoint)}) == min(count, 2)


async def test_an_unknown_key_is_not_found(ebay: Ebay) -> None:
    answer = await (await ebay.as_app()).call("GET", f"{BASE}/public_key/none")

    assert (answer.status, answer.error_id) == (404, 195001)
