"""However a seller types it, a store has one address; and what is sent to it in the open is no secret."""

from __future__ import annotations

import pytest

from services.ingest.contract.stores import LinkingRefused
from services.ingest.platforms.woocommerce.addresses import leads_to, store_address
from services.ingest.platforms.woocommerce.signing import ways_to


@pytest.mark.parametrize(
    ("typed", "url", "place"),
    [
        ("store.example.com", "https://store.example.com", "store.example.com"),
        ("  https://Store.Example.com/ ", "https://store.example.com", "store.example.com"),
        ("https://store.example.com:443", "https://store.example.com", "store.example.com"),
        ("http://store.example.com:80/", "http://store.example.com", "store.example.com"),
        ("https://store.example.com:8443/", "https://store.example.com:8443", "store.example.com:8443"),
        ("https://example.com/Shop/", "https://example.com/Shop", "example.com/Shop"),
        ("https://example.com/shop/wp-admin/admin.php?page=wc", "https://example.com/shop", "example.com/shop"),
        ("https://example.com/wp-json/wc/v3/", "https://example.com", "example.com"),
        ("https://example.com/?utm=1#top", "https://example.com", "example.com"),
        ("https://münchen.example", "https://xn--mnchen-3ya.example", "xn--mnchen-3ya.example"),
        ("http://127.0.0.1:8080/store1", "http://127.0.0.1:8080/store1", "127.0.0.1:8080/store1"),
        ("http://[::1]:8080", "http://[::1]:8080", "[::1]:8080"),
    ],
)
def test_an_address_is_found_in_whatever_is_typed(typed: str, url: str, place: str) -> None:
    found = store_address(typed)

    assert (found.url, found.place) == (url, place)


@pytest.mark.parametrize(
    "typed",
    ["", " ", "https://", "ftp://example.com", "https://me:secret@example.com", "my store", "https://a:b", "x" * 400],
)
def test_what_is_no_address_is_refused_with_an_example(typed: str) -> None:
    with pytest.raises(LinkingRefused, match=r"https://store\.example\.com"):
        store_address(typed)


@pytest.mark.parametrize(
    ("typed", "location", "url"),
    [
        ("https://example.com", "https://www.example.com/wp-json/", "https://www.example.com"),
        ("https://www.example.com", "https://example.com/wp-json/", "https://example.com"),
        ("http://example.com", "https://example.com/wp-json/", "https://example.com"),
        ("https://example.com", "https://example.com/wp-json/", None),
        ("https://example.com", "http://www.example.com/wp-json/", None),
        ("https://example.com", "https://evil.example.net/wp-json/", None),
        ("https://example.com", "https://example.com/other/wp-json/", None),
        ("https://example.com", "/login", None),
        ("https://example.com", "", None),
    ],
)
def test_a_redirect_is_followed_only_to_the_same_store(typed: str, location: str, url: str | None) -> None:
    found = leads_to(store_address(typed), location)

    assert (found.url if found else None) == url


@pytest.mark.parametrize(
    ("typed", "ways"),
    [
        ("https://example.com", ("header", "query")),
        ("http://example.com", ("oauth",)),
        ("http://10.0.0.7", ("oauth",)),
        ("http://localhost:80", ("header", "query", "oauth")),
        ("http://127.0.0.1:80", ("header", "query", "oauth")),
    ],
)
def test_a_secret_is_never_sent_in_the_open(typed: str, ways: tuple[str, ...]) -> None:
    assert ways_to(store_address(typed)) == ways
