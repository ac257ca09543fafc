"""Every platform's budgets tell what a poll took of them, and a store alone on them is read every few minutes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.ingest.polls.cadence import LONGEST_PUSHED
from tests.ingest.platforms.test_every_platform import PLATFORMS, linked

pytestmark = [pytest.mark.integration, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(60)]


async def test_what_polls_take_is_learnt_and_lets_a_store_alone_be_read_every_few_minutes() -> None:
    learnt = []
    for slug in PLATFORMS:
        async with linked(slug) as shop:
            await shop.poll_to_the_end()

            poll, store = shop.ingest.memory.polls[shop.store_id], shop.store
            pushed = bool(store.subscriptions) and store.push_problem is None
            assert all(name.startswith(f"{slug}|") for name in poll.costs), slug
            assert poll.rest <= (LONGEST_PUSHED if pushed else timedelta(minutes=4)), slug
            assert poll.next_because, slug
            assert shop.ingest.metrics.value("syncorder_stores_short_of_calls", platform=slug) == 0, slug
            learnt.append(bool(poll.costs))
    # One platform only limits how many calls run at once.
    assert sum(learnt) >= len(learnt) - 1
