from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.address import Address
from schemas.order import NameValue, RawOrder
from schemas.production import ProductionAmended, ProductionCancelled, ProductionReleased
from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.facts import Match, MatchRef
from services.kit.errors import TransientError, UnreadableMessage
from services.kit.kafka.topics import MAX_MESSAGE_BYTES
from tests.eligibility.workbench import KEEP_FOR, SELLER, SKU, START, STORE, Bench, dollars, store, variant
from tests.schemas.orders import NOON, order_item, raw_order

SECOND = timedelta(seconds=1)


def later(seconds: int = 1, **changes: object) -> RawOrder:
    """A newer revision of the order."""
    time = NOON + seconds * SECOND
    return raw_order(revised_at=time, fetched_at=time, **changes)


async def test_a_good_order_is_released_charged_and_decided(bench: Bench) -> None:
    await bench.arrive(raw_order())

    [decision], [command] = await bench.sent()
    assert (decision.outcome, decision.step, decision.number) == ("eligible", "released", 1)
    assert decision.cost == dollars("9.00")
    assert isinstance(command, ProductionReleased)
    assert command.order.ship_to.city == "San Francisco"
    assert command.order.items[0].sku == SKU
    assert await bench.repository.balances(SELLER) == [dollars("9991.00")]


async def test_a_decision_holds_no_personal_data(bench: Bench) -> None:
    await bench.arrive(raw_order(email="ann@example.com", note="call Ann", gift_message="for Ann"))

    [decision], _ = await bench.sent()
    text = decision.to_bytes().decode()
    assert not [word for word in ("Buyer 0042", "Market", "San Francisco", "94105", "ann@", "Ann") if word in text]


async def test_what_is_kept_of_buyers_is_sealed(bench: Bench) -> None:
    repository = bench.repository
    assert isinstance(repository, MemoryRepository)

    await bench.arrive(raw_order())

    assert b"Market" not in ((await bench.dossier()).sealed_event or b"Market")
    [released] = [m for m in await repository.read(0, after=0, limit=9) if m.message.sealed]
    assert b"Market" not in released.message.value


async def test_the_same_batch_twice_changes_nothing(bench: Bench) -> None:
    await bench.arrive(raw_order(), raw_order(number="1002"))

    await bench.arrive(raw_order(), raw_order(number="1002"), raw_order())

    decisions, commands = await bench.sent()
    assert len(decisions) == 2
    assert len(commands) == 2
    assert await bench.repository.balances(SELLER) == [dollars("9982.00")]


async def test_a_stale_revision_changes_nothing(bench: Bench) -> None:
    await bench.arrive(later(5, payment="pending"))

    await bench.arrive(raw_order())

    assert await bench.reasons() == ["PAYMENT_PENDING"]
    assert await bench.commands() == []


async def test_revisions_of_one_batch_are_judged_as_one(bench: Bench) -> None:
    await bench.arrive(later(1, payment="pending"), later(3), later(2, payment="pending"))

    decisions, _ = await bench.sent()
    assert [decision.outcome for decision in decisions] == ["eligible"]


async def test_a_rejected_order_may_become_eligible_by_a_newer_revision(bench: Bench) -> None:
    await bench.arrive(raw_order(items=()))

    await bench.arrive(later())

    assert [decision.outcome for decision in (await bench.sent())[0]] == ["rejected", "eligible"]


async def test_a_match_releases_every_order_that_waits_for_it(bench: Bench) -> None:
    orders = [raw_order(number=str(n), items=(order_item(sku="UNKNOWN"),)) for n in range(1200)]
    await bench.arrive(*orders)
    assert await bench.commands() == []

    await bench.repository.put_match(MatchRef(SELLER, STORE, "sku", "UNKNOWN"), Match(SKU), now=START)
    taken = await bench.judge_again()

    # The purse holds enough for 1,111 of them.
    assert taken == 1200
    assert len(await bench.commands()) == 1111
    assert [await bench.reasons(order.key) for order in orders].count(["PRODUCTION_NOT_PAID"]) == 89


