"""What `marketprism data` shows in a terminal: a summary, the calendar of coverage, defects, what did not run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from marketprism_adapters.imports.registry import Format
from marketprism_application.integrity.catalogue import CODES
from marketprism_application.integrity.rendering import GLYPHS, calendar_lines
from marketprism_application.ports.imports import FileFacts
from marketprism_domain.integrity.report import DayCoverage, Defect, IntegrityReport
from marketprism_services.cli.clocks import Zone
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import err, out
from marketprism_services.cli.tables import Look, show_table
from marketprism_services.cli.words import count_of

_DEFECTS_SHOWN, _MONTHS_SHOWN = 30, 36


def show_report(report: IntegrityReport, zone: Zone) -> None:
    """The summary of a report; of many defects the first, and how many there are."""
    dataset = report.dataset
    say = spoken().translate
    what = f"{dataset.venue}.{dataset.symbol} {dataset.interval or dataset.kind}"
    span = f"{zone.text(dataset.ts_from)[:16]} - {zone.text(dataset.ts_to)[:16]}, {say(zone.name)}"
    _line(f"{what}, {span}")
    density = say("dense: each bar must be there") if report.dense else say("sparse: bars without a trade are not made")
    rows = {
        "expected": report.expected,
        "present": report.present,
        "missing": report.missing,
        "empty": report.empty,
        "unexpected": report.unexpected,
        "duplicate": report.duplicate,
        "score": f"{report.score:g} ({report.grade})",
    }
    show_table(out, [rows], tuple(rows))
    if report.dataset.interval:
        _line(density)
    for remark in report.remarks:
        _line(remark)
    if len(report.coverage) > 1:
        _calendar(report.coverage)
    _defects(report.defects, zone)
    if report.notices:
        counts = Counter(each.code for each in report.notices)
        found = ", ".join(f"{code} {count}" for code, count in sorted(counts.items()))
        _line(f"worth a look, no defects: {found}")
    for check in report.checks:
        if not check.ran and not check.reason.startswith("not a check"):
            _line(f"not checked: {check.group}: {check.reason}")


def _defects(defects: Sequence[Defect], zone: Zone) -> None:
    if not defects:
        _line("nothing is wrong")
        return
    say = spoken().translate
    rows = [
        {
            "code": each.code,
            "from": zone.text(each.ts_from),
            "to": zone.text(each.ts_to),
            "count": each.total,
            "trading_day": each.trading_day,
            "rows": " ".join(str(row.row) for row in each.rows[:5] if row.row),
            "what": say(each.text or CODES[each.code].explanation),
        }
        for each in defects[:_DEFECTS_SHOWN]
    ]
    title = count_of(len(defects), "defect")
    if len(defects) > _DEFECTS_SHOWN:
        title = f"{title}, the first {_DEFECTS_SHOWN}; --json, --csv and --html have all"
    columns = ("code", "from", "to", "count", "trading_day", "rows", "what")
    show_table(out, rows, columns, Look(title, zone, _DEFECTS_SHOWN, ("rows", "trading_day")))


def _calendar(days: tuple[DayCoverage, ...]) -> None:
    lines = list(calendar_lines(days))
    counts = Counter(day.state for day in days)
    for line in lines[-_MONTHS_SHOWN:]:
        _plain(line)
    _line(
        f"{counts['complete']} days complete {GLYPHS[-1]}, {counts['partly']} partly {GLYPHS[1:-1]}, "
        f"{counts['empty']} empty {GLYPHS[0]}"
    )


def show_calendar(found: Mapping[str, tuple[DayCoverage, ...]]) -> None:
    """The calendars of several series, one below the other."""
    if not any(found.values()):
        err.print("nothing is stored of it in that range", highlight=False, markup=False)
    for name, days in found.items():
        _plain(name)
        _calendar(days)


def show_mapping(facts: FileFacts) -> None:
    """Which columns were understood as which fields, of a file that is of no known format."""
    read = ", ".join(f"{each.field}={each.column}" for each in facts.mapping if each.field)
    err.print(f"columns, by their names: {read}; --map says otherwise", highlight=False, markup=False, soft_wrap=True)
    unread = ", ".join(each.column for each in facts.mapping if not each.field)
    if unread:
        err.print(f"columns that are not read: {unread}", highlight=False, markup=False, soft_wrap=True)


def show_formats(formats: Iterable[Format]) -> None:
    """The formats of files, a row each."""
    say = spoken().translate
    rows = [
        {"format": each.name, "kinds": ", ".join(each.kinds), "files": say(each.containers), "note": say(each.note)}
        for each in formats
    ]
    show_table(out, rows, ("format", "kinds", "files", "note"), Look(last=len(rows)))


def _line(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)


def _plain(text: str) -> None:
    out.print(text, highlight=False, markup=False, no_wrap=True, overflow="ignore", crop=False)
