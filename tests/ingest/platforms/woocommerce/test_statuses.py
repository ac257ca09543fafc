"""What a plugin's status means is what the seller says, and nothing until then."""

from __future__ import annotations

import pytest

from services.ingest.contract.stores import LinkingRefused
from services.ingest.platforms.woocommerce.statuses import meaning, read_statuses, written_statuses


def test_a_table_is_read_and_written_again() -> None:
    table = read_statuses(" Printed=processing, wc-handed-over = Completed ,")

    assert table == {"printed": "processing", "handed-over": "completed"}
    assert read_statuses(written_statuses(table)) == table
    assert (meaning("wc-handed-over", table), meaning("printed", table)) == ("completed", "processing")
    assert (meaning("on-hold", table), meaning("unknown", table)) == ("on-hold", "unknown")


@pytest.mark.parametrize("text", ["printed", "printed=", "printed=done", "=processing", "pri nted=processing", "a=b=c"])
def test_an_entry_that_means_nothing_is_refused_with_the_words_that_do(text: str) -> None:
    with pytest.raises(LinkingRefused, match="processing"):
        read_statuses(text)


@pytest.mark.parametrize("slug", ["cancelled", "on-hold", "pending"])
def test_woocommerces_own_statuses_keep_their_meaning(slug: str) -> None:
    with pytest.raises(LinkingRefused, match="keeps its meaning"):
        read_statuses(f"{slug}=processing")
