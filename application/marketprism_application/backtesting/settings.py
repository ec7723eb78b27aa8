"""How a run fills, costs and waits: every choice of it has a name, which the result prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.latency import Latency
from marketprism_application.backtesting.market_rules import FundingRule, RollWindow, expiry_of
from marketprism_application.backtesting.numbers_of_texts import decimal_of
from marketprism_application.contracts.nearest import did_you_mean

if TYPE_CHECKING:
    from marketprism_application.backtesting.market import Market

NANOS_PER_MINUTE: Final = 60_000_000_000
GRACE_NS: Final = 3_000_000_000  # how long after its end a bar is published, as the aggregator's default is


class FillMode(StrEnum):
    """What allows a fill: the next bar, the next quote, trades that pass, or a place in the queue."""

    BAR = "bar"
    QUOTE = "quote"
    TRADE = "trade"
    QUEUE = "queue"


class QueueModel(StrEnum):
    """Where cancellations of a price level stood: none before us, by share, or by share to a power."""

    RISK_AVERSE = "risk_averse"
    PROPORTIONAL = "proportional"
    POWER = "power"


@dataclass(frozen=True)
class Slippage:
    """What a taking fill is worse than its row: `ticks:1`, `bps:2`, `spread:0.5`, `noise:2` (up to so many ticks,
    seeded), `sqrt_impact:0.5` (so many daily deviations times the root of the share of a day's volume), or nothing."""

    rule: str = "none"
    value: Decimal = Decimal(0)

    @classmethod
    def parse(cls, text: str) -> Slippage:
        """The rule that a text names. Raises BacktestError: none that is known."""
        rule, _, number = text.partition(":")
        rules = ("none", "ticks", "bps", "spread", "noise", "sqrt_impact")
        if rule not in rules:
            raise BacktestError(
                f"slippage: expected one of {', '.join(rules)}, was {text!r}{did_you_mean(rule, rules)}"
            )
        return cls(rule, decimal_of("slippage", number or "0"))

    def __str__(self) -> str:
        return self.rule if self.rule == "none" else f"{self.rule}:{self.value}"


@dataclass(frozen=True)
class GapPolicy:
    """What gaps do to a strategy: `ignore`, `no_entry` (none while its lookback overlaps one, or `no_entry:30` for so
    many minutes), `flat_before_unknown` (closed when one is noticed), `stop` (the run ends there)."""

    rule: str = "no_entry"
    minutes: int = 0

    @classmethod
    def parse(cls, text: str) -> GapPolicy:
        """The policy that a text names. Raises BacktestError: none that is known."""
        rule, _, number = text.partition(":")
        rules = ("ignore", "no_entry", "flat_before_unknown", "stop")
        if rule not in rules or (number and (rule != "no_entry" or not number.isdecimal())):
            near = did_you_mean(rule, rules)
            raise BacktestError(f"gap_policy: expected {', '.join(rules)} or no_entry:MINUTES, was {text!r}{near}")
        return cls(rule, int(number or 0))

    def __str__(self) -> str:
        return f"{self.rule}:{self.minutes}" if self.minutes else self.rule


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run; `plain` is what its id is made of.

    `depth`: so many levels of a book a taker sweeps. `impact`: where rows show the best level only, what is asked for
    beyond its size is filled at once, each further size of it so many ticks worse; 0: it waits for the next row.

    `participation`: share of a bar's volume that a run may take, None for whatever is asked. `limit_size`: quotes fill
    at most what they show. `touch`: a limit is filled where a bar only touches it. `detail`: what decides between a
    stop and a target inside one bar: "" (the stop), `tick`. `bar_delay_ns` None: 0 where bars are what fills, else the
    grace after which bars are published. `clock`: `event`, or `recv` for the times at which rows were received.
    `funding`: `strict` (a settlement without a rate is an error for whoever holds), `assume:0.0001`, `stored` (the
    rates that are there are paid) or `ignore`. `expiry`: what becomes of a position on its contract's last day,
    `close`, `settle` or `ignore`. `roll`: when orders of a roll are sent, `first_minutes`, `close:1` or `twap:5`.
    """

    fill: FillMode = FillMode.BAR
    capital: Decimal = Decimal(1_000_000)
    currency: str = "CNY"
    participation: Decimal | None = None
    limit_size: bool = True
    touch: bool = False
    detail: str = ""
    slippage: Slippage = field(default_factory=Slippage)
    latency_ns: int = 0
    latency: Latency = field(default_factory=Latency)  # what `latency_ns` does not say: by time, or as rows were
    queue_model: QueueModel = QueueModel.RISK_AVERSE
    queue_power: float = 2.0
    depth: int = 20
    impact: int = 0
    gap_policy: GapPolicy = field(default_factory=GapPolicy)
    strict: bool = False
    funding: str = "strict"
    expiry: str = "close"
    seed: int = 0
    bar_delay_ns: int | None = None
    clock: str = "event"
    roll: str = "first_minutes"

    def __post_init__(self) -> None:
        if self.capital <= 0 or not self.capital.is_finite():
            raise BacktestError(f"capital: expected more than 0, was {self.capital}")
        if self.participation is not None and not 0 < self.participation <= 1:
            raise BacktestError(f"participation: expected above 0, at most 1, was {self.participation}")
        if self.latency_ns < 0:
            raise BacktestError(f"latency: expected 0 or more, was {self.latency_ns}")
        if self.clock not in ("event", "recv"):
            raise BacktestError(f"clock: expected event or recv, was {self.clock!r}")
        if self.detail not in ("", "tick"):
            raise BacktestError(f"detail: expected tick or nothing, was {self.detail!r}")
        if self.depth < 1:
            raise BacktestError(f"depth: expected 1 level or more, was {self.depth}")
        if self.impact < 0:
            raise BacktestError(f"impact: expected 0 ticks or more, was {self.impact}")
        FundingRule.parse(self.funding)
        expiry_of(self.expiry)
        RollWindow.parse(self.roll)

    def latency_of(self, market: Market, now: int) -> int:
        """Nanoseconds from a decision on an instrument until its order is at the venue."""
        return self.latency_ns if self.latency.is_none else self.latency_ns + self.latency.of(market, now)

    @property
    def delay_of_bars(self) -> int:
        """Nanoseconds from a bar's end until it is there."""
        if self.bar_delay_ns is not None:
            return self.bar_delay_ns
        return 0 if self.fill is FillMode.BAR else GRACE_NS

    def plain(self) -> dict[str, object]:
        """Every setting as a plain value, by name."""
        found: dict[str, object] = {}
        for name in sorted(self.__dataclass_fields__):
            value = getattr(self, name)
            found[name] = value if isinstance(value, bool | int | float) or value is None else str(value)
        return found


__all__ = [
    "GRACE_NS",
    "NANOS_PER_MINUTE",
    "FillMode",
    "GapPolicy",
    "QueueModel",
    "RunSettings",
    "Slippage",
    "decimal_of",
]
