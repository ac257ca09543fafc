"""The contract of `Repository`, `Transaction`, `Payments` and `Outbox`, run on Postgres and on its twin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from schemas.looks import LookProblem, order_looked
from schemas.money import Money
from schemas.order import RawOrder, order_revised
from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.adapters.repository import PostgresRepository
from services.eligibility.app import MIGRATIONS
from services.eligibility.dossier import Look
from services.eligibility.facts import ANY_STORE, Match, MatchRef, SellerSettings
from services.eligibility.judging import Arrival, Judge
from services.eligibility.looks import FIRST_WAIT
from services.eligibility.payments import Claim, Paid, Unpaid
from services.eligibility.ports import Located, StateChange
from services.eligibility.words import approve, correct_address, hold, say
from services.kit.clock import ManualClock
from services.kit.metrics import Metrics
from services.kit.postgres.pool import create_pool
from services.kit.trace import begin, parse
from tests.eligibility.workbench import KEEP_FOR, KEY, SELLER, SKU, START, STORE, Bench, dollars, store, variant
from tests.schemas.orders import NOON, order_item, raw_order


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def bench(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Bench]:
    woken: list[int] = []
    if request.param == "memory":
        bench = Bench(tmp_path, MemoryRepository(wake_workers=woken.extend))
        await bench.open_for_business()
        yield _with(bench, woken)
        return
    dsn = request.getfixturevalue("migrated_database")(MIGRATIONS[0], MIGRATIONS[1])
    pool = await create_pool(dsn, schema=MIGRATIONS[0], max_size=6)
    bench = Bench(tmp_path, PostgresRepository(pool, clock=ManualClock(START), wake_workers=woken.extend))
    await bench.open_for_business()
    yield _with(bench, woken)
    await pool.close()


def _with(bench: Bench, woken: list[int]) -> Bench:
    bench.woken_workers = woken  # type: ignore[attr-defined] # only this suite looks at it
    return bench


@pytest.fixture
def looking(bench: Bench) -> Judge:
    """A judge over the bench's tables who has orders looked at that were read an hour ago."""
    return Judge(
        bench.repository,
        sealer=bench.sealer,
        clock=bench.clock,
        metrics=Metrics(),
        keep_for=KEEP_FOR,
        wake_relays=lambda _: None,
        look_after=timedelta(hours=1),
    )


async def test_a_dossier_comes_back_as_it_was_written(bench: Bench) -> None:
    order = raw_order(risk="investigate", holds=("A", "B"))
    await bench.arrive(order)

    dossier = await bench.dossier()

    assert dossier.seller_id == SELLER
    assert dossier.standing.risk == "investigate"
    assert dossier.standing.holds == ("A", "B")
    assert dossier.standing.risk_at == dossier.standing.content
    event = bench.sealer.open_event(dossier)
    assert event is not None
    assert event.order == order
    assert (
        [reason.code.value for reason in dossier.decided.reasons if dossier.decided]
        if dossier.decided
        else []
        == [
            "PLATFORM_HOLD",
            "PLATFORM_HOLD",
            "FRAUD_REVIEW",
        ]
    )


async def test_that_the_platform_lost_an_order_comes_back(bench: Bench) -> None:
    await bench.arrive(raw_order())

    await bench.vanish(NOON + timedelta(hours=1))

    dossier = await bench.dossier()
    assert dossier.standing.is_gone
    assert dossier.decided is not None
    assert [reason.code for reason in dossier.decided.reasons] == ["DELETED_ON_PLATFORM"]


async def test_what_production_was_told_comes_back(bench: Bench) -> None:
    await bench.arrive(raw_order())

    dossier = await bench.dossier()

    assert dossier.told is not None
    assert (dossier.told.revision, dossier.told.cancelled, dossier.told.state) == (1, False, None)
    assert dossier.told.address
    assert dossier.charged == dollars("9")


