"""What a mixed batch of orders is made of."""

from __future__ import annotations

from collections import Counter

import pytest

from deploy.sandbox.scenarios import SCENARIOS, SHARES, deal


def test_a_thousand_mixed_orders_have_exactly_the_shares() -> None:
    dealt = Counter(deal(1000, state="mixed", seed=7))

    assert dealt == SHARES
    assert sum(SHARES.values()) == 1000
    assert set(SHARES) == set(SCENARIOS)


def test_the_seed_decides_the_order_of_scenarios() -> None:
    first = deal(50, state="mixed", seed=7)

    assert deal(50, state="mixed", seed=7) == first
    assert deal(50, state="mixed", seed=8) != first


def test_an_alias_names_one_scenario() -> None:
    assert deal(2, state="paid", seed=1) == ["ready", "ready"]


def test_an_unknown_state_is_refused() -> None:
    with pytest.raises(ValueError, match="state must be"):
        deal(1, state="sleepy", seed=1)
