from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from deploy.local.ports import answers, free_port
from deploy.local.stack import REPOSITORY

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


def test_two_processes_never_choose_the_same_port() -> None:
    program = "from deploy.local.ports import free_port; print(free_port({})); input()"
    port = free_port()

    with subprocess.Popen(
        [sys.executable, "-c", program.format(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        text=True,
    ) as other:
        assert other.stdout is not None
        chosen = int(other.stdout.readline())
        other.communicate("\n")

    assert chosen != port
    assert free_port(port) == port
