"""The bytes of an uploaded file as they come, raw or as the part `file` of a form; refused when they stop coming."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

from aiohttp import BodyPartReader, MultipartReader, web

from services.kit.http.problems import Problem

T = TypeVar("T")

FORM_TYPE = "multipart/form-data"
#: A sender that says nothing for so long has left.
SILENCE_SECONDS = 30.0
#: 50 MB over a slow line.
LONGEST_SECONDS = 1_800.0
_CHUNK = 64 * 1024
_MOST_PARTS = 20
_CUT_OFF = (web.RequestPayloadError, ConnectionError, asyncio.IncompleteReadError)


class Upload:
    """One upload. `file_name` is what its form calls it, once it began to come."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._until = asyncio.get_running_loop().time() + LONGEST_SECONDS
        self.file_name: str | None = None

    async def content(self) -> AsyncIterator[bytes]:
        """The file's bytes. Raises Problem when there is no file, or it does not come whole."""
        if self._request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Problem(415, "body_encoded", "Send the file without a Content-Encoding.")
        parts = self._form() if self._request.content_type == FORM_TYPE else self._raw()
        try:
            async for part in parts:
                yield part
        except TimeoutError:
            raise Problem(408, "upload_too_slow", "The file did not come in time.", _AGAIN) from None
        except _CUT_OFF:
            raise Problem(400, "upload_incomplete", "The file did not come whole.", _AGAIN) from None

    async def _raw(self) -> AsyncIterator[bytes]:
        while part := await self._soon(self._request.content.readany()):
            yield part

    async def _form(self) -> AsyncIterator[bytes]:
        try:
            reader = await self._request.multipart()
            file = await self._file_of(reader)
            self.file_name = file.filename
            while part := await self._soon(file.read_chunk(_CHUNK)):
                yield part
            # Only what follows tells that the file is whole.
            await self._soon(reader.next())
        except (ValueError, AssertionError) as error:
            # How aiohttp says that a form is malformed, or ends before its parts do.
            raise Problem(400, "upload_incomplete", "The form is malformed, or did not come whole.", _AGAIN) from error

    async def _file_of(self, reader: MultipartReader) -> BodyPartReader:
        for _ in range(_MOST_PARTS):
            part = await self._soon(reader.next())
            if part is None:
                break
            if isinstance(part, BodyPartReader) and (part.filename is not None or part.name == "file"):
                return part
        raise Problem(422, "file_missing", "The form has no file.", 'Send it as the part "file".')

    async def _soon(self, coming: Awaitable[T]) -> T:
        until = min(asyncio.get_running_loop().time() + SILENCE_SECONDS, self._until)
        async with asyncio.timeout_at(until):
            return await coming


_AGAIN = "Nothing of it is kept. Send it again."
