"""The truth behind a simulated venue: books and trades that are made by chance, reproducibly."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

Text = str
Levels = list[tuple[Text, Text]]
HISTORY = 4_000
_KEPT_EVERY = 5


class SimulatedStep(NamedTuple):
    """One step of a book: ids `first_id` to `last_id`, and what changed, a quantity of 0 removing a level."""

    first_id: int
    last_id: int
    prev_id: int
    ts_ms: int
    bids: list[tuple[Text, Text]]
    asks: list[tuple[Text, Text]]


class SimulatedTrade(NamedTuple):
    """One trade."""

    trade_id: int
    ts_ms: int
    price: Text
    quantity: Text
    sell: bool


@dataclass(frozen=True, slots=True)
class SimulatedPair:
    """An instrument: our symbol, the venue's name, where its price starts, its grid, and what a contract is worth: the
    amount of a quantity is so many times what the venue sends."""

    symbol: str
    native: str
    base: str
    quote: str
    start: int = 60_000_00  # in grid steps
    decimals: int = 2
    quantity_decimals: int = 3
    id_step: int = 9  # ids of a step at most
    contract_size: int = 1


@dataclass
class SimulatedBook:
    """One instrument. Prices are whole grid steps; what is sent is their text.

    `fingerprint` is the exclusive or over all levels of a hash, so that the state at every id can be told apart without
    keeping it: `past` holds it by id, `times` the milliseconds of each id.
    """

    pair: SimulatedPair
    seed: str
    levels: int = 100
    changes: int = 3
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)
    last_id: int = 0
    trade_id: int = 0
    fingerprint: int = 0
    past: dict[int, int] = field(default_factory=dict)
    times: dict[int, int] = field(default_factory=dict)
    states: deque[tuple[int, int, dict[int, int], dict[int, int]]] = field(default_factory=lambda: deque(maxlen=3))
    prints: deque[SimulatedTrade] = field(default_factory=lambda: deque(maxlen=50_000))
    steps: int = 0
    ts_ms: int = 0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self.mid = self.pair.start
        self.last_id = self._random.randrange(1_000, 10_000_000)
        self.trade_id = self._random.randrange(1_000, 1_000_000)
        for step in range(1, self.levels + 1):
            self._set(self.bids, 0, self.mid - step, self._quantity())
            self._set(self.asks, 1, self.mid + step, self._quantity())
        self._remember(self.ts_ms)

    def _quantity(self) -> int:
        return self._random.randint(1, 9_999)

    def _set(self, side: dict[int, int], which: int, price: int, quantity: int) -> None:
        before = side.get(price)
        if before is not None:
            self.fingerprint ^= hash((which, price, before))
        if quantity:
            side[price] = quantity
            self.fingerprint ^= hash((which, price, quantity))
        elif before is not None:
            del side[price]

    def _remember(self, ts_ms: int) -> None:
        self.past[self.last_id] = self.fingerprint
        if len(self.past) > HISTORY:
            del self.past[next(iter(self.past))]
        self.times[self.last_id] = self.ts_ms = ts_ms
        if len(self.times) > HISTORY:
            del self.times[next(iter(self.times))]
        self.steps += 1
        if self.steps % _KEPT_EVERY == 0:
            self.states.append((self.last_id, ts_ms, dict(self.bids), dict(self.asks)))

    def step(self, ts_ms: int) -> SimulatedStep:
        """Some levels change; the middle moves now and then, and the book never crosses."""
        chance = self._random
        touched: tuple[dict[int, int], dict[int, int]] = ({}, {})
        if chance.random() < 0.3:
            self._move(chance.choice((-1, 1)) * chance.randint(1, 3), touched)
        for which, side, sign in ((0, self.bids, -1), (1, self.asks, 1)):
            for _ in range(self.changes):
                depth = min(int(chance.expovariate(0.08)) + 1, self.levels)
                price = self.mid + sign * depth
                quantity = 0 if price in side and chance.random() < 0.3 and len(side) > 5 else self._quantity()
                self._set(side, which, price, quantity)
                touched[which][price] = quantity
        prev, first = self.last_id, self.last_id + 1
        self.last_id += chance.randint(1, self.pair.id_step)
        self._remember(ts_ms)
        bids, asks = ([(self.price(p), self.quantity(q)) for p, q in side.items()] for side in touched)
        return SimulatedStep(first, self.last_id, prev, ts_ms, bids, asks)

    def _move(self, by: int, touched: tuple[dict[int, int], dict[int, int]]) -> None:
        """The middle moves: levels that it passes are eaten, and the other side follows."""
        self.mid += by
        for which, side, gone in (
            (0, self.bids, [p for p in self.bids if p >= self.mid]),
            (1, self.asks, [p for p in self.asks if p <= self.mid]),
        ):
            for price in gone:
                self._set(side, which, price, 0)
                touched[which][price] = 0
        for which, side, price in ((0, self.bids, self.mid - 1), (1, self.asks, self.mid + 1)):
            if price not in side:
                quantity = self._quantity()
                self._set(side, which, price, quantity)
                touched[which][price] = quantity

    def trade(self, ts_ms: int) -> SimulatedTrade:
        """A trade at the best price of one side."""
        sell = self._random.random() < 0.5
        price = max(self.bids) if sell else min(self.asks)
        self.trade_id += 1
        made = SimulatedTrade(
            self.trade_id, ts_ms, self.price(price), self.quantity(self._random.randint(1, 500)), sell
        )
        self.prints.append(made)
        return made

    def printed(self, first: int, last: int) -> list[SimulatedTrade]:
        """Trades by their ids, as far as they are remembered."""
        return [made for made in self.prints if first <= made.trade_id <= last]

    def price(self, steps: int) -> Text:
        """Text of a price."""
        scale = 10**self.pair.decimals
        return f"{steps // scale}.{steps % scale:0{self.pair.decimals}d}" if self.pair.decimals else str(steps)

    def quantity(self, steps: int) -> Text:
        """Text of a quantity; always the same number of decimals, as venues write it."""
        scale = 10**self.pair.quantity_decimals
        return f"{steps // scale}.{steps % scale:0{self.pair.quantity_decimals}d}"

    def best(self) -> tuple[tuple[Text, Text], tuple[Text, Text]]:
        """Best bid and ask."""
        bid, ask = max(self.bids), min(self.asks)
        return (self.price(bid), self.quantity(self.bids[bid])), (self.price(ask), self.quantity(self.asks[ask]))

    def snapshot(
        self, limit: int, *, old: bool = False
    ) -> tuple[int, int, list[tuple[Text, Text]], list[tuple[Text, Text]]]:
        """(id, milliseconds, bids, asks), best first; an `old` one is some steps behind."""
        now = (self.last_id, self.ts_ms, self.bids, self.asks)
        last_id, ts_ms, bids, asks = self.states[0] if old and self.states else now
        return (
            last_id,
            ts_ms,
            [(self.price(p), self.quantity(bids[p])) for p in sorted(bids, reverse=True)[:limit]],
            [(self.price(p), self.quantity(asks[p])) for p in sorted(asks)[:limit]],
        )
