"""A served Amazon sandbox with one linked seller."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from deploy.sandbox.amazon import SANDBOX
from deploy.sandbox.app import running_sandbox
from tests.deploy.sandbox.amazon.linked import Client


@pytest.fixture
async def amazon() -> AsyncIterator[Client]:
    async with running_sandbox({"amazon": SANDBOX()}) as sandbox, aiohttp.ClientSession() as session:
        yield await Client(session, sandbox.urls["amazon"], sandbox.control).open_store()
