"""A process runs one main coroutine on uvloop, and SIGTERM or SIGINT asks it to end in good order."""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable

import structlog
import uvloop

log = structlog.get_logger()

#: Gets an event that is set when the process should end; returns when everything is put away.
Main = Callable[[asyncio.Event], Awaitable[None]]

#: A batch, a page or a file makes thousands of objects and few cycles; looking for cycles as often as Python does by
#: itself costs a tenth of what judging an order costs, and a sixth of giving one.
_COLLECTED_EVERY = (50_000, 20, 50)
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(main: Main) -> None:
    """Run `main` to its end. A second signal no longer waits: it cancels `main`."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(main))


def collect_seldom() -> None:
    """Have the process look for cycles less often from now on."""
    gc.set_threshold(*_COLLECTED_EVERY)


async def _run(main: Main) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(main(stop))

    def signalled(received: signal.Signals) -> None:
        if stop.is_set():
            task.cancel()
            return
        log.info("process.stopping", signal=received.name)
        stop.set()

    for each in _SIGNALS:
        loop.add_signal_handler(each, signalled, each)
    try:
        await task
    except asyncio.CancelledError:
        if not stop.is_set():
            raise
        log.warning("process.cut_short")
    finally:
        for each in _SIGNALS:
            loop.remove_signal_handler(each)
