"""Options of `marketprism backtest` as one plain object: what a run is of, which its folder keeps for later."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Concatenate, ParamSpec, get_type_hints

import typer

from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.backtesting.errors import BacktestError, NoDataError
from marketprism_application.backtesting.loading import load_strategy, parameters_of
from marketprism_application.backtesting.options import OPTIONS, settings_of, terms_of
from marketprism_application.backtesting.repeatability import check_repeatable
from marketprism_application.backtesting.runs import RunSpec
from marketprism_application.backtesting.settings import FillMode, RunSettings
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.errors import SourceError
from marketprism_domain.errors import InvalidValue
from marketprism_domain.instruments.exchange_codes import CHINESE_VENUES, venue_of_code
from marketprism_domain.trading.halts import CANCELLED, KEPT, NO_END, Halted
from marketprism_services.cli.backtest_data import DataAsked
from marketprism_services.cli.clocks import Zone, zone_of_symbol
from marketprism_services.cli.options import Config, From, To
from marketprism_services.platform.exits import Exit, Stop

P = ParamSpec("P")


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
    halts: str = ""

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
        """Which rows the run is of. Raises BacktestError: a venue that is nearly the name of one."""
        known = tuple(dict.fromkeys((*CHINESE_VENUES, *(each.partition("-")[0] for each in MARKETS))))
        venue = venue_of_code(self.venue) or self.venue
        if venue not in known and (near := did_you_mean(venue.casefold(), known)):
            raise BacktestError(
                f"venue: expected one of {', '.join(known)}, or one of your own, was {self.venue!r}{near}"
            )
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
            _halts(self.halts, zone),
        )


def _halts(text: str, zone: Zone) -> tuple[tuple[str, Halted], ...]:
    """Halts as `SYMBOL=BEGIN/END/cancelled, …`, with the symbol of each, empty for all; the last part is the notice's
    own word on resting orders. Raises BacktestError: a text that is none."""
    found = []
    for part in filter(None, (each.strip() for each in text.split(","))):
        symbol, sign, times = part.rpartition("=")
        begin, _, rest = times.partition("/")
        end, _, resting = rest.partition("/")
        ts_from, ts_to = zone.instant(begin, "halts"), zone.instant(end or None, "halts")
        is_wrong = ts_from is None or (sign and not symbol) or resting not in ("", KEPT, CANCELLED)
        if is_wrong or ts_from is None or (ts_to or NO_END) <= ts_from:
            raise BacktestError(f"halts: expected SYMBOL=BEGIN/END or BEGIN/END/cancelled, was {part!r}")
        found.append((symbol, Halted(ts_from, ts_to or NO_END, resting)))
    return tuple(found)


def params_of(texts: list[str]) -> dict[str, str]:
    """`name=value` texts by name. Raises BacktestError: one without a name or without =."""
    found = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip():
            raise BacktestError(f"param: expected name=value, was {text!r}")
        found[name.strip()] = value.strip()
    return found


def _options(
    strategy: Annotated[str, typer.Argument(help="package.module:Class or file.py:Class; looked for here first.")],
    data: Annotated[
        list[str], typer.Argument(help="Recordings of ticks, files of bars or trades, or a stored instrument.")
    ],
    param: Annotated[
        list[str] | None, typer.Option("--param", help="name=value of the strategy; several times.")
    ] = None,
    interval: Annotated[str, typer.Option(help="Of the bars: 1m 5m 1h 1d …; a file tells its own.")] = "",
    fill: Annotated[str, typer.Option(help=OPTIONS["fill"].text)] = "bar",
    start: From = None,
    end: To = None,
    symbol: Annotated[str, typer.Option(help="The instrument of a file that does not name it.")] = "",
    venue: Annotated[str, typer.Option(help="The exchange or the market of the data.")] = "",
    capital: Annotated[str, typer.Option(help=OPTIONS["capital"].text)] = "1000000",
    fee_rate: Annotated[str, typer.Option(help=OPTIONS["fee_rate"].text)] = "",
    fee_per_lot: Annotated[str, typer.Option(help=OPTIONS["fee_per_lot"].text)] = "",
    multiplier: Annotated[str, typer.Option(help=OPTIONS["multiplier"].text)] = "",
    margin_rate: Annotated[str, typer.Option(help=OPTIONS["margin_rate"].text)] = "",
    leverage: Annotated[str, typer.Option(help=OPTIONS["leverage"].text)] = "",
    price_tick: Annotated[str, typer.Option(help=OPTIONS["price_tick"].text)] = "",
    participation: Annotated[str, typer.Option(help=OPTIONS["participation"].text)] = "",
    unlimited: Annotated[bool, typer.Option("--unlimited", help=OPTIONS["unlimited"].text)] = False,
    touch: Annotated[bool, typer.Option("--touch", help=OPTIONS["touch"].text)] = False,
    detail: Annotated[str, typer.Option(help=OPTIONS["detail"].text)] = "",
    slippage: Annotated[str, typer.Option(help=OPTIONS["slippage"].text)] = "none",
    latency: Annotated[str, typer.Option(help=OPTIONS["latency"].text)] = "0",
    queue: Annotated[str, typer.Option(help=OPTIONS["queue"].text)] = "risk_averse",
    gap_policy: Annotated[str, typer.Option(help=OPTIONS["gap_policy"].text)] = "no_entry",
    funding: Annotated[str, typer.Option(help=OPTIONS["funding"].text)] = "strict",
    expiry: Annotated[str, typer.Option(help=OPTIONS["expiry"].text)] = "close",
    roll: Annotated[str, typer.Option(help=OPTIONS["roll"].text)] = "first_minutes",
    rolls: Annotated[str, typer.Option(help=OPTIONS["rolls"].text)] = "",
    halts: Annotated[
        str, typer.Option(help="Times without trading: SYMBOL=BEGIN/END, or BEGIN/END/cancelled, with commas between.")
    ] = "",
    adjust: Annotated[str, typer.Option(help=OPTIONS["adjust"].text)] = "difference",
    depth: Annotated[int, typer.Option(help=OPTIONS["depth"].text)] = 20,
    impact: Annotated[int, typer.Option(help=OPTIONS["impact"].text)] = 0,
    clock: Annotated[str, typer.Option(help=OPTIONS["clock"].text)] = "event",
    seed: Annotated[int, typer.Option(help=OPTIONS["seed"].text)] = 0,
    strict: Annotated[bool, typer.Option("--strict", help=OPTIONS["strict"].text)] = False,
    config: Config = None,
) -> None:
    """The options of every command that runs a strategy; only their names, types and helps are of use."""


@contextmanager
def as_stops() -> Iterator[None]:
    """Errors of a run as exit codes: 3 where there is no data, 2 where something is asked for that cannot be."""
    try:
        yield
    except (NoDataError, SourceError) as error:
        raise Stop(Exit.INPUT, str(error)) from error
    except (BacktestError, InvalidValue) as error:
        raise Stop(Exit.USAGE, str(error)) from error


def with_run_options(
    command: Callable[Concatenate[BacktestOptions, P], None],
    *,
    without: Collection[str] = (),
    instead: Callable[..., None] | None = None,
    of_files: bool = True,
) -> Callable[..., None]:
    """A command whose first argument is what a run is asked for by: on the command line it has an option for each field
    of it but those `without`, before those of its own. `instead` declares some of them with helps of its own. Data of a
    command that is not `of_files` are instruments, whatever lies in the folder."""
    shared = {name: each for name, each in _resolved(_options).items() if name not in without}
    if instead is not None:
        shared |= _resolved(instead)
    own = list(_resolved(command).values())[1:]

    def called(**given: object) -> None:
        values = {name: given.pop(name) for name in shared}
        data, param, config = values.pop("data"), values.pop("param"), values.pop("config")
        assert isinstance(data, list)  # noqa: S101 (as the option is declared)
        with as_stops():
            options = _asked(values, data, param if isinstance(param, list) else [], config, of_files=of_files)
        command(options, **given)  # type: ignore[call-arg, arg-type]

    called.__name__, called.__doc__, called.__module__ = command.__name__, command.__doc__, command.__module__
    found = [*shared.values(), *own]
    called.__signature__ = inspect.Signature(found)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in found}
    return called


def _resolved(command: Callable[..., None]) -> dict[str, inspect.Parameter]:
    hints = get_type_hints(command, include_extras=True)
    return {
        name: each.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, each in inspect.signature(command).parameters.items()
    }


def _asked(
    values: dict[str, object], data: list[str], param: list[str], config: object, *, of_files: bool
) -> BacktestOptions:
    """Options as a command line has them: parameters may stand among the data, without --param."""
    found = {each for each in data if of_files and Path(each).exists()}
    names = [each for each in data if "=" not in each or each in found]
    texts = [*param, *(each for each in data if each not in names)]
    paths = tuple(str(Path(each).resolve()) if each in found else each for each in names)
    more: dict[str, object] = {"params": params_of(texts), "config": "" if config is None else str(config)}
    return BacktestOptions(data=paths, **values, **more)  # type: ignore[arg-type]
