"""Fetches the files of Amazon Custom while their links are good, within bounds of size, time and number of entries."""

from __future__ import annotations

import asyncio
import io
import re
import struct
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urljoin, urlsplit

import structlog

from schemas.order import Way
from services.ingest.contract.connector import Tools
from services.ingest.contract.reading import UnreadablePayload
from services.ingest.parsing import answer_object
from services.ingest.platforms.amazon.custom import Customization, Customizations, link_of, read_customization
from services.ingest.platforms.amazon.payloads import AmazonLine, AmazonOrder
from services.ingest.platforms.amazon.settings import AmazonSettings
from services.kit.errors import TransientError
from services.kit.http.client import HttpAnswer, OversizedAnswer, RefusedAddress

log = structlog.get_logger(__name__)

#: Bytes: of a JSON file once unpacked, and of a ZIP's table of contents (some 3,000 entries).
LARGEST_JSON = 2_000_000
LARGEST_CONTENTS = 256 * 1024
MOST_ENTRIES = 500
#: JSON files in one ZIP that are looked at: Amazon puts one there.
_MOST_DOCUMENTS = 5
SECONDS_A_FILE = 20.0
MOST_REDIRECTS = 3
#: Each holds a whole file, whose size the HTTP client bounds.
AT_ONCE = 3
#: Seconds before each try.
_PAUSES = (0.0, 0.5, 2.0, 4.0)
#: Once so many files of one reading failed, the rest waits for the next reading: orders must not wait for pictures.
MOST_FAILURES = 3
#: How long, and how many, files are remembered: an order is read again within minutes, and its links change each time.
_REMEMBERED, _KEPT = timedelta(hours=1), 2000

_OK, _REDIRECTS, _OVER = 200, frozenset({301, 302, 303, 307, 308}), frozenset({403, 404, 410})
_WANTED = frozenset({"PENDING_AVAILABILITY", "PENDING", "UNSHIPPED", "PARTIALLY_SHIPPED", "SHIPPED"})
_ENDED = "SHIPPED"
_BY_AMAZON = "AMAZON"
_END, _END_SIZE = b"PK\x05\x06", 22
_LONGEST_COMMENT = 65_535
_AMAZONS = re.compile(
    r"(?:[a-z0-9-]+\.)*(?:amazon\.(?:com|ca|com\.mx|com\.br|co\.uk|de|fr|it|es|nl|se|pl|com\.be|ie|com\.tr|ae|sa|in|co\.jp"
    r"|com\.au|sg|eg|co\.za)|media-amazon\.com|ssl-images-amazon\.com)"
)
#: Where Amazon may send on to; anybody can have a bucket there, so no order's link may lead there by itself.
_STORAGE = re.compile(r"(?:[a-z0-9.-]+\.)?s3[a-z0-9.-]*\.amazonaws\.com")
_LINKED, _SENT_ON_TO = frozenset({_AMAZONS}), frozenset({_AMAZONS, _STORAGE})


