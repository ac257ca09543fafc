"""Does at once what many ask for at the same time: while one batch is under way, the next one gathers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Together(Generic[T, R]):
    """Calls `do` with what gathered, at most `at_most` of it; `do` returns a result for each, in their order.

    Nobody waits for company: what is asked for alone is done at once. What `do` raises, everybody in the batch hears.
    Who is cancelled hears nothing more; what they asked for may be done all the same.
    """

    def __init__(self, do: Callable[[Sequence[T]], Awaitable[Sequence[R]]], *, at_most: int) -> None:
        self._do = do
        self._at_most = at_most
        self._gathered: list[tuple[T, asyncio.Future[R]]] = []
        self._working: asyncio.Task[None] | None = None

    async def ask(self, item: T) -> R:
        """What `do` returns, or raises, for `item`."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._gathered.append((item, future))
        if self._working is None:
            self._working = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        try:
            while self._gathered:
                batch, self._gathered = self._gathered[: self._at_most], self._gathered[self._at_most :]
                await self._answer(batch)
        finally:
            self._working = None

    async def _answer(self, batch: Sequence[tuple[T, asyncio.Future[R]]]) -> None:
        [work], _ = await asyncio.wait({asyncio.ensure_future(self._do([item for item, _ in batch]))})
        for place, (_, future) in enumerate(batch):
            if future.done():
                continue
            if work.cancelled():
                future.cancel()
            elif (error := work.exception()) is not None:
                future.set_exception(error)
            else:
                future.set_result(work.result()[place])
