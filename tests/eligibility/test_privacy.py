from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.decisions import OrderDecided
from services.eligibility.adapters.memory import MemoryRepository
from services.eligibility.erasures import RequestState
from services.eligibility.ports import Affected
from services.eligibility.privacy import CHUNK, Eraser
from services.eligibility.subscriber import Topics
from services.eligibility.words import approve, correct_address, say
from services.kit.errors import TransientError, UnreadableMessage
from services.kit.metrics import Metrics
from services.kit.vault import Vault
from tests.eligibility.privacy import ASKED_AT, BUYER, Privacy, asked, later, order_of_buyer, record
from tests.eligibility.workbench import KEY, SELLER, Bench
from tests.schemas.orders import NOON, raw_order


@pytest.fixture
def privacy(bench: Bench) -> Privacy:
    return Privacy(bench)


async def last_decision(bench: Bench) -> OrderDecided:
    return (await bench.sent())[0][-1]


async def test_an_order_that_was_not_released_is_erased_and_rejected_in_plain_words(
    bench: Bench, privacy: Privacy
) -> None:
    await bench.arrive(order_of_buyer(payment="pending"))

    await privacy.take(asked())

    dossier = await bench.dossier()
    assert (dossier.sealed_event, dossier.sealed_correction, dossier.buyer) == (None, None, None)
    assert (await bench.decided()).outcome == "rejected"
    [sentence] = [reason.sentence() for reason in (await last_decision(bench)).reasons]
    assert sentence.startswith("The platform asked that the buyer's data be erased")
    assert await privacy.counted() == ("erased", 1)


async def test_an_erased_order_is_never_released_whatever_comes_after(bench: Bench, privacy: Privacy) -> None:
    await bench.arrive(order_of_buyer(payment="pending"))
    await privacy.take(asked())

    await bench.arrive(
        later(1), later(2, buyer_id=None), order_revised_again := later(3, placed_at=ASKED_AT + timedelta(1))
    )
    await bench.arrive(order_revised_again)
    await bench.judge_again()

    assert await bench.commands() == []
    assert (await bench.dossier()).sealed_event is None
    assert await bench.reasons() == ["BUYER_DATA_ERASED"]


@pytest.mark.parametrize("word", [approve, correct_address(raw_order().ship_to or pytest.fail("no address"))])
async def test_a_seller_cannot_bring_an_erased_order_back(bench: Bench, privacy: Privacy, word: Any) -> None:
    await bench.arrive(order_of_buyer(payment="pending"))
    await privacy.take(asked())

    said = await say(
        word,
        [KEY],
        seller_id=SELLER,
        cause="approval",
        repository=bench.repository,
        sealer=bench.sealer,
        now=bench.clock.now(),
    )

    assert said == {KEY: "erased"}


async def test_a_correction_that_the_seller_wrote_goes_too(bench: Bench, privacy: Privacy) -> None:
    await bench.arrive(order_of_buyer(ship_to=None, payment="pending"))
    address = raw_order().ship_to
    assert address is not None
    word = correct_address(address)
    await say(
        word,
        [KEY],
        seller_id=SELLER,
        cause="address",
        repository=bench.repository,
        sealer=bench.sealer,
        now=bench.clock.now(),
    )
    assert (await bench.dossier()).sealed_correction is not None

    await privacy.take(asked())

    assert (await bench.dossier()).sealed_correction is None


async def test_what_production_has_goes_on_and_is_never_amended(bench: Bench, privacy: Privacy) -> None:
    await bench.arrive(order_of_buyer())

    await privacy.take(asked())
    await bench.arrive(later(1, note="another"))

    assert await bench.commands() == ["order.released"]
    dossier = await bench.dossier()
    assert (await bench.decided()).outcome == "eligible"
    assert await bench.reasons() == []
    assert dossier.sealed_event is None
    assert dossier.told is not None
    assert (dossier.told.address, dossier.told.items) == ("", "")
    assert dossier.charged is not None


async def test_a_cancellation_still_reaches_production_after_the_erasure(bench: Bench, privacy: Privacy) -> None:
    await bench.arrive(order_of_buyer())
    await privacy.take(asked())

    await bench.arrive(later(1, cancelled_at=NOON))

    assert await bench.commands() == ["order.released", "order.cancelled"]
    assert (await bench.decided()).outcome == "rejected"
    assert (await bench.dossier()).sealed_event is None


async def test_a_request_that_comes_before_the_order_wins(bench: Bench, privacy: Privacy) -> None:
    await privacy.take(asked())

    await bench.arrive(order_of_buyer())

    assert await bench.commands() == []
    assert await bench.reasons() == ["BUYER_DATA_ERASED"]
    assert (await bench.dossier()).sealed_event is None
    assert await privacy.counted() == ("erased", 0)


async def test_a_request_that_names_orders_before_they_come_wins(bench: Bench, privacy: Privacy) -> None:
    await privacy.take(asked(buyer_ids=(), order_keys=(KEY,)))

    await bench.arrive(raw_order())

    assert await bench.commands() == []
    assert (await bench.dossier()).sealed_event is None