class CustomFiles:
    """The files of all sellers' items."""

    def __init__(self, settings: AmazonSettings, tools: Tools) -> None:
        self._anywhere = settings.allow_private_addresses
        self._stand_in = urlsplit(settings.platform_url_amazon).hostname
        self._http = tools.http
        self._clock = tools.clock
        self._seats = asyncio.Semaphore(AT_ONCE)
        self._kept: OrderedDict[tuple[str, str], tuple[datetime, Customization]] = OrderedDict()

    async def of(self, orders: Iterable[AmazonOrder], *, way: Way) -> Mapping[str, Customizations]:
        """Return what was asked for, by order and item, where an order has such files and may need them."""
        wanted = [(order, line, url) for order in orders if _is_wanted(order, way) for line, url in _links(order)]
        if not wanted:
            return {}
        failures: list[str] = []
        read = await asyncio.gather(*(self._one(order.order_id, line, url, failures) for order, line, url in wanted))
        found: dict[str, dict[str, Customization | None]] = {}
        for (order, line, _), customization in zip(wanted, read, strict=True):
            found.setdefault(order.order_id, {})[line.order_item_id] = customization
        return found

    async def _one(self, order_id: str, line: AmazonLine, url: str, failures: list[str]) -> Customization | None:
        place = (order_id, line.order_item_id)
        if (known := self._remembered(place)) is not None:
            return known
        async with self._seats:
            if len(failures) >= MOST_FAILURES:
                return None
            try:
                packed = await self._fetch(url)
                found = await asyncio.to_thread(_unpacked, packed, item_id=line.order_item_id)
            except (TransientError, UnreadablePayload) as error:
                # Neither names the link, which opens the file, nor anything that was in it.
                log.warning("amazon.custom_file_unread", order=order_id, item=line.order_item_id, problem=str(error))
                if isinstance(error, TransientError):
                    failures.append(order_id)
                return None
        self._remember(place, found)
        return found

    def _remembered(self, place: tuple[str, str]) -> Customization | None:
        until, found = self._kept.get(place, (None, None))
        return found if until is not None and self._clock.now() < until else None

    def _remember(self, place: tuple[str, str], found: Customization) -> None:
        self._kept[place] = (self._clock.now() + _REMEMBERED, found)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    async def _fetch(self, url: str) -> bytes:
        """Return the ZIP's bytes; a failure that may pass is tried again a few times."""
        problem = TransientError("the file was not asked for")
        for pause in _PAUSES:
            if pause:
                await self._clock.sleep(pause)
            try:
                answer = await self._follow(url)
            except TransientError as error:
                problem = error
                continue
            if answer.status == _OK and answer.body.startswith(b"PK"):
                return answer.body
            if answer.status in _OVER:
                raise UnreadablePayload("customizedUrl", f"the link is over: {answer.status}")
            problem = TransientError(f"the file's server answered {answer.status} without a file")
        raise problem

    async def _follow(self, url: str) -> HttpAnswer:
        """Return the answer behind at most a few redirects, none of which leads away from Amazon."""
        own = _LINKED
        for _ in range(MOST_REDIRECTS + 1):
            if not self._may_go(url, own):
                raise UnreadablePayload("customizedUrl", "the link leads away from Amazon")
            try:
                answer = await self._http.request("GET", url, timeout=SECONDS_A_FILE)
            except (OversizedAnswer, RefusedAddress):
                raise UnreadablePayload("customizedUrl", "the file is too large, or not at a public address") from None
            target = answer.headers.get("location")
            if answer.status not in _REDIRECTS or not target:
                return answer
            url, own = urljoin(url, target), _SENT_ON_TO
        raise UnreadablePayload("customizedUrl", "too many redirects")

    def _may_go(self, url: str, own: frozenset[re.Pattern[str]]) -> bool:
        try:
            parts = urlsplit(url)
            host = parts.hostname
        except ValueError:
            return False
        if not host or parts.username is not None:
            return False
        if self._anywhere or host == self._stand_in:
            return True
        return parts.scheme == "https" and any(hosts.fullmatch(host) for hosts in own)


def _links(order: AmazonOrder) -> Iterable[tuple[AmazonLine, str]]:
    return ((line, url) for line in order.order_items if (url := link_of(line)))


def _is_wanted(order: AmazonOrder, way: Way) -> bool:
    """Tell whether anybody needs the files: of what Amazon sends or what ended long ago nobody does."""
    status = order.fulfillment.fulfillment_status
    if order.fulfillment.fulfilled_by == _BY_AMAZON or status not in _WANTED:
        return False
    return way != "backfill" or status != _ENDED


def _unpacked(packed: bytes, *, item_id: str) -> Customization:
    """Return what the ZIP's JSON file says of the item. Raises UnreadablePayload."""
    _check_contents(packed)
    try:
        with zipfile.ZipFile(io.BytesIO(packed)) as archive:
            if len(archive.namelist()) > MOST_ENTRIES:
                raise UnreadablePayload("file", "more entries than a customization has")
            names = [name for name in archive.namelist() if name.lower().endswith(".json")][:_MOST_DOCUMENTS]
            documents = [_document(archive, name) for name in names]
    # What a damaged, encrypted or strangely packed ZIP raises.
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError, ValueError):
        raise UnreadablePayload("file", "not a ZIP that can be read") from None
    for document in documents:
        if document.get("orderItemId") in (None, "", item_id):
            return read_customization(document)
    raise UnreadablePayload("file", "no JSON file about this item")


def _document(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    """Return one JSON file; what it says of its size is not believed."""
    with archive.open(name) as entry:
        content = entry.read(LARGEST_JSON + 1)
    if len(content) > LARGEST_JSON:
        raise UnreadablePayload("file", "a JSON file larger than a customization is")
    return answer_object(content)


def _check_contents(packed: bytes) -> None:
    """Refuse a table of contents that would take long to read. Raises UnreadablePayload."""
    end = packed.rfind(_END, -_END_SIZE - _LONGEST_COMMENT)
    if end < 0 or len(packed) < end + _END_SIZE:
        raise UnreadablePayload("file", "not a ZIP that can be read")
    (size,) = struct.unpack_from("<L", packed, end + 12)
    if size > LARGEST_CONTENTS:
        raise UnreadablePayload("file", "more entries than a customization has")
