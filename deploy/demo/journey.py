"""The way of a seller through the system: link stores, top up, and watch orders go to production and come back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from deploy.demo.api import Api, Json, RefusedError
from deploy.demo.tally import PlatformTally, Pushed, Reported, tally_platform

#: Enough to pay for any number of orders a demo makes.
BALANCE = "100000000.00"
POLL_SECONDS = 0.1
SETTLE_SECONDS = 0.5
#: The states of a parcel that its platform is still being told of.
UNSETTLED = frozenset({"queued", "sent", "accepted"})
#: The states of an order, in the report, that production was told to make.
AFTER_RELEASE = frozenset({"released", "accepted", "on_hold", "in_production", "shipped", "cancelled"})


@dataclass(frozen=True, slots=True)
class Opened:
    """A store on a sandbox platform: its id there, how a seller links it, whether the platform tells of orders.

    `lag` is how many seconds new orders take to be listed.
    """

    platform: str
    external_id: str
    link: Mapping[str, Any]
    pushes: bool
    lag: float = 0.0


@dataclass(frozen=True, slots=True)
class Linked:
    """A store that is linked: where it stands, and our own id of it."""

    opened: Opened
    store_id: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the orders of one platform are, as the report says it."""

    imported: int
    judged: int
    released: int
    shipped: int


async def open_store(api: Api, platform: str, *, ingest_url: str, **options: Any) -> Opened:
    """Open a store on the platform, with our callback address registered."""
    body = {"redirect_uris": [f"{ingest_url}/oauth/{platform}/callback"], **options}
    answer = await api.control("POST", f"/{platform}/stores", body=body)
    return Opened(platform, answer["store"], answer["link"], answer["pushes"], answer["lag"])


async def create_orders(api: Api, opened: Opened, count: int, **options: Any) -> None:
    """Have buyers order in that store."""
    if count:
        body = {"count": count, **options}
        await api.control("POST", f"/{opened.platform}/stores/{opened.external_id}/orders", body=body)


async def create_past_orders(api: Api, opened: Opened, count: int, *, over: str = "PT2H", **options: Any) -> None:
    """Have buyers order long enough ago for the platform to list it, in the period `over` before that."""
    await create_orders(api, opened, count, created_over=over, created_ago=120 + 2 * opened.lag, **options)


async def create_listed_orders(api: Api, opened: Opened, count: int, **options: Any) -> None:
    """Have buyers order now, or as long ago as the platform takes to list it: the next poll finds it either way."""
    await create_orders(api, opened, count, created_ago=120 + 2 * opened.lag if opened.lag else 0, **options)


async def change_order(api: Api, opened: Opened, order: str, **change: Any) -> Json:
    """Have the buyer, the seller or the platform change an order there; its truth afterwards."""
    path = f"/{opened.platform}/stores/{opened.external_id}/orders/{order}"
    return await api.control("PATCH", path, body=change)


async def link_store(api: Api, opened: Opened, *, import_since: timedelta = timedelta(days=1)) -> Linked:
    """Link a store as a seller does: by pasted credentials, or by granting access on the platform's page."""
    since = (datetime.now(UTC) - import_since).isoformat()
    body: Json = {"platform": opened.platform, "import_since": since}
    if "credentials" in opened.link:
        store = await api.call("ingest", "POST", "/v1/stores", body=body | {"credentials": opened.link["credentials"]})
    else:
        store = await api.call("ingest", "POST", "/v1/stores", body=body)
        await _authorize(api, store["store_id"], opened)
    return Linked(opened, store["store_id"])


async def unlink_store(api: Api, linked: Linked) -> None:
    """Unlink a store; its history stays."""
    await api.call("ingest", "DELETE", f"/v1/stores/{linked.store_id}")


async def link_again(api: Api, linked: Linked) -> None:
    """Link a store that was unlinked, or must be connected again, in the way that it was linked first."""
    if "credentials" in linked.opened.link:
        await link_store(api, linked.opened)
    else:
        await _sign_in(api, linked.opened.platform, {"store": linked.opened.external_id})
        await _authorize(api, linked.store_id, linked.opened)
        await _sign_in(api, linked.opened.platform, {})


async def _sign_in(api: Api, platform: str, who: Json) -> None:
    """Be that seller in the browser, or nobody in particular, where the platform asks who is there."""
    with suppress(RefusedError):  # other platforms are told by the address
        await api.control("POST", f"/{platform}/signed-in", body=who)


