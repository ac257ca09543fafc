"""Orders that are read by their ids while calls come by ones and twos: what was read counts, and nothing is read twice.

Where what was read before the budget was used up is thrown away, a batch is never read to its end on a budget that
holds fewer calls than it has orders, and all that comes back of the budget is spent on the first of them.
"""

from __future__ import annotations

from datetime import timedelta

from services.ingest.audits.audit import Audit, new_audit
from services.ingest.audits.planning import new_audit_id
from services.ingest.audits.runs import BATCH
from services.ingest.looks.runs import SAID_AFTER
from services.ingest.stores.reading import MOST_GONE
from tests.ingest.auditing import Report, asked, kept, run_to_the_end
from tests.ingest.test_looks import LookBench
from tests.ingest.workbench import START, Workbench

MINUTE = timedelta(minutes=1)


async def open_orders(count: int) -> tuple[Workbench, Report, Audit]:
    """A store whose open orders are about to be read again, and of which each run can read two."""
    bench = Workbench()
    await bench.add_store()
    for number in range(count):
        bench.platform.put(f"o{number:02}", at=START - (50 - number) * MINUTE)
    await bench.poll()
    report = Report(bench)
    report.keep_up()
    bench.clock.advance(600)
    now = bench.clock.now()
    audit = new_audit(new_audit_id(now), bench.store, "open", due_at=now, started_by="schedule")
    await bench.audits.add([audit])
    return bench, report, audit


async def test_open_orders_are_each_read_once_however_few_calls_a_run_has() -> None:
    bench, report, audit = await open_orders(7)
    bench.platform.put("o06", payment="refunded")
    bench.platform.loses("o05")
    bench.platform.read_by_id.clear()

    await run_to_the_end(bench, report, calls=2)

    assert bench.platform.read_by_id == [f"o{number:02}" for number in range(7)]
    assert [gone.external_id for gone in bench.gone] == ["o05"]
    assert bench.told[-1].order.external_id == "o06"
    ended = kept(bench, audit)
    assert (ended.state, ended.listed, ended.failures) == ("explained", 6, 0)


async def test_missing_orders_are_each_read_once_however_few_calls_a_run_has() -> None:
    bench, report, opened = await open_orders(5)
    await run_to_the_end(bench, report)
    assert kept(bench, opened).state == "agreed"
    for number in range(5):
        bench.platform.put(f"late{number}", at=START - (40 - number) * MINUTE)
    audit = await asked(bench)
    bench.platform.read_by_id.clear()

    await run_to_the_end(bench, report, calls=2)

    assert sorted(bench.platform.read_by_id) == [f"late{number}" for number in range(5)]
    ended = kept(bench, audit)
    assert (ended.state, ended.tally.missing, ended.tally.fetched) == ("agreed", 5, 5)


async def test_that_most_orders_are_gone_is_not_believed_when_it_is_told_by_twos_either() -> None:
    bench, report, audit = await open_orders(MOST_GONE + 6)
    for number in range(MOST_GONE + 6):
        bench.platform.loses(f"o{number:02}")

    await run_to_the_end(bench, report, calls=2)

    ended = kept(bench, audit)
    assert ended.state == "failed"
    assert "12 of 12 orders are gone at once, which is not believed" in (ended.problem or "")
    assert len(bench.gone) == MOST_GONE


async def test_that_most_orders_are_gone_is_not_believed_behind_many_that_are_there() -> None:
    bench, report, audit = await open_orders(2 * BATCH)
    for number in range(BATCH, 2 * BATCH):
        bench.platform.loses(f"o{number:02}")

    await run_to_the_end(bench, report)

    ended = kept(bench, audit)
    assert ended.state == "failed"
    assert "20 of 20 orders are gone at once, which is not believed" in (ended.problem or "")
    assert bench.gone == []


async def test_orders_that_are_about_to_be_made_are_each_read_once_however_few_calls_a_run_has() -> None:
    bench = LookBench()
    await bench.add_store()
    for number in range(7):
        bench.platform.put(f"o{number}", at=START - timedelta(hours=1))
    await bench.ask(*(bench.question(f"o{number}") for number in range(7)))

    for _ in range(SAID_AFTER + 1):
        bench.platform.calls_left = 2
        await bench.look()
        bench.clock.advance(3600)

    assert sorted(bench.platform.read_by_id) == [f"o{number}" for number in range(7)]
    # Nobody was told that the platform does not answer, for each time it did.
    assert bench.said() == ["unchanged"] * 7
