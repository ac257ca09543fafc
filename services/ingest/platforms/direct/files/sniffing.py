"""Tells by its first bytes what a file is: names and media types are often wrong."""

from __future__ import annotations

from typing import Literal

from services.ingest.platforms.direct.files.refusals import FileRefused

Kind = Literal["text", "xlsx"]
#: So many bytes tell.
ENOUGH_BYTES = 4096

_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_SEND = "Send a CSV file or an Excel workbook (.xlsx)."
#: How files begin that are not orders: what they are, and what to do instead.
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (
        b"\xd0\xcf\x11\xe0",
        "old_workbook",
        "This is a workbook of before Excel 2007, or one with a password. Save it as .xlsx.",
    ),
    (b"%PDF", "not_a_table", f"This is a PDF. {_SEND}"),
    (b"\x89PNG", "not_a_table", f"This is a picture. {_SEND}"),
    (b"\xff\xd8\xff", "not_a_table", f"This is a picture. {_SEND}"),
    (b"GIF8", "not_a_table", f"This is a picture. {_SEND}"),
    (b"RIFF", "not_a_table", f"This is a picture or a recording. {_SEND}"),
    (b"\x1f\x8b", "packed", "This is a packed file (gzip). Unpack it and send what is inside."),
    (b"Rar!", "packed", "This is a packed file (RAR). Unpack it and send what is inside."),
    (b"7z\xbc\xaf", "packed", "This is a packed file (7z). Unpack it and send what is inside."),
    (b"{\\rtf", "not_a_table", f"This is a text document (RTF). {_SEND}"),
    (b"\x7fELF", "not_a_table", f"This is a program. {_SEND}"),
    (b"MZ\x90", "not_a_table", f"This is a program. {_SEND}"),
)
_PAGES = (b"<!doctype", b"<html", b"<?xml", b"<table")


def kind_of(head: bytes) -> Kind:
    """Return what the file is, by at most its first `ENOUGH_BYTES`. Raises FileRefused for everything else."""
    if not head.strip():
        raise FileRefused("empty", "The file is empty.")
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    if head.startswith(b"PK"):
        raise FileRefused("packed", "This is an empty or split zip file. Send a CSV file or an Excel workbook (.xlsx).")
    for beginning, code, sentence in _OTHERS:
        if head.startswith(beginning):
            raise FileRefused(code, sentence)
    if head.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(_PAGES):
        raise FileRefused("not_a_table", "This is a web page or XML, perhaps a login page. Download the file again.")
    if not head.startswith(_UTF16) and _is_binary(head):
        raise FileRefused("not_a_table", f"This is not a text file. {_SEND}")
    return "text"


def _is_binary(head: bytes) -> bool:
    """Whether it holds control characters that no text has; the zeros of UTF-16 stand in every other place."""
    even, odd = head[::2], head[1::2]
    if len(head) > 1 and min(even.count(0) / len(even), odd.count(0) / len(odd)) < _FEW:
        head = bytes(byte for byte in head if byte)
    return sum(byte in _CONTROLS for byte in head) / max(len(head), 1) > _FEW


_CONTROLS = frozenset(range(32)) - {7, 8, 9, 10, 11, 12, 13, 26, 27}
_FEW = 0.01
