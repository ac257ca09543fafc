"""`python -m deploy.sandbox.factory`: works until SIGTERM or SIGINT and says where its book is on one JSON line."""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys

import orjson
import uvloop

from deploy.sandbox.factory.app import running_factory
from deploy.sandbox.factory.floor import Pace
from deploy.sandbox.factory.line import Topics


def main() -> int:
    """Read the command line and work until told to stop."""
    asked = _parser().parse_args()
    if not asked.bootstrap:
        print("Set KAFKA_BOOTSTRAP_SERVERS to the address of a Kafka broker.", file=sys.stderr)
        return 2
    return uvloop.run(_work(asked))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.sandbox.factory", description=__doc__)
    parser.add_argument("--bootstrap", default=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", ""))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="of the book's HTTP pages; 0: a free one")
    parser.add_argument("--pace", type=float, default=0.0, help="seconds between accepting, starting and shipping")
    parser.add_argument("--hold-share", type=float, default=0.0, help="share of the orders put on hold, 0 to 1")
    parser.add_argument("--topic-prefix", default="", help="stands before the names of all topics")
    parser.add_argument("--group", default="factory", help="consumer group and transactional id")
    return parser


async def _work(asked: argparse.Namespace) -> int:
    """Answers the exit code: 1 when the factory ended by itself."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    topics = Topics(prefix=asked.topic_prefix, group=asked.group)
    pace = Pace(seconds=asked.pace, hold_share=asked.hold_share)
    async with running_factory(asked.bootstrap, topics, pace=pace, host=asked.host, port=asked.port) as factory:
        print(orjson.dumps({"ready": True, "factory": factory.url}).decode(), flush=True)
        waits = [asyncio.create_task(event.wait()) for event in (stop, factory.ended)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return 0 if stop.is_set() else 1


if __name__ == "__main__":
    sys.exit(main())
