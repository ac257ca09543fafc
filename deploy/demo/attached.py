"""`python -m deploy.demo.attached`: the sandbox platforms and factory against the services that `make up` runs.

Another directory than that of `make up` may be named, for services that were brought up over it.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

from deploy.demo.world import ready_line
from deploy.local import background
from deploy.local.errors import LocalStackError
from deploy.local.processes import Supervisor
from deploy.local.stack import VAR, exit_on_sigterm

DIRECTORY = VAR / "sandbox"


def main(up: Path = background.UP) -> int:
    """Start both, let the services over `up` know the platforms' addresses, and stay until Ctrl-C."""
    if background.find(up) is None:
        print("Nothing is up: run `make up` first.", file=sys.stderr)
        return 2
    _listen_to_ctrl_c()
    try:
        with exit_on_sigterm(), Supervisor(DIRECTORY) as supervisor, suppress(KeyboardInterrupt):
            _run(supervisor, up)
            threading.Event().wait()
    except LocalStackError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _listen_to_ctrl_c() -> None:
    # Whoever is started in the background of a script inherits an ignored SIGINT.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _run(supervisor: Supervisor, up: Path) -> None:
    for log in DIRECTORY.glob("*.log"):
        log.unlink()
    sandbox = ready_line(supervisor.start_python("sandbox", "deploy.sandbox"))
    # Services read their settings when they start; their data stay where they are.
    os.environ.update(sandbox["settings"], ALLOW_PRIVATE_ADDRESSES="1")
    background.bring_down(up)
    running = background.bring_up(up)
    settings = {"KAFKA_BOOTSTRAP_SERVERS": running.kafka_bootstrap_servers}
    factory = ready_line(supervisor.start_python("factory", "deploy.sandbox.factory", env=settings))
    for name, url in sandbox["platforms"].items():
        print(f"{name:<12} {url}")
    print(f"{'factory':<12} {factory['factory']}")
    print(f"{'control':<12} {sandbox['control']}   (deploy/sandbox/README.md says what it takes)")
    print(f"The services were started again with the platforms' addresses; the page is at {running.page}/")
    print("Ctrl-C stops the sandbox and the factory; the services stay up.", flush=True)


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:2])))
