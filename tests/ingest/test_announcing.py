"""What the other services are told of a store names its platform as people call it."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from schemas.ids import SellerId, StoreId
from schemas.stores import StoreRecord, StoreSettings
from schemas.topics import STORES
from services.ingest.registry import name_of, platform_of, slugs
from services.ingest.stores.store import Store, announcements

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


def told(platform: str) -> StoreRecord:
    store = Store(
        store_id=StoreId("store-1"),
        seller_id=SellerId("seller-1"),
        platform=platform,
        name="A store",
        state="linked",
        settings=StoreSettings(),
        import_since=NOW,
        created_at=NOW,
        changed_at=NOW,
        external_id="1",
        linked_at=NOW,
    )
    [record] = [message for message in announcements(store) if message.topic == STORES.name]
    return StoreRecord.model_validate_json(record.value or b"")


@pytest.mark.parametrize("slug", slugs())
def test_a_stores_record_carries_its_platforms_name(slug: str) -> None:
    assert told(slug).platform_name == platform_of(slug).name


def test_a_platform_that_no_folder_has_is_told_without_a_name() -> None:
    assert name_of("unknown") is None
    assert told("unknown").platform_name is None
