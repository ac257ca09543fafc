"""A parcel that goes from two locations is told whole, though the answer to its first half is lost."""

from __future__ import annotations

import pytest

from tests.ingest.platforms.test_every_parcel import desk
from tests.ingest.platforms.test_every_push import Dispatch

pytestmark = [pytest.mark.integration, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(60)]


async def test_the_other_location_is_told_after_the_first_ones_answer_was_lost() -> None:
    async with desk("shopify") as found:
        body = {"count": 12, "state": "ready", "created_ago": "PT20M", "webhooks": False}
        made = (await found.control("POST", "/orders", body))["ids"]
        truth = await found.shop.truth()
        number = next(one for one in made if len(truth[one]["lines"]) > 1)
        line = truth[number]["lines"][0]
        await found.control("PATCH", f"/orders/{number}", {"action": "move", "lines": {line["id"]: line["quantity"]}})
        mails, dispatch = await found.books("emails"), Dispatch(found)
        dispatch.processes = 1  # nobody is killed
        await dispatch.hear([truth[number]])
        fault = {"kind": "cut_connection", "when": "after", "path": "#mutation Ship", "count": 1}
        await found.shop.control("POST", "/faults", fault)

        await dispatch.work()

        order = (await found.shop.truth())[number]
        assert [push.state for push in dispatch.told()] == ["verified"]
        assert len(order["shipments"]) == 2
        assert {name: units for each in order["shipments"] for name, units in each["lines"].items()} == {
            each["id"]: each["quantity"] for each in order["lines"]
        }
        assert len({each["tracking_number"] for each in order["shipments"]}) == 1
        assert await found.books("emails") - mails == 1
