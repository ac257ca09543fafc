"""Which encoding a text file has, by a stated rule, and its lines within a limit.

The rule: a byte order mark decides. Else zeros in every other place are UTF-16. Else what is valid UTF-8 throughout is
UTF-8. Else it is an old Windows encoding: 1258 (Vietnamese) where tone marks stand after vowels and nowhere else, and
more than once; otherwise 1252. A file that is UTF-8 but for some places, or that holds bytes which neither Windows
encoding has, is refused with the line, because any guess would garble names.
"""

from __future__ import annotations

import codecs
import io
import re
import unicodedata
from collections.abc import Iterator
from typing import BinaryIO, Literal, cast

from services.ingest.platforms.direct.files.refusals import MEGABYTE, MOST_ROW_CHARACTERS, FileRefused

Encoding = Literal["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "cp1258"]

_CHUNK = 256 * 1024
_HEAD = 4096
_MOSTLY = 0.3
_ENOUGH_TONES = 2
#: Windows-1258: grave, hook above, tilde, acute and dot below stand as bytes of their own after their vowel.
_TONES = b"\xcc\xd2\xde\xec\xf2"
_VOWELS = b"aeiouyAEIOUY\xe2\xc2\xe3\xc3\xea\xca\xf4\xd4\xf5\xd5\xfd\xdd"
_TONE = re.compile(b"(?s)(.)[" + re.escape(_TONES) + b"]")
_MULTIBYTE = re.compile(rb"[\xc3-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_NOT_IN_1252 = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")


def encoding_of(file: BinaryIO) -> Encoding:
    """Return the file's encoding; it is read to its end and left at its beginning. Raises FileRefused."""
    file.seek(0)
    head = file.read(_HEAD)
    file.seek(0)
    if head.startswith(codecs.BOM_UTF8):
        _must_decode(file, "utf-8")
        return "utf-8-sig"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        _must_decode(file, "utf-16")
        return "utf-16"
    if guessed := _utf16_without_mark(head):
        _must_decode(file, guessed)
        return guessed
    return "utf-8" if _decodes(file, "utf-8") else _windows(file)


def lines_of(file: BinaryIO, encoding: Encoding) -> Iterator[str]:
    """The lines with their ends, composed (NFC), from the beginning. Raises FileRefused when one is too long."""
    file.seek(0)
    text = io.TextIOWrapper(cast("BinaryIO", _View(file)), encoding=encoding, newline="")
    while line := text.readline(MOST_ROW_CHARACTERS + 1):
        if len(line) > MOST_ROW_CHARACTERS:
            raise FileRefused("row_too_long", "A line is longer than a million characters; this is no table of orders.")
        yield line if line.isascii() else unicodedata.normalize("NFC", line)


class _View(io.BufferedIOBase):
    """A file that is not closed when its reader is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1, /) -> bytes:
        return self._file.read(size)


def _utf16_without_mark(head: bytes) -> Encoding | None:
    even, odd = head[::2], head[1::2]
    if not odd:
        return None
    if odd.count(0) / len(odd) > _MOSTLY > even.count(0) / len(even):
        return "utf-16-le"
    if even.count(0) / len(even) > _MOSTLY > odd.count(0) / len(odd):
        return "utf-16-be"
    return None


def _decodes(file: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    try:
        while chunk := file.read(_CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        file.seek(0)
    return True


def _must_decode(file: BinaryIO, encoding: str) -> None:
    if not _decodes(file, encoding):
        name = encoding.upper().removesuffix("-LE").removesuffix("-BE")
        raise FileRefused("wrong_encoding", f"The file says that it is {name}, and is not. Save it again as CSV UTF-8.")


def _windows(file: BinaryIO) -> Encoding:
    """Which Windows encoding a file that is not UTF-8 has."""
    after_vowels = elsewhere = multibyte = high = line = 0
    undefined: int | None = None
    while chunk := file.read(MEGABYTE):
        if undefined is None and (found := _NOT_IN_1252.search(chunk)):
            undefined = line + chunk.count(b"\n", 0, found.start()) + 1
        line += chunk.count(b"\n")
        for match in _TONE.finditer(chunk):
            if match[1] in _VOWELS:
                after_vowels += 1
            else:
                elsewhere += 1
        multibyte += sum(len(found) for found in _MULTIBYTE.findall(chunk))
        high += len(chunk) - len(chunk.translate(None, _HIGH))
    file.seek(0)
    if multibyte > high / 2:
        raise FileRefused(
            "wrong_encoding", "Parts of the file are UTF-8 and others are not, so names would be garbled. Save it anew."
        )
    if undefined is not None:
        raise FileRefused(
            "wrong_encoding", f"Line {undefined} has characters of an unknown encoding. Save the file as CSV UTF-8."
        )
    is_1258 = after_vowels >= _ENOUGH_TONES and not elsewhere and _decodes(file, "cp1258")
    return "cp1258" if is_1258 else "cp1252"


_HIGH = bytes(range(128, 256))
