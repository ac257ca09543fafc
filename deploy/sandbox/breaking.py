"""Webhooks that break: what can be wrong with a store's subscriptions, as the control API is asked for it."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from deploy.sandbox.clock import SandboxClock

#: silent: nothing is wrong with the subscriptions, and what should be told is lost on its way.
Ailment = Literal["missing", "paused", "disabled", "wrong_address", "wrong_secret", "silent"]
AILMENTS: tuple[str, ...] = get_args(Ailment)
#: Nobody listens there.
ELSEWHERE = "http://127.0.0.1:9"
_AN_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Breakage:
    """What is to be broken: the subscriptions whose topic matches `topic`, all by default.

    `address` is where they go then, by default the same path at another host; `seconds` how long silence lasts.
    """

    ailment: Ailment
    topic: str = ""
    address: str | None = None
    seconds: float = _AN_HOUR

    @classmethod
    def parse(cls, body: dict[str, Any]) -> Breakage:
        """Read a control request; ValueError names what is wrong with it."""
        if unknown := set(body) - set(cls.__dataclass_fields__):
            raise ValueError(f"unknown fields: {', '.join(sorted(unknown))}")
        asked = cls(**{"ailment": "missing"} | body)
        if asked.ailment not in AILMENTS:
            raise ValueError(f"ailment must be one of {', '.join(AILMENTS)}")
        re.compile(asked.topic)
        return asked

    def hits(self, topic: str) -> bool:
        """Whether a subscription to this topic is meant."""
        return re.search(self.topic, topic) is not None

    def moved(self, address: str) -> str:
        """Where a subscription of this address goes then."""
        return self.address or f"{ELSEWHERE}{urlsplit(address).path}"

    def wrong_secret(self) -> str:
        """A secret that nobody else knows."""
        return secrets.token_hex(16)


class Silence:
    """What is lost on its way, by store, for a while of the platform's time."""

    def __init__(self, clock: SandboxClock) -> None:
        self._clock = clock
        self._until: dict[str, tuple[datetime, Breakage]] = {}

    def begin(self, store: str, asked: Breakage) -> None:
        """Lose what the store tells from now on."""
        self._until[store] = self._clock.now() + timedelta(seconds=asked.seconds), asked

    def covers(self, store: str, topic: str) -> bool:
        """Whether this is lost now."""
        until, asked = self._until.get(store, (None, None))
        return until is not None and asked is not None and self._clock.now() < until and asked.hits(topic)
