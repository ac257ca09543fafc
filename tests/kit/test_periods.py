"""Periods: whole local days, half-open times, and clocks that are put forward and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.kit.periods import US_ZONES, PeriodRefused, resolve

NOW = datetime(2027, 6, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAYS = st.dates(date(2000, 1, 1), date(2027, 4, 30))
ZONES = st.sampled_from([*US_ZONES, "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo"])


def length(day: str, zone: str, *, until: str | None = None) -> timedelta:
    period = resolve(day, until or day, zone=zone, now=NOW)
    return period.end - period.start


@pytest.mark.parametrize("zone", US_ZONES)
def test_the_day_on_which_clocks_are_put_forward_has_23_hours_where_they_are(zone: str) -> None:
    expected = 24 if zone in {"Arizona", "Hawaii"} else 23

    assert length("2026-03-08", zone) == expected * HOUR
    assert length("2026-03-07", zone) == length("2026-03-09", zone) == 24 * HOUR


@pytest.mark.parametrize("zone", US_ZONES)
def test_the_day_on_which_clocks_are_put_back_has_25_hours_where_they_are(zone: str) -> None:
    expected = 24 if zone in {"Arizona", "Hawaii"} else 25

    assert length("2026-11-01", zone) == expected * HOUR
    assert length("2026-10-31", zone) == length("2026-11-02", zone) == 24 * HOUR


def test_dates_are_whole_local_days_the_last_included() -> None:
    period = resolve("2026-11-10", "2026-11-12", zone="Eastern", now=NOW)

    assert period.start == datetime(2026, 11, 10, 5, tzinfo=UTC)
    assert period.end == datetime(2026, 11, 13, 5, tzinfo=UTC)
    assert (period.zone, period.notes) == ("America/New_York", ())


def test_times_are_half_open() -> None:
    period = resolve("2026-11-10T08:00", "2026-11-10T09:30:15", zone="Hawaii", now=NOW)

    assert period.start == datetime(2026, 11, 10, 18, tzinfo=UTC)
    assert period.end == datetime(2026, 11, 10, 19, 30, 15, tzinfo=UTC)


def test_a_time_that_does_not_exist_is_the_first_moment_after_the_gap_and_is_told() -> None:
    begins = resolve("2026-03-08T02:30", "2026-03-08T05:00", zone="Eastern", now=NOW)
    ends = resolve("2026-03-08T01:00", "2026-03-08T02:15", zone="Eastern", now=NOW)

    assert begins.start == ends.end == datetime(2026, 3, 8, 7, tzinfo=UTC)
    [note] = begins.notes
    assert note == (
        "2026-03-08 02:30 does not exist in America/New_York, where clocks are put forward then: "
        "`from` is the first moment after that, 2026-03-08 03:00."
    )
    assert "`to`" in ends.notes[0]


def test_of_a_time_that_exists_twice_from_takes_the_first_and_to_the_second_and_it_is_told() -> None:
    period = resolve("2026-11-01T01:30", "2026-11-01T01:30", zone="Eastern", now=NOW)

    assert period.start == datetime(2026, 11, 1, 5, 30, tzinfo=UTC)
    assert period.end == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    assert [note.rsplit(":", 1)[1] for note in period.notes] == [
        " `from` is the first of the two.",
        " `to` is the second of the two.",
    ]


def test_a_day_that_begins_in_a_gap_begins_after_it() -> None:
    # In 2018 clocks in Sao Paulo were put forward at midnight.
    period = resolve("2018-11-04", "2018-11-04", zone="America/Sao_Paulo", now=NOW)

    assert period.start == datetime(2018, 11, 4, 3, tzinfo=UTC)
    assert period.end - period.start == 23 * HOUR
    assert len(period.notes) == 1


def test_a_day_that_a_country_left_out_is_refused_as_empty() -> None:
    # Samoa had no 30 December 2011.
    with pytest.raises(PeriodRefused) as refused:
        resolve("2011-12-30", "2011-12-30", zone="Pacific/Apia", now=NOW)

    assert refused.value.code == "period_reversed"


def test_what_has_not_happened_yet_is_cut_off_and_told() -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)

    period = resolve("2026-11-20", "2026-11-25", zone="Eastern", now=now)

    assert period.end == now
    assert len(period.notes) == 1


@pytest.mark.parametrize(
    ("start", "end", "zone", "code", "where"),
    [
        ("2026-11-02", "2026-11-01", "Eastern", "period_reversed", "period.to"),
        ("2026-11-02T08:00", "2026-11-02T08:00", "Eastern", "period_reversed", "period.to"),
        ("2027-07-01", "2027-07-02", "Eastern", "period_in_future", "period.from"),
        ("2026-11-01", "2026-11-02", "EST5", "unknown_zone", "zone"),
        ("2026-11-01", "2026-11-02", "../../etc/passwd", "unknown_zone", "zone"),
        ("2026-11-01", "2026-11-02", "", "unknown_zone", "zone"),
        ("2026-02-30", "2026-11-02", "Eastern", "malformed_period", "period.from"),
        ("2026-11-01", "2026-11-02T08:00Z", "Eastern", "malformed_period", "period.to"),
        ("2026-11-01T08:00+02:00", "2026-11-02", "Eastern", "malformed_period", "period.from"),
        ("1900-01-01", "2026-11-02", "Eastern", "malformed_period", "period.from"),
        ("٢٠٢٦-11-01", "2026-11-02", "Eastern", "malformed_period", "period.from"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(start: str, end: str, zone: str, code: str, where: str) -> None:
    with pytest.raises(PeriodRefused) as refused:
        resolve(start, end, zone=zone, now=NOW)

    assert (refused.value.code, refused.value.where) == (code, where)


@given(day=DAYS, zone=ZONES)
def test_days_follow_each_other_without_gap_or_overlap(day: date, zone: str) -> None:
    following = day + timedelta(days=1)

    both = resolve(day.isoformat(), following.isoformat(), zone=zone, now=NOW)
    first = resolve(day.isoformat(), day.isoformat(), zone=zone, now=NOW)
    second = resolve(following.isoformat(), following.isoformat(), zone=zone, now=NOW)

    assert (both.start, both.end) == (first.start, second.end)
    assert first.end == second.start


@given(moment=st.datetimes(datetime(2001, 1, 1), datetime(2027, 4, 30)), zone=ZONES)  # noqa: DTZ001 - local times
def test_an_order_of_a_local_day_is_in_that_days_period_and_in_no_other(moment: datetime, zone: str) -> None:
    placed_at = moment.replace(tzinfo=UTC)
    local = placed_at.astimezone(ZoneInfo(US_ZONES.get(zone, zone))).date()

    holding = [
        day
        for day in (local - timedelta(days=1), local, local + timedelta(days=1))
        if (period := resolve(day.isoformat(), day.isoformat(), zone=zone, now=NOW)).start <= placed_at < period.end
    ]

    assert holding == [local]


@given(start=st.datetimes(datetime(2001, 1, 1), datetime(2027, 4, 30)), zone=ZONES)  # noqa: DTZ001 - local times
def test_a_later_local_time_is_never_an_earlier_moment(start: datetime, zone: str) -> None:
    wall = start.replace(second=0, microsecond=0)
    later = wall + timedelta(minutes=15)

    first = resolve("2000-12-01", wall.isoformat(timespec="minutes"), zone=zone, now=NOW)
    second = resolve("2000-12-01", later.isoformat(timespec="minutes"), zone=zone, now=NOW)

    assert first.end <= second.end
