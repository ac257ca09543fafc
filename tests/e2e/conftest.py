"""One running world for all end-to-end tests: real services, Kafka, Postgres, sandboxes and factory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest

from deploy.demo.api import Api
from deploy.demo.world import Choices, World, running_world
from deploy.local.stack import VAR
from deploy.local.throwaway import throwaway_directory

#: Retries of webhooks pass sixty times as fast; polls come often; both so that a test need not wait.
CHOICES = Choices(time_scale=60, settings={"POLL_SECONDS": "1", "LOG_LEVEL": "INFO"})


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Everything, started once; each test opens stores of its own."""
    with throwaway_directory(VAR / "e2e") as directory, running_world(directory, CHOICES) as running:
        yield running


@pytest.fixture
async def api(world: World) -> AsyncIterator[Api]:
    """The seller's and the sandboxes' HTTP clients."""
    async with aiohttp.ClientSession() as session:
        yield Api(world, session)
