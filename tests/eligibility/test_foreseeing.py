"""Whether production can be paid is foreseen while other reasons hold an order, and nothing is charged for it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from schemas.order import RawOrder
from schemas.reasons import Reason
from services.eligibility import words
from services.eligibility.facts import Match, MatchRef
from tests.eligibility.workbench import KEY, PLENTY, SELLER, SKU, START, STORE, Bench, dollars, store, variant
from tests.schemas.orders import NOON, order_item, raw_order


@pytest.fixture
async def poor(tmp_path: Path) -> Bench:
    """A bench whose seller has nothing yet."""
    bench = Bench(tmp_path)
    await bench.repository.put_stores([store()])
    await bench.repository.put_variants([variant()])
    return bench


def later(seconds: int = 1, **changes: Any) -> RawOrder:
    time = NOON + timedelta(seconds=seconds)
    return raw_order(revised_at=time, fetched_at=time, **changes)


async def last_reason(bench: Bench, key: str = KEY) -> Reason:
    return (await bench.decided(key)).reasons[-1]


async def approve(bench: Bench, key: str = KEY) -> None:
    await words.say(
        words.approve,
        [key],
        seller_id=SELLER,
        cause="approval",
        repository=bench.repository,
        sealer=bench.sealer,
        now=bench.clock.now(),
    )


async def test_an_order_that_is_held_hears_that_the_balance_does_not_cover_it_either(poor: Bench) -> None:
    await poor.arrive(raw_order(payment="pending", risk="investigate"))

    assert await poor.reasons() == ["PAYMENT_PENDING", "FRAUD_REVIEW", "PRODUCTION_NOT_PAID"]
    assert (await last_reason(poor)).evidence == {"cost": "9.00 USD", "balance": "0.00 USD"}


async def test_the_reason_goes_when_the_balance_rises_and_nothing_is_charged_before_the_release(poor: Bench) -> None:
    await poor.repository.change_settings(SELLER, {"auto_approve": False})
    await poor.arrive(raw_order())

    await poor.repository.top_up(SELLER, dollars("20"), reference="a", now=START)
    await poor.judge_again()
    assert await poor.reasons() == ["NOT_APPROVED"]
    assert await poor.repository.balances(SELLER) == [dollars("20")]

    await approve(poor)
    await poor.judge_again()
    assert await poor.commands() == ["order.released"]
    assert await poor.repository.balances(SELLER) == [dollars("11")]
    assert [decision.outcome for decision in (await poor.sent())[0]] == ["held", "held", "eligible"]


async def test_a_top_up_that_does_not_suffice_is_no_news(poor: Bench) -> None:
    await poor.arrive(raw_order(payment="pending"))

    await poor.repository.top_up(SELLER, dollars("8.99"), reference="a", now=START)
    await poor.judge_again()

    assert await poor.reasons() == ["PAYMENT_PENDING", "PRODUCTION_NOT_PAID"]
    assert len((await poor.sent())[0]) == 1


async def test_each_held_order_is_compared_alone_with_what_releases_leave(poor: Bench) -> None:
    await poor.repository.top_up(SELLER, dollars("18"), reference="a", now=START)

    held = [raw_order(number=str(n), payment="pending") for n in range(3)]
    await poor.arrive(*held, raw_order())

    # Nine of eighteen dollars are left: enough for each of the three, though not for all.
    assert [await poor.reasons(order.key) for order in held] == [["PAYMENT_PENDING"]] * 3
    assert await poor.repository.balances(SELLER) == [dollars("9")]


async def test_what_is_foreseen_is_weighed_after_the_charges_of_the_same_batch(poor: Bench) -> None:
    await poor.repository.top_up(SELLER, dollars("9"), reference="a", now=START)

    await poor.arrive(raw_order(number="2", payment="pending"), raw_order())

    assert await poor.reasons("shopify:st-1:2") == ["PAYMENT_PENDING", "PRODUCTION_NOT_PAID"]
    assert await poor.commands() == ["order.released"]


async def test_a_seller_who_pays_by_hand_hears_it_until_paying_was_asked_for(bench: Bench) -> None:
    await bench.repository.change_settings(SELLER, {"auto_pay": False})
    await bench.arrive(raw_order(payment="pending"))
    assert await bench.reasons() == ["PAYMENT_PENDING", "PRODUCTION_NOT_PAID"]

    await words.say(
        words.pay,
        [KEY],
        seller_id=SELLER,
        cause="balance",
        repository=bench.repository,
        sealer=bench.sealer,
        now=bench.clock.now(),
    )
    await bench.judge_again()

    assert await bench.reasons() == ["PAYMENT_PENDING"]
    assert await bench.repository.balances(SELLER) == [PLENTY]


async def test_a_price_that_is_not_whole_yet_says_so(poor: Bench) -> None:
    await poor.arrive(raw_order(items=(order_item(), order_item(external_id="line-2", sku="UNKNOWN"))))

    assert await poor.reasons() == ["ITEM_NOT_MATCHED", "PRODUCTION_NOT_PAID"]
    assert (await last_reason(poor)).evidence["cost"] == "\u2265 9.00 USD"


async def test_nothing_is_foreseen_of_an_order_without_any_price(poor: Bench) -> None:
    await poor.arrive(raw_order(items=(order_item(sku="UNKNOWN"),)))

    assert await poor.reasons() == ["ITEM_NOT_MATCHED"]


async def test_an_order_without_any_price_is_unpaid_all_the_same_where_the_seller_pays_by_hand(bench: Bench) -> None:
    await bench.repository.change_settings(SELLER, {"auto_pay": False})

    await bench.arrive(raw_order(items=(order_item(sku="UNKNOWN"),)))
    assert await bench.reasons() == ["ITEM_NOT_MATCHED", "PRODUCTION_NOT_PAID"]

    await bench.repository.put_match(MatchRef(SELLER, STORE, "sku", "UNKNOWN"), Match(SKU), now=START)
    await bench.judge_again()
    assert (await last_reason(bench)).evidence == {"cost": "9.00 USD", "balance": "10000.00 USD"}


async def test_a_dearer_change_of_a_released_order_is_compared_by_its_difference(poor: Bench) -> None:
    await poor.repository.top_up(SELLER, dollars("10"), reference="a", now=START)
    await poor.arrive(raw_order())
    items = (order_item(), order_item(external_id="line-2"))

    await poor.arrive(later(items=items, ship_to=None))
    assert await poor.reasons() == ["ADDRESS_NOT_VISIBLE", "PRODUCTION_NOT_PAID"]

    await poor.repository.top_up(SELLER, dollars("8"), reference="b", now=START)
    await poor.judge_again()
    assert await poor.reasons() == ["ADDRESS_NOT_VISIBLE"]
    assert await poor.repository.balances(SELLER) == [dollars("9")]


async def test_a_rejected_order_needs_no_money(poor: Bench) -> None:
    await poor.arrive(raw_order(test=True))

    assert await poor.reasons() == ["TEST_ORDER"]
