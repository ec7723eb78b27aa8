"""OrderBook: the levels of one instrument, changed by the venue's own steps, never crossed while valid.

Levels keep the venue's text, so that what is published is what the venue said; they are ordered by its value. A price
as a double is unique up to 15 significant digits, and no venue quotes more.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

from marketprism_domain.errors import InvalidValue

Level = Sequence[str]  # price, quantity, and whatever the venue adds
MAX_PRICE = 1e18
MAX_QUANTITY = 1e20  # more than that has no room in the tables
_NEW: Level = ()
_MOST_GONE = 256


class BookSide:
    """One side.

    `keys` are prices, negative for asks, and rise towards the best price: near the top, where nearly all changes are,
    an insertion moves few of them. A level that is removed leaves its key, since most prices come back at once; the
    last key is always that of a level.
    """

    __slots__ = ("_gone", "_levels", "_sign", "keys")

    def __init__(self, sign: float) -> None:
        self._sign = sign  # 1 for bids, -1 for asks
        self.keys: list[float] = []
        self._levels: dict[float, Level | None] = {}  # None: removed
        self._gone = 0

    def __len__(self) -> int:
        return len(self.keys) - self._gone

    def load(self, levels: Iterable[Level]) -> None:
        """These levels and no others."""
        sign = self._sign
        last = {float(level[0]) * sign: level for level in levels}
        self._levels = {key: level for key, level in last.items() if _quantity(level) != 0}
        self.keys = sorted(self._levels)
        self._gone = 0
        if self.keys and not -MAX_PRICE < self.keys[0] <= self.keys[-1] < MAX_PRICE:
            raise InvalidValue("price", "a number of a market", str(self._levels))

    def apply(self, levels: Iterable[Level]) -> None:
        """Set each level; a quantity of 0 removes it, also one that is not there.

        Raises:
            InvalidValue: a price or a quantity is no number; the levels before it are set.
        """
        sign, keys, held, gone = self._sign, self.keys, self._levels, self._gone
        find = held.get
        try:
            for level in levels:
                key = float(level[0]) * sign
                quantity = float(level[1])
                if 0 < quantity < MAX_QUANTITY:
                    before = find(key, _NEW)
                    if not before:
                        if before is None:
                            gone -= 1
                        elif -MAX_PRICE < key < MAX_PRICE:
                            insort(keys, key)
                        else:
                            raise InvalidValue("price", "a number of a market", level[0])
                    held[key] = level
                elif not quantity and find(key):
                    held[key] = None
                    gone += 1
                elif quantity or not -MAX_PRICE < key < MAX_PRICE:
                    raise InvalidValue("level", "a price and a quantity of a market", level)
        except (ValueError, IndexError, TypeError) as error:
            raise InvalidValue("level", "a price and a quantity", level) from error
        finally:
            while keys and held[keys[-1]] is None:
                del held[keys.pop()]
                gone -= 1
            self._gone = gone
        if gone > _MOST_GONE and gone > len(keys) // 2:
            self._sweep()

    def _sweep(self) -> None:
        self._levels = {key: level for key, level in self._levels.items() if level is not None}
        self.keys = sorted(self._levels)
        self._gone = 0

    def best(self) -> Level | None:
        """The best level, None on an empty side."""
        return self._levels[self.keys[-1]] if self.keys else None

    def best_price(self) -> float | None:
        """Best price as a double, for comparisons."""
        return self.keys[-1] * self._sign if self.keys else None

    def top(self, count: int | None = None, bound: float | None = None) -> list[Level]:
        """At most `count` levels, best first, none beyond the price `bound`."""
        keys, held = self.keys, self._levels
        start = 0 if bound is None else bisect_left(keys, bound * self._sign)
        if count is not None:
            start = max(start, len(keys) - count - self._gone)
        found = [level for key in keys[start:] if (level := held[key]) is not None]
        found.reverse()
        return found if count is None else found[:count]

    def get(self, price: str) -> Level | None:
        """The level at a price."""
        return self._levels.get(float(price) * self._sign)

    def worst(self) -> Level | None:
        """Level furthest from the top."""
        return next((level for key in self.keys if (level := self._levels[key]) is not None), None)

    def known(self, bound: float | None, enough: int) -> int:
        """How many levels lie within the price `bound`; some number of `enough` or more where there are so many."""
        if bound is None:
            return len(self)
        start = bisect_left(self.keys, bound * self._sign)
        at_least = len(self.keys) - start - self._gone
        return at_least if at_least >= enough else sum(self._levels[key] is not None for key in self.keys[start:])


class OrderBook:
    """Both sides, the id they stand at, and how far they are known.

    A snapshot that the venue cut off at N levels says nothing about what lies behind the last of them: `bid_floor` and
    `ask_ceiling` are those last prices, None where nothing was cut off. A stream that keeps a `window` of N levels
    moves them: it takes away what leaves the window and brings what enters it, so the last level held is the edge.
    """

    __slots__ = ("_ceiling", "_floor", "asks", "bids", "last_id", "window")

    def __init__(self) -> None:
        self.bids = BookSide(1.0)
        self.asks = BookSide(-1.0)
        self.last_id = 0
        self.window: int | None = None
        self._floor: str | None = None
        self._ceiling: str | None = None

    def load(
        self,
        bids: Sequence[Level],
        asks: Sequence[Level],
        last_id: int,
        *,
        cut_at: int | None,
        window: int | None = None,
    ) -> None:
        """Replace the book; a side with `cut_at` levels or more was cut off there."""
        self.bids.load(bids)
        self.asks.load(asks)
        self.last_id = last_id
        self.window = window
        self._floor = _edge(self.bids, len(bids), cut_at)
        self._ceiling = _edge(self.asks, len(asks), cut_at)

    @property
    def bid_floor(self) -> str | None:
        """Price of the last bid that is known, None where all are."""
        return self._floor if self.window is None else _edge(self.bids, len(self.bids), self.window)

    @property
    def ask_ceiling(self) -> str | None:
        """Price of the last ask that is known, None where all are."""
        return self._ceiling if self.window is None else _edge(self.asks, len(self.asks), self.window)

    def apply(self, bids: Iterable[Level], asks: Iterable[Level], last_id: int) -> None:
        """Apply one step of the venue to both sides and make `last_id` the book's."""
        self.bids.apply(bids)
        self.asks.apply(asks)
        self.last_id = last_id

    @property
    def crossed(self) -> bool:
        """Whether the best bid is not below the best ask."""
        bids, asks = self.bids.keys, self.asks.keys
        return bool(bids and asks) and bids[-1] >= -asks[-1]

    def top(self, count: int | None) -> tuple[list[Level], list[Level]]:
        """The best levels of both sides that are known."""
        floor = None if self._floor is None else float(self._floor)
        ceiling = None if self._ceiling is None else float(self._ceiling)
        return self.bids.top(count, floor), self.asks.top(count, ceiling)

    def knows(self, levels: int) -> bool:
        """Whether so many levels of each side that was cut off are known still."""
        floor, ceiling = self._floor, self._ceiling
        if floor is not None and self.bids.known(float(floor), levels) < levels:
            return False
        return ceiling is None or self.asks.known(float(ceiling), levels) >= levels


def _quantity(level: Level) -> float:
    quantity = float(level[1])
    if not 0 <= quantity < MAX_QUANTITY:
        raise InvalidValue("quantity", "a number of a market", level[1])
    return quantity


def _edge(side: BookSide, given: int, cut_at: int | None) -> str | None:
    worst = side.worst()
    return worst[0] if cut_at is not None and given >= cut_at and worst is not None else None