async def _authorize(api: Api, store_id: str, opened: Opened) -> None:
    asked = {"request": opened.link["request"]}
    start = await api.call("ingest", "POST", f"/v1/stores/{store_id}/authorization", body=asked)
    await api.browse(start["url"])


async def top_up(api: Api, amount: str = BALANCE) -> None:
    """Pay into the seller's balance."""
    body = {"amount": amount, "currency": "USD", "reference": "demo"}
    await api.call("eligibility", "POST", "/v1/balance/top-ups", body=body)


async def truth(api: Api, opened: Opened) -> list[Json]:
    """What exists on the platform."""
    answer = await api.control("GET", f"/{opened.platform}/truth?store={opened.external_id}")
    orders: list[Json] = answer["orders"]
    return orders


async def progress(api: Api) -> dict[str, Progress]:
    """How far each platform's orders are."""
    summary = await api.call("reporting", "GET", "/v1/summary")
    return {platform: _progress(counts) for platform, counts in summary["platforms"].items()}


async def follow(
    api: Api,
    done: Callable[[Mapping[str, Progress]], bool],
    *,
    within: float,
    show: Callable[[Mapping[str, Progress]], None],
) -> float:
    """Show progress until `done`; the seconds it took. Raises TimeoutError after `within` seconds."""
    began = time.monotonic()
    async with asyncio.timeout(within):
        while True:
            now = await progress(api)
            show(now)
            if done(now):
                return time.monotonic() - began
            await asyncio.sleep(POLL_SECONDS)


async def reported_orders(api: Api, linked: Linked) -> list[Reported]:
    """Every order of a store as the report shows it."""
    query = {"store": linked.store_id, "limit": "200"}
    return [reported(item) async for item in api.pages("reporting", "/v1/orders", query)]


async def tally(api: Api, linked: Linked, *, tracking: bool = False) -> PlatformTally:
    """Hold the platform's truth against the report and, where `tracking` is settled, what ingest says of parcels."""
    parcels = await pushed_parcels(api, linked) if tracking else None
    return tally_platform(await truth(api, linked.opened), await reported_orders(api, linked), parcels)


async def pushed_parcels(api: Api, linked: Linked) -> list[Pushed]:
    """Every parcel of a store as ingest shows it."""
    query = {"store_id": linked.store_id, "limit": "200"}
    return [_pushed(item) async for item in api.pages("ingest", "/v1/tracking", query)]


async def settle_parcels(api: Api, shipped: Mapping[str, int], linked: Sequence[Linked], *, within: float) -> None:
    """Wait until no parcel of as many orders as `shipped` says by platform waits to be told, or time is over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            for store in linked:
                orders = shipped.get(store.opened.platform, 0)
                while not _settled(await pushed_parcels(api, store), orders):  # noqa: ASYNC110 - nobody tells us
                    await asyncio.sleep(SETTLE_SECONDS)


def _settled(parcels: Sequence[Pushed], orders: int) -> bool:
    known = {parcel.external_id for parcel in parcels}
    return len(known) >= orders and not any(parcel.state in UNSETTLED for parcel in parcels)


def _pushed(item: Json) -> Pushed:
    verified = datetime.fromisoformat(item["verified_at"]) if item["verified_at"] else None
    took = verified - datetime.fromisoformat(item["created_at"]) if verified else None
    seconds = took.total_seconds() if took else None
    return Pushed(item["external_id"], item["tracking_number"], item["state"], item["code"], seconds)


async def units_wanted(api: Api, linked: Linked) -> dict[str, int]:
    """By order key, the units that the store's makeable orders want made."""
    return {
        f"{linked.opened.platform}:{linked.store_id}:{order['id']}": order["units_to_make"]
        for order in await truth(api, linked.opened)
        if order["makeable"]
    }


def _progress(counts: Json) -> Progress:
    return Progress(
        imported=counts["imported"],
        judged=counts["held"] + counts["rejected"] + counts["released"],
        released=counts["released"],
        shipped=counts["shipped"],
    )


def reported(item: Json) -> Reported:
    """One order as the report shows it."""
    return Reported(
        external_id=item["external_id"],
        outcome=item["outcome"] or "undecided",
        reasons=frozenset(reason["code"] for reason in item["reasons"]),
        released=item["state"] in AFTER_RELEASE,
        shipped=item["state"] == "shipped",
    )
