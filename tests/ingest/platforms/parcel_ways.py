"""What the shared suite of parcels has to know of a platform: each says it in its own folder, in `parcels.py`.

A platform that takes tracking numbers has a `tracking.py`; its tests' folder then has a `parcels.py` with `WAYS`. One
that is told of parcels in several ways has the others in `MORE_WAYS`, by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from services.ingest.contract.parcels import Remedy
from services.ingest.registry import slugs


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A parcel that the platform does not take, and who can help.

    The order is made in `state` at a store opened with `store`; `changes` happen to it between reading and writing,
    `settings` are the stand-in's, `parcel` are fields of the parcel that are otherwise than usual.
    """

    name: str
    remedy: Remedy
    code: str
    store_wide: bool = False
    state: str = "ready"
    store: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    changes: tuple[Mapping[str, Any], ...] = ()
    parcel: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """An order of `state` that nobody may ship after `hold` (None: it is held from the start), until `release`."""

    state: str = "ready"
    hold: Mapping[str, Any] | None = None
    release: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """How parcels go on one platform; changes are those of the control API, states its scenarios."""

    #: The address of the call that writes, a regex, and its method, as far as they tell it from calls that read.
    write_path: str | None = None
    write_method: str | None = None
    #: How a store is opened, and the stand-in set.
    store: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    #: The seller ships all of it by hand.
    by_hand: Mapping[str, Any] = field(default_factory=lambda: {"action": "ship"})
    delete: Mapping[str, Any] = field(default_factory=lambda: {"action": "delete"})
    cancelled: tuple[str, ...] = ("cancelled",)
    exempt: tuple[str, ...] = ()
    holds: tuple[Hold, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    #: E-mails to the buyer for a parcel of which they are to be told, and for one of which they are not.
    mails: int = 1
    mails_unasked: int = 0
    #: Our carriers as the platform shows them, and any other of the name "Pigeon Post"; None: not looked at.
    spellings: Mapping[str, str] | None = None
    other_carrier: str | None = "Pigeon Post"
    tells_ship_by: bool = True
    #: Settings of the stand-in under which numbers are taken, and lost.
    lossy: Mapping[str, Any] = field(default_factory=dict)
    #: Telling takes several calls, or one that may be made again: a lost one is gone on from, not looked for.
    goes_on: bool = False
    #: Whether one order may have several parcels.
    several: bool = True


def writing_slugs() -> list[str]:
    """The platforms that have a writer."""
    return [slug for slug in slugs() if find_spec(f"services.ingest.platforms.{slug}.tracking")]


def find_ways() -> dict[str, Ways]:
    """What each platform says of itself, by its slug; further ways by the slug, a dot and their name."""
    found: dict[str, Ways] = {}
    for slug in writing_slugs():
        name = f"tests.ingest.platforms.{slug}.parcels"
        if find_spec(name):
            module = import_module(name)
            more: Mapping[str, Ways] = getattr(module, "MORE_WAYS", {})
            found |= {slug: module.WAYS} | {f"{slug}.{way}": ways for way, ways in more.items()}
    return found


def slug_of(name: str) -> str:
    """The platform of a name in `find_ways`."""
    return name.partition(".")[0]
