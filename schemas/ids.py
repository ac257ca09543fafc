"""Ids as types, each built and taken apart in one place."""

import hashlib
from typing import Annotated, NamedTuple, NewType

from pydantic import StringConstraints

SellerId = NewType("SellerId", str)
StoreId = NewType("StoreId", str)
SessionId = NewType("SessionId", str)
#: `platform:store_id:external_id`. Never the display number: two stores share those.
OrderKey = NewType("OrderKey", str)
#: A platform's slug: the name of its folder in ingest, or direct (orders given to us by hand).
PlatformSlug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]{1,30}$")]


class OrderKeyParts(NamedTuple):
    """What an order key is made of."""

    platform: str
    store_id: StoreId
    external_id: str


def order_key(platform: str, store_id: str, external_id: str) -> OrderKey:
    """Build the key under which every topic carries this order. Raises ValueError when a part would be ambiguous."""
    if not platform or not store_id or not external_id or ":" in platform or ":" in store_id:
        raise ValueError("an order key needs a platform and a store id without colons, and an external id")
    return OrderKey(f"{platform}:{store_id}:{external_id}")


def split_order_key(key: str) -> OrderKeyParts:
    """Take an order key apart. Raises ValueError when it is not one."""
    parts = key.split(":", 2)
    if len(parts) != 3 or not all(parts):  # noqa: PLR2004 - platform, store, external id
        raise ValueError("an order key has the form platform:store_id:external_id")
    return OrderKeyParts(parts[0], StoreId(parts[1]), parts[2])


def fact_id(*parts: str) -> str:
    """Return the id of the fact that `parts` name: 32 hex digits, the same for the same parts, always."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part.encode()
        # The length goes in too, so that ("a", "bc") and ("ab", "c") differ.
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
    return digest.hexdigest()
