"""One running world for all end-to-end tests: real services, Kafka, Postgres, sandboxes and factory."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager

import aiohttp
import pytest
from botocore.session import get_session
from moto.server import ThreadedMotoServer

from deploy.demo.api import Api, Json
from deploy.demo.world import Choices, World, running_world
from deploy.local.stack import VAR
from deploy.local.throwaway import throwaway_directory
from tests.e2e.everywhere import everywhere

#: eBay's clock is a little slow here: what changes there is then old enough to be read in a moment, not in a minute.
EBAY = {"clock_skew": -57}


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Everything, started once, with two ingest processes; each test opens stores of its own.

    Retries of webhooks pass sixty times as fast; polls come often; both so that a test need not wait.
    """
    with throwaway_directory(VAR / "e2e") as directory, _amazons_queue() as queue:
        settings = {"POLL_SECONDS": "1", "LOG_LEVEL": "INFO", **queue}
        choices = Choices(time_scale=60, copies={"ingest": 2}, settings=settings)
        with running_world(directory, choices) as running:
            yield running


@pytest.fixture
async def api(world: World) -> AsyncIterator[Api]:
    """The seller's and the sandboxes' HTTP clients; what a test linked is unlinked, so that nobody polls it on."""
    async with aiohttp.ClientSession() as session:
        api = Api(world, session)
        await _set_platforms_up(api, world)
        yield api
        linked = [store async for store in api.pages("ingest", "/v1/stores", {}) if store["state"] == "linked"]
        await asyncio.gather(*(api.call("ingest", "DELETE", f"/v1/stores/{store['store_id']}") for store in linked))


@contextmanager
def _amazons_queue() -> Iterator[Mapping[str, str]]:
    """A stand-in of SQS with the queue that Amazon's notifications go to; what the services must be told of it."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
        client = get_session().create_client("sqs", region_name="us-east-1", endpoint_url=endpoint, **keys)
        yield {
            "AMAZON_SQS_QUEUE_URL": str(client.create_queue(QueueName="orders")["QueueUrl"]),
            "AMAZON_SQS_ENDPOINT": endpoint,
            "AMAZON_AWS_ACCESS_KEY_ID": "key",
            "AMAZON_AWS_SECRET_ACCESS_KEY": "secret",
        }
    finally:
        server.stop()


async def _set_platforms_up(api: Api, world: World) -> None:
    told = {"sqs_endpoint": world.settings["AMAZON_SQS_ENDPOINT"], "queue_url": world.settings["AMAZON_SQS_QUEUE_URL"]}
    own: Mapping[str, Json] = {"amazon": told, "ebay": EBAY}

    async def set_up(platform: str) -> None:
        await api.control("POST", f"/{platform}/settings", body=own.get(platform, {}))

    await everywhere(set_up)
