"""What is asked for at the same time is done at once, and nobody waits for company or for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from services.kit.together import Together


class Counter:
    """Doubles numbers; remembers what came together, and waits when told to."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None

    async def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.batches.append(list(numbers))
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return [2 * number for number in numbers]


async def test_what_gathers_while_one_is_under_way_is_done_together() -> None:
    counter = Counter()
    together = Together(counter, at_most=3)
    counter.gate.clear()

    asked = [asyncio.create_task(together.ask(number)) for number in range(1, 6)]
    await asyncio.sleep(0)
    counter.gate.set()
    answers = await asyncio.gather(*asked, together.ask(6))

    assert answers == [2, 4, 6, 8, 10, 12]
    assert max(len(batch) for batch in counter.batches) == 3
    assert [number for batch in counter.batches for number in batch] == [1, 2, 3, 4, 5, 6]
    assert await together.ask(7) == 14


async def test_an_error_is_everybodys_of_its_batch_and_nobody_elses() -> None:
    counter = Counter()
    together, counter.error = Together(counter, at_most=2), ValueError("no")

    for answer in await asyncio.gather(together.ask(1), together.ask(2), return_exceptions=True):
        assert isinstance(answer, ValueError)
    counter.error = None

    assert await together.ask(3) == 6


async def test_who_goes_away_holds_up_nobody() -> None:
    counter = Counter()
    together = Together(counter, at_most=5)
    counter.gate.clear()

    gone, stayed = asyncio.create_task(together.ask(1)), asyncio.create_task(together.ask(2))
    await asyncio.sleep(0)
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    counter.gate.set()

    assert await stayed == 4
