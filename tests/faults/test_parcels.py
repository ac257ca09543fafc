"""What must not become of parcels is found."""

from __future__ import annotations

import pytest

from tests.faults.parcels import Books, ParcelVerdict, judge_parcels

QUIET = Books(emails=1, emails_again=0)


def _judged(*shown: str, state: str = "verified", books: Books = QUIET) -> ParcelVerdict:
    return judge_parcels({"a": ["N-1"]}, {"a": shown}, {("a", "N-1"): state}, {"one": books})


def test_every_parcel_once_is_clean_however_its_number_is_written() -> None:
    assert _judged("n1").clean


@pytest.mark.parametrize(
    ("verdict", "wrong"),
    [
        (_judged(), "lost"),
        (_judged("N1", "N1"), "doubled"),
        (_judged("N1", "N2"), "strange"),
    ],
)
def test_a_number_that_is_not_there_once_is_found(verdict: ParcelVerdict, wrong: str) -> None:
    assert (verdict.clean, getattr(verdict, wrong)) == (False, 1)
    assert verdict.problems


def test_a_parcel_that_ingest_does_not_know_to_be_there_is_found() -> None:
    verdict = _judged("N1", state="sent")

    assert (verdict.clean, verdict.problems) == (False, ("a: N1 is there 1 times (sent)",))


def test_a_buyer_who_was_told_twice_is_found() -> None:
    assert not _judged("N1", books=Books(emails=2, emails_again=1)).clean


def test_nothing_sent_proves_nothing() -> None:
    assert not judge_parcels({}, {}, {}, {}).clean
