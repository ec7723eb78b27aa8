"""A book while a run goes on: the levels of both sides as whole numbers, their best, and what the run took of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from marketprism_application.backtesting.columns import NO_PRICE
from marketprism_application.backtesting.market import Order

_NEAR = 256  # steps of the tick in which the level behind one is looked for before all levels are
_MOST_GONE = 4_096  # levels without a size that a side may hold before they are swept out


class Ladder:
    """One side of a book: `sign` 1 of bids, -1 of asks. `levels` may hold some of size 0, which are gone."""

    __slots__ = ("_tick", "best", "levels", "sign", "taken")

    def __init__(self, sign: int, tick: int) -> None:
        self.sign, self._tick = sign, tick
        self.levels: dict[int, int] = {}
        self.taken: dict[int, int] = {}  # what the run took of a level since its last update
        self.best = NO_PRICE

    def replace(self, prices: Sequence[int], sizes: Sequence[int]) -> None:
        """The side is these levels and no others."""
        self.levels = dict(zip(prices, sizes, strict=True))
        self.taken.clear()
        if not prices or 0 in sizes:
            self._find()
        else:
            self.best = max(prices) if self.sign > 0 else min(prices)

    def change(self, prices: Sequence[int], sizes: Sequence[int]) -> None:
        """Levels have other sizes now; 0 takes one away."""
        levels, best, sign = self.levels, self.best, self.sign
        levels.update(zip(prices, sizes, strict=True))
        if self.taken:
            for price in prices:
                self.taken.pop(price, None)
        if best == NO_PRICE:
            self._find()
            return
        first = max(prices) if sign > 0 else min(prices)
        if not levels[first]:  # often the old best: of the levels that the update leaves the first counts
            there = [price for price in prices if levels[price]]
            first = (max(there) if sign > 0 else min(there)) if there else best
        if first * sign > best * sign:
            self.best = first
        elif not levels[best]:
            following = self._behind(best)
            self.best = NO_PRICE if following is None else following
        if len(levels) > _MOST_GONE:
            self.levels = {price: size for price, size in levels.items() if size}

    def _find(self) -> None:
        """Look for the best level among all."""
        there = [price for price, size in self.levels.items() if size]
        self.best = NO_PRICE if not there else max(there) if self.sign > 0 else min(there)

    def size(self, price: int) -> int:
        """What a level shows, 0 where there is none."""
        return self.levels.get(price, 0)

    def from_best(self, depth: int) -> Iterator[tuple[int, int]]:
        """Price and what is left to take of the best levels."""
        price = self.best
        if price == NO_PRICE:
            return
        for _ in range(depth):
            yield price, self.levels[price] - self.taken.get(price, 0)
            following = self._behind(price)
            if following is None:
                return
            price = following

    def _behind(self, price: int) -> int | None:
        """The next level behind one, None behind the last."""
        step = self.sign * self._tick
        near = price
        for _ in range(_NEAR):
            near -= step
            if self.levels.get(near):
                return near
        there = [each for each, size in self.levels.items() if size and each * self.sign < price * self.sign]
        if not there:
            return None
        return max(there) if self.sign > 0 else min(there)


class Ladders:
    """Both sides of a book; a place for orders as `QuoteBefore` is one. `is_known`: false after a step that says so."""

    __slots__ = ("asks", "bids", "is_known")

    def __init__(self, tick: int) -> None:
        self.bids, self.asks, self.is_known = Ladder(1, tick), Ladder(-1, tick), False

    def own(self, sign: int) -> Ladder:
        """The side that an order stands on."""
        return self.bids if sign > 0 else self.asks

    def other(self, sign: int) -> Ladder:
        """The side that an order takes from."""
        return self.asks if sign > 0 else self.bids

    def takes(self, order: Order) -> bool:
        """Whether an order crosses the book, or is of a kind that does not rest."""
        limit = order.limit_ticks
        if limit is None or not order.can_rest or not self.is_known:
            return True
        price = self.other(order.sign).best
        return price != NO_PRICE and price * order.sign <= limit * order.sign

    def join(self, order: Order) -> None:
        """Let an order take its place behind what its level shows."""
        limit = order.limit_ticks
        assert limit is not None  # noqa: S101 (only orders with a price rest)
        order.joined = True
        order.ahead = float(self.own(order.sign).size(limit))


__all__ = ["Ladder", "Ladders"]
