"""Where the reading of a window goes on: a value that one page hands to the next."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import orjson

#: A part of a window with more pages than this, 4,000 orders, is cut: so many take an hour of Amazon's budget, which
#: is as much as an interruption may cost.
MOST_PAGES = 40
#: After a part with at most so few pages the next one is twice as long.
FEW_PAGES = 10
#: A part that is cut becomes this much shorter, but never shorter than so many seconds.
CUT_INTO = 4
SHORTEST_PART = 60


@dataclass(frozen=True, slots=True)
class Place:
    """The page to ask for. Times are whole seconds of Amazon's clock, and both bounds belong to the part.

    `begin` and `until` bound the part of the window that is being read, and `end` the window. Where it is `open`, its
    last part is asked for without `until`, for Amazon to say how far it looks. `token` asks for a further page of the
    part, after `pages` of them. `told` is the least bound that Amazon said it looked up to. `shown` are the revisions
    on the page before, and `again` tells that a token of this part was refused once.
    """

    begin: int
    until: int
    end: int
    open: bool = False
    told: int | None = None
    token: str | None = None
    pages: int = 0
    shown: tuple[str, ...] = ()
    again: bool = False

    def text(self) -> str:
        """Return it as the opaque text that a page hands out."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read what `text` wrote."""
        held = orjson.loads(text)
        return cls(**held | {"shown": tuple(held["shown"])})

    @property
    def before(self) -> int | None:
        """The upper bound to ask for; None leaves it to Amazon."""
        return None if self.open and self.until == self.end else self.until

    @property
    def read_to(self) -> int:
        """The second up to which the part is read once it is read to its end."""
        return self.until if self.told is None else self.told

    def limited_to(self, told: int | None) -> Place:
        """Return the place after an answer that looked up to `told` (None: it did not say)."""
        if told is None:
            return self
        return replace(self, told=told if self.told is None else min(told, self.told))

    def from_its_start(self) -> Place:
        """Return the first page of the same part, after its token was refused."""
        return replace(self, token=None, pages=0, shown=(), again=True)

    def next_page(self, token: str, *, shown: tuple[str, ...]) -> Place:
        """Return where the next page is, or, when the part turns out too large, the beginning of a smaller one."""
        seconds = self.until - self.begin
        if self.pages + 1 < MOST_PAGES or seconds <= SHORTEST_PART:
            return replace(self, token=token, pages=self.pages + 1, shown=shown)
        return Place(self.begin, self.begin + max(seconds // CUT_INTO, SHORTEST_PART), self.end, open=self.open)

    def next_part(self) -> Place | None:
        """Return the part after the one just read; None after the last, or where Amazon stopped short of its bound."""
        if self.until >= self.end or self.read_to < self.until:
            return None
        seconds = (self.until - self.begin) * (2 if self.pages < FEW_PAGES else 1)
        return Place(self.until, min(self.until + seconds, self.end), self.end, open=self.open)
