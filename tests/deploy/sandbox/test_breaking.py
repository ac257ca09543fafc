"""Webhooks are broken by the control API as each platform lets them, and nothing else is."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from deploy.sandbox.app import discover, running_sandbox
from deploy.sandbox.breaking import AILMENTS, Breakage, Silence
from deploy.sandbox.clock import SandboxClock

STAND_INS = discover()


@pytest.mark.parametrize(
    "body", [{"ailment": "sad"}, {"topics": "orders"}, {"topic": "("}, {"ailment": "silent", "for": 3}]
)
def test_what_is_not_understood_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises((ValueError, re.error), match=r"must be|unknown fields|unterminated|missing"):
        Breakage.parse(body)


def test_only_the_topics_that_are_named_are_hit_and_all_by_default() -> None:
    assert Breakage.parse({}).hits("orders/create")
    assert Breakage.parse({"topic": "create$"}).hits("orders/create")
    assert not Breakage.parse({"topic": "create$"}).hits("orders/updated")


def test_silence_is_one_stores_and_ends() -> None:
    clock = SandboxClock()
    silence = Silence(clock)
    silence.begin("shop-1", Breakage("silent", topic="create", seconds=60))

    before = [silence.covers(*told) for told in (("shop-1", "create"), ("shop-1", "update"), ("shop-2", "create"))]
    clock.advance(timedelta(seconds=61))

    assert before == [True, False, False]
    assert not silence.covers("shop-1", "create")


@pytest.mark.allow_hosts(["127.0.0.1"])
async def test_a_state_that_a_platform_does_not_know_is_a_conflict_and_nothing_to_break_is_no_error() -> None:
    expected, found = {}, {}
    async with running_sandbox() as running, aiohttp.ClientSession() as session:
        for slug, stand_in in STAND_INS.items():
            async with session.post(f"{running.control}/{slug}/stores", json={}) as opened:
                store = (await opened.json())["store"]
            for ailment in AILMENTS:
                expected[slug, ailment] = 200 if ailment in stand_in.ailments else 409
                url = f"{running.control}/{slug}/stores/{store}/webhooks"
                async with session.post(url, json={"ailment": ailment}) as answer:
                    found[slug, ailment] = answer.status

    assert found == expected
