"""The way of orders that a seller gives us: files of every kind and one order by hand, to production and back."""

from __future__ import annotations

import asyncio
import csv
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from deploy.demo.api import Api, Json
from deploy.demo.direct.by_hand import ByHand
from deploy.demo.direct.files import Kind, kinds
from deploy.demo.direct.samples import Sample
from deploy.demo.direct.tally import Brought, DirectTally, given_again, stand_as_wanted, tally_given
from deploy.demo.journey import reported
from deploy.demo.tally import Reported

POLL_SECONDS = 0.1
BY_HAND = "by hand"
_ENDED = frozenset({"succeeded", "partial", "failed", "cancelled"})


@dataclass(frozen=True, slots=True)
class DirectOutcome:
    """What came of it: a row for each way in, the seconds of all, what does not add up, and the units to be made.

    `by_hand` says how the order by hand went in: "page", or "API" where there is no browser.
    """

    rows: Mapping[str, DirectTally]
    seconds: float
    differences: Sequence[str]
    units: Mapping[str, int]
    by_hand: str

    def as_json(self) -> Json:
        """The section of the summary file."""
        return {
            "seconds": round(self.seconds, 2),
            "by_hand": self.by_hand,
            "ways": {name: row.as_json() for name, row in self.rows.items()},
        }


@dataclass(frozen=True, slots=True)
class _Given:
    """What ingest did with the orders of one way in, how long that took, and the session that tells of it."""

    name: str
    orders: Sequence[Sample]
    layout: str | None
    brought: Brought
    seconds: float
    session_id: str | None = None


async def give(api: Api, by_hand: ByHand, *, within: float) -> DirectOutcome:
    """Make a store, give it everything, and follow it to the end, or for `within` seconds."""
    began = time.monotonic()
    body = {"platform": "direct", "name": "Orders of our own"}
    store_id = (await api.call("ingest", "POST", "/v1/stores", body=body))["store_id"]
    template = await api.fetch("ingest", f"/v1/imports/template?{urlencode({'store_id': store_id})}")
    header = next(csv.reader([template.decode("utf-8-sig").splitlines()[0]]))
    files = kinds()
    given = [await _import(api, store_id, kind, header) for kind in files]
    again = await _import(api, store_id, files[0], header)
    given.append(await _type(by_hand, store_id))
    orders = [order for each in given for order in each.orders]
    shown = await _followed(api, store_id, orders, within=within)
    rows = {
        each.name: tally_given(each.orders, each.brought, shown, layout=each.layout, seconds=each.seconds)
        for each in given
    }
    differences = [f"{name}: {line}" for name, row in rows.items() for line in row.differences]
    differences += [f"{again.name}: {line}" for line in given_again(again.orders, again.brought)]
    differences += [line for each in given if each.session_id for line in await _in_report(api, each)]
    units = {f"direct:{store_id}:{order.reference}": order.units for order in orders if order.units}
    return DirectOutcome(rows, time.monotonic() - began, differences, units, by_hand.way)


async def _import(api: Api, store_id: str, kind: Kind, header: Sequence[str]) -> _Given:
    began = time.monotonic()
    content = kind.content(header, datetime.now(UTC))
    asked = urlencode({"store_id": store_id, "file_name": kind.file_name})
    address = f"/v1/imports/{(await api.upload('ingest', f'/v1/imports?{asked}', content))['import_id']}"
    held = await _state(api, address, frozenset({"ready", *_ENDED}))
    if held["state"] == "ready":
        await api.call("ingest", "POST", f"{address}/start", body={})
        held = await _state(api, address, _ENDED)
    results, tally, findings = held["results"], held["tally"], held["findings"] or {}
    brought = Brought(
        results["new"], results["existing"], results["failed"], tally["left_out"], layout=findings.get("layout")
    )
    return _Given(kind.name, kind.orders, kind.layout, brought, time.monotonic() - began, held["session_id"])


async def _state(api: Api, address: str, wanted: frozenset[str]) -> Json:
    while (held := await api.call("ingest", "GET", address))["state"] not in wanted:  # noqa: ASYNC110 - nobody tells us
        await asyncio.sleep(POLL_SECONDS)
    return held


async def _type(by_hand: ByHand, store_id: str) -> _Given:
    began = time.monotonic()
    order = await by_hand.give(store_id)
    brought = Brought(new=1, existing=0, failed=0, left_out=0)
    return _Given(BY_HAND, [order], None, brought, time.monotonic() - began)


async def _followed(api: Api, store_id: str, orders: Sequence[Sample], *, within: float) -> dict[str, Reported]:
    shown: dict[str, Reported] = {}
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            while not stand_as_wanted(orders, shown):
                await asyncio.sleep(POLL_SECONDS)
                query = {"store": store_id, "limit": "200"}
                found = [reported(item) async for item in api.pages("reporting", "/v1/orders", query)]
                shown = {each.external_id: each for each in found}
    return shown


async def _in_report(api: Api, given: _Given) -> list[str]:
    session = await api.call("reporting", "GET", f"/v1/sessions/{given.session_id}")
    told = session["way"], session["new"], session["failed"]
    wanted = "import", given.brought.new, given.brought.failed
    return [] if told == wanted else [f"{given.name}: its session in the report tells {told}, and should {wanted}"]
