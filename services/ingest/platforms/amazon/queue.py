"""Reads Amazon's ORDER_CHANGE notifications from an SQS queue.

SQS gives messages at least once and in no order, so a message only names an order to read again: reading it twice
changes nothing, and neither ids of messages nor their times need to be compared. Nothing signs a message: who may put
one into the queue is the queue's own policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError

from services.ingest.contract.reading import Unreadable, UnreadablePayload
from services.ingest.contract.webhooks import Hint, MisreadHint
from services.ingest.parsing import json_object, parsed
from services.ingest.platforms.amazon.payloads import AmazonNotice
from services.ingest.platforms.amazon.settings import AmazonSettings
from services.ingest.platforms.amazon.subscriptions import ORDER_CHANGE
from services.kit.errors import TransientError

#: SQS's longest wait, and the most messages it gives or deletes at once.
WAIT_SECONDS = 20
BATCH = 10
#: How long others do not see what we took, in seconds: until then it is read and done, or it comes again.
HIDDEN_SECONDS = 300
_AFTER_FAILURE = 30.0
#: Separates the receipts of several messages about one order; no receipt holds it.
_AND = "\n"
_ONE_TRY = {"total_max_attempts": 1}


class AmazonQueue:
    """The queue, as a `Listener`. `wait` is how many seconds to wait for messages."""

    def __init__(self, settings: AmazonSettings, *, wait: int = WAIT_SECONDS) -> None:
        self._settings = settings
        self._wait = wait
        self._open = AsyncExitStack()
        self._client: Any = None
        #: Receipts of messages about something else than orders: they leave the queue when the next ones are asked for.
        self._read: list[str] = []

    async def receive(self) -> tuple[Hint | MisreadHint, ...]:
        """Return which orders to read again, each once, and messages that cannot be read."""
        await self._delete(self._read)
        self._read = []
        answer = await self._call(
            "receive_message",
            MaxNumberOfMessages=BATCH,
            WaitTimeSeconds=self._wait,
            VisibilityTimeout=HIDDEN_SECONDS,
        )
        found: dict[tuple[str, str], list[str]] = {}
        misread: list[MisreadHint] = []
        for message in answer.get("Messages", ()):
            receipt = str(message["ReceiptHandle"])
            try:
                named = order_named(str(message.get("Body", "")))
            except UnreadablePayload as error:
                unreadable = Unreadable(None, error.path, error.problem, str(message.get("Body", "")))
                misread.append(MisreadHint(unreadable, receipt))
                continue
            if named is None:
                self._read.append(receipt)
            else:
                found.setdefault(named, []).append(receipt)
        hints = [Hint(seller, order, _AND.join(receipts)) for (seller, order), receipts in found.items()]
        return (*hints, *misread)

    async def done(self, receipts: tuple[str, ...]) -> None:
        """Delete the messages."""
        await self._delete([receipt for several in receipts for receipt in several.split(_AND)])

    async def close(self) -> None:
        """Close the connections."""
        self._client = None
        await self._open.aclose()

    async def _delete(self, receipts: Sequence[str]) -> None:
        for batch in _batches(receipts):
            entries = [{"Id": str(place), "ReceiptHandle": receipt} for place, receipt in enumerate(batch)]
            # What SQS fails to delete comes again, and is read again.
            await self._call("delete_message_batch", Entries=entries)

    async def _call(self, operation: str, **arguments: Any) -> dict[str, Any]:
        try:
            client = await self._opened()
            answer: dict[str, Any] = await getattr(client, operation)(
                QueueUrl=self._settings.amazon_sqs_queue_url, **arguments
            )
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))[:64]
            raise TransientError(
                f"The queue refuses {operation} ({code}): check AMAZON_SQS_QUEUE_URL and the AWS key.",
                retry_after=_AFTER_FAILURE,
            ) from error
        except (BotoCoreError, OSError, TimeoutError) as error:
            raise TransientError(f"The queue is away: {type(error).__name__}", retry_after=_AFTER_FAILURE) from error
        return answer

    async def _opened(self) -> Any:
        if self._client is None:
            settings = self._settings
            self._client = await self._open.enter_async_context(
                get_session().create_client(
                    "sqs",
                    region_name=settings.amazon_sqs_region,
                    endpoint_url=settings.amazon_sqs_endpoint or None,
                    aws_access_key_id=settings.amazon_aws_access_key_id.get_secret_value() or None,
                    aws_secret_access_key=settings.amazon_aws_secret_access_key.get_secret_value() or None,
                    config=AioConfig(connect_timeout=5, read_timeout=self._wait + 10, retries=_ONE_TRY),
                )
            )
        return self._client


def order_named(body: str) -> tuple[str, str] | None:
    """Return seller and order that a message names; None when it is about something else. Raises UnreadablePayload."""
    message = json_object(body.encode())
    if message.get("NotificationType") != ORDER_CHANGE:
        return None
    change = parsed(AmazonNotice, message).payload.change
    return change.seller_id, change.order_id


def _batches(receipts: Sequence[str]) -> Iterable[Sequence[str]]:
    return (receipts[start : start + BATCH] for start in range(0, len(receipts), BATCH))