async def test_between_the_request_and_the_erasure_nothing_is_released(bench: Bench, privacy: Privacy) -> None:
    await bench.arrive(order_of_buyer(payment="pending"))
    await privacy.keep(asked())

    await bench.arrive(later(1))

    assert await bench.commands() == []
    assert await bench.reasons() == ["BUYER_DATA_ERASED"]
    assert (await bench.dossier()).sealed_event is None


async def test_who_buys_again_after_the_request_is_served(bench: Bench, privacy: Privacy) -> None:
    await privacy.take(asked(), asked(event_id="event-2", kind="erase_store", buyer_ids=()))

    await bench.arrive(order_of_buyer(placed_at=ASKED_AT + timedelta(seconds=1)))

    assert await bench.commands() == ["order.released"]
    assert (await bench.dossier()).sealed_event is not None


async def test_what_was_bought_again_before_the_erasure_ran_stays(bench: Bench, privacy: Privacy) -> None:
    again = order_of_buyer("2", placed_at=ASKED_AT + timedelta(seconds=1), payment="pending")
    await bench.arrive(again, order_of_buyer(payment="pending"))

    await privacy.take(asked())

    assert (await bench.dossier(again.key)).sealed_event is not None
    assert await bench.reasons(again.key) == ["PAYMENT_PENDING"]
    assert await privacy.counted() == ("erased", 1)


async def test_other_buyers_keep_theirs(bench: Bench, privacy: Privacy) -> None:
    other, unknown = order_of_buyer("2", buyer_id="8"), order_of_buyer("3", buyer_id=None)
    await bench.arrive(other, unknown)

    await privacy.take(asked())

    assert (await bench.dossier(other.key)).sealed_event is not None
    assert (await bench.dossier(unknown.key)).sealed_event is not None


@pytest.mark.parametrize(("store", "erased"), [("st-2", False), (None, True)])
async def test_a_request_of_one_store_leaves_the_others_alone(
    bench: Bench, privacy: Privacy, store: str | None, *, erased: bool
) -> None:
    await bench.arrive(order_of_buyer(payment="pending"))
    seller = SELLER if store else None

    await privacy.take(asked(store_id=store, seller_id=seller))

    assert ((await bench.dossier()).sealed_event is None) == erased


async def test_a_buyer_of_another_platform_with_the_same_id_is_another_buyer(bench: Bench, privacy: Privacy) -> None:
    await bench.arrive(order_of_buyer(payment="pending"))

    await privacy.take(asked(platform="etsy", store_id=None, seller_id=None))

    assert (await bench.dossier()).sealed_event is not None


async def test_a_buyer_is_found_by_what_an_earlier_revision_told(bench: Bench, privacy: Privacy) -> None:
    await bench.arrive(order_of_buyer(payment="pending"))
    await bench.arrive(later(1, buyer_id=None, payment="pending"))

    await privacy.take(asked())

    assert (await bench.dossier()).sealed_event is None


async def test_a_whole_store_is_erased_in_chunks(bench: Bench, privacy: Privacy) -> None:
    orders = [raw_order(number=str(n), payment="pending") for n in range(CHUNK + 50)]
    await bench.arrive(*orders[:CHUNK], shard=0)
    await bench.arrive(*orders[CHUNK:], shard=3)

    await privacy.take(asked(kind="erase_store", buyer_ids=()))

    dossiers = await bench.repository.dossiers([order.key for order in orders])
    assert {dossier.sealed_event for dossier in dossiers.values()} == {None}
    assert await privacy.counted() == ("erased", CHUNK + 50)


async def test_an_interrupted_erasure_goes_on_where_it_stood(bench: Bench, privacy: Privacy) -> None:
    await bench.arrive(*(raw_order(number=str(n), payment="pending") for n in range(CHUNK)))
    await bench.arrive(*(raw_order(number=f"b{n}", payment="pending") for n in range(CHUNK)), shard=1)
    repository = bench.repository
    assert isinstance(repository, MemoryRepository)
    await privacy.keep(asked(kind="erase_store", buyer_ids=()))
    erase, calls = bench.judge.erase, list[int]()

    async def fail_second(shard: int, keys: list[str]) -> None:
        calls.append(shard)
        if len(calls) == 2:
            raise TransientError("postgres: away")
        await erase(shard, keys)

    bench.judge.erase = fail_second  # type: ignore[assignment,method-assign] # the second transaction fails
    with pytest.raises(TransientError):
        await privacy.eraser.erase_asked()
    assert await privacy.counted() == ("open", CHUNK)
    await privacy.eraser.erase_asked()

    assert await privacy.counted() == ("erased", 2 * CHUNK)
    assert calls == [0, 1, 1]


