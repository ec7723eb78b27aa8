"""A report as one page of HTML that needs nothing beside itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from marketprism_application.integrity.rendering import plain_report
from marketprism_domain.integrity.report import IntegrityReport

_STYLE = """
body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color-scheme:light dark}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884}
td.n{text-align:right;font-variant-numeric:tabular-nums}small{opacity:.7}"""
_FIGURES = ("score", "grade", "expected", "present", "missing", "empty", "unexpected", "duplicate")
_DEFECT = ("code", "severity", "certainty", "from", "to", "count", "trading_day", "text")


def html_report(report: IntegrityReport) -> str:
    """The figures, the defects and notices with their first rows, the days, and which checks ran; times are UTC."""
    return "\n".join(_page(report)) + "\n"


def _page(report: IntegrityReport) -> Iterator[str]:
    plain = plain_report(report)
    dataset = report.dataset
    title = escape(f"{dataset.venue}.{dataset.symbol} {dataset.interval or dataset.kind}")
    of = plain["dataset"]
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield f"<style>{_STYLE}</style></head><body><h1>{title}</h1>"
    if isinstance(of, Mapping):
        kind = "dense: each bar must be there" if report.dense else "sparse: bars without a trade are not made"
        yield f"<p>{escape(str(of['from']))} – {escape(str(of['to']))}; {kind}</p>"
    yield from _table(_FIGURES, [plain])
    yield from (f"<p><small>{escape(each)}</small></p>" for each in report.remarks)
    for name in ("defects", "notices"):
        found = plain[name]
        if isinstance(found, list):
            yield f"<h2>{name}</h2>"
            yield from _table((*_DEFECT, "rows"), found) if found else ("<p>none</p>",)
    yield "<h2>days</h2>"
    days = [{**day._asdict(), "state": day.state} for day in report.coverage]
    yield from _table(("trading_day", "expected", "present", "state"), days)
    yield "<h2>checks</h2>"
    yield from _table(("group", "ran", "reason"), [each._asdict() for each in report.checks])
    yield "</body></html>"


def _table(names: tuple[str, ...], rows: list[dict[str, object]]) -> Iterator[str]:
    yield f"<table><tr>{''.join(f'<th>{name}</th>' for name in names)}</tr>"
    for row in rows:
        yield f"<tr>{''.join(_cell(row.get(name)) for name in names)}</tr>"
    yield "</table>"


def _cell(value: object) -> str:
    if isinstance(value, list):
        lines = [", ".join(f"{name} {each[name]}" for name in each) for each in value if isinstance(each, Mapping)]
        return f"<td>{'<br>'.join(escape(line) for line in lines)}</td>"
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    text = "" if value is None else "yes" if value is True else "no" if value is False else str(value)
    return f"<td{' class=n' if numeric else ''}>{escape(text)}</td>"


__all__ = ["html_report"]
