"""What a frame, a request or a file's name says about the market that a recording is of.

Each venue's folder has a `signs.py` with its facts; `registry.py` names it in the rows of the venue's markets. Markets
are named as in the registry, and an empty name means that nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class BareName(NamedTuple):
    """What a bare frame says by itself: the kind of its event and the venue's name of the instrument, or nothing."""

    event: bytes
    native: bytes


class BookIds(NamedTuple):
    """The ids that a bare change of a book covers, and whose book it is."""

    market: str
    native: str
    first: int
    last: int


class BareForms(Protocol):
    """The forms of a venue whose frames and books may stand in a recording without an envelope that names it.

    `words` are those of file names, by market; `assumed` is the market where nothing says one; `top_levels` are the
    levels of the streams that push whole tops of books without an instrument's name, rising.
    """

    words: Mapping[str, str]
    assumed: str
    top_levels: Sequence[int]

    def is_frame(self, payload: bytes) -> bool:
        """Whether a frame without any sign of a market has the venue's form."""
        ...

    def suggested(self, payload: bytes) -> str:
        """The market that a frame without a sign makes likely."""
        ...

    def named(self, part: bytes) -> BareName:
        """What a frame, or its beginning, names."""
        ...

    def market_of(self, native: str) -> str:
        """The market of an instrument whose name says it."""
        ...

    def native_in(self, text: str) -> str:
        """The venue's name of the instrument that stands in a file's or a folder's name, empty without one."""
        ...

    def book_ids(self, payload: bytes) -> BookIds | None:
        """The ids of a change of a book, None for any other frame."""
        ...

    def top_frame(self, native: str, levels: int, book: bytes) -> bytes:
        """A whole top without a name as the frame that its stream pushes."""
        ...

    def book_request(self, native: str, levels: int) -> tuple[str, Mapping[str, str]]:
        """Path and parameters of the request that a book is the answer to."""
        ...


@dataclass(frozen=True, eq=False)
class VenueSigns:
    """How the markets of one venue are recognised.

    `hosts`: by market, the hosts that its addresses have; with the start of the path, or with what is asked, where only
    these tell markets apart. `of_frame` answers the market that a frame has a sign of. `paths`: the starts of request
    paths that say a market by themselves. `alike`: markets whose frames have nothing that another market's could not
    have as well: their sign only says the venue, and `words` of file names may say the other market. `labels`: what
    recorders call a venue or a market in the heads and names of their files. `elsewhere`: what an address asks for (in
    small letters) when the answers are of practice accounts. `relatives`: words in the hosts of its other networks and
    of exchanges that have its protocol. `bare`: only of a venue whose frames have
    no envelope; it is asked after all others.
    """

    hosts: Mapping[str, Sequence[str]]
    of_frame: Callable[[bytes], str]
    paths: Mapping[str, str] = field(default_factory=dict)
    alike: frozenset[str] = frozenset()
    words: Mapping[str, str] = field(default_factory=dict)
    labels: frozenset[str] = frozenset()
    bare: BareForms | None = None
    elsewhere: frozenset[str] = frozenset()
    relatives: frozenset[str] = frozenset()
