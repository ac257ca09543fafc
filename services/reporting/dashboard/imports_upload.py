"""A form with a file, read as it comes: its fields first, then the file in chunks, never whole in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import suppress
from typing import TypeVar

from aiohttp import BodyPartReader, MultipartReader, web

from services.kit.http.problems import Problem, too_large

T = TypeVar("T")

#: What ingest takes, and what a form has around its file.
LARGEST_FORM_BYTES = 52 * 1024 * 1024
#: A browser that says nothing for so long has left.
SILENCE_SECONDS = 30.0
#: 50 MB over a slow line.
LONGEST_SECONDS = 1_800.0
_MOST_DRAINED_BYTES = 256 * 1024 * 1024
_CHUNK = 64 * 1024
_MOST_FIELDS = 10
_FIELD_BYTES = 512
_CUT_OFF = (web.RequestPayloadError, ConnectionError, asyncio.IncompleteReadError)


class FormWithFile:
    """One such form. `fields` are those that stand before the file."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._until = asyncio.get_running_loop().time() + LONGEST_SECONDS
        self._reader: MultipartReader | None = None
        self._file: BodyPartReader | None = None
        self.fields: Mapping[str, str] = {}
        self.file_name = ""

    @property
    def is_too_large(self) -> bool:
        """Whether it says of itself that it is larger than any that is taken."""
        return (self._request.content_length or 0) > LARGEST_FORM_BYTES

    async def open(self) -> None:
        """Read up to the file. Raises a `Problem` when it is no such form, too large, or does not come."""
        if self.is_too_large:
            raise too_large(LARGEST_FORM_BYTES)
        if self._request.content_type != "multipart/form-data":
            raise Problem(400, "form_malformed", "The form cannot be read.")
        fields: dict[str, str] = {}
        try:
            self._reader = await self._request.multipart()
            for _ in range(_MOST_FIELDS):
                part = await self._soon(self._reader.next())
                if not isinstance(part, BodyPartReader):
                    break
                if part.name == "file":
                    self._file, self.file_name = part, part.filename or ""
                    break
                fields[part.name or ""] = (await self._soon(part.read_chunk(_FIELD_BYTES))).decode()
        except TimeoutError:
            raise _slow() from None
        except (ValueError, AssertionError, *_CUT_OFF):
            raise _cut_off() from None
        self.fields = fields

    async def content(self) -> AsyncIterator[bytes]:
        """The file's bytes. Raises a `Problem` when it does not come whole, or is larger than any that is taken."""
        size = 0
        try:
            while self._file is not None and (chunk := await self._soon(self._file.read_chunk(_CHUNK))):
                size += len(chunk)
                if size > LARGEST_FORM_BYTES:
                    raise too_large(LARGEST_FORM_BYTES)
                yield chunk
            if self._reader is not None:
                # Only what follows tells that the file is whole.
                await self._soon(self._reader.next())
        except TimeoutError:
            raise _slow() from None
        except (ValueError, AssertionError, *_CUT_OFF):
            raise _cut_off() from None

    async def drain(self) -> None:
        """Read what is left and forget it: a browser shows an answer only once it has sent everything."""
        left = _MOST_DRAINED_BYTES
        with suppress(TimeoutError, *_CUT_OFF):
            while left > 0 and (chunk := await self._soon(self._request.content.readany())):
                left -= len(chunk)

    async def _soon(self, coming: Awaitable[T]) -> T:
        async with asyncio.timeout_at(min(asyncio.get_running_loop().time() + SILENCE_SECONDS, self._until)):
            return await coming


def _slow() -> Problem:
    return Problem(408, "upload_too_slow", "The file did not come in time.", "Nothing of it is kept. Send it again.")


def _cut_off() -> Problem:
    return Problem(400, "upload_incomplete", "The file did not come whole.", "Nothing of it is kept. Send it again.")