async def test_the_trace_of_the_valid_revision_comes_back_with_the_order_and_its_messages(bench: Bench) -> None:
    first, second = begin(), begin()
    await bench.arrive(raw_order(payment="pending"), trace=first)
    await bench.arrive(raw_order(revised_at=NOON + timedelta(seconds=1)), trace=second)
    repository = bench.repository
    assert isinstance(repository, MemoryRepository | PostgresRepository)

    messages = [numbered.message for numbered in await repository.read(0, after=0, limit=9)]

    assert (await bench.dossier()).trace == second
    spans = [span for message in messages if (span := parse(message.trace))]
    assert [span.trace_id for span in spans] == [first.trace_id, second.trace_id, second.trace_id]


async def test_unknown_orders_have_no_dossier(bench: Bench) -> None:
    assert await bench.repository.dossiers(["shopify:st-1:none"]) == {}
    assert await bench.repository.locate(["shopify:st-1:none"]) == {}


async def test_orders_are_located(bench: Bench) -> None:
    await bench.arrive(raw_order(), shard=5)

    assert await bench.repository.locate([KEY]) == {KEY: Located(5, SELLER)}


async def test_numbers_follow_without_holes_in_each_shard(bench: Bench) -> None:
    await bench.arrive(raw_order(number="1"), raw_order(number="2"), shard=1)
    await bench.arrive(raw_order(number="3"), shard=2)
    await bench.arrive(raw_order(number="4"), shard=1)

    assert len((await bench.sent(1))[0]) == 3
    assert len((await bench.sent(2))[0]) == 1


async def test_a_block_that_raises_leaves_nothing(bench: Bench) -> None:
    async def pay_and_fail() -> None:
        async with bench.repository.judging({0}) as transaction:
            assert await transaction.payments.settle([Claim(KEY, SELLER, dollars("9"))]) == {KEY: Paid()}
            raise LookupError

    with pytest.raises(LookupError):
        await pay_and_fail()

    assert await bench.repository.balances(SELLER) == [dollars("10000")]


async def test_what_is_paid_is_charged_once_under_concurrency(bench: Bench) -> None:
    orders = [raw_order(number=str(n)) for n in range(30)]

    await asyncio.gather(*(bench.arrive(*orders) for _ in range(4)))

    assert await bench.repository.balances(SELLER) == [dollars("9730")]
    assert (await bench.commands()).count("order.released") == 30


async def test_shards_that_share_a_purse_never_spend_more_than_it_holds(bench: Bench) -> None:
    batches = [[raw_order(number=f"{shard}-{n}") for n in range(400)] for shard in range(4)]

    await asyncio.gather(*(bench.arrive(*batch, shard=shard) for shard, batch in enumerate(batches)))

    released = [len([c for c in await bench.commands(shard) if c == "order.released"]) for shard in range(4)]
    assert sum(released) == 1111
    assert await bench.repository.balances(SELLER) == [dollars("1")]


async def test_a_balance_that_was_only_looked_at_does_not_rise_before_who_looked_begins_to_wait(bench: Bench) -> None:
    async with bench.repository.judging({0}) as transaction:
        asked = Claim("a", "poor", dollars("9"), binding=False)
        assert await transaction.payments.settle([asked]) == {"a": Unpaid(dollars("0"))}
        topping_up = asyncio.create_task(bench.repository.top_up("poor", dollars("9"), reference="r", now=START))
        _, waiting = await asyncio.wait({topping_up}, timeout=0.3)

    assert waiting == {topping_up}
    assert await topping_up == dollars("9")


async def test_shards_that_foresee_and_charge_at_once_end_and_charge_each_release_once(bench: Bench) -> None:
    held = [[raw_order(number=f"h{shard}-{n}", payment="pending") for n in range(50)] for shard in range(4)]
    good = [[raw_order(number=f"g{shard}-{n}") for n in range(50)] for shard in range(4)]

    await asyncio.gather(
        *(bench.arrive(*batch, shard=shard) for shard, batch in enumerate(held)),
        *(bench.arrive(*batch, shard=shard) for shard, batch in enumerate(good)),
    )

    assert await bench.repository.balances(SELLER) == [dollars("8200.00")]
    assert await bench.reasons(held[3][7].key) == ["PAYMENT_PENDING"]


