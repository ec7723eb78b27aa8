"""Reports in the forms that other programs and people take: plain values for JSON, CSV, Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from marketprism_application.contracts.times import iso_short
from marketprism_application.integrity.catalogue import CODES, GROUPS
from marketprism_application.ports.imports import FileFacts
from marketprism_domain.integrity.report import DayCoverage, Defect, IntegrityReport

GLYPHS = "·░▒▓█"  # of a day of which nothing is there, a third, two thirds, nearly all, all
_COLUMNS = (
    "code",
    "severity",
    "certainty",
    "from",
    "to",
    "ts_from",
    "ts_to",
    "count",
    "trading_day",
    "text",
    "rows",
)


def plain_report(report: IntegrityReport) -> dict[str, object]:
    """The report as values that JSON has. Times are nanoseconds UTC, and beside them as text."""
    dataset = report.dataset
    return {
        "dataset": {
            "kind": dataset.kind,
            "venue": dataset.venue,
            "symbol": dataset.symbol,
            "interval": dataset.interval or None,
            "ts_from": dataset.ts_from,
            "ts_to": dataset.ts_to,
            "from": iso_short(dataset.ts_from),
            "to": iso_short(dataset.ts_to),
            "dense": report.dense,
        },
        "expected": report.expected,
        "present": report.present,
        "missing": report.missing,
        "empty": report.empty,
        "unexpected": report.unexpected,
        "duplicate": report.duplicate,
        "repeated": report.repeated,
        "rows": report.rows,
        "score": report.score,
        "grade": report.grade,
        "clean": report.is_clean,
        "defects": [plain_defect(each) for each in report.defects],
        "notices": [plain_defect(each) for each in report.notices],
        "checks": [{"group": each.group, "ran": each.ran, "reason": each.reason or None} for each in report.checks],
        "coverage": [{**each._asdict(), "state": each.state} for each in report.coverage],
        "remarks": list(report.remarks),
    }


def plain_facts(facts: FileFacts) -> dict[str, object]:
    """What a file says of itself, as values that JSON has."""
    return {
        "format": facts.format,
        "guessed": facts.guessed,
        "columns": {each.column: each.field or None for each in facts.mapping},
    }


def plain_defect(defect: Defect) -> dict[str, object]:
    """A defect as values that JSON has."""
    return {
        "code": defect.code,
        "severity": defect.severity.value,
        "certainty": defect.certainty.value,
        "ts_from": defect.ts_from,
        "ts_to": defect.ts_to,
        "from": iso_short(defect.ts_from),
        "to": iso_short(defect.ts_to),
        "count": defect.total,
        "trading_day": defect.trading_day or None,
        "text": defect.text or CODES[defect.code].explanation,
        "rows": [{"row": each.row or None, "ts": each.ts, **dict(each.values)} for each in defect.rows],
    }


def csv_report(report: IntegrityReport) -> str:
    """The defects and the notices, a line each; all of them."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for defect in (*report.defects, *report.notices):
        plain = plain_defect(defect)
        rows = " ".join(str(each.row) for each in defect.rows if each.row)
        writer.writerow([*(plain[name] if plain[name] is not None else "" for name in _COLUMNS[:-1]), rows])
    return out.getvalue()


def markdown_report(report: IntegrityReport) -> str:
    """The whole report as a page of Markdown."""
    return "\n".join(_markdown(report)) + "\n"


def _markdown(report: IntegrityReport) -> Iterator[str]:
    dataset = report.dataset
    yield f"# {dataset.venue}.{dataset.symbol} {dataset.interval or dataset.kind}".rstrip()
    yield ""
    yield f"{iso_short(dataset.ts_from)} to {iso_short(dataset.ts_to)}, score {report.score:g} ({report.grade})"
    yield ""
    yield "| expected | present | missing | empty | unexpected | duplicate | rows |"
    yield "|---|---|---|---|---|---|---|"
    yield (
        f"| {report.expected} | {report.present} | {report.missing} | {report.empty} | {report.unexpected} "
        f"| {report.duplicate} | {report.rows} |"
    )
    yield from ("", "## Defects", "")
    if not report.defects:
        yield "None."
    else:
        yield "| code | from | to | count | trading day | what |"
        yield "|---|---|---|---|---|---|"
        for each in report.defects:
            text = (each.text or CODES[each.code].explanation).replace("|", "\\|")
            yield (
                f"| {each.code} | {iso_short(each.ts_from)} | {iso_short(each.ts_to)} | {each.total} "
                f"| {each.trading_day} | {text} |"
            )
    yield from ("", "## Checks", "", "| group | what | ran |", "|---|---|---|")
    explained = {group.name: group.explanation for group in GROUPS}
    for check in report.checks:
        yield f"| {check.group} | {explained[check.group]} | {'yes' if check.ran else f'no: {check.reason}'} |"
    if report.coverage:
        yield from ("", "## Coverage", "", "```")
        yield from calendar_lines(report.coverage)
        yield "```"
    if report.remarks:
        yield from ("", "## Remarks", "", *(f"- {remark}" for remark in report.remarks))


def glyph(day: DayCoverage) -> str:
    """One sign for how much of a day is there."""
    if day.present >= day.expected:
        return GLYPHS[-1]
    return GLYPHS[0] if not day.present else GLYPHS[1 + min(2, 3 * day.present // max(day.expected, 1))]


def calendar_lines(days: tuple[DayCoverage, ...]) -> Iterator[str]:
    """A line for each month, a sign for each day of it that is expected."""
    months: dict[str, list[DayCoverage]] = {}
    for day in days:
        months.setdefault(day.trading_day[:6], []).append(day)
    for month, of_month in months.items():
        signs = [" "] * 31
        for day in of_month:
            signs[int(day.trading_day[6:]) - 1] = glyph(day)
        expected, present = sum(day.expected for day in of_month), sum(day.present for day in of_month)
        yield f"{month[:4]}-{month[4:]} {''.join(signs).rstrip():31s} {present} / {expected}"
