"""The sandbox as a process: what it prints, and how it stops."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import aiohttp
import orjson
import pytest

from deploy.sandbox.app import discover
from deploy.sandbox.control import parse_duration
from deploy.sandbox.standin import ControlError

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

ROOT = Path(__file__).parents[3]


def test_platforms_are_discovered_by_their_folder() -> None:
    found = discover()

    assert found["shopify"].slug == "shopify"
    assert "factory" not in found


async def test_the_process_says_where_it_listens_and_stops_on_sigterm() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "deploy.sandbox", "--only", "shopify"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            ready = orjson.loads(await process.stdout.readline())
        async with aiohttp.ClientSession() as session, session.get(ready["control"]) as answer:
            index = await answer.json()
    finally:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            status = await process.wait()

    assert ready["ready"] is True
    assert index == {"platforms": ready["platforms"]}
    assert list(ready["platforms"]) == ["shopify"]
    assert status == 0


@pytest.mark.parametrize(("text", "seconds"), [("PT2H", 7200), ("P1DT30M", 88_200), ("PT1.5S", 1.5), (90, 90), (0, 0)])
def test_durations_are_iso_8601_or_seconds(text: str | float, seconds: float) -> None:
    assert parse_duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "2 hours", "P1Y"])
def test_other_words_are_not_durations(text: str) -> None:
    with pytest.raises(ControlError):
        parse_duration(text)
