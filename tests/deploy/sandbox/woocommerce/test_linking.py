"""The page where a merchant lets software in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

pytestmark = pytest.mark.integration

RETURN = "http://127.0.0.1:1/back?tab=stores"


def asked(callback: str, **changes: str) -> Mapping[str, str]:
    return {
        "app_name": "Sync",
        "scope": "read_write",
        "user_id": "state-1",
        "return_url": RETURN,
        "callback_url": callback,
    } | changes


async def authorize(store: Any, query: Mapping[str, str]) -> Any:
    return await store.fetch("GET", f"{store.url}/wc-auth/v1/authorize", params=query)


def came_back(answer: Any) -> dict[str, list[str]]:
    return parse_qs(urlsplit(answer.headers["Location"]).query)


async def test_the_request_to_link_names_the_stores_address(woo: Any) -> None:
    store = await woo.open_store(link_by="authorization")

    assert store.store["link"] == {"request": {"store_url": store.url}}


async def test_the_stores_server_posts_the_keys_before_the_browser_returns(woo: Any, receiver: Any) -> None:
    store = await woo.open_store(link_by="authorization")

    answer = await authorize(store, asked(receiver.url))
    [post] = receiver.got
    keys = orjson.loads(post.body)
    store.store["link"] = {"credentials": keys}

    assert (answer.status, answer.headers["Location"].split("?")[0]) == (302, "http://127.0.0.1:1/back")
    assert came_back(answer) == {"tab": ["stores"], "success": ["1"], "user_id": ["state-1"]}
    assert post.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert set(keys) == {"key_id", "user_id", "consumer_key", "consumer_secret", "key_permissions"}
    assert (keys["user_id"], keys["key_permissions"]) == ("state-1", "read_write")
    assert (await store.call("GET", "orders")).status == 200


@pytest.mark.parametrize("status", [201, 204, 302, 401, 500])
async def test_a_callback_that_is_not_answered_200_deletes_the_key(woo: Any, receiver: Any, status: int) -> None:
    store = await woo.open_store(link_by="authorization")
    receiver.statuses = [status]

    answer = await authorize(store, asked(receiver.url))
    store.store["link"] = {"credentials": orjson.loads(receiver.got[0].body)}

    assert (answer.status, "Location" in answer.headers) == (401, False)
    assert b"unable to send the consumer data" in answer.raw
    assert (await store.call("GET", "orders")).status == 401


async def test_a_dead_callback_is_an_error_page(woo: Any) -> None:
    assert (await authorize(woo, asked("http://127.0.0.1:1/x"))).status == 401


async def test_a_merchant_who_denies_is_sent_back_without_keys(woo: Any, receiver: Any) -> None:
    store = await woo.open_store(link_by="authorization", denies=True)

    answer = await authorize(store, asked(receiver.url))

    assert came_back(answer)["success"] == ["0"]
    assert receiver.got == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"app_name": ""}, b"Missing parameter app_name"),
        ({"user_id": ""}, b"Missing parameter user_id"),
        ({"scope": "all"}, b"Invalid scope all"),
        ({"callback_url": "http://shop.example.com/x"}, b"needs to be over SSL"),
        ({"return_url": "https://"}, b"not a valid URL"),
    ],
)
async def test_a_malformed_request_is_an_error_page(woo: Any, changes: dict[str, str], message: bytes) -> None:
    answer = await authorize(woo, asked("https://shop.example.com/x", **changes))

    assert answer.status == 401
    assert message in answer.raw


async def test_a_user_who_may_not_manage_the_store_cannot_let_anybody_in(woo: Any, receiver: Any) -> None:
    await woo.control("POST", f"/stores/{woo.name}/demote")

    assert b"permission" in (await authorize(woo, asked(receiver.url))).raw
    assert receiver.got == []
