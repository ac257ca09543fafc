"""Who may call a store, and how it refuses the others."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from typing import Any
from urllib.parse import quote

import pytest

pytestmark = pytest.mark.integration


def signed(method: str, url: str, key: tuple[str, str], *, at: float | None = None, **query: str) -> dict[str, str]:
    """The query of an OAuth 1.0a request, by RFC 5849."""
    params = query | {
        "oauth_consumer_key": key[0],
        "oauth_nonce": secrets.token_hex(8),
        "oauth_signature_method": "HMAC-SHA256",
        "oauth_timestamp": str(int(time.time() if at is None else at)),
    }
    pairs = "&".join(f"{quote(name, safe='')}={quote(params[name], safe='')}" for name in sorted(params))
    base = "&".join((method, quote(url, safe=""), quote(pairs, safe="")))
    digest = hmac.new(f"{key[1]}&".encode(), base.encode(), hashlib.sha256).digest()
    return params | {"oauth_signature": base64.b64encode(digest).decode()}


async def test_key_and_secret_go_in_the_header_or_the_query(woo: Any) -> None:
    query = dict(zip(("consumer_key", "consumer_secret"), woo.key, strict=True))

    by_header = await woo.call("GET", "orders")
    by_query = await woo.call("GET", "orders", headers={}, params=query)

    assert (by_header.status, by_query.status) == (200, 200)


async def test_an_unknown_key_may_not_view_and_a_wrong_secret_is_an_authentication_error(woo: Any) -> None:
    key, secret = woo.key

    stranger = await woo.call("GET", "orders", headers={})
    unknown = await woo.call("GET", "orders", headers={}, params={"consumer_key": "ck_1", "consumer_secret": secret})
    wrong = await woo.call("GET", "orders", headers={}, params={"consumer_key": key, "consumer_secret": "cs_1"})

    assert [answer.status for answer in (stranger, unknown, wrong)] == [401, 401, 401]
    assert stranger.json == unknown.json
    assert unknown.json["code"] == "woocommerce_rest_cannot_view"
    assert unknown.json["data"] == {"status": 401}
    assert wrong.json["code"] == "woocommerce_rest_authentication_error"
    assert (await woo.books())["api_calls_refused"] == 3


async def test_a_host_that_strips_the_header_takes_the_query_only(woo: Any) -> None:
    store = await woo.open_store(auth="query")
    query = dict(zip(("consumer_key", "consumer_secret"), store.key, strict=True))

    assert (await store.call("GET", "orders")).status == 401
    assert (await store.call("GET", "orders", headers={}, params=query)).status == 200


async def test_a_store_without_https_takes_signatures_only(woo: Any) -> None:
    store = await woo.open_store(https=False)
    url = f"{store.url}/wp-json/wc/v3/orders"
    asked = signed("GET", url, store.key, per_page="5", search="a b&c")

    bare = await store.call("GET", "orders")
    good = await store.fetch("GET", url, params=asked)
    again = await store.fetch("GET", url, params=asked)
    forged = await store.fetch("GET", url, params=signed("GET", url, store.key) | {"per_page": "9"})

    assert (bare.status, bare.json["code"]) == (401, "woocommerce_rest_cannot_view")
    assert good.status == 200
    assert (again.status, again.json["message"]) == (401, "Invalid nonce - nonce has already been used.")
    assert (forged.status, "signature" in forged.json["message"]) == (401, True)


async def test_a_signature_in_the_header_counts_like_one_in_the_query(woo: Any) -> None:
    store = await woo.open_store(https=False)
    url = f"{store.url}/wp-json/wc/v3/orders"
    params = signed("GET", url, store.key)
    header = "OAuth " + ", ".join(f'{name}="{quote(value, safe="")}"' for name, value in params.items())

    assert (await store.fetch("GET", url, headers={"Authorization": header})).status == 200


async def test_a_signature_must_be_complete_and_of_a_known_method(woo: Any) -> None:
    store = await woo.open_store(https=False)
    url = f"{store.url}/wp-json/wc/v3/orders"
    params = signed("GET", url, store.key)

    partial = await store.fetch("GET", url, params={"oauth_consumer_key": store.key[0]})
    plain = await store.fetch("GET", url, params=params | {"oauth_signature_method": "PLAINTEXT"})

    assert "Missing OAuth parameters oauth_timestamp" in partial.json["message"]
    assert "method is invalid" in plain.json["message"]


async def test_a_store_whose_clock_is_wrong_refuses_signatures_of_now(woo: Any) -> None:
    store = await woo.open_store(https=False, clock_skew=1000)
    url = f"{store.url}/wp-json/wc/v3/orders"

    refused = await store.fetch("GET", url, params=signed("GET", url, store.key))
    taken = await store.fetch("GET", url, params=signed("GET", url, store.key, at=time.time() + 1000))

    assert (refused.status, refused.json["message"]) == (401, "Invalid timestamp.")
    assert taken.status == 200


async def test_plain_permalinks_serve_the_rest_route_parameter_alone(woo: Any) -> None:
    store = await woo.open_store(permalinks="plain", https=False)
    url = f"{store.url}/"

    pretty = await store.call("GET", "orders")
    plain = await store.fetch("GET", url, params=signed("GET", url, store.key, rest_route="/wc/v3/orders"))

    assert (pretty.status, pretty.json) == (404, None)
    assert (plain.status, plain.json) == (200, [])


@pytest.mark.parametrize(("permissions", "get", "put"), [("read", 200, 401), ("write", 401, 200)])
async def test_a_key_reads_or_writes_as_it_was_made_to(woo: Any, permissions: str, get: int, put: int) -> None:
    store = await woo.open_store(permissions=permissions)
    order = await store.order()

    read = await store.call("GET", f"orders/{order}")
    written = await store.call("PUT", f"orders/{order}", json={})

    assert (read.status, written.status) == (get, put)


async def test_deleted_keys_are_refused_for_good(woo: Any) -> None:
    await woo.control("POST", f"/stores/{woo.name}/revoke")

    answer = await woo.call("GET", "orders")

    assert (answer.status, answer.json["code"]) == (401, "woocommerce_rest_cannot_view")


async def test_a_user_without_the_right_is_forbidden(woo: Any) -> None:
    await woo.control("POST", f"/stores/{woo.name}/demote")

    answer = await woo.call("GET", "orders")

    assert (answer.status, answer.json["data"]) == (403, {"status": 403})


async def test_what_is_not_served_has_no_route_and_what_is_no_store_is_a_page(woo: Any) -> None:
    nothing = await woo.call("GET", "nothing")
    nowhere = await woo.fetch("GET", woo.url + "x/wp-json/wc/v3/orders")

    assert (nothing.status, nothing.json["code"]) == (404, "rest_no_route")
    assert (nowhere.status, nowhere.json) == (404, None)
