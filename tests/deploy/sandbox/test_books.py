"""The books tell a message that says something new from one that says the same again."""

from __future__ import annotations

from deploy.sandbox.books import Books


def test_the_same_message_about_the_same_thing_is_counted_as_told_again() -> None:
    books = Books()

    for about in (("order-1", "N1"), ("order-1", "N2"), ("order-2", "N1"), ("order-1", "N1")):
        books.mail(*about)

    assert (books["emails"], books["emails_again"]) == (4, 1)
