from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schemas.money import Money
from services.eligibility.payments import Claim, Covered, Paid, Unpaid, allot, purses
from tests.eligibility.workbench import dollars


def claim(key: str, cost: str, **changes: object) -> Claim:
    values: dict[str, object] = {"order_key": key, "seller_id": "s", "cost": dollars(cost)}
    return Claim(**(values | changes))  # type: ignore[arg-type] # a test's shorthand


def test_claims_are_paid_in_turn_and_a_smaller_one_may_still_fit() -> None:
    claims = [claim("a", "6"), claim("b", "6"), claim("c", "4")]

    allotted = allot(claims, {("s", "USD"): 1000})

    assert allotted.settlements == {"a": Paid(), "b": Unpaid(dollars("4")), "c": Paid()}
    assert allotted.balances == {("s", "USD"): 0}


def test_only_the_difference_of_a_changed_order_is_due() -> None:
    claims = [claim("up", "6", charged=dollars("4")), claim("down", "1", charged=dollars("4"))]

    allotted = allot(claims, {("s", "USD"): 200})

    assert allotted.balances == {("s", "USD"): 300}
    assert set(allotted.charges) == {"up", "down"}


def test_an_order_that_is_paid_is_not_charged_again() -> None:
    allotted = allot([claim("a", "6", charged=dollars("6"))], {})

    assert allotted.settlements == {"a": Paid()}
    assert allotted.charges == {}


def test_who_does_not_want_to_pay_hears_the_balance() -> None:
    allotted = allot([claim("a", "6", willing=False)], {("s", "USD"): 1000})

    assert allotted.settlements == {"a": Unpaid(dollars("10"))}


def test_a_claim_that_does_not_bind_is_compared_with_what_the_others_leave_and_charged_nothing() -> None:
    foreseen = [claim("big", "5", binding=False), claim("one", "4", binding=False), claim("two", "4", binding=False)]

    allotted = allot([*foreseen, claim("a", "6")], {("s", "USD"): 1000})

    assert allotted.settlements == {"a": Paid(), "big": Unpaid(dollars("4")), "one": Covered(), "two": Covered()}
    assert allotted.balances == {("s", "USD"): 400}
    assert set(allotted.charges) == {"a"}


def test_another_currency_gives_all_of_the_first_one_back() -> None:
    euros = Money.parse("3", "EUR")
    one = claim("a", "6", charged=euros)

    allotted = allot([one], {("s", "USD"): 1000})

    assert purses([one]) == [("s", "EUR"), ("s", "USD")]
    assert allotted.balances == {("s", "USD"): 400, ("s", "EUR"): 300}


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 500)), max_size=40), st.integers(0, 3000))
def test_money_is_neither_made_nor_lost_and_no_balance_goes_below_nothing(
    wanted: list[tuple[int, int]], balance: int
) -> None:
    charged: dict[str, Money] = {}
    left = {("s", "USD"): balance}
    for number, cost in wanted:
        one = Claim(str(number), "s", Money(amount=cost, currency="USD"), charged=charged.get(str(number)))
        allotted = allot([one], left)
        left = allotted.balances
        charged |= {key: each.cost for key, each in allotted.charges.items()}

        assert left[("s", "USD")] >= 0
        assert left[("s", "USD")] + sum(money.amount for money in charged.values()) == balance
