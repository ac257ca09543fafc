from __future__ import annotations

import asyncio
import os
import signal

import pytest
import uvloop

from services.kit.loop import run


def test_the_loop_is_uvloop_and_ends_with_its_main() -> None:
    seen: list[bool] = []

    async def main(stop: asyncio.Event) -> None:
        seen.append(isinstance(asyncio.get_running_loop(), uvloop.Loop))
        seen.append(stop.is_set())

    run(main)

    assert seen == [True, False]


@pytest.mark.parametrize("received", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_for_an_orderly_end(received: signal.Signals) -> None:
    ended: list[str] = []

    async def main(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), received)
        await stop.wait()
        ended.append("in order")

    run(main)

    assert ended == ["in order"]


def test_a_second_signal_does_not_wait() -> None:
    ended: list[str] = []

    async def main(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(30)
        ended.append("never")

    run(main)

    assert ended == []


def test_an_error_is_told_to_whoever_runs() -> None:
    async def main(_stop: asyncio.Event) -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        run(main)
