"""Listing receipts: the indexes give what a plain look at every receipt would give."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.sandbox.etsy.ledger import Ledger, Receipt
from deploy.sandbox.etsy.query import MAX_OFFSET, BadQueryError, ReceiptQuery, parse_query

START = 1_700_000_000
FLAGS = st.none() | st.booleans()
TIMES = st.none() | st.integers(START - 2, START + 12)


def receipt(number: int, *, created: int = START, updated: int = START, paid: bool = True) -> Receipt:
    payload: dict[str, Any] = {
        "receipt_id": number,
        "created_timestamp": created,
        "update_timestamp": updated,
        "updated_timestamp": updated,
        "is_paid": paid,
        "is_shipped": False,
        "first_line": "1 Main Street",
    }
    return Receipt(payload, "ready")


def ledger_of(*receipts: Receipt) -> Ledger:
    ledger = Ledger()
    for one in receipts:
        ledger.add(one)
    return ledger


def numbers(receipts: list[Receipt]) -> list[int]:
    return [one.receipt_id for one in receipts]


@given(
    facts=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans()), max_size=30),
    query=st.builds(
        ReceiptQuery,
        min_created=TIMES,
        max_created=TIMES,
        min_last_modified=TIMES,
        max_last_modified=TIMES,
        limit=st.integers(1, 10),
        offset=st.integers(0, 12),
        sort_on=st.sampled_from(["created", "updated", "receipt_id"]),
        descending=st.booleans(),
        was_paid=FLAGS,
    ),
)
def test_a_page_is_what_filtering_and_sorting_everything_gives(
    facts: list[tuple[int, int, bool]], query: ReceiptQuery
) -> None:
    everything = [
        receipt(number, created=START + created, updated=START + updated, paid=paid)
        for number, (created, updated, paid) in enumerate(facts, start=1)
    ]
    key = {"created": "created_timestamp", "updated": "updated_timestamp", "receipt_id": "receipt_id"}[query.sort_on]
    matching = [
        one
        for one in everything
        if (query.min_created or 0) <= one.payload["created_timestamp"] <= (query.max_created or 2**40)
        and (query.min_last_modified or 0) <= one.updated <= (query.max_last_modified or 2**40)
        and query.was_paid in (None, one.payload["is_paid"])
    ]
    matching.sort(key=lambda one: (one.payload[key], one.receipt_id), reverse=query.descending)

    count, page = ledger_of(*everything).select(query)

    assert count == len(matching)
    assert numbers(page) == numbers(matching[query.offset : query.offset + query.limit])


def test_a_change_moves_a_receipt_to_the_end_of_the_changes() -> None:
    first, second = receipt(1), receipt(2)
    ledger = ledger_of(first, second)

    ledger.touch(first, now=START + 5)

    _, page = ledger.select(ReceiptQuery(sort_on="updated", descending=False))
    assert numbers(page) == [2, 1]
    assert first.payload["update_timestamp"] == first.payload["updated_timestamp"] == START + 5


def test_a_removed_receipt_is_in_no_list() -> None:
    first, second = receipt(1), receipt(2)
    ledger = ledger_of(first, second)

    ledger.remove(first)

    assert ledger.get(1) is None
    for sort_on in ("created", "updated", "receipt_id"):
        assert numbers(ledger.select(ReceiptQuery(sort_on=sort_on))[1]) == [2]


def test_a_hidden_address_is_null_and_the_shown_one_unharmed() -> None:
    one = receipt(1)

    hidden = orjson.loads(one.wire(address=False))
    shown = orjson.loads(one.wire(address=True))

    assert hidden["first_line"] is None
    assert hidden["formatted_address"] is None
    assert shown["first_line"] == "1 Main Street"


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "101"},
        {"limit": "0"},
        {"limit": "many"},
        {"offset": str(MAX_OFFSET + 1)},
        {"offset": "-1"},
        {"sort_on": "price"},
        {"sort_order": "sideways"},
        {"was_paid": "maybe"},
        {"min_created": "946684799"},
        {"max_last_modified": "yesterday"},
    ],
)
def test_parameters_out_of_bounds_are_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(BadQueryError, match=next(iter(parameters))):
        parse_query(parameters)


def test_left_out_parameters_take_the_documented_defaults() -> None:
    query = parse_query({})

    assert (query.limit, query.offset, query.sort_on, query.descending) == (25, 0, "created", True)


@pytest.mark.parametrize("word", ["asc", "ascending", "up"])
def test_ascending_has_three_names(word: str) -> None:
    assert not parse_query({"sort_order": word}).descending
