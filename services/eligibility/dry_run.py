"""Tells what judging held orders again would change, without changing it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from schemas.decisions import Cause
from services.eligibility.decisions import propose
from services.eligibility.judging import Judge, needs_of, settle, with_known
from services.eligibility.payments import Unpaid
from services.eligibility.ports import Repository
from services.eligibility.proposals import Amend, Release, Stay

CHUNK = 500
_CAUSE: Cause = "rules"


class _Undo(Exception):  # noqa: N818 - no error: it rolls the transaction back
    pass


async def count_changes(
    repository: Repository, judge: Judge, *, seller_id: str, store_id: str | None, reason: str | None
) -> Counter[str]:
    """Return how many held orders would be `eligible`, `rejected` or stay `held`.

    Each chunk of orders is weighed against the whole balance, so near its end more seem payable than are.
    """
    counts: Counter[str] = Counter()
    after = ""
    while keys := await repository.held(seller_id, store_id=store_id, reason=reason, after=after, limit=CHUNK):
        counts += await _outcomes(repository, judge, keys)
        after = keys[-1]
    return counts


async def _outcomes(repository: Repository, judge: Judge, keys: Sequence[str]) -> Counter[str]:
    counts: Counter[str] = Counter()
    try:
        async with repository.judging(()) as transaction:
            cases = judge.cases_again(await transaction.dossiers(keys), dict.fromkeys(keys, _CAUSE))
            if cases:
                known = await transaction.known(needs_of(cases))
                cases = with_known(cases, known, await judge.erased(transaction, cases))
            proposals = [propose(case) for case in cases]
            settlements = await settle(transaction, cases, proposals)
            for case, proposal in zip(cases, proposals, strict=True):
                unpaid = isinstance(settlements.get(case.order.key), Unpaid)
                match proposal:
                    case Release() | Amend():
                        counts["held" if unpaid else "eligible"] += 1
                    case Stay(outcome, _):
                        counts[outcome] += 1
                    case _:
                        counts["rejected"] += 1
            raise _Undo  # noqa: TRY301 - only an exception leaves the transaction undone
    except _Undo:
        return counts
