from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import stamina

from services.kit.errors import AuthorizationError, TransientError
from services.kit.retry import retried


@pytest.fixture
def no_waits() -> Iterator[None]:
    stamina.set_testing(True, attempts=5)
    yield
    stamina.set_testing(False)


class Flaky:
    def __init__(self, *outcomes: Exception | str) -> None:
        self.outcomes = list(outcomes)

    async def __call__(self) -> str:
        outcome = self.outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.mark.usefixtures("no_waits")
async def test_a_passing_failure_is_tried_again() -> None:
    assert await retried(Flaky(TransientError("away"), TransientError("away"), "here")) == "here"


@pytest.mark.usefixtures("no_waits")
async def test_the_last_failure_is_told() -> None:
    with pytest.raises(TransientError, match="fifth"):
        await retried(Flaky(*[TransientError("away")] * 4, TransientError("fifth"), "late"))


@pytest.mark.usefixtures("no_waits")
async def test_what_no_waiting_helps_is_not_tried_again() -> None:
    flaky = Flaky(AuthorizationError("revoked"), "never")

    with pytest.raises(AuthorizationError):
        await retried(flaky)

    assert flaky.outcomes == ["never"]


async def test_the_other_sides_wish_is_waited_for() -> None:
    started = time.monotonic()

    await retried(Flaky(TransientError("slow down", retry_after=0.3), "here"))

    assert 0.3 <= time.monotonic() - started < 2
