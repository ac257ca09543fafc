"""The files of Amazon Custom are fetched from Amazon only, within bounds, and no failure costs an order."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from typing import Any

import pytest

from services.ingest.parsing import parsed
from services.ingest.platforms.amazon.custom import Customizations
from services.ingest.platforms.amazon.custom_files import (
    LARGEST_JSON,
    MOST_ENTRIES,
    MOST_FAILURES,
    CustomFiles,
)
from services.ingest.platforms.amazon.payloads import AmazonOrder
from services.ingest.platforms.amazon.settings import AmazonSettings
from services.kit.clock import ManualClock
from services.kit.errors import TransientError
from services.kit.http.client import OversizedAnswer, RefusedAddress
from tests.ingest.platforms.amazon.shop import NOW
from tests.ingest.platforms.golden import payload
from tests.ingest.platforms.twin_http import Reply, ScriptedHttp, answer
from tests.ingest.toolbox import toolbox

ITEM = "60519841730001"
LINK = "https://zme-caps.amazon.com/t/1a2b3c/15"
CONTENT = {
    "orderItemId": ITEM,
    "customizationInfo": {"aspects": [{"title": "Name", "text": {"value": "Zoë"}}]},
}


def packed(*files: tuple[str, object]) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files or ((f"{ITEM}.json", CONTENT),):
            archive.writestr(name, content if isinstance(content, bytes) else json.dumps(content))
    return into.getvalue()


class EagerClock(ManualClock):
    """Waiting takes no time."""

    def __init__(self) -> None:
        super().__init__(NOW)
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


def files(*replies: Reply, **settings: Any) -> tuple[CustomFiles, ScriptedHttp, EagerClock]:
    http, clock = ScriptedHttp(*(replies or (answer(packed()),))), EagerClock()
    return CustomFiles(AmazonSettings(_env_file=None, **settings), toolbox(http, clock)), http, clock


def order(link: str = LINK, number: int = 0, fulfillment: dict[str, str] | None = None) -> AmazonOrder:
    told = json.loads(payload("amazon", "personalized.json"))
    told["orderId"] = f"902-0000000-{number:07d}"
    told["orderItems"][0]["product"]["customization"]["customizedUrl"] = link
    told["fulfillment"] |= fulfillment or {}
    return parsed(AmazonOrder, told)


async def read(reader: CustomFiles, *orders: AmazonOrder) -> Customizations:
    [first, *_] = orders = orders or (order(),)
    return (await reader.of(orders, way="poll"))[first.order_id]


def words(found: Customizations) -> list[str] | None:
    custom = found[ITEM]
    return None if custom is None else [word.value for word in custom.words]


async def test_a_file_is_fetched_without_any_token_and_read() -> None:
    reader, http, _ = files()

    assert words(await read(reader)) == ["Zoë"]
    assert [(asked.url, asked.headers) for asked in http.asked] == [(LINK, {})]


@pytest.mark.parametrize(
    "link",
    [
        "https://example.com/1.zip",
        "https://amazon.com.example.com/1.zip",
        "https://notamazon.com/1.zip",
        "https://bucket.s3.amazonaws.com/1.zip",
        "http://zme-caps.amazon.com/1.zip",
        "https://someone@zme-caps.amazon.com/1.zip",
        "https://127.0.0.1/1.zip",
        "https://[",
        "file:///etc/passwd",
    ],
)
async def test_nothing_is_fetched_from_anywhere_but_amazon(link: str) -> None:
    reader, http, _ = files()

    assert await read(reader, order(link)) == {ITEM: None}
    assert http.asked == []


@pytest.mark.parametrize(
    ("target", "words_read", "calls"),
    [
        ("https://m.media-amazon.com/1.zip", ["Zoë"], 2),
        ("/elsewhere/1.zip", ["Zoë"], 2),
        ("https://bucket.s3.us-west-2.amazonaws.com/1.zip", ["Zoë"], 2),
        ("https://s3.example.com/1.zip", None, 1),
        ("https://169.254.169.254/latest", None, 1),
    ],
)
async def test_a_redirect_is_followed_only_to_amazon(target: str, words_read: list[str] | None, calls: int) -> None:
    reader, http, _ = files(answer(b"", status=302, headers={"Location": target}), answer(packed()))

    assert words(await read(reader)) == words_read
    assert len(http.asked) == calls


async def test_redirects_without_end_are_given_up() -> None:
    reader, http, _ = files(answer(b"", status=302, headers={"Location": LINK}))

    assert await read(reader) == {ITEM: None}
    assert len(http.asked) == 4


@pytest.mark.parametrize("settings", [{"allow_private_addresses": True}, {"platform_url_amazon": "http://127.0.0.1:1"}])
async def test_a_stand_in_may_keep_the_files_itself(settings: dict[str, Any]) -> None:
    reader, _, _ = files(**settings)

    assert words(await read(reader, order("http://127.0.0.1:1/custom/1.zip"))) == ["Zoë"]


@pytest.mark.parametrize(
    "first",
    [
        answer(b"", status=500),
        answer(b"", status=429),
        answer(b"<html>", status=200),
        answer(b"", status=401),
        TransientError("cut"),
    ],
)
async def test_what_may_pass_is_tried_again(first: Reply) -> None:
    reader, _, clock = files(first, answer(packed()))

    assert words(await read(reader)) == ["Zoë"]
    assert clock.slept == [0.5]


@pytest.mark.parametrize("status", [403, 404, 410])
async def test_a_link_that_is_over_is_asked_once(status: int) -> None:
    reader, http, _ = files(answer(b"", status=status))

    assert await read(reader) == {ITEM: None}
    assert len(http.asked) == 1


@pytest.mark.parametrize("error", [OversizedAnswer("large"), RefusedAddress("private")])
async def test_what_the_http_client_refuses_is_not_read(error: Exception) -> None:
    reader, http, _ = files(error)

    assert await read(reader) == {ITEM: None}
    assert len(http.asked) == 1


def bombs() -> dict[str, bytes]:
    whole = packed()
    huge = bytearray(whole)
    struct.pack_into("<L", huge, whole.rfind(b"PK\x05\x06") + 12, 2**31)
    locked = bytearray(whole)
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        locked[whole.find(sign) + at] |= 1
    return {
        "unpacks to gigabytes": packed(("1.json", b'{"a":"' + b"x" * (LARGEST_JSON * 3) + b'"}')),
        "has thousands of entries": packed(*((f"{number}.txt", b"") for number in range(MOST_ENTRIES + 1))),
        "says that its contents are endless": bytes(huge),
        "is locked": bytes(locked),
        "is cut off": whole[: len(whole) // 2],
        "holds no JSON file": packed(("1.xml", b"<a/>")),
        "holds JSON that is cut off": packed(("1.json", b'{"orderItemId": "6051')),
        "holds a list": packed(("1.json", [1])),
        "is about another item": packed(("1.json", CONTENT | {"orderItemId": "1"})),
        "is of a layout that is new": packed(("1.json", {"orderItemId": ITEM})),
    }


@pytest.mark.parametrize("bomb", bombs().values(), ids=bombs().keys())
async def test_a_zip_that_cannot_be_trusted_is_not_read(bomb: bytes) -> None:
    reader, http, _ = files(answer(bomb))

    assert await read(reader) == {ITEM: None}
    assert len(http.asked) == 1


async def test_the_json_about_this_item_is_found_among_others() -> None:
    other = CONTENT | {"orderItemId": "1", "customizationInfo": {"aspects": []}}
    reader, _, _ = files(answer(packed(("0.png", b"x"), ("1.json", other), ("2.JSON", CONTENT))))

    assert words(await read(reader)) == ["Zoë"]


async def test_a_file_is_not_fetched_again_while_it_is_remembered() -> None:
    reader, http, clock = files()
    await read(reader)

    assert words(await read(reader, order(LINK + "?another"))) == ["Zoë"]
    assert len(http.asked) == 1
    clock.advance(7200.0)
    assert words(await read(reader)) == ["Zoë"]
    assert len(http.asked) == 2


async def test_a_failure_is_not_remembered() -> None:
    reader, _, _ = files(answer(b"", status=403), answer(packed()))
    await read(reader)

    assert words(await read(reader)) == ["Zoë"]


async def test_orders_do_not_wait_for_a_server_that_is_away() -> None:
    reader, http, _ = files(TransientError("away"))

    found = await reader.of([order(number=number) for number in range(50)], way="poll")

    assert all(custom == {ITEM: None} for custom in found.values())
    assert len(found) == 50
    # Three at once, each four times; those that had begun end.
    assert len(http.asked) <= 4 * (MOST_FAILURES + 2)


@pytest.mark.parametrize(
    ("change", "way", "asked"),
    [
        ({}, "poll", 1),
        ({}, "backfill", 1),
        ({"fulfillmentStatus": "SHIPPED"}, "poll", 1),
        ({"fulfillmentStatus": "SHIPPED"}, "backfill", 0),
        ({"fulfillmentStatus": "CANCELLED"}, "poll", 0),
        ({"fulfilledBy": "AMAZON"}, "poll", 0),
    ],
)
async def test_only_what_somebody_needs_is_fetched(change: dict[str, str], way: Any, asked: int) -> None:
    reader, http, _ = files()

    found = await reader.of([order(fulfillment=change)], way=way)

    assert len(http.asked) == len(found) == asked


async def test_no_file_is_asked_for_an_order_like_any_other() -> None:
    reader, http, _ = files()

    assert await reader.of([order("")], way="poll") == {}
    assert http.asked == []


async def test_links_and_words_stay_out_of_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    reader, _, _ = files(answer(b"", status=403))

    await read(reader)

    logged = "".join(capsys.readouterr())
    assert "custom_file_unread" in logged
    assert "1a2b3c" not in logged
