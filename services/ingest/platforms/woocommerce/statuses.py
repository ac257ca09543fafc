"""Says what a status of an order means; a plugin's own status means nothing until the seller says what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, get_args

from services.ingest.contract.stores import LinkingRefused

#: WooCommerce's own statuses.
Status = Literal[
    "pending",
    "checkout-draft",
    "failed",
    "on-hold",
    "processing",
    "completed",
    "cancelled",
    "trash",
    "refunded",
]
STATUSES: frozenset[str] = frozenset(get_args(Status))
_PREFIX = "wc-"
_SLUG = re.compile(r"[a-z0-9_-]{1,40}")


def meaning(slug: str, statuses: Mapping[str, str]) -> str:
    """Return WooCommerce's own status that a slug stands for; the slug itself where nobody knows."""
    known = slug.strip().lower().removeprefix(_PREFIX)
    return statuses.get(known, known)


def read_statuses(text: str) -> dict[str, str]:
    """Read a store's table "printed=processing, handed-over=completed". Raises LinkingRefused, naming the entry."""
    found: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        slug, _, means = (side.strip().lower().removeprefix(_PREFIX) for side in entry.partition("="))
        if not _SLUG.fullmatch(slug) or means not in STATUSES:
            raise LinkingRefused(
                "Write statuses as slug=meaning, separated by commas; a meaning is one of "
                f"{', '.join(sorted(STATUSES))}."
            )
        # What WooCommerce itself means by a word is not for sale.
        if slug in STATUSES:
            raise LinkingRefused(f"The status {slug} is WooCommerce's own and keeps its meaning.")
        found[slug] = means
    return found


def written_statuses(statuses: Mapping[str, str]) -> str:
    """Return what `read_statuses` reads."""
    return ",".join(f"{slug}={means}" for slug, means in statuses.items())
