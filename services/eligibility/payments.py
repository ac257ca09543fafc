"""Allots prepaid balances to orders in their turn: an order is charged once, and only what its seller has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.money import Money

#: A seller and a currency.
Purse = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Claim:
    """What production is to be paid for an order in all; `charged` is what it was paid already.

    `willing` False asks only how the balance stands: the seller has not said yet that it shall be paid. `binding` False
    asks only whether the balance would cover it: something else holds the order, so nothing is charged.
    """

    order_key: str
    seller_id: str
    cost: Money
    charged: Money | None = None
    willing: bool = True
    binding: bool = True

    @property
    def due(self) -> int:
        """What is still to be paid, in minor units; less than nothing is given back."""
        paid = self.charged.amount if self.charged and self.charged.currency == self.cost.currency else 0
        return self.cost.amount - paid

    @property
    def purse(self) -> Purse:
        """The purse that it is paid from."""
        return self.seller_id, self.cost.currency


@dataclass(frozen=True, slots=True)
class Paid:
    """The order is paid for."""


@dataclass(frozen=True, slots=True)
class Covered:
    """The balance would cover the order by itself; nothing was charged."""


@dataclass(frozen=True, slots=True)
class Unpaid:
    """It is not, and this is what the seller has."""

    balance: Money


Settlement = Paid | Covered | Unpaid


@dataclass(frozen=True, slots=True)
class Allotment:
    """What became of the claims, and of the balances in minor units."""

    settlements: dict[str, Settlement]
    balances: dict[Purse, int]
    charges: dict[str, Claim]


def purses(claims: Iterable[Claim]) -> list[Purse]:
    """Return the purses that the claims touch, sorted."""
    return sorted(
        {(claim.seller_id, money.currency) for claim in claims for money in (claim.cost, claim.charged) if money}
    )


def risen(before: Mapping[Purse, int], after: Mapping[Purse, int]) -> set[str]:
    """Return the sellers who have more in one of their purses than before."""
    return {purse[0] for purse, amount in after.items() if amount > before.get(purse, 0)}


def allot(claims: Iterable[Claim], balances: Mapping[Purse, int]) -> Allotment:
    """Settle the claims in their order. One that cannot be paid does not stop a smaller one after it.

    A claim of less than was charged gives the difference back; another currency gives all of the first one back. Claims
    that do not bind are compared, each by itself, with what the others leave.
    """
    left = dict(balances)
    settlements: dict[str, Settlement] = {}
    charges: dict[str, Claim] = {}
    foreseen: list[Claim] = []
    for claim in claims:
        if not claim.binding:
            foreseen.append(claim)
            continue
        purse, due = claim.purse, claim.due
        there = left.get(purse, 0)
        if _is_short(claim, due, there):
            settlements[claim.order_key] = Unpaid(Money(amount=there, currency=claim.cost.currency))
            continue
        left[purse] = there - due
        if claim.charged and claim.charged.currency != claim.cost.currency:
            other = (claim.seller_id, claim.charged.currency)
            left[other] = left.get(other, 0) + claim.charged.amount
        settlements[claim.order_key] = _PAID
        if due or claim.charged != claim.cost:
            charges[claim.order_key] = claim
    for claim in foreseen:
        there = left.get(claim.purse, 0)
        is_short = _is_short(claim, claim.due, there)
        settlements[claim.order_key] = (
            Unpaid(Money(amount=there, currency=claim.cost.currency)) if is_short else _COVERED
        )
    return Allotment(settlements, left, charges)


_PAID, _COVERED = Paid(), Covered()


def _is_short(claim: Claim, due: int, there: int) -> bool:
    return due > 0 and (not claim.willing or due > there)