async def test_a_top_up_wakes_an_order_that_is_also_held_for_something_else(bench: Bench) -> None:
    await bench.repository.put_variants([variant(cost=dollars("10001"), changed_at=NOON + timedelta(seconds=1))])
    await bench.arrive(raw_order(payment="pending"), shard=2)
    assert await bench.reasons() == ["PAYMENT_PENDING", "PRODUCTION_NOT_PAID"]

    await bench.repository.top_up(SELLER, dollars("1"), reference="more", now=START)

    assert await bench.judge_again(2) == 1
    assert await bench.reasons() == ["PAYMENT_PENDING"]
    assert await bench.repository.balances(SELLER) == [dollars("10001")]


async def test_settle_answers_every_claim_in_its_turn(bench: Bench) -> None:
    async with bench.repository.judging({0}) as transaction:
        answers = await transaction.payments.settle(
            [Claim("a", SELLER, dollars("9999")), Claim("b", SELLER, dollars("2")), Claim("c", "poor", dollars("1"))]
        )

    assert answers == {"a": Paid(), "b": Unpaid(dollars("1")), "c": Unpaid(dollars("0"))}


@pytest.mark.parametrize("kind", ["variant", "product", "sku"])
@pytest.mark.parametrize("in_store", [STORE, ANY_STORE])
async def test_a_match_wakes_who_waits_for_it_and_nobody_else(bench: Bench, kind: str, in_store: str) -> None:
    await bench.arrive(raw_order(items=(order_item(sku="X"),)), shard=3)
    await bench.arrive(raw_order(number="2", items=(order_item(sku="Y", product_id="p", variant_id="v"),)), shard=4)
    value = {"variant": "v-1", "product": "p-1", "sku": "X"}[kind]
    ref = MatchRef(SELLER, in_store, kind, value)  # type: ignore[arg-type] # parametrized

    await bench.repository.put_match(ref, Match(SKU), now=START)

    assert await bench.repository.requested([0, 1, 2, 3, 4]) == [3]
    assert bench.woken_workers == [3]  # type: ignore[attr-defined] # as above
    await bench.judge_again(3)
    assert await bench.commands(3) == ["order.released"]


async def test_a_match_replaces_the_one_before_and_can_be_forgotten(bench: Bench) -> None:
    ref = MatchRef(SELLER, STORE, "sku", "X")
    first = await bench.repository.put_match(ref, Match("A"), now=START)

    second = await bench.repository.put_match(ref, Match("B"), now=START)

    assert first.match_id == second.match_id
    assert await bench.repository.matches(SELLER) == [second]
    assert await bench.repository.matches("seller-2") == []
    assert await bench.repository.matches(SELLER, store_id="st-9") == []
    assert await bench.repository.matches(SELLER, after=second.match_id) == []
    assert not await bench.repository.forget_match("seller-2", second.match_id)
    assert await bench.repository.forget_match(SELLER, second.match_id)
    assert not await bench.repository.forget_match(SELLER, second.match_id)


async def test_an_older_word_of_the_catalog_is_ignored(bench: Bench) -> None:
    await bench.repository.put_variants([variant(available=False, changed_at=NOON + timedelta(hours=1))])

    await bench.repository.put_variants([variant()])

    await bench.arrive(raw_order())
    assert await bench.reasons() == ["VARIANT_UNAVAILABLE"]


async def test_a_variant_that_is_gone_matches_no_more(bench: Bench) -> None:
    await bench.repository.put_variants([], gone=[SKU])

    await bench.arrive(raw_order())

    assert await bench.reasons() == ["ITEM_NOT_MATCHED"]


async def test_requests_are_taken_oldest_first_and_once(bench: Bench) -> None:
    await bench.arrive(*(raw_order(number=str(n), payment="pending") for n in range(5)))
    await bench.repository.wake_seller(SELLER)

    async with bench.repository.judging({0}) as transaction:
        first = await transaction.take_reassessments(0, 2)
    async with bench.repository.judging({0}) as transaction:
        rest = await transaction.take_reassessments(0, 9)

    assert [len(first), len(rest)] == [2, 3]
    assert not first.keys() & rest.keys()
    assert set(first.values()) == {"rules"}


