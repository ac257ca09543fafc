"""The commands behind `make up` and `make down`, and the steps that prepare a machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from deploy.local.background import KEY_NAME, UP, Running, bring_down, bring_up, find, hold
from deploy.local.errors import LocalStackError
from deploy.local.kafka.archive import ensure_archive
from deploy.local.kafka.jars import ensure_jars
from deploy.local.stack import JARS


def main() -> int:
    """Run one command; the exit code is 0 when it did what it says."""
    arguments = _parser().parse_args()
    try:
        return _run(arguments)
    except LocalStackError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = {
        "up": "start Kafka, Postgres and the services in the background; harmless when they are up",
        "down": "stop them",
        "status": "say what is up, and where; exit code 1 when nothing is",
        "hold": "what `up` starts: run everything until SIGTERM",
        "fetch": "fetch Kafka's jars and check them",
        "archive": "fetch them too, and archive their classes: Kafka then starts in half the time",
    }
    parser.add_argument(
        "command", choices=commands, help="; ".join(f"{name}: {text}" for name, text in commands.items())
    )
    parser.add_argument("--directory", type=Path, default=UP, help="where the data is (default: var/up)")
    parser.add_argument("--without-services", action="store_true", help="only Kafka and Postgres")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    directory: Path = arguments.directory
    match arguments.command:
        case "up":
            _show(bring_up(directory, with_services=not arguments.without_services), directory)
        case "down":
            print("stopped" if bring_down(directory) else "nothing was up")
        case "status":
            return _status(directory)
        case "hold":
            hold(directory, with_services=not arguments.without_services)
        case "fetch":
            ensure_jars(JARS)
        case "archive":
            ensure_archive(ensure_jars(JARS))
    return 0


def _status(directory: Path) -> int:
    running = find(directory)
    if running is None:
        print("nothing is up")
        return 1
    _show(running, directory)
    return 0


def _show(running: Running, directory: Path) -> None:
    print(f"Kafka        {running.kafka_bootstrap_servers}")
    print(f"Postgres     address and password in {directory / 'state.json'}")
    for name, url in running.services.items():
        print(f"{name:<12} {url}")
    key_file = directory / KEY_NAME
    if running.page and key_file.exists():
        print(f"page         {running.page}/")
        print(f"API key      {key_file.read_text()}")


if __name__ == "__main__":
    sys.exit(main())
