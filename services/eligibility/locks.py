"""The lock that makes facts and judgements take turns: judging shares it, who changes a fact owns it.

Without it an order could be judged by a fact's old value and begin to wait just after everybody who waited was woken.
Locks are taken in one order everywhere, so that nobody waits in a circle: shards, facts, balances, each sorted.
"""

from __future__ import annotations

from zlib import crc32

#: The first of the two numbers of the advisory locks: nobody else in this database takes it.
FACTS = 0x0E11
_SLOTS = 32
#: What concerns all sellers: the catalog and the stores.
ALL_SELLERS = _SLOTS
#: What was asked to be forgotten: who keeps such a request waits until nobody judges by less.
ERASURES = _SLOTS + 1


def slot_of(seller_id: str) -> int:
    """Return the lock that a seller's facts share with some other sellers'."""
    return crc32(seller_id.encode()) % _SLOTS
