"""Fills of whole columns of targets, compiled: what a sweep ranks many parameter sets by.

The only module that uses numba (the extra `fast`), and never the only way: the event engine does all of it, and more.
All sums are of whole numbers, so that money is as exact as there.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from marketprism_application.backtesting.signals import FILLED, KEEP, UNSENT, Prepared
from marketprism_domain.trading.arithmetic import ZERO
from marketprism_domain.trading.fees import FeeRule

if TYPE_CHECKING:
    from marketprism_application.backtesting.columns import Ints
    from marketprism_application.backtesting.signals import SignalTable

_BY_DAY = 9  # cash, held, mark, then turnover and steps: opened, closed, closed of today
_SUMS = 7  # sent, refused, fills, lots, cash, held, unsure
Kernel = Callable[..., None]


def is_there() -> bool:
    """Whether numba is installed."""
    return importlib.util.find_spec("numba") is not None


def _fill(  # noqa: C901, PLR0912, PLR0915 (compiled as one piece)
    targets: Ints,
    opens: Ints,
    closes: Ints,
    fate: Ints,
    since_hole: Ints,
    first_of_day: Ints,
    reach: int,
    lot: int,
    slippage: int,
    careful: bool,
    split: bool,
    capital: float,
    fee_a_turnover: float,
    sums: Ints,
    by_day: Ints,
) -> None:
    """One run: orders at the next opening, their sums, and the account at the end of each day.

    `lot` is the steps of a whole quantity, `capital` in units x steps, `fee_a_turnover` a bound of what fees take.
    Where there is margin, less money than twice a position's value makes a run `unsure`.
    """
    sent = refused = fills = lots = cash = held = today = unsure = 0
    opened = closed = closed_today = 0
    lots_opened = lots_closed = lots_closed_today = 0
    pending = 0
    for number in range(len(first_of_day) - 1):
        today = 0
        for row in range(first_of_day[number], first_of_day[number + 1]):
            if pending != 0:
                size = abs(pending)
                price = opens[row] + (slippage if pending > 0 else -slippage)
                holding = abs(held)
                closing = min(size, holding) if held * pending < 0 else 0
                if closing:
                    of_today = min(closing, today)
                    if split and closing < holding and 0 < today < holding:
                        unsure = 1  # which lots are closed is the exchange's rule
                    closed_today += of_today * price
                    lots_closed_today += of_today
                    closed += (closing - of_today) * price
                    lots_closed += closing - of_today
                    today -= of_today
                opening = size - closing
                opened += opening * price
                lots_opened += opening
                today += opening
                cash -= pending * price
                held += pending
                lots += size
                fills += 1
                pending = 0
            if careful and held != 0:
                worth = abs(held) * closes[row]
                free = capital + cash + held * closes[row] - fee_a_turnover * (opened + closed + closed_today)
                if free < 2.0 * worth:
                    unsure = 1
            target = targets[row]
            if target == KEEP:
                continue
            lacking = target * lot - held
            if lacking == 0 or fate[row] == UNSENT:
                continue
            opening = abs(lacking) if held * lacking >= 0 else max(0, abs(lacking) - abs(held))
            if opening > 0 and since_hole[row] < reach:
                refused += 1
                continue
            if careful and opening > 0:
                free = capital + cash + held * closes[row] - fee_a_turnover * (opened + closed + closed_today)
                if free < 2.0 * opening * closes[row]:
                    unsure = 1
            sent += 1
            if fate[row] == FILLED:
                pending = lacking
        by_day[number, 0] = cash
        by_day[number, 1] = held
        by_day[number, 2] = closes[first_of_day[number + 1] - 1]
        by_day[number, 3] = opened
        by_day[number, 4] = lots_opened
        by_day[number, 5] = closed
        by_day[number, 6] = lots_closed
        by_day[number, 7] = closed_today
        by_day[number, 8] = lots_closed_today
    sums[0] = sent
    sums[1] = refused
    sums[2] = fills
    sums[3] = lots
    sums[4] = cash
    sums[5] = held
    sums[6] = unsure


def _crossing(prices: Ints, fast: int, slow: int, size: int, targets: Ints) -> None:
    """Targets of two running means of sums of whole numbers: long above, short below, nothing new on a tie."""
    of_fast = of_slow = side = 0
    for row in range(len(prices)):
        price = prices[row]
        of_fast += price
        of_slow += price
        if row >= fast:
            of_fast -= prices[row - fast]
        if row >= slow:
            of_slow -= prices[row - slow]
        if row < slow - 1:
            continue
        above = of_fast * slow - of_slow * fast
        now = 1 if above > 0 else -1 if above < 0 else side
        if now != side:
            side = now
            targets[row] = side * size


@cache
def _compiled(kernel: Kernel) -> Kernel:
    """A kernel as machine code, kept beside this file, or in the user's cache, for the next process."""
    import numba  # noqa: PLC0415 (the extra `fast`, which takes a moment)

    found: Kernel = numba.njit(cache=True, nogil=True)(kernel)
    return found


