"""Files of orders are kept sealed, piece by piece as they come, and opened again as one: never whole in memory."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import BinaryIO

from services.ingest.imports.ports import Imports
from services.ingest.imports.record import Import
from services.ingest.platforms.direct.files.refusals import MEGABYTE, MOST_BYTES, FileRefused
from services.ingest.platforms.direct.files.sniffing import ENOUGH_BYTES, kind_of
from services.kit.clock import Clock
from services.kit.vault import Vault

PIECE_BYTES = MEGABYTE


class FileGone(Exception):  # noqa: N818 - the fact
    """The file is not kept any more."""


@dataclass(frozen=True, slots=True)
class Received:
    """A file that is kept whole. `digest` is its SHA-256."""

    digest: str
    size: int
    pieces: int


@dataclass(frozen=True, slots=True)
class ImportFiles:
    """Keeps files and opens them."""

    imports: Imports
    vault: Vault
    clock: Clock

    async def keep(self, import_id: str, content: AsyncIterator[bytes]) -> Received:
        """Keep a file while it comes; nothing of it stays when it does not come whole.

        Raises:
            FileRefused: its first bytes say that it is nothing to read, or it is too large.
            TransientError: Postgres is away; send it again.
        """
        kept = False
        try:
            received = await self._kept(import_id, content)
            kept = True
        finally:
            if not kept:
                await self.imports.drop_pieces(import_id)
        return received

    async def has(self, held: Import) -> bool:
        """Whether its file is kept yet. Raises TransientError."""
        # Pieces are forgotten by age, so the first goes first.
        return await self.imports.piece(held.import_id, 0) is not None

    @asynccontextmanager
    async def opened(self, held: Import) -> AsyncIterator[BinaryIO]:
        """The file, in a nameless one on disk. Raises FileGone and TransientError."""
        with tempfile.TemporaryFile(prefix="import-") as file:
            for number in range(held.chunks):
                sealed = await self.imports.piece(held.import_id, number)
                if sealed is None:
                    raise FileGone
                file.write(self.vault.unseal(sealed, context=_context(held.import_id, number)))
            file.seek(0)
            yield file

    async def _kept(self, import_id: str, content: AsyncIterator[bytes]) -> Received:
        digest, size, pieces, waiting, known = hashlib.sha256(), 0, 0, bytearray(), False
        async for part in content:
            digest.update(part)
            size += len(part)
            if size > MOST_BYTES:
                raise FileRefused("too_large", f"The file is larger than {MOST_BYTES // MEGABYTE} MB. Divide it.")
            waiting += part
            if not known and len(waiting) >= ENOUGH_BYTES:
                known = bool(kind_of(bytes(waiting[:ENOUGH_BYTES])))
            while len(waiting) >= PIECE_BYTES:
                await self._keep_piece(import_id, pieces, bytes(waiting[:PIECE_BYTES]))
                pieces += 1
                del waiting[:PIECE_BYTES]
        if not known:
            kind_of(bytes(waiting[:ENOUGH_BYTES]))
        if waiting:
            await self._keep_piece(import_id, pieces, bytes(waiting))
            pieces += 1
        return Received(digest.hexdigest(), size, pieces)

    async def _keep_piece(self, import_id: str, number: int, piece: bytes) -> None:
        sealed = self.vault.seal(piece, context=_context(import_id, number))
        await self.imports.keep_piece(import_id, number, sealed, now=self.clock.now())


def _context(import_id: str, number: int) -> str:
    return f"ingest.import_pieces|{import_id}|{number}"
