"""`python -m deploy.sandbox`: serves all platforms, says where on one JSON line, and stops on SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

import orjson
import uvloop

from deploy.sandbox.app import discover, running_sandbox


def main() -> None:
    """Parse the command line and serve until told to stop."""
    known = discover()
    asked = _parser(sorted(known)).parse_args()
    slugs = asked.only or sorted(known)
    uvloop.run(_serve(slugs, host=asked.host, ports=_ports(asked, sorted(known)), time_scale=asked.time_scale))


def _parser(slugs: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--only", action="append", choices=slugs, help="serve this platform only (repeatable)")
    parser.add_argument("--port-base", type=int, default=0, help="control takes this port, platforms the next")
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--time-scale", type=float, default=1.0, help="divides waits between webhook retries")
    for slug in slugs:
        parser.add_argument(f"--{slug}-port", type=int, default=0)
    return parser


def _ports(asked: argparse.Namespace, slugs: list[str]) -> dict[str, int]:
    names = ["control", *slugs]
    base = {name: asked.port_base + place if asked.port_base else 0 for place, name in enumerate(names)}
    return {name: getattr(asked, f"{name}_port") or base[name] for name in names}


async def _serve(slugs: list[str], *, host: str, ports: dict[str, int], time_scale: float) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    known = discover()
    async with running_sandbox({slug: known[slug]() for slug in slugs}, host=host, ports=ports) as sandbox:
        for platform in sandbox.platforms.values():
            platform.apply_settings({"time_scale": time_scale})
        settings = {name: value for each in sandbox.platforms.values() for name, value in each.settings().items()}
        ready = {"ready": True, "platforms": sandbox.urls, "control": sandbox.control, "settings": settings}
        sys.stdout.write(orjson.dumps(ready).decode() + "\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    main()
