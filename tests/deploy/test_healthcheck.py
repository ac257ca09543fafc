"""A container is healthy when what listens in it is alive, and something does."""

from __future__ import annotations

import pytest

from deploy.healthcheck import healthy


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({8001: 200}, True),
        ({8000: 200, 8001: 200, 8002: 200}, True),
        ({}, False),
        ({8002: 503}, False),
        ({8000: 200, 8002: 503}, False),
    ],
)
def test_health_is_what_the_listening_services_say(answers: dict[int, int], *, expected: bool) -> None:
    assert healthy({}, ask=answers.get) is expected


def test_a_port_that_was_set_is_the_one_that_is_asked() -> None:
    answers = {9001: 200}

    assert healthy({"INGEST_PORT": "9001"}, ask=answers.get)
    assert not healthy({"INGEST_PORT": ""}, ask=answers.get)
