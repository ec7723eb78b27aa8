"""Options of `marketprism backtest` as one plain object: what a run is of, which its folder keeps for later."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from decimal import Decimal
from pathlib import Path

from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.loading import check_repeatable, load_strategy, parameters_of
from marketprism_application.backtesting.runs import RunSpec
from marketprism_application.backtesting.settings import (
    FillMode,
    GapPolicy,
    QueueModel,
    RunSettings,
    Slippage,
    decimal_of,
)
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_services.cli.backtest_data import DataAsked, TermsGiven
from marketprism_services.cli.clocks import zone_of_symbol

_TIMES = {"ms": 1_000_000, "us": 1_000, "ns": 1, "s": 1_000_000_000}
_DEFAULT_POWER = 2.0


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
    funding: str = "stored"
    seed: int = 0
    strict: bool = False
    clock: str = "event"
    config: str = ""

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
        modes = tuple(mode.value for mode in FillMode)
        model, _, power = self.queue.partition(":")
        models = tuple(each.value for each in QueueModel)
        if self.fill not in modes:
            raise BacktestError(
                f"fill: expected one of {', '.join(modes)}, was {self.fill!r}{did_you_mean(self.fill, modes)}"
            )
        if model not in models:
            raise BacktestError(
                f"queue: expected one of {', '.join(models)}, was {self.queue!r}{did_you_mean(model, models)}"
            )
        return RunSettings(
            fill=FillMode(self.fill),
            capital=decimal_of("capital", self.capital),
            participation=decimal_of("participation", self.participation) if self.participation else None,
            limit_size=not self.unlimited,
            touch=self.touch,
            detail=self.detail,
            slippage=Slippage.parse(self.slippage),
            latency_ns=_nanos(self.latency),
            queue_model=QueueModel(model),
            queue_power=float(decimal_of("queue", power)) if power else _DEFAULT_POWER,
            gap_policy=GapPolicy.parse(self.gap_policy),
            funding=self.funding,
            seed=self.seed,
            strict=self.strict,
            clock=self.clock,
        )

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
        given = {
            name: decimal_of(name, text) if text else None
            for name, text in (
                ("multiplier", self.multiplier),
                ("fee_rate", self.fee_rate),
                ("fee_per_lot", self.fee_per_lot),
                ("margin_rate", self.margin_rate),
                ("leverage", self.leverage),
                ("tick", self.price_tick),
            )
        }
        for name in ("multiplier", "leverage", "tick"):
            value = given[name]
            if value is not None and value <= 0:
                raise BacktestError(f"{name}: expected more than 0, was {value}")
        return DataAsked(
            files,
            self.interval,
            FillMode(self.fill),
            self.detail,
            self.symbol,
            self.venue,
            ts_from,
            ts_to,
            TermsGiven(**given),
            Path(self.config) if self.config else None,
        )


def _nanos(text: str) -> int:
    """A time as `600ms`, `5 s` or a number of milliseconds. Raises BacktestError: it is none."""
    for unit, factor in _TIMES.items():
        if text.endswith(unit) and text.removesuffix(unit).strip().replace(".", "", 1).isdigit():
            return int(decimal_of("latency", text.removesuffix(unit).strip()) * factor)
    return int(decimal_of("latency", text) * Decimal(1_000_000))


def params_of(texts: list[str]) -> dict[str, str]:
    """`name=value` texts by name. Raises BacktestError: one without a name or without =."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise BacktestError(f"param: expected name=value, was {text!r}")
        found[name.strip()] = value.strip()
    return found
