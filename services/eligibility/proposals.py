"""What judging an order proposes, before it is known whether production can be paid."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.decisions import Outcome
from schemas.production import ProductionOrder
from schemas.reasons import Reason
from services.eligibility.assess import Price


@dataclass(frozen=True, slots=True)
class Release:
    """Production may make it, once it is charged."""

    production_order: ProductionOrder


@dataclass(frozen=True, slots=True)
class LookFirst:
    """Production may make it once the platform was asked whether it still stands; nothing is charged before."""

    production_order: ProductionOrder


@dataclass(frozen=True, slots=True)
class Amend:
    """Production must make it otherwise than it was told, once the difference is charged."""

    production_order: ProductionOrder


@dataclass(frozen=True, slots=True)
class Cancel:
    """Production must not make it any more."""

    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Stay:
    """Production is told nothing. `price` is what it will cost once nothing holds the order, where that is known."""

    outcome: Outcome
    reasons: tuple[Reason, ...]
    price: Price | None = None


Proposal = Release | LookFirst | Amend | Cancel | Stay