def compile_kernels() -> None:
    """Have machine code of both kernels, where numba is: afterwards they open no file and load no library."""
    if not is_there():
        return
    none, sums = np.zeros(0, dtype=np.int64), np.zeros(_SUMS, dtype=np.int64)
    by_day = np.zeros((0, _BY_DAY), dtype=np.int64)
    first = np.zeros(1, dtype=np.int64)  # of no day
    _compiled(_fill)(none, none, none, none, none, first, 0, 1, 0, False, False, 0.0, 0.0, sums, by_day)
    _compiled(_crossing)(none, 1, 2, 1, none.copy())


def crossing_means(table: SignalTable, fast: int, slow: int, size: int = 1) -> Ints:
    """Targets of two running means of closes: `size` while the fast one is above the slow one, -`size` while below."""
    targets = table.nothing()
    _compiled(_crossing)(table.close, fast, slow, size, targets)
    return targets


class KernelRun(NamedTuple):
    """What the kernel says of one run. `unsure`: something that it does not do might have happened.

    `by_day` holds at each day's end cash, what is held, its mark, and turnover and steps opened, closed and closed of
    the same day, in units and steps."""

    sent: int
    refused: int
    fills: int
    lots: Decimal
    gross: Decimal
    fees: Decimal
    held: Decimal
    unsure: bool
    by_day: Ints

    @property
    def net(self) -> Decimal:
        """Profit after fees, what is still held at the last price."""
        return self.gross - self.fees


def run_kernel(rows: Prepared, targets: Ints, reach: int, capital: Decimal) -> KernelRun:
    """Fill a column of targets. Sums are exact under `exact_arithmetic`."""
    table, market, rule = rows.table, rows.market, rows.market.instrument.taker
    sums = np.zeros(_SUMS, dtype=np.int64)
    by_day = np.zeros((len(rows.first_of_day) - 1, _BY_DAY), dtype=np.int64)
    most = max(each.by_money for each in rule)
    a_lot = (
        max(each.by_volume for each in rule) * market.step / market.value
    )  # as a share of turnover at a price of one unit
    _compiled(_fill)(
        targets,
        table.open,
        table.close,
        rows.fate,
        rows.since_hole,
        rows.first_of_day,
        reach,
        rows.steps_a_lot,
        rows.slippage,
        rows.careful,
        rule.close != rule.close_today,
        float(capital) / market.rough_value,
        float(most + a_lot),
        sums,
        by_day,
    )
    sent, refused, fills, lots, cash, held, unsure = sums.tolist()
    mark, *turned = by_day[-1, 2:].tolist()
    return KernelRun(
        sent,
        refused,
        fills,
        lots * market.step,
        (cash + held * mark) * market.value,
        _fees(rows, rule, turned),
        held * market.step,
        bool(unsure),
        by_day,
    )


def _fees(rows: Prepared, rule: FeeRule, turned: list[int]) -> Decimal:
    market = rows.market
    total = ZERO
    for number, rate in enumerate((rule.open, rule.close, rule.close_today)):
        turnover, steps = turned[2 * number : 2 * number + 2]
        total += turnover * market.value * rate.by_money + steps * market.step * rate.by_volume
    return total


def equity_by_day(rows: Prepared, run: KernelRun, capital: Decimal) -> list[Decimal]:
    """The account at the end of each trading day, to the last digit."""
    value, rule = rows.market.value, rows.market.instrument.taker
    return [
        capital + (cash + held * mark) * value - _fees(rows, rule, turned)
        for cash, held, mark, *turned in run.by_day.tolist()
    ]


__all__ = ["KernelRun", "compile_kernels", "crossing_means", "equity_by_day", "is_there", "run_kernel"]
