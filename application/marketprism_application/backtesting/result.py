"""What a run says: numbers, the rows behind them, and what they are worth."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

import msgspec

from marketprism_application.backtesting.equity import Curve, DayEquity
from marketprism_application.backtesting.gap_exposure import GapExposure
from marketprism_application.backtesting.orders import Fill, RoundTrip
from marketprism_application.backtesting.statistics import Statistic

_canonical = msgspec.msgpack.Encoder(order="deterministic")


class OrderRow(NamedTuple):
    """An order as a result keeps it."""

    number: int
    ts: int
    venue: str
    symbol: str
    side: str
    kind: str
    quantity: Decimal
    filled: Decimal
    limit: Decimal | None
    stop: Decimal | None
    tif: str
    state: str
    code: str
    tag: str
    ts_done: int


class DecisionRow(NamedTuple):
    """A call of the strategy that changed a target or an order; `tainted`: its lookback overlaps a gap."""

    ts: int
    venue: str
    symbol: str
    text: str
    tainted: bool


def decision_bytes(decisions: Sequence[DecisionRow]) -> bytes:
    """Decisions in their one canonical form, MessagePack: what two runs of a strategy are compared by."""
    return _canonical.encode([[each.ts, each.venue, each.symbol, each.text] for each in decisions])


class Failed(NamedTuple):
    """Why a run failed: a code, and in words with file, line and event time."""

    code: str
    text: str


@dataclass(frozen=True)
class RunResult:
    """One run. `state`: done, stopped (by the gap policy) or failed; what there is of a failed one is kept."""

    run_id: str
    strategy: str
    params: Mapping[str, object]
    settings: Mapping[str, object]
    instruments: tuple[Mapping[str, object], ...]
    state: str
    failed: Failed | None
    orders: list[OrderRow]
    fills: list[Fill]
    decisions: list[DecisionRow]
    trips: list[RoundTrip]
    days: list[DayEquity]
    curve: Curve
    statistics: list[Statistic]
    gaps: GapExposure
    capital: Decimal
    gross: Decimal
    fees: Decimal
    funding: Decimal
    counts: Counter[str]
    digests: Mapping[str, Mapping[str, str]]
    code: str
    rows: int
    seconds: float
    logs: list[tuple[int, str]] = field(default_factory=list)
    series: list[tuple[int, str, str]] = field(default_factory=list)
    remarks: tuple[str, ...] = ()
    slippage: Decimal = Decimal(0)  # inside gross: what fills were worse than the rows that allowed them
    halted: Mapping[str, float] = field(default_factory=dict)  # seconds, of each instrument that was halted
    ts_end: int = 0  # event time at which the run ended: what is held is valued as it was known then

    @property
    def net(self) -> Decimal:
        """Profit after fees and funding, what is still held at the last price."""
        return self.gross - self.fees + self.funding

    @property
    def lots(self) -> Decimal:
        """Everything that was bought and sold."""
        return sum((fill.quantity for fill in self.fills), Decimal(0))

    @property
    def sent(self) -> int:
        """Orders that the market took."""
        return sum(order.state != "rejected" for order in self.orders)

    @property
    def decisions_digest(self) -> str:
        """SHA-256 of all decisions: time of the event, venue, symbol, call with its arguments. Equal live, in a replay
        and in a backtest of the same rows."""
        return hashlib.sha256(decision_bytes(self.decisions)).hexdigest()

    def statistic(self, name: str) -> float | None:
        """One statistic by its name, None where there is none."""
        return next((each.value for each in self.statistics if each.name == name), None)

    def summary(self) -> dict[str, object]:
        """The numbers of a run as one flat object; money as decimals."""
        gaps = self.gaps
        return {
            "run_id": self.run_id,
            "state": self.state,
            "strategy": self.strategy,
            "params": dict(self.params),
            "fill": self.settings["fill"],
            "orders": self.sent,
            "fills": len(self.fills),
            "lots": self.lots,
            "gross": self.gross,
            "fees": self.fees,
            "slippage": self.slippage,
            "funding": self.funding,
            "net": self.net,
            "decisions_digest": self.decisions_digest,
            "gap_exposure": round(gaps.share, 6),
            "gaps": gaps._asdict(),
            "statistics": {each.name: each.value for each in self.statistics},
            "refused_or_rounded": dict(sorted(self.counts.items())),
            **({"halted_s": dict(self.halted)} if self.halted else {}),
            "rows": self.rows,
            "trading_days": len(self.days),
            "error": None if self.failed is None else self.failed._asdict(),
            "remarks": list(self.remarks),
        }
