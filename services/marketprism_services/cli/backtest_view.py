"""A run in the terminal: what became of it, what it is worth, and how runs differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from marketprism_application.backtesting.causality import Trial
from marketprism_application.backtesting.result import RunResult
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import err, out
from marketprism_services.cli.tables import Look, show_table

_SHOWN = (
    "total_return",
    "annual_return",
    "sharpe",
    "sortino",
    "max_drawdown",
    "max_drawdown_intraday",
    "win_rate",
    "profit_factor",
    "expectancy",
)


def show_result(result: RunResult) -> None:
    """The summary that a person reads: one value a line."""
    gaps = result.gaps
    say = spoken().translate
    lines = [
        ("strategy", f"{result.strategy} {_named(result.params)}"),
        ("state", result.state),
        ("fills by", f"{result.settings['fill']}, slippage {result.settings['slippage']}"),
        ("rows", f"{result.rows} in {result.seconds:.2f} s, {len(result.days)} trading days"),
        ("orders", f"{result.sent}, {len(result.fills)} fills, {_number(result.lots)} lots"),
        ("gross", _number(result.gross)),
        ("fees", _number(result.fees)),
        *((("slippage, inside gross", _number(result.slippage)),) if result.slippage else ()),
        *((("funding", _number(result.funding)),) if result.funding else ()),
        ("net", f"{_number(result.net)} (gap exposure {gaps.share:.1%})"),
        *((name, f"{value:.6g}") for name in _SHOWN if (value := result.statistic(name)) is not None),
        ("fills in gaps", f"{gaps.fills_in_gaps} of {gaps.fills}"),
        ("decisions that looked at gaps", f"{gaps.tainted_decisions} of {gaps.decisions}"),
        ("positions held through gaps", f"{gaps.held_through} of {gaps.positions}"),
        ("minutes without data", f"{gaps.minutes_missing} of {gaps.minutes}"),
        *(
            (("net, if gaps were against it, for it", f"{_number(gaps.net_low)} … {_number(gaps.net_high)}"),)
            if gaps.net_low != gaps.net_high
            else ()
        ),
        *(
            (("halted", ", ".join(f"{name} {value:g} s" for name, value in result.halted.items())),)
            if result.halted
            else ()
        ),
        *((("refused or rounded", _named(result.counts)),) if result.counts else ()),
        ("run id", result.run_id),
    ]
    rows: list[dict[str, object]] = [{"what": say(what), "value": value} for what, value in lines]
    show_table(out, rows, ["what", "value"], Look("", last=len(rows)))
    for remark in result.remarks:
        err.print(remark, style="yellow", highlight=False, markup=False, soft_wrap=True)


def show_trials(trials: Sequence[Trial], *, as_json: bool) -> bool:
    """What the tests of causality found; whether nothing differs."""
    wrong = [each for each in trials if each.difference]
    if not as_json:
        err.print(f"{len(trials)} tests of causality, {len(wrong)} with a difference", highlight=False)
    for each in wrong[:10]:
        err.print(
            f"{each.test} at {each.ts}: {each.difference}", style="red", highlight=False, markup=False, soft_wrap=True
        )
    return not wrong


def show_compared(rows: Sequence[dict[str, object]], names: Sequence[str]) -> None:
    """Runs beside one another, a value a line."""
    shown: list[dict[str, object]] = [
        {"what": row["what"], **{name: _number(row[name]) for name in names}, "differs": "≠" if row["differs"] else ""}
        for row in rows
    ]
    show_table(out, shown, ["what", *names, "differs"], Look("", last=len(shown)))


def _named(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _number(value: object) -> str:
    if isinstance(value, Decimal):
        return format(value.normalize() + 0, "f")
    return "" if value is None else str(value)
