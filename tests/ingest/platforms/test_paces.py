"""How often each platform's open orders are read again, where a change may show in no list."""

from __future__ import annotations

from datetime import timedelta

import pytest

from services.ingest.registry import find_platforms
from services.kit.clock import SystemClock
from tests.ingest.platforms.twin_http import ScriptedHttp, answer
from tests.ingest.toolbox import toolbox

DAY = timedelta(days=1)
#: What no list shows: a file that was not to be had; a cancellation; an edit of an order that is kept as a post.
SILENT = {"amazon": DAY, "ebay": DAY, "etsy": DAY, "woocommerce": timedelta(hours=4)}


@pytest.mark.parametrize("slug", SILENT)
def test_open_orders_are_read_again_where_a_change_may_show_in_no_list(slug: str) -> None:
    platform = find_platforms()[slug]
    connector = platform.connect(platform.settings(_env_file=None), toolbox(ScriptedHttp(answer({})), SystemClock()))

    assert connector.pace.reread is not None
    assert connector.pace.reread <= SILENT[slug]
