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


def differences(stored: Mapping[str, object], again: RunResult) -> list[str]:
    """Why a run that was made again is another one; nothing where it is equal."""
    if stored.get("run_id") == again.run_id:
        names = ("orders", "lots", "gross", "fees", "net")
        summary = again.summary()
        return [
            f"{name}: expected {stored.get(name)}, was {summary[name]}"
            for name in names
            if Decimal(str(stored.get(name))) != Decimal(str(summary[name]))
        ]
    found = []
    if stored.get("code") != again.code:
        found.append("code changed: the strategy's source, or what it imports from its package")
    if stored.get("params") != dict(again.params):
        found.append(f"params changed: {_named(again.params)}")
    before = stored.get("digests")
    known = before if isinstance(before, dict) else {}
    for series in sorted({*known, *again.digests}):
        one, other = known.get(series, {}), again.digests.get(series, {})
        days = [day for day in sorted({*one, *other}) if one.get(day) != other.get(day)]
        if days:
            found.append(f"data changed: {series} {', '.join(days[:10])}".rstrip())
    if stored.get("instruments") != [_plain(each) for each in again.instruments]:
        found.append("terms changed: fees, margin or steps of an instrument")
    return found or ["engine changed: this version counts another way"]


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def compared(runs: Mapping[str, Mapping[str, object]]) -> list[dict[str, object]]:
    """Rows of what runs have: a value of each run by its folder, and whether they differ."""
    flat = {name: _flat(stored) for name, stored in runs.items()}
    keys = list(dict.fromkeys(key for each in flat.values() for key in each))
    return [
        {
            "what": key,
            **{name: each.get(key) for name, each in flat.items()},
            "differs": len({str(each.get(key)) for each in flat.values()}) > 1,
        }
        for key in keys
    ]


def _flat(stored: Mapping[str, object]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name in (
        "strategy",
        "state",
        "fill",
        "orders",
        "fills",
        "lots",
        "gross",
        "fees",
        "funding",
        "net",
        "gap_exposure",
        "run_id",
    ):
        found[name] = stored.get(name)
    for part in ("params", "statistics"):
        values = stored.get(part)
        if isinstance(values, Mapping):
            found |= {f"{part}.{name}": value for name, value in values.items()}
    return found


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
