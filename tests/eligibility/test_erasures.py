from __future__ import annotations

from datetime import timedelta

import pytest

from services.eligibility.erasures import EVERY_STORE, Subject, Tombstone, Tombstones
from tests.schemas.orders import NOON

BUYER = b"digest of a buyer"
TOMBSTONE = Tombstone("event-1", NOON)
ORDER = Subject("shopify:st-1:1", "st-1", NOON, (BUYER,))
AFTERWARDS = Subject("shopify:st-1:1", "st-1", NOON + timedelta(seconds=1), (BUYER,))


def test_without_tombstones_nothing_is_erased() -> None:
    assert not Tombstones()
    assert Tombstones().erased_by(ORDER) is None


def test_a_tombstone_on_an_order_takes_every_revision_of_it() -> None:
    tombstones = Tombstones(orders={ORDER.order_key: TOMBSTONE})

    assert tombstones.erased_by(ORDER) == "event-1"
    assert tombstones.erased_by(AFTERWARDS) == "event-1"
    assert tombstones.erased_by(Subject("shopify:st-1:2", "st-1", NOON, (BUYER,))) is None


@pytest.mark.parametrize(
    "tombstones",
    [
        Tombstones(stores={"st-1": TOMBSTONE}),
        Tombstones(buyers={(BUYER, "st-1"): TOMBSTONE}),
        Tombstones(buyers={(BUYER, EVERY_STORE): TOMBSTONE}),
    ],
)
def test_what_was_placed_until_the_request_is_erased_and_what_is_bought_afterwards_is_not(
    tombstones: Tombstones,
) -> None:
    assert tombstones.erased_by(ORDER) == "event-1"
    assert tombstones.erased_by(AFTERWARDS) is None


@pytest.mark.parametrize(
    "tombstones",
    [
        Tombstones(stores={"st-2": TOMBSTONE}),
        Tombstones(buyers={(BUYER, "st-2"): TOMBSTONE}),
        Tombstones(buyers={(b"another", "st-1"): TOMBSTONE}),
    ],
)
def test_other_stores_and_other_buyers_are_left_alone(tombstones: Tombstones) -> None:
    assert tombstones.erased_by(ORDER) is None


def test_a_buyer_is_found_under_any_of_their_digests() -> None:
    subject = Subject(ORDER.order_key, "st-1", NOON, (b"by the new key", BUYER))

    assert Tombstones(buyers={(BUYER, "st-1"): TOMBSTONE}).erased_by(subject) == "event-1"
