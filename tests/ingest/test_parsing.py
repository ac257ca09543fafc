"""Values are read exactly, and what is wrong is named without its content."""

from __future__ import annotations

import pytest

from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import answer_object, exact_object, json_object, money, plain, text


def test_numbers_keep_every_digit() -> None:
    assert json_object(b'{"a": 0.10, "b": 123456789012345678901234567890, "c": 1e400}') == {
        "a": "0.10",
        "b": "123456789012345678901234567890",
        "c": "1e400",
    }


@pytest.mark.parametrize("read", [json_object, answer_object])
@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_no_json_object_is_unreadable(read: object, body: bytes) -> None:
    assert callable(read)
    with pytest.raises(UnreadablePayload):
        read(body)


def test_half_a_character_in_one_order_leaves_the_rest_of_the_page() -> None:
    page = answer_object(b'{"count": 2, "results": [{"title": "cut \\ud83d"}, {"title": "whole \\ud83d\\ude00"}]}')

    assert page == {"count": 2, "results": [{"title": "cut \ufffd"}, {"title": "whole \U0001f600"}]}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("as it is ", "as it is "),
        (None, ""),
        (True, "true"),
        (3, "3"),
        (["a", 1], '["a",1]'),
        ({"a": None}, '{"a":null}'),
    ],
)
def test_any_value_becomes_the_text_a_person_would_read(value: object, shown: str) -> None:
    assert plain(value) == shown


@pytest.mark.parametrize(("given", "left"), [(None, None), ("", None), ("  ", None), (" a ", "a")])
def test_blanks_are_nothing(given: str | None, left: str | None) -> None:
    assert text(given) == left


def test_an_amount_that_is_not_exact_names_its_field_not_its_value() -> None:
    with pytest.raises(UnreadablePayload) as refused:
        money("12.345", "USD", path="total")

    assert refused.value.path == "total"
    assert "12.345" not in str(refused.value)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("45.9", 45.9),
        ("1234567.1234567", 1234567.1234567),
        ("45.900000000000006", "45.900000000000006"),
        ("12345678.5", "12345678.5"),
        ("9007199254740993", 9007199254740993),
        ("18446744073709551616", "18446744073709551616"),
        ("0.1e3", 100.0),
        ("1.10", "1.10"),
        ("1.0", 1.0),
    ],
)
def test_a_number_that_might_lose_digits_stays_as_it_was_written(written: str, read: object) -> None:
    assert exact_object(b'{"amount": %s}' % written.encode()) == {"amount": read}


def test_half_a_character_is_found_however_it_is_written() -> None:
    for half in (rb"\ud83d", rb"\uD83D", "\ud83d".encode("utf-8", "surrogatepass")):
        json_object(b'{"name": "%s"}' % half)["name"].encode()
    utf16 = '{"name": "\\ud83d"}'.encode("utf-16-le")
    assert json_object(utf16)["name"].encode()
