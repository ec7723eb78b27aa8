"""How much to trade, and where to stop: from what may be lost, what there is, and how far away the stop is."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from marketprism_domain.errors import InvalidValue
from marketprism_domain.trading.arithmetic import ONE, ZERO
from marketprism_domain.trading.contracts import ContractTerms


class Exits(NamedTuple):
    """Prices at which a position is closed with a loss and with a profit; None without one."""

    stop: Decimal | None
    take: Decimal | None


def stop_and_take(
    sign: int,
    entry: Decimal,
    *,
    stop: Decimal | None = None,
    stop_share: Decimal | None = None,
    take_share: Decimal | None = None,
    reward_risk: Decimal | None = None,
) -> Exits:
    """Stop and take by shares of the entry (`0.019` for 1.9 %), a `stop` as it is given, the take also as a multiple of
    the risk.

    A long stops below its entry and takes above it, a short the other way round.
    """
    if stop is None and stop_share is not None:
        stop = entry * (ONE - sign * stop_share)
    if take_share is not None:
        return Exits(stop, entry * (ONE + sign * take_share))
    if reward_risk is not None and stop is not None:
        return Exits(stop, entry + (entry - stop) * reward_risk)
    return Exits(stop, None)


def entry_away(sign: int, price: Decimal, share: Decimal) -> Decimal:
    """A better entry, a share away from a price: a buyer's below it, a seller's above."""
    return price * (ONE - sign * share)


def position_size(
    terms: ContractTerms, sign: int, risk: Decimal, entry: Decimal, stop: Decimal, fee_rate: Decimal = ZERO
) -> Decimal:
    """The quantity that loses `risk` when it is stopped, fees of both sides included; not rounded.

    Raises:
        InvalidValue: the stop is on the side where a position wins.
    """
    loss = -terms.pnl(sign, ONE, entry, stop)
    if loss <= 0:
        raise InvalidValue("stop", f"a price {'below' if sign > 0 else 'above'} {entry}", str(stop))
    fees = (terms.value(ONE, entry) + terms.value(ONE, stop)) * fee_rate
    return risk / (loss + fees)


def max_quantity(
    terms: ContractTerms, budget: Decimal, price: Decimal, leverage: Decimal, fee_rate: Decimal = ZERO
) -> Decimal:
    """The quantity whose initial margin and fee are `budget`; not rounded."""
    return budget / (terms.value(ONE, price) * (ONE / leverage + max(fee_rate, ZERO)))
