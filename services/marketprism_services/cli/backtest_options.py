"""Options of `marketprism backtest` as one plain object: what a run is of, which its folder keeps for later."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.loading import check_repeatable, load_strategy, parameters_of
from marketprism_application.backtesting.options import settings_of, terms_of
from marketprism_application.backtesting.runs import RunSpec
from marketprism_application.backtesting.settings import FillMode, RunSettings
from marketprism_services.cli.backtest_data import DataAsked
from marketprism_services.cli.clocks import zone_of_symbol


@dataclass(frozen=True)
class BacktestOptions:
    """A run as it was asked for. Everything is text or a flag, so that it can be kept and asked for again."""

    strategy: str
    data: tuple[str, ...]
    params: dict[str, str] = field(default_factory=dict)
    interval: str = ""
    fill: str = "bar"
    start: str | None = None
    end: str | None = None
    symbol: str = ""
    venue: str = ""
    capital: str = "1000000"
    fee_rate: str = ""
    fee_per_lot: str = ""
    multiplier: str = ""
    margin_rate: str = ""
    leverage: str = ""
    price_tick: str = ""
    participation: str = ""
    unlimited: bool = False
    touch: bool = False
    detail: str = ""
    slippage: str = "none"
    latency: str = "0"
    queue: str = "risk_averse"
    gap_policy: str = "no_entry"
    funding: str = "strict"
    seed: int = 0
    strict: bool = False
    clock: str = "event"
    config: str = ""
    expiry: str = "close"
    roll: str = "first_minutes"
    rolls: str = ""
    adjust: str = "difference"
    depth: int = 20
    impact: int = 0

    def plain(self) -> dict[str, object]:
        """The options as values of JSON."""
        return asdict(self)

    @classmethod
    def of_plain(cls, values: dict[str, object]) -> BacktestOptions:
        """The options of a run that was kept. Raises BacktestError: there is one that this version does not know."""
        known = {each.name for each in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise BacktestError(f"options: expected those of this version, was {unknown[0]!r}")
        taken = dict(values)
        data = taken.pop("data", ())
        if not isinstance(data, list | tuple):
            raise BacktestError(f"data: expected a list of files, was {data!r}")
        return cls(data=tuple(str(each) for each in data), **taken)  # type: ignore[arg-type]

    def settings(self) -> RunSettings:
        """How the run fills and costs. Raises BacktestError: an option that cannot be; names it."""
        return settings_of(self.plain())

    def spec(self, folder: Path) -> RunSpec:
        """The strategy, its parameters and the settings; strategies are looked for in a folder first.

        Raises:
            BacktestError: one of them cannot be; names what and where.
        """
        settings = self.settings()
        strategy = load_strategy(self.strategy, folder)
        if self.strict:
            check_repeatable(strategy)
        return RunSpec(strategy, parameters_of(strategy, self.params), settings, self.strategy)

    def asked(self, files: tuple[Path, ...]) -> DataAsked:
        """Which rows the run is of."""
        zone = zone_of_symbol(self.symbol or "", None) if self.symbol else zone_of_symbol("ru1901", None)
        ts_from, ts_to = zone.range(self.start, self.end)
        return DataAsked(
            files,
            self.interval,
            FillMode(self.fill),
            self.detail,
            self.symbol,
            self.venue,
            ts_from,
            ts_to,
            terms_of(self.plain()),
            Path(self.config) if self.config else None,
            self.rolls,
            self.adjust,
        )


def params_of(texts: list[str]) -> dict[str, str]:
    """`name=value` texts by name. Raises BacktestError: one without a name or without =."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise BacktestError(f"param: expected name=value, was {text!r}")
        found[name.strip()] = value.strip()
    return found