async def test_the_same_request_again_changes_nothing(bench: Bench, privacy: Privacy) -> None:
    await bench.arrive(order_of_buyer(payment="pending"))
    await privacy.take(asked())
    sent = await bench.sent()

    await privacy.take(asked(), asked(occurred_at=ASKED_AT + timedelta(days=9)))
    await bench.arrive(order_of_buyer("2", placed_at=ASKED_AT + timedelta(days=8)))

    assert await privacy.counted() == ("erased", 1)
    assert [each.event_id for each in (await bench.sent())[0]][: len(sent[0])] == [each.event_id for each in sent[0]]
    assert await bench.commands() == ["order.released"]


async def test_an_order_that_cannot_be_read_is_erased_all_the_same(bench: Bench, privacy: Privacy) -> None:
    await bench.arrive(order_of_buyer(payment="pending"), order_of_buyer("2", payment="pending"))
    repository = bench.repository
    assert isinstance(repository, MemoryRepository)
    broken = repository.tables.dossiers[KEY]
    repository.tables.dossiers[KEY] = replace(broken, sealed_event=b"\x01" + bytes(40))

    await privacy.take(asked())

    assert (await bench.dossier()).sealed_event is None
    assert (await bench.dossier("shopify:st-1:2")).sealed_event is None
    assert await privacy.counted() == ("erased", 2)


async def test_a_buyer_kept_before_the_keys_were_rotated_is_found_after_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    await bench.open_for_business()
    privacy = Privacy(bench)
    await bench.arrive(order_of_buyer(payment="pending"))
    Vault.open_or_create(tmp_path / "master.key").rotate()

    await privacy.take(asked())
    await bench.arrive(order_of_buyer("2"))

    assert (await bench.dossier()).sealed_event is None
    assert await bench.reasons("shopify:st-1:2") == ["BUYER_DATA_ERASED"]


async def test_a_request_for_data_erases_nothing_and_stays_open(bench: Bench, privacy: Privacy) -> None:
    await bench.arrive(order_of_buyer(payment="pending"))

    await privacy.take(asked(kind="data"))

    assert (await bench.dossier()).sealed_event is not None
    assert await privacy.counted() == ("open", 0)


async def test_the_buyers_id_is_kept_nowhere_but_sealed(bench: Bench, privacy: Privacy) -> None:
    await bench.arrive(order_of_buyer(payment="pending"))
    await privacy.keep(asked())

    repository = bench.repository
    assert isinstance(repository, MemoryRepository)
    assert BUYER not in str(repository.tables)
    assert BUYER.encode() not in b"".join(
        each for request in repository.tables.privacy.values() for each in request.buyers
    )


@pytest.mark.parametrize(
    ("changes", "path"),
    [({"kind": "sell_buyer"}, "kind"), ({"order_keys": [{"name": "Ann Lee"}]}, "order_keys.0")],
)
async def test_an_unreadable_request_names_the_path_and_not_the_value(
    privacy: Privacy, changes: dict[str, Any], path: str
) -> None:
    value = orjson.dumps(orjson.loads(asked().model_dump_json()) | changes)

    with pytest.raises(UnreadableMessage) as caught:
        await privacy.reading.handle([record(value)])

    assert caught.value.path == path
    assert "Ann" not in str(caught.value)


async def test_a_store_to_erase_must_be_named(privacy: Privacy) -> None:
    request = asked(kind="erase_store", store_id=None, seller_id=None, buyer_ids=())

    with pytest.raises(UnreadableMessage, match="store_id"):
        await privacy.keep(request)


def test_requests_are_read_in_a_group_of_their_own(privacy: Privacy) -> None:
    subscription = privacy.reading.subscription()

    assert (subscription.group, subscription.topics) == ("eligibility.privacy", ["privacy.requests"])
    assert "privacy.requests" in [topic.name for topic in Topics().all()]


class _Away:
    """Requests in tables that cannot be reached the first time."""

    def __init__(self, privacy: Privacy) -> None:
        self._requests = privacy.requests
        self.asked = 0

    async def to_erase(self, limit: int) -> Any:
        self.asked += 1
        if self.asked == 1:
            raise TransientError("postgres: away", retry_after=3)
        return await self._requests.to_erase(limit)

    async def affected(self, *arguments: Any, **options: Any) -> list[Affected]:
        return await self._requests.affected(*arguments, **options)

    async def close(self, event_id: str, state: RequestState, **options: Any) -> None:
        await self._requests.close(event_id, state, **options)


async def test_the_eraser_waits_while_the_tables_are_away_and_then_erases(bench: Bench, privacy: Privacy) -> None:
    await bench.arrive(order_of_buyer(payment="pending"))
    await privacy.keep(asked())
    away: Any = _Away(privacy)
    working = asyncio.create_task(Eraser(bench.judge, away, clock=bench.clock, metrics=Metrics()).run())

    while (await privacy.counted())[0] == "open":
        await asyncio.sleep(0)
        bench.clock.advance(1)
    working.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await working

    assert away.asked >= 2
    assert (await bench.dossier()).sealed_event is None
