from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from schemas.address import Address
from schemas.decisions import Cause
from services.eligibility import words
from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.words import Word, say
from tests.eligibility.workbench import KEEP_FOR, KEY, SELLER, START, Bench
from tests.schemas.orders import NOON, raw_order

WRONG = Address(name="B", line1="1 St", city="X", region="CA", country="US")
RIGHT = WRONG.model_copy(update={"postal_code": "94105"})


async def said(
    bench: Bench, word: Word, keys: Collection[str] = (KEY,), *, seller: str = SELLER, cause: Cause = "approval"
) -> list[str]:
    answers = await say(
        word,
        keys,
        seller_id=seller,
        cause=cause,
        repository=bench.repository,
        sealer=bench.sealer,
        now=bench.clock.now(),
    )
    await bench.judge_again()
    return [answer if isinstance(answer, str) else "kept" for answer in answers.values()]


async def test_approving_releases_an_order_that_waited_for_it(bench: Bench) -> None:
    await bench.repository.change_settings(SELLER, {"auto_approve": False})
    await bench.arrive(raw_order())

    assert await said(bench, words.approve) == ["kept"]
    assert await bench.commands() == ["order.released"]


async def test_a_hold_lasts_until_it_is_lifted(bench: Bench) -> None:
    await bench.repository.change_settings(SELLER, {"auto_approve": False})
    await bench.arrive(raw_order())

    await said(bench, words.hold)
    await said(bench, words.approve)
    assert await bench.reasons() == ["HELD_BY_SELLER"]

    await said(bench, words.release)
    assert await bench.commands() == ["order.released"]


async def test_a_released_order_cannot_be_held(bench: Bench) -> None:
    await bench.arrive(raw_order())

    assert await said(bench, words.hold) == ["already_released"]


async def test_a_corrected_address_releases_and_is_where_the_parcel_goes(bench: Bench) -> None:
    await bench.arrive(raw_order(ship_to=WRONG))
    assert await bench.reasons() == ["ADDRESS_INCOMPLETE"]

    await said(bench, words.correct_address(RIGHT), cause="address")

    _, [command] = await bench.sent()
    assert command.type == "order.released"
    assert command.order.ship_to.zip == "94105"


async def test_a_confirmed_address_releases_as_it_is(bench: Bench) -> None:
    await bench.arrive(raw_order(ship_to=WRONG))

    await said(bench, words.confirm_address, cause="address")

    assert await bench.commands() == ["order.released"]


async def test_a_newer_address_of_the_platform_outdates_the_correction(bench: Bench) -> None:
    await bench.arrive(raw_order(ship_to=WRONG, payment="pending"))
    await said(bench, words.correct_address(RIGHT), cause="address")
    other = WRONG.model_copy(update={"line1": "2 St"})

    await bench.arrive(raw_order(ship_to=other, revised_at=NOON + timedelta(seconds=1)))

    assert await bench.reasons() == ["ADDRESS_INCOMPLETE"]


async def test_an_order_is_paid_when_asked(bench: Bench) -> None:
    await bench.repository.change_settings(SELLER, {"auto_pay": False})
    await bench.arrive(raw_order())
    assert await bench.reasons() == ["PRODUCTION_NOT_PAID"]

    await said(bench, words.pay, cause="balance")

    assert await bench.commands() == ["order.released"]


async def test_many_are_approved_each_by_itself(bench: Bench) -> None:
    await bench.repository.change_settings(SELLER, {"auto_approve": False})
    orders = [raw_order(number=str(n)) for n in range(3)]
    await bench.arrive(*orders)

    answers = await said(bench, words.approve, [*(order.key for order in orders), "shopify:st-1:unknown"])

    assert answers == ["kept", "kept", "kept", "not_found"]
    assert len(await bench.commands()) == 3


async def test_nobody_speaks_for_another_sellers_order(bench: Bench) -> None:
    await bench.arrive(raw_order(payment="pending"))

    assert await said(bench, words.approve, seller="seller-2") == ["not_found"]


async def test_an_erased_order_takes_no_word(bench: Bench) -> None:
    await bench.arrive(raw_order(test=True))
    repository = bench.repository
    assert isinstance(repository, MemoryRepository)
    await repository.erase_personal_data(now=START + KEEP_FOR, limit=10)

    assert await said(bench, words.approve) == ["erased"]
