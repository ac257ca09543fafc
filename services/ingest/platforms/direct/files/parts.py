"""The parts of an Excel workbook: a zip file of XML, checked before it is unpacked, and parsed in pieces."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO
from xml.parsers import expat

from services.ingest.platforms.direct.files.refusals import MEGABYTE, MOST_PARTS, MOST_UNPACKED_BYTES, FileRefused

_CHUNK = 128 * 1024
#: A part that unpacks to more than this, and to a hundred and fifty times its size, is no sheet that a person made.
_SUSPECT_BYTES = 16 * MEGABYTE
_SUSPECT_RATIO = 150


def open_archive(file: BinaryIO) -> zipfile.ZipFile:
    """Return the zip file if it is a workbook that may be read. Raises FileRefused."""
    with translated():
        archive = zipfile.ZipFile(file)
    _refuse_suspicious(archive)
    return archive


def parsed(
    archive: zipfile.ZipFile,
    part: str,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], None] | None = None,
    text: Callable[[str], None] | None = None,
) -> Iterator[None]:
    """Feed a part's elements to the callbacks, and come back after every piece of it. Raises FileRefused."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    # No spreadsheet declares a document type; attacks by entities begin with one.
    parser.StartDoctypeDeclHandler = _refuse_doctype
    with translated():
        file = archive.open(part)
    with file:
        while True:
            with translated():
                chunk = file.read(_CHUNK)
                parser.Parse(chunk, not chunk)
            yield
            if not chunk:
                return


def _refuse_doctype(*_: object) -> None:
    raise damaged()


@contextmanager
def translated() -> Iterator[None]:
    """What unpacking and parsing raise, as FileRefused."""
    try:
        yield
    except (
        zipfile.BadZipFile,
        zipfile.LargeZipFile,
        zlib.error,
        expat.ExpatError,
        EOFError,
        KeyError,
        OSError,
    ) as error:
        raise damaged() from error
    except (NotImplementedError, RuntimeError, ValueError, OverflowError) as error:
        # What zipfile raises for methods and flags that no spreadsheet program writes.
        raise damaged() from error


def damaged() -> FileRefused:
    """The refusal of what no spreadsheet program writes."""
    return FileRefused("damaged", "The workbook is damaged. Open it in a spreadsheet program and save it again.")


def local(name: str) -> str:
    """The name without its prefix."""
    return name.rpartition(":")[2]


def number(value: str | int | None) -> int:
    """An attribute as a whole number. Raises FileRefused."""
    try:
        return int(value or 0)
    except ValueError:
        raise damaged() from None


def _refuse_suspicious(archive: zipfile.ZipFile) -> None:
    parts = archive.infolist()
    names = {part.filename for part in parts}
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise FileRefused("macros", "The workbook has macros. Save it as .xlsx (without macros) and send that.")
    if "xl/workbook.bin" in names:
        raise FileRefused("old_workbook", "This is a binary workbook (.xlsb). Save it as .xlsx.")
    if "xl/workbook.xml" not in names:
        raise FileRefused("packed", "This is a zip file, not a workbook. Unpack it and send what is inside.")
    if any(part.flag_bits & 1 for part in parts):
        raise FileRefused("packed", "The workbook has a password. Save it without one.")
    unpacked = sum(part.file_size for part in parts)
    bombs = (
        part.file_size > _SUSPECT_BYTES and part.file_size > _SUSPECT_RATIO * max(part.compress_size, 1)
        for part in parts
    )
    if len(parts) > MOST_PARTS or unpacked > MOST_UNPACKED_BYTES or any(bombs):
        raise FileRefused("unpacks_too_large", "The workbook is far larger unpacked than a table of orders can be.")
