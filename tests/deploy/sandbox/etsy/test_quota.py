"""The two budgets of an app."""

from __future__ import annotations

from deploy.sandbox.etsy.quota import DAY, Quota


class Time:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_the_eleventh_call_in_a_second_waits_a_second() -> None:
    time = Time()
    quota = Quota(time, per_second=10)
    first_ten = [quota.admit() for _ in range(10)]

    eleventh = quota.admit()

    assert all(call.allowed for call in first_ten)
    assert first_ten[-1].headers["x-remaining-this-second"] == "0"
    assert not eleventh.allowed
    assert eleventh.headers["retry-after"] == "1"


def test_the_second_slides() -> None:
    time = Time()
    quota = Quota(time, per_second=2)
    quota.admit()
    time.seconds = 0.9
    quota.admit()

    time.seconds = 1.1
    admissions = [quota.admit().allowed, quota.admit().allowed]

    assert admissions == [True, False]


def test_the_days_budget_frees_when_its_oldest_call_is_a_day_old() -> None:
    time = Time()
    quota = Quota(time, per_second=100, per_day=2)
    quota.admit()
    time.seconds = 10.0
    quota.admit()

    refused = quota.admit()
    time.seconds = DAY + 1.0
    admitted = quota.admit()

    assert not refused.allowed
    assert refused.headers["retry-after"] == str(int(DAY) - 10)
    assert admitted.allowed
    assert admitted.headers["x-remaining-today"] == "0"


def test_without_limits_the_headers_stay() -> None:
    quota = Quota(Time(), per_second=1, limited=False)

    admissions = [quota.admit() for _ in range(50)]

    assert all(call.allowed for call in admissions)
    assert int(admissions[-1].headers["x-remaining-today"]) > 10_000
