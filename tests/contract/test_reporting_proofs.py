"""What proves stores complete is the same in Postgres and in memory, in whatever order its facts came."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from schemas.audits import ListedOrder, OrdersListed
from schemas.sessions import Window
from services.kit.clock import ManualClock
from services.kit.postgres.migrations import migrate
from services.kit.postgres.pool import create_pool
from services.reporting import cursors
from services.reporting.adapters.memory import MemoryProjections, MemoryReports
from services.reporting.adapters.memory_proofs import MemoryProofs
from services.reporting.adapters.postgres import MIGRATIONS_DIRECTORY, SCHEMA, PostgresProjections
from services.reporting.adapters.postgres_proofs import PostgresProofs
from services.reporting.adapters.postgres_reports import PostgresReports
from services.reporting.comparing import HeldCount, HeldOrder
from services.reporting.facts import Fact
from services.reporting.ports import AUDIT_CURSOR, AuditFilter, Projections, Reports
from services.reporting.watermark import Doubt, Healed, Proof, Watermark, watermark
from tests.reporting.facts import (
    SELLER,
    START,
    STORE,
    at,
    audit_finished,
    audit_progressed,
    audit_started,
    decided,
    differing,
    found,
    key,
    located,
    outcome,
    polled,
    store,
    summary,
)


@dataclass
class Kept:
    """The ports over one place."""

    projections: Projections
    proofs: Any
    reports: Reports
    offset: int = 0

    async def take(self, *facts: Fact) -> None:
        await self.projections.apply(located(*facts, first=self.offset))
        self.offset += len(facts)

    async def proof(self) -> Proof:
        proofs = await self.proofs.of(SELLER, [STORE, "no-such-store"])
        assert set(proofs) == {STORE}
        proof: Proof = proofs[STORE]
        return proof

    async def mark(self) -> Watermark:
        return watermark(await self.proof())


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.integration)])
async def kept(request: pytest.FixtureRequest) -> AsyncIterator[Kept]:
    if request.param == "memory":
        twin = MemoryProjections()
        yield Kept(twin, MemoryProofs(twin), MemoryReports(twin))
        return
    dsn = request.getfixturevalue("fresh_database")
    await migrate(dsn, schema=SCHEMA, directory=MIGRATIONS_DIRECTORY)
    pool = await create_pool(dsn, schema=SCHEMA, max_size=3)
    yield Kept(PostgresProjections(pool), PostgresProofs(pool), PostgresReports(pool, clock=ManualClock(START)))
    await pool.close()


async def test_a_store_that_was_never_read_is_proven_by_nothing(kept: Kept) -> None:
    await kept.take(store())

    assert await kept.proof() == Proof(STORE)


async def test_a_poll_proves_its_window_once_all_its_orders_are_judged(kept: Kept) -> None:
    await kept.take(store(), *polled("p", outcome(1), outcome(2, "existing"), start=-60, through=0))

    first = await kept.proof()
    await kept.take(decided(key(1)))
    second = await kept.proof()
    await kept.take(decided(key(2)))
    last = await kept.proof()

    assert [(one.polled, one.waiting) for one in (first, second)] == [((), 2), ((), 1)]
    assert (last.polled, last.covered, last.waiting) == (((at(-60), at(0)),), ((at(-60), at(0)),), 0)


async def test_a_decision_about_an_earlier_revision_proves_nothing(kept: Kept) -> None:
    newer = summary(key(1), revised_at=at(3))
    await kept.take(store(), decided(key(1)), *polled("p", outcome(1, "updated", revised_at=at(3)), through=5))

    before = await kept.proof()
    await kept.take(decided(key(1), number=2, summary=newer))
    after = await kept.proof()

    assert (before.polled, before.waiting) == ((), 1)
    assert after.polled == ((at(-60), at(5)),)


async def test_of_several_revisions_that_one_poll_told_the_last_must_be_judged(kept: Kept) -> None:
    both = (outcome(1), outcome(1, "updated", revised_at=at(3)))
    await kept.take(store(), *polled("p", *both, through=5), decided(key(1)))

    assert (await kept.proof()).polled == ()


async def test_an_order_that_could_not_be_read_keeps_no_window_open(kept: Kept) -> None:
    await kept.take(store(), *polled("p", outcome(1, "failed", problem="no total"), outcome(2)), decided(key(2)))

    assert (await kept.mark()).through == at(0)


@pytest.mark.parametrize("way", ["webhook", "backfill", "import"])
async def test_only_polls_prove_windows(kept: Kept, way: str) -> None:
    start, *rest = polled("p")
    await kept.take(store(), start.model_copy(update={"way": way}), *rest)

    assert (await kept.proof()).polled == ()


async def test_a_poll_that_broke_off_proves_what_it_read(kept: Kept) -> None:
    await kept.take(store(), *polled("p", through=-20, state="partial"), *polled("q", through=-60, state="failed"))

    assert (await kept.proof()).polled == ((at(-60), at(-20)),)


async def test_windows_connect_in_whatever_order_they_come(kept: Kept) -> None:
    await kept.take(store(), *polled("c", start=20, through=30), *polled("a", start=0, through=10))

    before = await kept.mark()
    await kept.take(*polled("b", start=9, through=20))
    after = await kept.mark()

    assert (before.through, after.through) == (at(10), at(30))


async def test_an_audit_by_change_that_leaves_no_question_closes_a_gap(kept: Kept) -> None:
    await kept.take(store(), *polled("a", start=0, through=10), *polled("c", start=20, through=30))

    window = Window(start=at(5), end=at(25))
    await kept.take(audit_started("x", by="created", window=window), audit_finished("x"))
    await kept.take(audit_started("y", window=window), audit_finished("y", "failed"))
    before = await kept.mark()
    await kept.take(audit_started("z", window=window), audit_finished("z", "explained"))
    after = await kept.mark()

    assert (before.through, after.through) == (at(10), at(30))


async def test_what_an_audit_left_unsettled_pulls_the_watermark_back_until_another_settles_it(kept: Kept) -> None:
    await kept.take(store(), *polled("a", start=-60, through=15))

    await kept.take(audit_started("x"), audit_progressed("x", unsettled=1, unsettled_since=at(2)))
    running = await kept.mark()
    await kept.take(audit_finished("x", "differs"))
    ended = await kept.mark()
    await kept.take(
        audit_started("narrow", minute=50, window=Window(start=at(3), end=at(40))), audit_finished("narrow")
    )
    still = await kept.mark()
    await kept.take(audit_started("wide", minute=51, window=Window(start=at(2), end=at(40))), audit_finished("wide"))
    settled = await kept.mark()

    assert [mark.through for mark in (running, ended, still, settled)] == [at(2), at(2), at(2), at(40)]
    assert running.doubt == Doubt("x", STORE, 1, at(2))
    assert ended.doubt == Doubt("x", STORE, 1, at(2), at(22))


async def test_an_audit_that_settles_its_own_differences_leaves_no_doubt(kept: Kept) -> None:
    await kept.take(store(), *polled("a", start=-60, through=15), audit_started())

    await kept.take(audit_progressed(step=1, unsettled=1, unsettled_since=at(2)))
    await kept.take(audit_progressed(step=2), audit_progressed(step=1, unsettled=1, unsettled_since=at(2)))

    assert (await kept.mark()).why == "proven"
    assert await kept.proofs.doubts(SELLER) == ()


async def test_doubts_of_created_and_of_open_orders_are_settled_by_their_like_or_by_change(kept: Kept) -> None:
    day = Window(start=at(-60), end=at(10))
    await kept.take(
        store(),
        *differing("created", found(1, minute=1), by="created", window=day, scope="asked"),
        *differing("open", found(2, minute=2), scope="open", window=None),
    )

    both = await kept.proofs.doubts(SELLER)
    await kept.take(audit_started("c", minute=90, by="created", window=day), audit_finished("c"))
    one = await kept.proofs.doubts(SELLER)
    await kept.take(audit_started("o", minute=91, scope="open", window=None), audit_finished("o"))
    none = await kept.proofs.doubts(SELLER)

    assert [[doubt.audit_id for doubt in doubts] for doubts in (both, one, none)] == [["created", "open"], ["open"], []]


async def test_the_newest_poll_says_when_the_store_is_read_next_and_why(kept: Kept) -> None:
    await kept.take(
        store(),
        *polled("new", minute=30, next_at=at(40), next_because="it is busy"),
        *polled("old", minute=10, next_at=at(20), next_because="it was quiet"),
    )

    proof = await kept.proof()

    assert (proof.polled_at, proof.next_at, proof.next_because) == (at(30), at(40), "it is busy")


async def test_the_newest_mended_webhook_is_told(kept: Kept) -> None:
    await kept.take(
        store(),
        *polled("b", minute=9, healed="The webhook was gone."),
        *polled("c", minute=30),
        *polled("a", minute=5, healed="It was paused."),
    )

    assert (await kept.proof()).healed == Healed(STORE, "b", at(9), "The webhook was gone.")


async def test_late_stores_open_doubts_and_mended_webhooks_need_attention(kept: Kept) -> None:
    await kept.take(
        store(),
        *polled("a", minute=1, through=0, healed="The webhook was gone."),
        *differing("x", minute=20),
        audit_started("running", minute=40),
        audit_progressed("running", unsettled=1, unsettled_since=at(0)),
    )

    soon = await kept.reports.attention(SELLER, now=at(60))
    later = await kept.reports.attention(SELLER, now=at(26 * 60))

    assert (soon.late, [doubt.audit_id for doubt in soon.doubts], len(soon.healed)) == ((), ["x"], 1)
    # The doubt pulls the watermark back to minute 0, so that from there on 8 h 30 may pass.
    assert [(one.through, one.since) for one in later.late] == [(at(0), at(510))]
    assert later.healed == ()


async def test_every_store_is_measured_and_another_sellers_are_not_there(kept: Kept) -> None:
    await kept.take(store(), store(store_id="store-2", seller_id="seller-2"), *polled("a"), *differing("x"))

    everything = await kept.proofs.of_all()

    assert [(record.store_id, proof.store_id) for record, proof in everything] == [(STORE, STORE), ("store-2",) * 2]
    assert [len(proof.polled) for _, proof in everything] == [1, 0]
    assert await kept.proofs.of("seller-2", [STORE]) == {}
    assert await kept.proofs.doubts("seller-2") == ()
    assert await kept.proofs.audit("seller-2", "x") is None
    assert (await kept.proofs.audits("seller-2", AuditFilter(), after=None, limit=9)).items == ()
    assert await kept.proofs.newest("seller-2", [STORE]) == {}


async def test_an_audit_tells_its_counts_and_what_became_of_each_order(kept: Kept) -> None:
    orders = (
        found(1, "missing"),
        found(2, "stale", minute=9),
        found(3, "missing", explanation="filtered"),
        found(4, "unknown"),
    )
    await kept.take(store(), *differing("x", *orders), decided(key(1)), decided(key(2)), decided(key(4)))

    audit = await kept.proofs.audit(SELLER, "x")

    assert (audit.state, audit.listed, audit.held, audit.missing, audit.stale, audit.unknown) == (
        "differs",
        3,
        1,
        2,
        1,
        1,
    )
    assert audit.window == Window(start=at(-60), end=at(10))
    assert audit.problem == "Two orders stayed away."
    assert [(one.external_id, one.here, one.display_name) for one in audit.found] == [
        ("1001", True, "#1001"),
        ("1002", False, "#1002"),
        ("1003", False, None),
        ("1004", True, "#1004"),
    ]
    assert audit.found[0].link == "/orders/etsy%3Astore-1%3A1001"
    assert audit.found[0].sentence.endswith("It was fetched and stands here now.")
    assert audit.found[2].sentence.startswith("Your settings leave it out: it is not paid, or from before this store")


@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_audits_are_listed_newest_first_a_page_at_a_time(kept: Kept, limit: int) -> None:
    await kept.take(
        *(audit_started(f"a{n}", minute=n, scope="day" if n % 2 else "week") for n in range(5)), audit_finished("a2")
    )

    async def listed(**wanted: Any) -> list[str]:
        names: list[str] = []
        word: str | None = None
        while True:
            after = cursors.read(word, like=AUDIT_CURSOR)
            page = await kept.proofs.audits(SELLER, AuditFilter(**wanted), after=after, limit=limit)
            names += [audit.audit_id for audit in page.items]
            word = page.next
            if word is None:
                return names

    assert await listed() == ["a4", "a3", "a2", "a1", "a0"]
    assert await listed(scope="day") == ["a3", "a1"]
    assert await listed(state="running", scope="week") == ["a4", "a0"]
    assert await listed(store_id="another") == []


async def test_a_store_shows_the_newest_audit_of_each_scope(kept: Kept) -> None:
    scopes = ["day", "week", "open", "day"]
    await kept.take(*(audit_started(f"a{n}", minute=n, scope=scope) for n, scope in enumerate(scopes)))

    newest = await kept.proofs.newest(SELLER, [STORE])

    assert [audit.audit_id for audit in newest[STORE]] == ["a3", "a2", "a1"]


async def test_audits_that_hold_a_period_are_found(kept: Kept) -> None:
    wide, narrow = Window(start=at(0), end=at(60)), Window(start=at(10), end=at(20))
    await kept.take(
        audit_started("wide", minute=70, window=wide),
        audit_started("exact", minute=71, window=narrow),
        audit_started("short", minute=72, window=Window(start=at(11), end=at(20))),
        audit_started("created", minute=73, window=wide, by="created"),
        audit_started("open", minute=74, window=None, scope="open"),
    )

    holding = await kept.proofs.covering(SELLER, STORE, narrow, by="updated", limit=5)

    assert [audit.audit_id for audit in holding] == ["exact", "wide"]


async def test_judged_orders_are_counted_by_creation_or_last_change(kept: Kept) -> None:
    placed = summary(key(2), placed_at=at(50), revised_at=at(55))
    await kept.take(decided(key(2), summary=placed), *polled("p", outcome(1, placed_at=at(50), revised_at=at(55))))

    async def counted(by: str, start: float, end: float) -> int:
        count: int = await kept.proofs.count(SELLER, STORE, Window(start=at(start), end=at(end)), by=by)
        return count

    assert [await counted("created", *span) for span in ((50, 51), (49, 50), (51, 60))] == [1, 0, 0]
    assert [await counted("updated", *span) for span in ((55, 56), (54, 55), (56, 60))] == [1, 0, 0]


async def test_what_the_report_has_in_a_span_is_counted_by_both_times_with_its_newest_change(kept: Kept) -> None:
    times = {1: (5, 15), 2: (12, 15), 3: (19, 30), 4: (20, 20), 5: (1, 18)}
    await kept.take(
        *(
            decided(key(n), summary=summary(key(n), placed_at=at(placed), revised_at=at(revised)))
            for n, (placed, revised) in times.items()
        ),
        decided(key(6, store="store-2"), summary=summary(key(6), placed_at=at(15), revised_at=at(19))),
        *polled("p", outcome(9)),
    )

    held = [
        await kept.proofs.held_in(SELLER, STORE, Window(start=at(start), end=at(end)))
        for start, end in ((10, 20), (100, 200))
    ]

    assert held == [HeldCount(3, 2, at(18)), HeldCount(0, 0, None)]


@pytest.mark.parametrize(("by", "inside"), [("updated", {"1002"}), ("created", {"1003"}), (None, set())])
async def test_what_the_report_has_beside_a_list_is_found(kept: Kept, by: str | None, inside: set[str]) -> None:
    times = {1: (500, 500), 2: (500, 15), 3: (15, 500), 4: (500, 20)}
    await kept.take(
        *(
            decided(key(n), summary=summary(key(n), placed_at=at(placed), revised_at=at(revised)))
            for n, (placed, revised) in times.items()
        ),
        decided(key(2, store="store-2"), summary=summary(key(2), placed_at=at(15), revised_at=at(15))),
        *polled("p", outcome(9)),
    )
    listed = OrdersListed(
        event_id="e",
        occurred_at=at(600),
        seller_id=SELLER,
        audit_id="a",
        store_id=STORE,
        platform="etsy",
        round=1,
        part=1,
        by=by or "updated",
        span=Window(start=at(10), end=at(20)) if by else None,
        orders=tuple(ListedOrder(external_id=name, at=at(0)) for name in ("1001", "1009", "1010")),
    )

    beside = await kept.proofs.beside(listed)

    assert set(beside) == {"1001"} | inside
    assert beside["1001"] == HeldOrder("1001", revised_at=at(500), placed_at=at(500))
