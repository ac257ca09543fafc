from __future__ import annotations

import socket

import pytest

from deploy.local.ports import answers, free_port

pytestmark = pytest.mark.integration


def test_a_taken_port_gives_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        usual = taken.getsockname()[1]

        chosen = free_port(usual)

        assert chosen != usual
        assert answers(usual)
        assert not answers(chosen)


def test_a_free_port_is_taken_as_wished() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        usual = taken.getsockname()[1]

    assert free_port(usual) == usual