async def test_held_orders_are_found_by_store_and_reason(bench: Bench) -> None:
    await bench.arrive(raw_order(number="1", payment="pending"), raw_order(number="2", ship_to=None), raw_order())

    held = await bench.repository.held(SELLER, store_id=None, reason="PAYMENT_PENDING", after="", limit=9)

    assert held == ["shopify:st-1:1"]
    assert await bench.repository.held(SELLER, store_id="st-2", reason=None, after="", limit=9) == []
    assert await bench.repository.wake_seller(SELLER, reason="ADDRESS_NOT_VISIBLE") == 1
    assert await bench.repository.wake_seller(SELLER, store_id=STORE) == 2


async def test_words_are_kept_and_a_later_judgement_does_not_touch_them(bench: Bench) -> None:
    await bench.arrive(raw_order(ship_to=None, payment="pending"))
    address = raw_order().ship_to
    assert address is not None
    for word in (approve, hold, correct_address(address)):
        await say(
            word,
            [KEY],
            seller_id=SELLER,
            cause="approval",
            repository=bench.repository,
            sealer=bench.sealer,
            now=bench.clock.now(),
        )

    await bench.arrive(raw_order(ship_to=None, revised_at=NOON + timedelta(seconds=1)))

    dossier = await bench.dossier()
    assert dossier.approval.given
    assert dossier.held_by_seller
    correction = bench.sealer.open_correction(dossier)
    assert correction is not None
    assert correction.address == address
    assert await bench.reasons() == ["HELD_BY_SELLER"]


async def test_a_last_look_is_kept_until_the_order_is_released(bench: Bench, looking: Judge) -> None:
    order = raw_order()
    event = order_revised(order)
    await looking.judge_arrivals([Arrival(event, event.to_bytes(), 3, begin())])

    waiting = (await bench.dossier()).look
    assert waiting == Look(since=START, asked=1, asked_at=START, again_at=START + FIRST_WAIT)
    [question] = await bench.questions(3)
    unread = order_looked(question, "unread", looked_at=START, problem="away")
    await looking.judge_arrivals([Arrival(unread, unread.to_bytes(), 3, begin())])
    assert (await bench.dossier()).look == replace(waiting, problem="away")

    unchanged = order_looked(question, "unchanged", looked_at=START)
    await looking.judge_arrivals([Arrival(unchanged, unchanged.to_bytes(), 3, begin())])
    assert (await bench.dossier()).look is None
    assert await bench.commands(3) == ["order.released"]
    assert await bench.repository.ask_looks_again([3], now=START + timedelta(days=1)) is None


async def test_overdue_looks_are_asked_for_again_in_their_shards_once(bench: Bench, looking: Judge) -> None:
    for number, shard in (("1", 3), ("2", 3), ("3", 4)):
        event = order_revised(raw_order(number=number))
        await looking.judge_arrivals([Arrival(event, event.to_bytes(), shard, begin())])
    repository, later = bench.repository, START + FIRST_WAIT

    assert await repository.ask_looks_again([3], now=later - timedelta(seconds=1)) == START
    assert await repository.requested([3, 4]) == []
    await repository.ask_looks_again([3], now=later)
    await repository.ask_looks_again([3], now=later)

    assert await repository.requested([3, 4]) == [3]
    assert await looking.judge_again(3, limit=9) == 2


@pytest.mark.parametrize(
    ("problem", "state", "asked"), [("reconnect", "linked", 2), ("reconnect", "reconnect", 1), ("away", "linked", 1)]
)
async def test_a_store_that_is_linked_again_is_looked_at_again_at_once(
    bench: Bench, looking: Judge, problem: LookProblem, state: str, asked: int
) -> None:
    event = order_revised(raw_order())
    await looking.judge_arrivals([Arrival(event, event.to_bytes(), 0, begin())])
    [question] = await bench.questions()
    unread = order_looked(question, "unread", looked_at=START, problem=problem)
    await looking.judge_arrivals([Arrival(unread, unread.to_bytes(), 0, begin())])
    assert isinstance(bench.clock, ManualClock)
    bench.clock.advance(10)

    await bench.repository.put_stores([store(state=state, changed_at=NOON + timedelta(minutes=1))])
    await looking.judge_again(0, limit=9)

    assert len(await bench.questions()) == asked


