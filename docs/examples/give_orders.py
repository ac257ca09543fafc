"""Gives orders to a direct store, a thousand at a time, with the client that is generated from our OpenAPI document.

    SYNC_ORDER_KEY=osk_live_… python give_orders.py http://127.0.0.1:8001 STORE_ID orders.jsonl

Each line of the file is an order. Sending the same file again gives nothing twice: what is there already is "existing".
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sync_order_ingest_client import AuthenticatedClient
from sync_order_ingest_client.api.orders import give_orders
from sync_order_ingest_client.models import NewOrders, TakenBatch, TakenLine

AT_ONCE = 1000
TRIES = 8


def give_all(client: AuthenticatedClient, store_id: str, orders: list[dict[str, Any]]) -> Iterator[TakenLine]:
    """Yield what became of each order, in their order."""
    for start in range(0, len(orders), AT_ONCE):
        batch = orders[start : start + AT_ONCE]
        yield from give(client, NewOrders.from_dict({"store_id": store_id, "orders": batch})).items


def give(client: AuthenticatedClient, batch: NewOrders) -> TakenBatch:
    """Send one batch until it is answered; the key makes a repetition harmless, whatever became of the first try."""
    key = hashlib.sha256(json.dumps(batch.to_dict(), sort_keys=True).encode()).hexdigest()
    for attempt in range(TRIES):
        answer = give_orders.sync_detailed(client=client, body=batch, idempotency_key=key)
        if isinstance(answer.parsed, TakenBatch):
            return answer.parsed
        # 409: the first try is still being answered; 503: something is away. Anything else will not change.
        if answer.status_code not in (409, 503):
            break
        time.sleep(min(2**attempt, 30))
    raise SystemExit(f"The batch was answered {answer.status_code}: {answer.content.decode()}")


def main(url: str, store_id: str, file: str) -> int:
    """Give the file's orders; 1 when some were refused, each told with its line."""
    orders = [json.loads(line) for line in Path(file).read_text(encoding="utf-8").splitlines() if line.strip()]
    refused = 0
    with AuthenticatedClient(base_url=url, token=os.environ["SYNC_ORDER_KEY"]) as client:
        for number, line in enumerate(give_all(client, store_id, orders), 1):
            if line.result == "failed":
                refused += 1
                print(f"line {number}, {line.reference or 'no reference'}: {line.problem}")
    print(f"{len(orders) - refused} taken, {refused} refused")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
