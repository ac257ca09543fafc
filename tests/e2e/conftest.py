"""One running world for all end-to-end tests: real services, Kafka, Postgres, sandboxes and factory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest
from botocore.session import get_session
from playwright.async_api import Browser

from deploy.demo.api import Api, Json
from deploy.demo.direct.browser import chromium, open_browser
from deploy.demo.world import Choices, World, running_world
from deploy.local.ports import LOOPBACK, free_port
from deploy.local.processes import Supervisor
from deploy.local.stack import VAR
from deploy.local.throwaway import throwaway_directory
from tests.e2e.everywhere import everywhere

#: eBay's clock is a little slow here: what changes there is then old enough to be read in a moment, not in a minute.
EBAY = {"clock_skew": -57}
#: No word that a log may say anyway.
SQS_SECRET = "queue-7c1e4f0a9b52"


@pytest.fixture(scope="package")
def world() -> Iterator[World]:
    """Everything, started once, with two ingest processes; each test opens stores of its own.

    It stops with the last of these tests: left running, it would take time from all that come after.

    Retries of webhooks pass sixty times as fast; polls come often; both so that a test need not wait. A topic has few
    partitions: enough for two processes, and half the files to make.
    """
    with throwaway_directory(VAR / "e2e") as directory, _amazons_queue(directory) as queue:
        settings = {"POLL_SECONDS": "1", "LOG_LEVEL": "INFO", "TOPIC_PARTITIONS": "4", **queue}
        choices = Choices(time_scale=60, copies={"ingest": 2}, settings=settings)
        with running_world(directory, choices) as running:
            yield running


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """Chromium, without a window."""
    executable = chromium()
    assert executable, "chromium is missing: install Debian's chromium"
    async with open_browser(executable) as browser:
        yield browser


@pytest.fixture
async def api(world: World) -> AsyncIterator[Api]:
    """The seller's and the sandboxes' HTTP clients; what a test linked is polled no more after it."""
    async with aiohttp.ClientSession() as session:
        api = Api(world, session)
        await _set_platforms_up(api, world)
        yield api
        stores = [store async for store in api.pages("ingest", "/v1/stores", {}) if store["state"] == "linked"]
        await asyncio.gather(*(_rest(api, store) for store in stores if store["settings"]["auto_sync"]))


async def _rest(api: Api, store: Json) -> None:
    """To unlink it would take seconds: a platform that counts calls closely lets its subscriptions go one by one."""
    await api.call("ingest", "PATCH", f"/v1/stores/{store['store_id']}", body={"settings": {"auto_sync": False}})


@contextmanager
def _amazons_queue(directory: Path) -> Iterator[Mapping[str, str]]:
    """A stand-in of SQS with the queue that Amazon's notifications go to; what the services must be told of it.

    In a process of its own: other tests of this one may not open sockets, and it does so at any time.
    """
    port = free_port()
    endpoint = f"http://{LOOPBACK}:{port}"
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": SQS_SECRET}
    with Supervisor(directory / "queue") as supervisor:
        supervisor.start_python("queue", "moto.server", "-H", LOOPBACK, "-p", str(port)).wait_ready(endpoint)
        client = get_session().create_client("sqs", region_name="us-east-1", endpoint_url=endpoint, **keys)
        yield {
            "AMAZON_SQS_QUEUE_URL": str(client.create_queue(QueueName="orders")["QueueUrl"]),
            "AMAZON_SQS_ENDPOINT": endpoint,
            "AMAZON_AWS_ACCESS_KEY_ID": "key",
            "AMAZON_AWS_SECRET_ACCESS_KEY": SQS_SECRET,
        }


async def _set_platforms_up(api: Api, world: World) -> None:
    told = {"sqs_endpoint": world.settings["AMAZON_SQS_ENDPOINT"], "queue_url": world.settings["AMAZON_SQS_QUEUE_URL"]}
    own: Mapping[str, Json] = {"amazon": told, "ebay": EBAY}

    async def set_up(platform: str) -> None:
        await api.control("POST", f"/{platform}/settings", body=own.get(platform, {}))

    await everywhere(set_up)
