"""The stores to which a seller gives orders themselves, as the report knows them."""

from __future__ import annotations

from services.reporting import cursors
from services.reporting.dashboard.imports_told import StoreTold
from services.reporting.ports import STORE_CURSOR, Reports
from services.reporting.watermark import OUR_OWN

_AT_ONCE = 200
_MOST_PARTS = 10


async def own_stores(reports: Reports, seller_id: str, *, chosen: str, called: str) -> list[StoreTold]:
    """Return them; one that was just made may not have reached the report, and is `called` so until it has."""
    found, after = list[StoreTold](), None
    for _ in range(_MOST_PARTS):
        page = await reports.stores(seller_id, after=after, limit=_AT_ONCE)
        found += [
            StoreTold(store_id=each.store_id, name=each.name)
            for each in page.items
            if each.platform == OUR_OWN and each.state == "linked"
        ]
        after = cursors.read(page.next, like=STORE_CURSOR)
        if after is None:
            break
    if chosen and chosen not in {store.store_id for store in found}:
        found.append(StoreTold(store_id=chosen, name=called))
    return found