async def test_an_approval_is_kept_as_a_look(bench: Bench, looking: Judge) -> None:
    event = order_revised(raw_order())
    await looking.judge_arrivals([Arrival(event, event.to_bytes(), 0, begin())])
    now = START + timedelta(minutes=2)

    repository, sealer = bench.repository, bench.sealer
    await say(approve, [KEY], seller_id=SELLER, cause="approval", repository=repository, sealer=sealer, now=now)

    assert (await bench.dossier()).look == Look(read_at=now)


async def test_production_states_are_kept_and_only_move_forward(bench: Bench) -> None:
    await bench.arrive(raw_order())

    await bench.production_says("on_hold")
    await bench.production_says("in_production")
    await bench.production_says("accepted")

    told = (await bench.dossier()).told
    assert told is not None
    assert (told.state, told.past_return) == ("in_production", True)


async def test_a_cancelled_order_is_paid_back_in_the_same_transaction(bench: Bench) -> None:
    await bench.arrive(raw_order())

    await bench.production_says("cancelled")
    await bench.production_says("cancelled")

    assert await bench.repository.balances(SELLER) == [dollars("10000")]
    assert (await bench.dossier()).charged == dollars("0")
    assert await bench.repository.requested([0]) == [0]


async def test_an_amendment_in_another_currency_is_charged_in_that_currency(bench: Bench) -> None:
    await bench.arrive(raw_order())
    in_euros = variant(cost=Money.parse("8", "EUR"), changed_at=NOON + timedelta(seconds=1))
    await bench.repository.put_variants([in_euros])
    await bench.repository.top_up(SELLER, Money.parse("20", "EUR"), reference="euros", now=START)

    two = order_item(quantity=2, quantity_to_make=2)
    await bench.arrive(raw_order(items=(two,), revised_at=NOON + timedelta(seconds=1)))

    assert await bench.commands() == ["order.released", "order.amended"]
    assert (await bench.dossier()).charged == Money.parse("16", "EUR")
    assert await bench.repository.balances(SELLER) == [Money.parse("4", "EUR"), dollars("10000")]


async def _one_is_released_and_one_waits_for_money(bench: Bench) -> RawOrder:
    """Spend all that the seller has on one order of two lines in shard 0; return one that waits in shard 3."""
    costly = variant(cost=dollars("5000"), changed_at=NOON + timedelta(seconds=1))
    await bench.repository.put_variants([costly])
    await bench.arrive(raw_order(items=(order_item(quantity=2, quantity_to_make=2),)))
    waiting = raw_order(number="2")
    await bench.arrive(waiting, shard=3)
    assert await bench.reasons(waiting.key) == ["PRODUCTION_NOT_PAID"]
    bench.woken_workers.clear()  # type: ignore[attr-defined] # as above
    return waiting


async def test_a_refund_wakes_who_waits_for_the_balance(bench: Bench) -> None:
    waiting = await _one_is_released_and_one_waits_for_money(bench)

    await bench.production_says("cancelled")

    assert await bench.repository.requested([3]) == [3]
    assert 3 in bench.woken_workers  # type: ignore[attr-defined] # as above
    await bench.judge_again(3)
    assert (await bench.decided(waiting.key)).outcome == "eligible"


async def test_a_cheaper_amendment_wakes_who_waits_for_the_balance(bench: Bench) -> None:
    waiting = await _one_is_released_and_one_waits_for_money(bench)

    await bench.arrive(raw_order(revised_at=NOON + timedelta(seconds=1)))

    await bench.judge_again(3)
    assert (await bench.decided(waiting.key)).outcome == "eligible"


