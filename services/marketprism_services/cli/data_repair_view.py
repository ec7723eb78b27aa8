"""What rechecks and repairs look like: whose the defects are, the plan with its cost, before and after."""

from __future__ import annotations

from collections.abc import Sequence

from marketprism_application.contracts.data_answers import (
    CheckReport,
    DatasetShown,
    FoundDefect,
    RepairReport,
    SeriesReport,
    StateShown,
    Verdicts,
)
from marketprism_domain.integrity.verdicts import Verdict
from marketprism_services.cli.clocks import Zone
from marketprism_services.cli.data_jobs_view import duration, line
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import out
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.cli.words import count_of

_SHOWN = 30
_VERDICTS = {
    Verdict.OURS: "ours: a witness has the right rows",
    Verdict.VENUE: "the venue's: it has the hole too",
    Verdict.BOTH: "both: the witness differs and is wrong as well",
    Verdict.VANISHED: "vanished: what is stored is right by now",
    Verdict.UNKNOWN: "unknown: nobody could be asked, or it is too early",
}


def show_check(report: CheckReport, zone: Zone) -> None:
    """The reports of a check, and what could not be checked."""
    for each in report.series:
        show_series_report(each, zone)
    for task in report.failed:
        line(f"failed: {task.venue}.{task.symbol}: {task.error}")
    line(f"check {report.id}: `marketprism data recheck {report.id}` asks whose the defects are")


def show_series_report(report: SeriesReport, zone: Zone) -> None:
    """One report: its numbers and the first defects."""
    dataset = report.dataset
    what = f"{dataset.venue}.{dataset.symbol} {dataset.interval or dataset.kind}"
    line(
        f"{what}, {zone.text(dataset.ts_from)[:16]} - {zone.text(dataset.ts_to)[:16]}, {spoken().translate(zone.name)}"
    )
    numbers = {
        "expected": report.expected,
        "present": report.present,
        "missing": report.missing,
        "empty": report.empty,
        "unexpected": report.unexpected,
        "duplicate": report.duplicate,
        "score": f"{report.score:g} ({report.grade})",
    }
    show_table(out, [numbers], tuple(numbers))
    for remark in report.remarks:
        line(remark)
    if not report.defects:
        line("nothing is wrong")
        return
    rows = [_defect(each, zone) for each in report.defects[:_SHOWN]]
    _table(rows, _title(len(report.defects), "defect"), zone)


def _defect(defect: FoundDefect, zone: Zone) -> dict[str, object]:
    return {
        "code": defect.code,
        "from": zone.text(defect.ts_from),
        "to": zone.text(defect.ts_to),
        "count": defect.count,
        "trading_day": defect.trading_day or "",
        "what": spoken().translate(defect.text),
    }


def show_verdicts(verdicts: Verdicts, zone: Zone) -> None:
    """How many bars are whose, and the first defects with the witness that decided."""
    say = spoken().translate
    counts = [
        {"bars": count, "verdict": say(_VERDICTS[Verdict(name)])} for name, count in verdicts.counts.items() if count
    ]
    if not counts:
        line("there is no defect to judge")
        return
    show_table(out, counts, ("bars", "verdict"), Look(last=len(counts)))
    rows = [
        {
            "series": _series_of(each.dataset),
            **_defect(found, zone),
            "verdict": found.verdict.value,
            "witness": found.witness,
        }
        for each in verdicts.reports
        for found in each.judged
    ]
    columns = ("series", "code", "from", "to", "count", "verdict", "witness")
    _table(rows[:_SHOWN], _title(len(rows), "defect"), zone, columns)


def show_plans(repair: RepairReport, zone: Zone) -> None:
    """What a repair fetches once more, from whom, and what that costs."""
    rows = [
        {
            "series": _series_of(each.dataset),
            "from": zone.text(part.ts_from),
            "to": zone.text(part.ts_to),
            "bars": part.bars or 0,
            "witness": part.witness,
        }
        for each in repair.series
        if each.plan is not None
        for part in each.plan.ranges
    ]
    for each in repair.series:
        if each.plan is not None and each.plan.left:
            line(f"{count_of(each.plan.left, 'bar')} should not be there, which no revision mends")
    if not rows:
        line("nothing can be repaired")
        return
    _table(rows[:_SHOWN], _title(len(rows), "range"), zone)
    line(f"the repair takes {count_of(repair.requests, 'request')}, {duration(repair.seconds)} at least")


def show_repair(repair: RepairReport, zone: Zone) -> None:
    """Each series before and after, what was changed, and what is known to be missing now."""
    say = spoken().translate
    rows = [
        {
            "series": _series_of(each.dataset),
            "before": _state(each.before),
            "after": say("undone: the proof failed") if each.undone else _state(each.after),
            "revisions": each.revisions,
            "inserted": each.inserted,
            "error": each.error,
        }
        for each in repair.series
    ]
    if rows:
        show_table(out, rows, tuple(rows[0]), Look("", zone, len(rows)))
    changes = [change for each in repair.series for change in each.changes]
    total = sum(each.changes_total for each in repair.series)
    if changes:
        shown: list[dict[str, object]] = [
            {"at": zone.text(each.ts), "field": each.field, "before": each.before or "", "after": each.after or ""}
            for each in changes[:_SHOWN]
        ]
        _table(shown, _title(max(total, len(changes)), "value"), zone)
    for each in repair.series:
        for entry in each.ledger:
            line(f"known to be missing: {zone.text(entry.ts_from)} - {zone.text(entry.ts_to)}: {entry.cause}")


def _series_of(dataset: DatasetShown | None) -> str:
    return "" if dataset is None else str(dataset)


def _state(state: StateShown | None) -> str:
    if state is None:
        return ""
    say = spoken().translate
    return (
        f"{say(count_of(state.defects, 'defect'))}, {say(f'{state.missing} missing')}, {state.score:g} ({state.grade})"
    )


def _title(count: int, one: str) -> str:
    title = count_of(count, one)
    return title if count <= _SHOWN else f"{title}, the first {_SHOWN}; --json has all"


def _table(rows: Sequence[dict[str, object]], title: str, zone: Zone, columns: tuple[str, ...] = ()) -> None:
    show_table(out, rows, columns or tuple(rows[0]), Look(title, zone, len(rows), ("trading_day",)))


__all__ = ["show_check", "show_plans", "show_repair", "show_series_report", "show_verdicts"]