async def test_a_top_up_releases_what_waits_for_money_in_turn(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.repository.put_stores([store()])
    await bench.repository.put_variants([variant()])
    await bench.arrive(raw_order(), raw_order(number="1002"))
    assert await bench.reasons() == ["PRODUCTION_NOT_PAID"]

    await bench.repository.top_up(SELLER, dollars("10"), reference="a", now=START)
    await bench.judge_again()

    assert await bench.commands() == ["order.released"]
    assert (await bench.decided()).outcome == "eligible"
    assert await bench.repository.balances(SELLER) == [dollars("1")]


async def test_a_changed_balance_alone_is_no_news(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.repository.put_stores([store()])
    await bench.repository.put_variants([variant()])
    await bench.arrive(raw_order())

    await bench.repository.top_up(SELLER, dollars("1"), reference="a", now=START)
    await bench.judge_again()

    assert len((await bench.sent())[0]) == 1


async def test_a_reference_tops_up_once(bench: Bench) -> None:
    for _ in range(2):
        await bench.repository.top_up(SELLER, dollars("5"), reference="same", now=START)

    assert await bench.repository.balances(SELLER) == [dollars("10005")]


async def test_a_new_variant_releases_what_its_sku_matches(bench: Bench) -> None:
    await bench.arrive(raw_order(items=(order_item(sku="MUG"),)))

    await bench.repository.put_variants([variant(sku="MUG")])
    await bench.judge_again()

    assert await bench.commands() == ["order.released"]


async def test_a_store_that_is_heard_of_late_releases_its_orders(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.repository.put_variants([variant()])
    await bench.repository.top_up(SELLER, dollars("100"), reference="a", now=START)
    await bench.arrive(raw_order())
    assert await bench.reasons() == ["PLACED_BEFORE_LINKING"]

    await bench.repository.put_stores([store()])
    await bench.judge_again()

    assert await bench.commands() == ["order.released"]


async def test_settings_release_what_waited_for_them(bench: Bench) -> None:
    await bench.repository.change_settings(SELLER, {"auto_approve": False, "auto_pay": False})
    await bench.arrive(raw_order())
    assert await bench.reasons() == ["NOT_APPROVED", "PRODUCTION_NOT_PAID"]

    await bench.repository.change_settings(SELLER, {"auto_approve": True})
    await bench.judge_again()
    assert await bench.reasons() == ["PRODUCTION_NOT_PAID"]

    await bench.repository.change_settings(SELLER, {"auto_pay": True})
    await bench.judge_again()
    assert await bench.commands() == ["order.released"]


async def test_a_failed_transaction_leaves_nothing(bench: Bench) -> None:
    repository = bench.repository
    assert isinstance(repository, MemoryRepository)
    repository.fail_with(TransientError("the database went away"))

    with pytest.raises(TransientError):
        await bench.arrive(raw_order())

    repository.fail_with(None)
    assert await bench.sent() == ([], [])
    assert await bench.repository.balances(SELLER) == [dollars("10000")]


async def test_an_order_too_large_for_kafka_is_unreadable_and_leaves_nothing(bench: Bench) -> None:
    with pytest.raises(UnreadableMessage) as caught:
        await bench.arrive(raw_order(note="x" * MAX_MESSAGE_BYTES))

    assert str(caught.value) == "order: too large for production"
    assert await bench.sent() == ([], [])
    assert await bench.repository.balances(SELLER) == [dollars("10000")]


async def test_production_is_told_of_a_cancellation_once(bench: Bench) -> None:
    await bench.arrive(raw_order())

    await bench.arrive(later(1, cancelled_at=NOON))
    await bench.arrive(later(2, cancelled_at=NOON, tags=("late",)))

    assert await bench.commands() == ["order.released", "order.cancelled"]
    assert await bench.reasons() == ["CANCELLED"]


async def test_an_order_that_the_platform_lost_is_cancelled_in_production_once(bench: Bench) -> None:
    await bench.arrive(raw_order())

    await bench.vanish(NOON + timedelta(hours=1))
    await bench.vanish(NOON + timedelta(hours=2))

    assert await bench.commands() == ["order.released", "order.cancelled"]
    command = (await bench.sent())[1][-1]
    assert isinstance(command, ProductionCancelled)
    assert command.reason == "The platform no longer has this order."
    assert await bench.reasons() == ["DELETED_ON_PLATFORM"]


async def test_a_lost_order_that_was_not_released_is_rejected_until_it_is_back(bench: Bench) -> None:
    await bench.arrive(raw_order(payment="pending"))

    await bench.vanish(NOON + timedelta(hours=1))
    rejected = await bench.decided()
    await bench.arrive(later(1))
    stale = await bench.decided()
    await bench.arrive(raw_order(revised_at=NOON + timedelta(hours=2)))

    assert (rejected.outcome, stale.outcome) == ("rejected", "rejected")
    assert await bench.commands() == ["order.released"]


async def test_the_loss_of_an_order_that_never_came_is_nothing(bench: Bench) -> None:
    await bench.vanish(NOON)

    assert await bench.sent() == ([], [])


async def test_a_cancellation_says_why_in_sentences(bench: Bench) -> None:
    await bench.arrive(raw_order())

    await bench.arrive(later(1, cancelled_at=NOON, payment="refunded"))

    command = (await bench.sent())[1][-1]
    assert isinstance(command, ProductionCancelled)
    assert command.reason == "The order was cancelled on the platform. The buyer's payment was refunded or voided."


@pytest.mark.parametrize(
    ("note", "buyer_message", "told"),
    [
        ("gift wrap", "Red, please", "gift wrap\nRed, please"),
        (None, "Red, please", "Red, please"),
        ("gift wrap", None, "gift wrap"),
        (None, None, None),
    ],
)
async def test_production_is_told_every_wish_and_the_sellers_reference(
    bench: Bench, note: str | None, buyer_message: str | None, told: str | None
) -> None:
    await bench.arrive(raw_order(note=note, buyer_message=buyer_message))

    [command] = (await bench.sent())[1]
    assert isinstance(command, ProductionReleased)
    assert (command.order.order_ref, command.order.note) == ("#1001", told)


async def test_production_is_told_the_numbers_that_customs_ask_for(bench: Bench) -> None:
    await bench.arrive(raw_order(ioss_number="IM0000000000", tax_number="000.000.000-00"))

    _, [command] = await bench.sent()

    assert isinstance(command, ProductionReleased)
    assert (command.order.ioss_number, command.order.tax_number) == ("IM0000000000", "000.000.000-00")


async def test_a_cancelled_order_is_never_released_again(bench: Bench) -> None:
    await bench.arrive(raw_order())
    await bench.arrive(later(1, cancelled_at=NOON))

    await bench.arrive(later(2))

    assert await bench.commands() == ["order.released", "order.cancelled"]
    assert (await bench.decided()).outcome == "rejected"


async def test_a_cancellation_by_production_is_paid_back_once(bench: Bench) -> None:
    await bench.arrive(raw_order())
    await bench.arrive(later(1, cancelled_at=NOON))

    for _ in range(2):
        await bench.production_says("cancelled")
        await bench.judge_again()

    assert await bench.repository.balances(SELLER) == [dollars("10000")]
    assert (await bench.decided()).outcome == "rejected"


async def test_a_refused_cancellation_comes_too_late(bench: Bench) -> None:
    await bench.arrive(raw_order())
    await bench.arrive(later(1, cancelled_at=NOON))

    await bench.production_says("cancel_refused")
    await bench.judge_again()

    assert (await bench.decided()).outcome == "eligible"
    assert await bench.reasons() == ["CHANGED_TOO_LATE"]
    assert await bench.repository.balances(SELLER) == [dollars("9991")]


async def test_a_new_address_amends_until_production_starts(bench: Bench) -> None:
    await bench.arrive(raw_order())
    moved = Address(name="B", line1="2 Elm", city="Austin", region="TX", postal_code="73301", country="US")

    await bench.arrive(later(1, ship_to=moved))
    await bench.production_says("in_production")
    await bench.arrive(later(2, ship_to=moved.model_copy(update={"line1": "3 Elm"})))

    assert await bench.commands() == ["order.released", "order.amended"]
    assert await bench.reasons() == ["CHANGED_TOO_LATE"]
    _, commands = await bench.sent()
    assert [c.order.revision for c in commands if c.type != "order.cancelled"] == [1, 2]


async def test_an_address_that_the_platform_hides_after_a_while_is_no_change(bench: Bench) -> None:
    await bench.arrive(raw_order())

    await bench.arrive(later(1, ship_to=None))
    await bench.production_says("in_production")
    await bench.arrive(later(2, ship_to=Address(name="B", country="US")))

    assert await bench.commands() == ["order.released"]
    assert await bench.reasons() == []


async def test_more_items_are_charged_with_the_amendment(bench: Bench) -> None:
    await bench.arrive(raw_order())

    await bench.arrive(later(1, items=(order_item(quantity=3, quantity_to_make=3),)))

    assert await bench.commands() == ["order.released", "order.amended"]
    assert await bench.repository.balances(SELLER) == [dollars("9973")]


@pytest.mark.parametrize("name", ["note", "buyer_message", "gift_message"])
async def test_a_change_of_words_alone_amends(bench: Bench, name: str) -> None:
    await bench.arrive(raw_order())

    await bench.arrive(later(1, **{name: "Wrap it, please"}))

    assert await bench.commands() == ["order.released", "order.amended"]
    command = (await bench.sent())[1][-1]
    assert isinstance(command, ProductionAmended)
    assert "Wrap it, please" in {command.order.note, command.order.gift_message}


async def test_what_could_not_be_read_again_is_not_taken_from_production(bench: Bench) -> None:
    words = (NameValue(name="Name", value="Zoë"),)
    whole = (order_item(personalization=words),)
    await bench.arrive(raw_order(items=whole))

    await bench.arrive(later(1, items=(order_item(),), holds=("CUSTOMIZATION_UNREAD",)))
    between = await bench.reasons()
    await bench.arrive(later(2, items=whole, holds=()))

    assert await bench.commands() == ["order.released"]
    assert between == ["PLATFORM_HOLD"]
    assert await bench.reasons() == []


async def test_a_revision_that_changes_nothing_for_production_is_not_told(bench: Bench) -> None:
    await bench.arrive(raw_order())

    await bench.arrive(later(1, tags=("vip",)))

    decisions, _ = await bench.sent()
    assert await bench.commands() == ["order.released"]
    assert [decision.step for decision in decisions] == ["released", None]


async def test_our_own_shipping_on_the_platform_is_no_change(bench: Bench) -> None:
    await bench.arrive(raw_order())
    await bench.production_says("accepted")
    await bench.production_says("shipped")

    await bench.arrive(later(1, fulfilment="fulfilled", items=(order_item(quantity_to_make=0),)))

    assert await bench.commands() == ["order.released"]
    assert (await bench.decided()).outcome == "eligible"
    assert await bench.reasons() == []


async def test_an_address_that_changes_after_all_was_shipped_elsewhere_is_no_change(bench: Bench) -> None:
    await bench.arrive(raw_order())
    moved = Address(name="B", line1="2 Elm", city="Austin", region="TX", postal_code="73301", country="US")

    await bench.arrive(later(1, fulfilment="fulfilled", items=(order_item(quantity_to_make=0),), ship_to=moved))

    assert ((await bench.decided()).outcome, await bench.reasons()) == ("eligible", [])
    assert await bench.commands() == ["order.released"]


async def test_personal_data_are_erased_in_time_after_shipping(bench: Bench) -> None:
    repository = bench.repository
    assert isinstance(repository, MemoryRepository)
    await bench.arrive(raw_order())
    await bench.production_says("shipped")

    assert await repository.erase_personal_data(now=START + KEEP_FOR - SECOND, limit=10) == 0
    assert await repository.erase_personal_data(now=START + KEEP_FOR, limit=10) == 1
    assert (await bench.dossier()).sealed_event is None


def revisions() -> list[RawOrder]:
    return [
        later(1, payment="pending"),
        later(1, payment="pending", risk="investigate").model_copy(update={"fetched_at": NOON + 2 * SECOND}),
        later(3),
        later(3, payment="partially_refunded").model_copy(update={"fetched_at": NOON + 4 * SECOND}),
        later(5, risk="accept"),
        later(6, cancelled_at=NOON),
    ]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data(), upto=st.integers(1, 6))
async def test_any_arrival_of_revisions_ends_in_the_same_decision(
    tmp_path: Path, data: st.DataObject, upto: int
) -> None:
    orders = revisions()[:upto]
    shuffled = data.draw(st.permutations(orders + data.draw(st.lists(st.sampled_from(orders), max_size=3))))
    straight, disturbed = Bench(tmp_path), Bench(tmp_path)
    for bench in (straight, disturbed):
        await bench.open_for_business()
    await straight.arrive(*orders)

    for order in shuffled:
        await disturbed.arrive(order)

    commands = await disturbed.commands()
    assert commands.count("order.released") <= 1
    assert commands.count("order.cancelled") <= 1
    one, other = await straight.decided(), await disturbed.decided()
    assert one.raw_event_id == other.raw_event_id
    if "order.released" not in commands or "order.released" in await straight.commands():
        assert (one.outcome, one.reasons) == (other.outcome, other.reasons)
