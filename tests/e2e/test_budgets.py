"""Fifty stores over all platforms, two ingest processes: no platform says "slow down", and no order is missing."""

from __future__ import annotations

import pytest

from deploy.demo.api import Api
from deploy.demo.world import World
from tests.e2e.everywhere import PLATFORMS
from tests.faults.budgets import Load, spend

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


async def test_fifty_stores_keep_within_every_platforms_budget(api: Api, world: World) -> None:
    found = await spend(api, world, Load(stores=50, before=3, after=3, seconds=2))

    assert len(found.linked) == 50
    assert found.missing == dict.fromkeys(PLATFORMS, 0)
    assert found.over == dict.fromkeys(PLATFORMS, 0)
    assert all(found.calls.values())
