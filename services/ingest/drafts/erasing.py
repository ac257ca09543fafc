"""What a buyer wants forgotten is forgotten in drafts too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from schemas.privacy import PrivacyRequested
from schemas.topics import PRIVACY_REQUESTS
from services.ingest.drafts.draft import Drafts
from services.kit.errors import UnreadableMessage
from services.kit.kafka.records import Record
from services.kit.kafka.subscriber import Subscription

#: One group for all ingest processes: whichever hears a request acts on it for all.
GROUP = "ingest.drafts"


@dataclass(frozen=True, slots=True)
class DraftErasing:
    """The handler of privacy requests."""

    drafts: Drafts

    def subscription(self) -> Subscription:
        """Subscribe to the requests."""
        return Subscription(group=GROUP, topics=[PRIVACY_REQUESTS.name], handler=self.handle, payload=PrivacyRequested)

    async def handle(self, records: Sequence[Record]) -> None:
        """Forget drafts of the named stores and about the named orders; a platform's own ids of buyers are in none.

        Raises:
            TransientError: the database is away.
            UnreadableMessage: one of the records can never be read.
        """
        requests = [_read(record.value) for record in records if record.value]
        stores = {each.store_id for each in requests if each.kind == "erase_store" and each.store_id}
        orders = {key for each in requests if each.kind == "erase_buyer" for key in each.order_keys}
        if stores or orders:
            await self.drafts.erase(store_ids=stores, order_keys=orders)


def _read(value: bytes) -> PrivacyRequested:
    try:
        return PrivacyRequested.model_validate_json(value)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)[0]
        raise UnreadableMessage(".".join(map(str, found["loc"])), found["msg"]) from None
