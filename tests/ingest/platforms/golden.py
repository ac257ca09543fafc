"""What golden tests share: recorded payloads by case, and the content that each must be read as."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from schemas.ids import SellerId, StoreId
from schemas.order import RawOrder
from services.ingest.contract.stores import StoreRef

DIRECTORY = Path(__file__).parents[2] / "platforms"
FETCHED_AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def store_ref(platform: str, **given: Any) -> StoreRef:
    facts = {"external_id": "1", "store_id": StoreId("store-1"), "seller_id": SellerId("seller-1")}
    return StoreRef(platform=platform, **(facts | given))


def cases(platform: str, *, ending: str) -> list[str]:
    names = (DIRECTORY / platform / "payloads").glob(f"*{ending}")
    return sorted(path.name.removesuffix(ending) for path in names)


def payload(platform: str, name: str) -> bytes:
    return (DIRECTORY / platform / "payloads" / name).read_bytes()


def expected(platform: str, case: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DIRECTORY / platform / "expected" / f"{case}.json").read_text())
    return found


def content(order: RawOrder, *, leaving_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The order as its golden file has it: all that it says, without how and when it was read."""
    found: dict[str, Any] = json.loads(order.model_dump_json(exclude={"payload", "fetched_at", "way", *leaving_out}))
    return found
