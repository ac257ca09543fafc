"""A direct store has nothing to read: nobody polls or lists it, and nobody may conclude that its orders are gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from services.ingest.contract.reading import Window
from services.ingest.contract.stores import Access, LinkingRefused
from services.ingest.contract.webhooks import Delivery, SignatureRefused
from services.ingest.platforms.direct import PLATFORM
from services.ingest.platforms.direct.connector import DirectConnector
from services.ingest.registry import is_read, slugs, slugs_read
from services.ingest.stores.routes import refuse_unread
from services.kit.errors import TransientError
from services.kit.http.problems import Problem
from tests.ingest.platforms.direct.given import NOW, STORE
from tests.ingest.workbench import linked_store

ACCESS = Access(STORE, {})
WINDOW = Window(NOW - timedelta(days=1), NOW)

Read = Callable[[DirectConnector], Awaitable[Any]]


def test_it_is_a_platform_of_which_nothing_is_read() -> None:
    assert (PLATFORM.slug, PLATFORM.reads, is_read("direct")) == ("direct", False, False)
    assert set(slugs()) - set(slugs_read()) == {"direct"}


@pytest.mark.parametrize(
    "read",
    [
        lambda direct: direct.read_page(ACCESS, WINDOW, after=None, way="poll"),
        lambda direct: direct.list_orders(ACCESS, WINDOW, after=None),
        lambda direct: direct.read_order(ACCESS, "W-1", way="poll"),
        lambda direct: direct.read_orders(ACCESS, ["W-1"], way="poll"),
    ],
)
async def test_reading_says_that_it_cannot_and_not_that_there_is_nothing(read: Read) -> None:
    with pytest.raises(TransientError, match="nothing to read"):
        await read(DirectConnector())


async def test_nobody_pushes_to_it_and_nothing_is_subscribed() -> None:
    direct = DirectConnector()
    subscribed = await direct.subscribe(ACCESS, callback_url="https://x.example", app_url="https://x.example")

    assert (subscribed.topics, subscribed.mended) == ((), ())
    with pytest.raises(SignatureRefused):
        await direct.verify_webhook(ACCESS, Delivery(headers={}, body=b"{}"), now=NOW)


async def test_an_authorization_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(LinkingRefused, match="with its name alone"):
        await DirectConnector().complete_authorization({}, memory={}, callback_url="", now=NOW)


def test_polls_and_syncs_of_it_are_refused_by_name() -> None:
    given = replace(linked_store("st-given"), platform="direct")

    with pytest.raises(Problem) as refused:
        refuse_unread([linked_store("st-read"), given])

    assert (refused.value.status, refused.value.code) == (409, "store_not_read")
    assert refused.value.extra == {"stores": ["st-given"]}
    refuse_unread([linked_store("st-read")])
