"""Why a file as a whole is not read, in words for whoever made it, and the limits that it is read within."""

from __future__ import annotations

MEGABYTE = 1024 * 1024
MOST_BYTES = 50 * MEGABYTE
#: Rows that hold anything, without the header.
MOST_ROWS = 200_000
#: Empty ones too: a spreadsheet's largest sheet has 1,048,576.
MOST_ROWS_LOOKED_AT = 1_048_576
MOST_COLUMNS = 256
MOST_CELL_CHARACTERS = 32_767  # what a spreadsheet's cell holds at most
#: A row of a text file, line breaks inside quotes included.
MOST_ROW_CHARACTERS = MEGABYTE
#: The parts of a workbook unpacked: XML is wordy, and packs to a tenth.
MOST_UNPACKED_BYTES = 600 * MEGABYTE
MOST_PARTS = 1_000


class FileRefused(Exception):  # noqa: N818 - the fact
    """The file cannot be read as orders. `code` is stable; the text says what it is, and what to send instead.

    Neither holds anything that stood in the file, but for numbers of rows and columns.
    """

    def __init__(self, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
