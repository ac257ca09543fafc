"""When an order is looked at once more before it is made, and what follows from the answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from schemas.looks import LookProblem, LookWanted, order_looked
from schemas.order import RawOrder
from services.eligibility.dossier import Look
from services.eligibility.facts import ANY_STORE, Match, MatchRef
from services.eligibility.looking import Looking
from services.eligibility.looks import FIRST_WAIT, LONGEST_WAIT, asked, must_look, unasked, vouched
from services.eligibility.revisions import Stamp, Standing
from services.eligibility.words import approve, say
from services.kit.metrics import Metrics
from tests.eligibility.workbench import KEY, PLENTY, SELLER, SKU, START, Bench, dollars
from tests.schemas.orders import NOON, order_item, raw_order

AFTER = timedelta(minutes=15)
MINUTE = timedelta(minutes=1)
UNKNOWN = (order_item(sku="UNKNOWN"),)


@pytest.fixture
async def bench(tmp_path: Path) -> Bench:
    """A bench that looks at orders once more that were read more than a quarter of an hour ago."""
    bench = Bench(tmp_path, look_after=AFTER)
    await bench.open_for_business()
    return bench


def waited(**changes: Any) -> RawOrder:
    """An order that was read half a day ago."""
    return raw_order(**({"fetched_at": NOON} | changes))


async def unchanged(bench: Bench, *, at: datetime | None = None) -> None:
    question = (await bench.questions())[-1]
    await bench.looked(order_looked(question, "unchanged", looked_at=at or bench.clock.now()))


async def unread(bench: Bench, problem: LookProblem) -> None:
    question = (await bench.questions())[-1]
    await bench.looked(order_looked(question, "unread", looked_at=bench.clock.now(), problem=problem))


async def approved(bench: Bench) -> None:
    repository, sealer, now = bench.repository, bench.sealer, bench.clock.now()
    await say(approve, [KEY], seller_id=SELLER, cause="approval", repository=repository, sealer=sealer, now=now)
    await bench.judge_again()


async def sweep(bench: Bench, metrics: Metrics | None = None) -> None:
    await Looking(bench.repository, owned=lambda: [0], clock=bench.clock, metrics=metrics or Metrics()).once()
    await bench.judge_again()


@pytest.mark.parametrize(
    ("age", "way", "read_ago", "after", "expected"),
    [
        (timedelta(0), "webhook", None, AFTER, False),
        (AFTER, "poll", None, AFTER, False),
        (AFTER + MINUTE, "poll", None, AFTER, True),
        (AFTER + MINUTE, "webhook", None, AFTER, True),
        (AFTER + MINUTE, "poll", None, None, False),
        (AFTER + MINUTE, "poll", AFTER, AFTER, False),
        (AFTER + MINUTE, "poll", AFTER + MINUTE / 2, AFTER, True),
        # An answer that took longer than a very short limit counts all the same, or it would be asked for ever.
        (MINUTE, "poll", FIRST_WAIT, timedelta(seconds=1), False),
        *((timedelta(days=9), way, None, AFTER, False) for way in ("api", "import", "form")),
    ],
)
def test_only_what_was_read_too_long_ago_is_looked_at(
    age: timedelta, way: str, read_ago: timedelta | None, after: timedelta | None, *, expected: bool
) -> None:
    order = raw_order(way=way, fetched_at=START - age)
    look = None if read_ago is None else Look(read_at=START - read_ago)

    found = must_look(order, Standing(Stamp(NOON, order.fetched_at, "1")), look, now=START, after=after)

    assert found is expected


def test_a_question_without_an_answer_is_put_again_ever_later() -> None:
    look, now, waits = None, START, []
    for _ in range(6):
        look, again = asked(look, now=now)
        assert again
        assert look.again_at is not None
        assert asked(look, now=look.again_at - MINUTE) == (look, False)
        waits.append((look.again_at - now) / FIRST_WAIT)
        now = look.again_at

    assert waits == [1, 2, 4, 8, LONGEST_WAIT / FIRST_WAIT, LONGEST_WAIT / FIRST_WAIT]
    assert look is not None
    assert look.since == START


def test_what_was_read_outlives_the_question() -> None:
    waiting, _ = asked(Look(read_at=NOON), now=START)

    assert unasked(waiting) == Look(read_at=NOON)
    assert unasked(asked(None, now=START)[0]) is None


def test_who_approves_at_the_moment_of_asking_did_not_see_the_question() -> None:
    waiting, _ = asked(None, now=START)

    assert vouched(waiting, now=START + MINUTE / 2) == waiting
    assert vouched(waiting, now=START + MINUTE) == Look(read_at=START + MINUTE)
    assert vouched(None, now=START) is None


async def test_an_order_that_was_read_a_moment_ago_goes_straight_through(bench: Bench) -> None:
    await bench.arrive(raw_order(fetched_at=START))

    assert await bench.commands() == ["order.released"]
    assert await bench.questions() == []
    assert (await bench.dossier()).look is None


async def test_an_order_that_was_read_long_ago_waits_and_is_not_charged(bench: Bench) -> None:
    await bench.arrive(waited())

    [question] = await bench.questions()
    assert question.order_key == KEY
    assert question.raw_event_id == (await bench.dossier()).standing.content.event_id
    [decision], commands = await bench.sent()
    assert (decision.outcome, decision.cost) == ("held", dollars("9.00"))
    assert [reason.code for reason in decision.reasons] == ["LAST_LOOK_ASKED"]
    assert "2026-11-20 12:00 UTC" in decision.reasons[0].sentence()
    assert commands == []
    assert await bench.repository.balances(SELLER) == [PLENTY]


async def test_an_unchanged_order_is_released_and_charged_once_however_often_it_is_said(bench: Bench) -> None:
    await bench.arrive(waited())

    await unchanged(bench)
    await unchanged(bench)

    decisions, commands = await bench.sent()
    assert [command.type for command in commands] == ["order.released"]
    assert (decisions[-1].cause, decisions[-1].step, len(decisions)) == ("look", "released", 2)
    assert await bench.repository.balances(SELLER) == [dollars("9991.00")]
    assert (await bench.dossier()).look is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cancelled_at": NOON + MINUTE}, "CANCELLED"),
        ({"payment": "refunded"}, "REFUNDED"),
        ({"ship_to": None}, "ADDRESS_NOT_VISIBLE"),
    ],
)
async def test_what_changed_meanwhile_is_judged_as_that_revision(
    bench: Bench, changes: dict[str, Any], reason: str
) -> None:
    await bench.arrive(waited())

    await bench.arrive(raw_order(revised_at=NOON + MINUTE, fetched_at=START, **changes))
    await unchanged(bench)

    assert (await bench.reasons())[0] == reason
    assert await bench.commands() == []
    assert await bench.repository.balances(SELLER) == [PLENTY]


async def test_an_order_that_is_gone_is_never_released(bench: Bench) -> None:
    await bench.arrive(waited())

    await bench.vanish(START)
    bench.clock.advance(86_400)
    await sweep(bench)

    assert await bench.reasons() == ["DELETED_ON_PLATFORM"]
    assert await bench.commands() == []
    assert len(await bench.questions()) == 1


async def test_the_same_revision_read_again_answers_too(bench: Bench) -> None:
    await bench.arrive(waited())

    await bench.arrive(waited(fetched_at=START))

    assert await bench.commands() == ["order.released"]
    assert (await bench.sent())[0][-1].cause == "look"


async def test_an_answer_about_an_older_revision_releases_nothing(bench: Bench) -> None:
    await bench.arrive(waited())
    [question] = await bench.questions()
    await bench.arrive(raw_order(revised_at=NOON + MINUTE, fetched_at=NOON + MINUTE))

    await bench.looked(order_looked(question, "unchanged", looked_at=START))

    assert await bench.reasons() == ["LAST_LOOK_ASKED"]
    assert await bench.commands() == []


async def test_an_answer_that_is_itself_too_old_asks_again(bench: Bench) -> None:
    await bench.arrive(waited())
    bench.clock.advance(3600)

    await unchanged(bench, at=START)

    assert await bench.commands() == []
    assert len(await bench.questions()) == 2


async def test_judging_again_meanwhile_does_not_ask_twice(bench: Bench) -> None:
    await bench.arrive(waited())

    await bench.repository.wake_seller(SELLER)
    await bench.judge_again()

    assert len(await bench.questions()) == 1
    assert len((await bench.sent())[0]) == 1


async def test_a_question_that_nobody_answers_is_asked_again_and_the_seller_hears_why(bench: Bench) -> None:
    metrics = Metrics()
    await bench.arrive(waited())
    await sweep(bench)
    assert len(await bench.questions()) == 1

    bench.clock.advance(FIRST_WAIT.total_seconds())
    await sweep(bench, metrics)
    await sweep(bench)

    first, second = await bench.questions()
    assert first.event_id != second.event_id
    [reason] = (await bench.decided()).reasons
    assert reason.code == "LAST_LOOK_UNANSWERED"
    assert reason.evidence == {"since": "2026-11-21 00:00 UTC", "problem": "there is no answer yet"}
    assert metrics.value("syncorder_looks_waiting_seconds") == FIRST_WAIT.total_seconds()


async def test_what_cannot_be_read_waits_with_its_reason_and_is_asked_again(bench: Bench) -> None:
    await bench.arrive(waited())

    await unread(bench, "reconnect")
    await unread(bench, "reconnect")
    told = len((await bench.sent())[0])
    bench.clock.advance(FIRST_WAIT.total_seconds())
    await sweep(bench)

    assert await bench.reasons() == ["LAST_LOOK_UNANSWERED"]
    assert "connect the store again" in (await bench.decided()).reasons[0].sentence()
    assert len(await bench.questions()) == 2
    assert len((await bench.sent())[0]) == told == 2
    await unchanged(bench)
    assert await bench.commands() == ["order.released"]


async def test_the_seller_lets_an_order_go_that_cannot_be_looked_at(bench: Bench) -> None:
    await bench.arrive(waited())
    await unread(bench, "unlinked")
    await approved(bench)
    assert await bench.commands() == []
    bench.clock.advance(60)

    await approved(bench)
    await unchanged(bench)

    assert await bench.commands() == ["order.released"]
    assert await bench.repository.balances(SELLER) == [dollars("9991.00")]


async def test_an_approval_before_the_question_does_not_answer_it(bench: Bench) -> None:
    await bench.repository.change_settings(SELLER, {"auto_approve": False})
    await bench.arrive(waited())
    assert await bench.reasons() == ["NOT_APPROVED"]

    await approved(bench)

    assert await bench.reasons() == ["LAST_LOOK_ASKED"]


async def test_an_order_that_could_not_be_paid_is_not_looked_at_until_it_can(bench: Bench) -> None:
    await bench.repository.change_settings(SELLER, {"auto_pay": False})
    await bench.arrive(waited())
    assert await bench.reasons() == ["PRODUCTION_NOT_PAID"]
    assert await bench.questions() == []

    await bench.repository.change_settings(SELLER, {"auto_pay": True})
    await bench.judge_again()

    assert await bench.reasons() == ["LAST_LOOK_ASKED"]
    assert len(await bench.questions()) == 1


async def test_a_look_ends_when_something_else_holds_the_order_and_what_it_saw_holds_for_a_while(bench: Bench) -> None:
    ref = MatchRef(SELLER, ANY_STORE, "sku", "UNKNOWN")
    await bench.arrive(waited(items=UNKNOWN))
    stored = await bench.repository.put_match(ref, Match(SKU), now=START)
    await bench.judge_again()
    await bench.repository.forget_match(SELLER, stored.match_id)
    await unchanged(bench)
    assert await bench.reasons() == ["ITEM_NOT_MATCHED"]

    bench.clock.advance(60)
    await bench.repository.put_match(ref, Match(SKU), now=START)
    await bench.judge_again()

    assert await bench.commands() == ["order.released"]
    assert len(await bench.questions()) == 1


@dataclass
class Story:
    """What happens to one order. `known_at` is when it was last certainly as it is known."""

    bench: Bench
    known_at: datetime = START
    revised: int = 0
    cancelled: bool = False
    match_id: str = ""

    async def match(self) -> None:
        ref = MatchRef(SELLER, ANY_STORE, "sku", "UNKNOWN")
        self.match_id = (await self.bench.repository.put_match(ref, Match(SKU), now=self.bench.clock.now())).match_id

    async def unmatch(self) -> None:
        await self.bench.repository.forget_match(SELLER, self.match_id)

    async def wait(self) -> None:
        self.bench.clock.advance(1_000)

    async def unchanged(self) -> None:
        if await self.bench.questions() and not self.cancelled:
            await self._looked((await self.bench.questions())[-1], self.bench.clock.now())

    async def late(self) -> None:
        for question in (await self.bench.questions())[:1]:
            await self._looked(question, question.occurred_at)

    async def unread(self) -> None:
        if await self.bench.questions():
            await unread(self.bench, "away")

    async def revise(self) -> None:
        if not self.cancelled:
            await self._revise()

    async def cancel(self) -> None:
        self.cancelled = True
        await self._revise(cancelled_at=NOON)

    async def approve(self) -> None:
        look, now = (await self.bench.dossier()).look, self.bench.clock.now()
        if look is not None and look.since is not None and now - look.since >= MINUTE:
            self.known_at = now
        await approved(self.bench)

    async def sweep(self) -> None:
        await sweep(self.bench)

    async def _looked(self, question: LookWanted, at: datetime) -> None:
        if question.raw_event_id == (await self.bench.dossier()).standing.content.event_id:
            self.known_at = max(self.known_at, at)
        await self.bench.looked(order_looked(question, "unchanged", looked_at=at))

    async def _revise(self, **changes: Any) -> None:
        self.revised, self.known_at = self.revised + 1, self.bench.clock.now()
        revised_at = NOON + self.revised * MINUTE
        await self.bench.arrive(raw_order(items=UNKNOWN, revised_at=revised_at, fetched_at=self.known_at, **changes))


_EVENTS = ("match", "unmatch", "wait", "unchanged", "late", "unread", "revise", "cancel", "approve", "sweep")


@given(st.lists(st.sampled_from(_EVENTS), max_size=14))
@hypothesis.settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_whatever_happens_an_order_is_released_once_and_only_by_a_young_reading(
    tmp_path: Path, events: list[str]
) -> None:
    bench = Bench(tmp_path, look_after=AFTER)
    await bench.open_for_business()
    await bench.arrive(raw_order(items=UNKNOWN, fetched_at=START))
    story, before = Story(bench), 0
    for event in events:
        await getattr(story, event)()
        await bench.judge_again()
        released = (await bench.commands()).count("order.released")
        assert released <= 1
        if released > before:
            assert not story.cancelled
            assert bench.clock.now() - story.known_at <= AFTER
        before = released

    # However it stands then: once it is matched and its platform answers, it goes, or is known not to.
    await story.match()
    bench.clock.advance(3_600)
    await bench.judge_again()
    await sweep(bench)
    await story.unchanged()
    assert (await bench.decided()).outcome == ("rejected" if story.cancelled else "eligible")
