"""Pages that are wrong on purpose, refusals in Etsy's words, and every reading of what no document settles."""

from __future__ import annotations

from typing import Any, Protocol

import pytest

from deploy.sandbox.etsy.webhooks import Endpoint, SignedHeaders, event_body, new_secret

pytestmark = pytest.mark.integration


class Etsy(Protocol):
    """The fixture's client; see conftest."""

    shop: dict[str, Any]
    headers: dict[str, str]
    receipts: str

    async def call(self, method: str, path: str, *, headers: dict[str, str] | None = None, **sent: Any) -> Any: ...
    async def control(self, method: str, path: str, /, **body: Any) -> Any: ...
    async def order(self, state: str = "ready", *, count: int = 1) -> str: ...
    async def change(self, order: str, action: str, **change: Any) -> Any: ...


async def _page(etsy: Etsy, offset: int = 0) -> tuple[int, list[int]]:
    query = f"?limit=4&offset={offset}&sort_on=updated&sort_order=asc"
    found = (await etsy.call("GET", etsy.receipts + query)).json
    return found["count"], [receipt["receipt_id"] for receipt in found["results"]]


async def test_an_empty_page_still_counts_what_it_does_not_show(etsy: Etsy) -> None:
    await etsy.order(count=10)
    await etsy.control("POST", "/faults", kind="empty_page", count=1)

    assert await _page(etsy) == (10, [])
    assert len((await _page(etsy))[1]) == 4


async def test_a_repeated_row_is_the_last_of_the_page_before(etsy: Etsy) -> None:
    await etsy.order(count=10)
    _, first = await _page(etsy)
    await etsy.control("POST", "/faults", kind="repeated_row", count=1)

    _, second = await _page(etsy, offset=4)

    assert second[0] == first[-1]


async def test_a_moved_row_pulls_all_that_follow_up_by_one(etsy: Etsy) -> None:
    await etsy.order(count=10)
    await etsy.control("POST", "/clock", advance="PT2S")
    _, before = await _page(etsy, offset=4)
    await etsy.control("POST", "/faults", kind="moved_row", count=1)

    _, first = await _page(etsy)
    _, second = await _page(etsy, offset=4)
    _, last = await _page(etsy, offset=9)

    assert second[:3] == before[1:]
    assert last == first[:1]


@pytest.mark.parametrize(
    ("status", "words"), [(401, "invalid_token"), (403, "not authorized"), (429, "exceeded your rate limit")]
)
async def test_a_refusal_by_fault_has_etsys_words(etsy: Etsy, status: int, words: str) -> None:
    await etsy.control("POST", "/faults", kind=f"status_{status}", count=1)

    answer = await etsy.call("GET", etsy.receipts)

    assert answer.status == status
    assert words in answer.json["error"]


async def _refresh(etsy: Etsy, token: str) -> Any:
    form = {"grant_type": "refresh_token", "client_id": etsy.shop["app"]["keystring"], "refresh_token": token}
    return await etsy.call("POST", "/v3/public/oauth/token", headers={}, data=form)


@pytest.mark.parametrize("survives", [False, True])
async def test_a_used_refresh_token_goes_on_working_or_not(etsy: Etsy, *, survives: bool) -> None:
    await etsy.control("POST", "/settings", refresh_survives=survives)
    token = etsy.shop["tokens"]["refresh_token"]

    statuses = [(await _refresh(etsy, token)).status for _ in range(2)]

    assert statuses == [200, 200 if survives else 400]


@pytest.mark.parametrize("quiet", [False, True])
async def test_a_cancel_moves_the_time_or_not(etsy: Etsy, *, quiet: bool) -> None:
    await etsy.control("POST", "/settings", quiet_changes=quiet)
    order = await etsy.order("paid")
    before = (await etsy.call("GET", f"{etsy.receipts}/{order}")).json
    await etsy.control("POST", "/clock", advance="PT1M")

    await etsy.change(order, "cancel")

    after = (await etsy.call("GET", f"{etsy.receipts}/{order}")).json
    assert after["status"] == "Canceled"
    assert (after["updated_timestamp"] == before["updated_timestamp"]) is quiet


@pytest.mark.parametrize(("form", "start", "count"), [("list", "v1,", 1), ("bare", "", 1), ("several", "v1,", 2)])
def test_a_signature_is_written_in_three_ways(form: str, start: str, count: int) -> None:
    endpoint = Endpoint("http://127.0.0.1", new_secret())

    written = SignedHeaders(endpoint, b"{}", now=lambda: 1.0, form=form)["webhook-signature"]

    assert written.startswith(start)
    assert len(written.split()) == count


def test_a_shop_is_a_text_or_a_number_and_the_host_one_of_two() -> None:
    forms = {"shop_id": "number", "host": "openapi"}

    body = event_body("order.paid", shop_id=12, receipt_id=34, forms=forms)

    assert b'"shop_id":12' in body
    assert b"https://openapi.etsy.com/" in body


async def test_an_unknown_reading_is_refused(etsy: Etsy) -> None:
    with pytest.raises(AssertionError, match="signature must be one of"):
        await etsy.control("POST", "/settings", signature="rot13")