async def test_an_order_that_was_found_unpaid_just_before_the_refund_is_woken_too(bench: Bench) -> None:
    await _one_is_released_and_one_waits_for_money(bench)
    unpaid = raw_order(number="9")

    await bench.arrive(unpaid, raw_order(revised_at=NOON + timedelta(seconds=1)))

    assert await bench.reasons(unpaid.key) == ["PRODUCTION_NOT_PAID"]
    assert await bench.repository.requested([0, 3]) == [0, 3]


async def test_a_later_reading_moves_only_the_stamp(bench: Bench) -> None:
    await bench.arrive(raw_order())

    await bench.arrive(raw_order(fetched_at=NOON + timedelta(minutes=5)))

    dossier = await bench.dossier()
    assert dossier.standing.content.fetched_at == NOON + timedelta(minutes=5)
    assert dossier.imported_at == NOON
    assert (await bench.decided()).number == 1


async def test_settings_are_the_defaults_until_changed(bench: Bench) -> None:
    assert await bench.repository.settings(SELLER) == SellerSettings()

    await bench.repository.change_settings(SELLER, {"auto_pay": False})

    assert await bench.repository.settings(SELLER) == SellerSettings(auto_pay=False)


async def test_settings_changed_at_once_are_all_kept(bench: Bench) -> None:
    names = ("auto_match", "auto_approve", "auto_pay")

    await asyncio.gather(*(bench.repository.change_settings(SELLER, {name: False}) for name in names))

    nothing = SellerSettings(auto_match=False, auto_approve=False, auto_pay=False)
    assert await bench.repository.settings(SELLER) == nothing
    assert await bench.repository.change_settings(SELLER, {}) == nothing


async def test_a_top_up_counts_once_for_its_reference(bench: Bench) -> None:
    repository = bench.repository

    assert await repository.top_up(SELLER, dollars("5"), reference="r", now=START) == dollars("5")
    assert await repository.top_up(SELLER, dollars("7"), reference="r", now=START) == dollars("5")

    assert await repository.balances(SELLER) == [dollars("10005")]


async def test_a_store_says_whose_it_is(bench: Bench) -> None:
    assert await bench.repository.seller_of_store(STORE) == SELLER
    assert await bench.repository.seller_of_store("st-9") is None


async def test_a_store_whose_start_moves_back_releases_what_was_before(bench: Bench) -> None:
    await bench.arrive(raw_order(placed_at=NOON - timedelta(days=3)))

    earlier = store(import_since=NOON - timedelta(days=9), changed_at=NOON + timedelta(seconds=1))
    await bench.repository.put_stores([earlier])
    await bench.judge_again()

    assert await bench.commands() == ["order.released"]


async def test_the_note_of_what_was_published_never_goes_back(bench: Bench) -> None:
    repository = bench.repository
    assert isinstance(repository, MemoryRepository | PostgresRepository)

    await repository.note_published(1, 7)
    await repository.note_published(1, 3)

    assert await repository.published(1) == 7
    assert await repository.published(2) == 0


async def test_personal_data_that_got_more_time_meanwhile_stay(bench: Bench) -> None:
    repository = bench.repository
    assert isinstance(repository, MemoryRepository | PostgresRepository)
    await bench.arrive(raw_order(test=True))
    more = START + 2 * KEEP_FOR

    async with repository.judging({0}) as transaction:
        await transaction.put_states([StateChange(KEY, "shipped", past_return=True, erase_after=more)], again=())
        erasing = asyncio.create_task(repository.erase_personal_data(now=START + KEEP_FOR, limit=10))
        await asyncio.wait({erasing}, timeout=0.3)

    assert await erasing == 0
    assert (await bench.dossier()).sealed_event is not None


async def test_personal_data_are_erased_when_their_time_has_come(bench: Bench) -> None:
    repository = bench.repository
    assert isinstance(repository, MemoryRepository | PostgresRepository)
    await bench.arrive(raw_order(), raw_order(number="2", test=True))

    assert await repository.erase_personal_data(now=START + KEEP_FOR, limit=10) == 1

    assert (await bench.dossier()).sealed_event is not None
    erased = await bench.dossier("shopify:st-1:2")
    assert erased.sealed_event is None
    assert erased.decided is not None
