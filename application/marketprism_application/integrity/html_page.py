"""A report as one page of HTML that needs nothing beside itself, in one language or in two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape

from marketprism_application.contracts.times import iso_short
from marketprism_application.integrity.catalogue import CODES, GROUPS
from marketprism_domain.integrity.report import DayCoverage, Defect, IntegrityReport

_STYLE = """
body{font:14px/1.5 system-ui,"PingFang SC","Microsoft YaHei",sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;
color:#1a1f24;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #dde2e7;
vertical-align:top}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.figures{display:flex;flex-wrap:wrap;gap:1.5rem}.figures div{min-width:6rem}.figures b{display:block;font-size:1.4rem}
.map{display:grid;grid-template-columns:5rem repeat(31,1fr) 9rem;gap:2px;font-size:11px}
.map i{height:1.1rem;border-radius:2px;background:#f1f3f5}.map span.n{text-align:right}
.c4{background:#1a7f37!important}.c3{background:#6fbf73!important}.c2{background:#f2c94c!important}
.c1{background:#f2994a!important}.c0{background:#d1242f!important}
details summary{cursor:pointer}small{color:#57606a}code{font-size:12px}
html[lang=en] .zh,html[lang=zh] .en{display:none}
button{position:absolute;right:1.5rem;top:1.5rem}
@media(prefers-color-scheme:dark){body{background:#0f1419;color:#d7dde3}th,td{border-color:#2b333b}
.map i{background:#1d242b}
small{color:#9aa5b1}}
"""
_TOGGLE = "document.documentElement.lang=document.documentElement.lang=='en'?'zh':'en'"


@dataclass(frozen=True)
class PageSpeech:
    """How a page tells times and texts: `time` gives the text of an instant in `zone`, `chinese` that of an English
    one; without it the page has one language. `language` is the one that is shown first, en or zh."""

    time: Callable[[int], str] = iso_short
    zone: str = "UTC"
    chinese: Callable[[str], str] | None = None
    language: str = "en"

    def both(self, text: str) -> str:
        """A text in both languages, of which the page shows one."""
        chinese = text if self.chinese is None else self.chinese(text)
        if chinese == text:
            return escape(text)
        return f'<span class="en">{escape(text)}</span><span class="zh">{escape(chinese)}</span>'


PLAIN = PageSpeech()


def html_report(report: IntegrityReport, speech: PageSpeech = PLAIN) -> str:
    """The figures, the calendar of coverage, the defects and notices with their first rows, and which checks ran."""
    return "".join(_page(report, speech))


def _page(report: IntegrityReport, speech: PageSpeech) -> Iterator[str]:
    dataset = report.dataset
    title = f"{dataset.venue}.{dataset.symbol} {dataset.interval or dataset.kind}"
    yield f'<!doctype html><html lang="{speech.language}"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width,initial-scale=1">'
    yield f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
    if speech.chinese is not None:
        yield f'<button onclick="{_TOGGLE}">English / 中文</button>'
    yield f"<h1>{escape(title)}</h1>"
    yield f"<p>{speech.time(dataset.ts_from)} – {speech.time(dataset.ts_to)}, {speech.both(speech.zone)}. "
    yield speech.both("dense: each bar must be there" if report.dense else "sparse: bars without a trade are not made")
    yield "</p><div class=figures>"
    figures = (
        ("score", f"{report.score:g} ({report.grade})"),
        *((name, str(getattr(report, name))) for name in ("expected", "present", "missing", "empty", "unexpected")),
        ("duplicate", str(report.duplicate)),
        ("defects", str(len(report.defects))),
    )
    for name, value in figures:
        yield f"<div><b>{escape(value)}</b>{speech.both(name)}</div>"
    yield "</div>"
    for remark in report.remarks:
        yield f"<p><small>{speech.both(remark)}</small></p>"
    if report.coverage:
        yield f"<h2>{speech.both('coverage')}</h2>"
        yield from _heat_map(report.coverage)
    yield f"<h2>{speech.both('defects')}</h2>"
    yield from _table(report.defects, speech)
    if report.notices:
        yield f"<h2>{speech.both('notices')}</h2>"
        yield from _table(report.notices, speech)
    yield f"<h2>{speech.both('checks')}</h2><table><tr><th>{speech.both('group')}</th><th>{speech.both('what')}</th>"
    yield f"<th>{speech.both('ran')}</th></tr>"
    explained = {group.name: group.explanation for group in GROUPS}
    for check in report.checks:
        ran = speech.both("yes") if check.ran else f"{speech.both('no')}: {speech.both(check.reason)}"
        yield f"<tr><td><code>{check.group}</code></td><td>{speech.both(explained[check.group])}</td>"
        yield f"<td>{ran}</td></tr>"
    yield "</table></body></html>\n"


def _heat_map(days: tuple[DayCoverage, ...]) -> Iterator[str]:
    months: dict[str, dict[int, DayCoverage]] = {}
    for day in days:
        months.setdefault(day.trading_day[:6], {})[int(day.trading_day[6:])] = day
    yield "<div class=map>"
    for month, of_month in months.items():
        yield f"<span>{month[:4]}-{month[4:]}</span>"
        for number in range(1, 32):
            found = of_month.get(number)
            if found is None:
                yield "<i></i>"
            else:
                text = f"{found.trading_day}: {found.present} / {found.expected}"
                yield f'<i class="c{_level(found)}" title="{text}"></i>'
        expected, present = (sum(getattr(day, name) for day in of_month.values()) for name in ("expected", "present"))
        yield f"<span class=n>{present} / {expected}</span>"
    yield "</div>"


def _level(day: DayCoverage) -> int:
    if day.present >= day.expected:
        return 4
    return 0 if not day.present else 1 + min(2, 3 * day.present // max(day.expected, 1))


def _table(defects: tuple[Defect, ...], speech: PageSpeech) -> Iterator[str]:
    if not defects:
        yield f"<p>{speech.both('nothing is wrong')}</p>"
        return
    heads = ("code", "from", "to", "count", "trading_day", "what")
    yield "<table><tr>"
    yield "".join(f"<th{' class=n' if name == 'count' else ''}>{speech.both(name)}</th>" for name in heads)
    yield "</tr>"
    for each in defects:
        yield f"<tr><td><code>{each.code}</code></td><td>{speech.time(each.ts_from)}</td>"
        yield f"<td>{speech.time(each.ts_to)}</td>"
        yield f"<td class=n>{each.total}</td><td>{each.trading_day}</td><td>"
        yield speech.both(each.text or CODES[each.code].explanation)
        if each.rows:
            yield f"<details><summary>{speech.both('rows')}</summary>"
            for row in each.rows:
                values = ", ".join(f"{name} {value}" for name, value in row.values)
                yield f"<div><code>{row.row or ''} {speech.time(row.ts)} {escape(values)}</code></div>"
            yield "</details>"
        yield "</td></tr>"
    yield "</table>"


__all__ = ["PageSpeech", "html_report"]
