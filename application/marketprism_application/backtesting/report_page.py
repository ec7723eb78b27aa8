"""A run as one page for a browser that needs nothing beside itself: pictures are SVG, numbers are tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from html import escape

import numpy as np
from numpy.typing import NDArray

from marketprism_application.backtesting.breakdown import WINDOW, breakdown, rolling
from marketprism_application.backtesting.columns import NO_PRICE, InstrumentData, Selection
from marketprism_application.backtesting.orders import Fill
from marketprism_application.backtesting.result import RunResult
from marketprism_application.backtesting.statistics import monthly_returns
from marketprism_domain.instruments.exchange_codes import is_chinese

Floats = NDArray[np.float64]
_WIDE, _HIGH, _LOW = 1_100, 260, 120
_CANDLES = 220
_MOST_CHARTS = 20  # instruments whose trades are drawn
_UNFOLDED = 3  # of more instruments a reader opens those that matter
_CHINA = timezone(timedelta(hours=8))
_STYLE = """
body{font:14px/1.5 system-ui,"PingFang SC","Microsoft YaHei",sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;
color:#1a1f24;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
table{border-collapse:collapse}th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #dde2e7}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
.figures{display:flex;flex-wrap:wrap;gap:1.5rem}.figures b{display:block;font-size:1.3rem}
svg{width:100%;height:auto;background:#f7f9fa}svg text{font-size:11px;fill:#57606a}
.line{fill:none;stroke:#0969da;stroke-width:1.2}.below{fill:#d1242f;opacity:.35}
.gap{fill:#f2994a;opacity:.25}.up{stroke:#d1242f;fill:#d1242f}.down{stroke:#1a7f37;fill:#1a7f37}
.buy{fill:#0969da}.sell{fill:#8250df}small{color:#57606a}
@media(prefers-color-scheme:dark){body{background:#0f1419;color:#d7dde3}svg{background:#161c22}
th,td{border-color:#2b333b}small,svg text{color:#9aa5b1;fill:#9aa5b1}}
"""


def report_page(result: RunResult, selection: Selection) -> str:
    """The page of a run: equity, drawdown, trades on candles with gaps shaded, months, costs, exposures."""
    return "".join(_page(result, selection))


def _page(result: RunResult, selection: Selection) -> Iterator[str]:
    title = f"{result.strategy}: {_money(result.net)}"
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style>'
    params = ", ".join(f"{name} {value}" for name, value in result.params.items())
    mode = escape(str(result.settings["fill"]))
    yield f"<h1>{escape(result.strategy)}</h1><p>{escape(params)} · fills by {mode} · {result.state}"
    yield f"<br><small>run {result.run_id}</small></p>"
    if result.failed is not None:
        yield f"<p><b>{escape(result.failed.code)}</b> {escape(result.failed.text)}</p>"
    yield from _figures(result)
    thin = result.curve.thinned()
    if len(thin.ts):
        zone = _zone(selection)
        yield "<h2>Equity</h2>" + _line(thin.ts, thin.equity, zone)
        peaks = np.maximum.accumulate(thin.equity)
        yield "<h2>Drawdown</h2>" + _area(thin.ts, thin.equity / peaks - 1, zone)
    yield from _trades(result, selection)
    yield from _months(result)
    yield from _rolling(result)
    yield from _costs(result)
    yield from _exposures(result)
    yield from _gaps(result)
    yield from _groups(result)
    yield "<h2>Statistics</h2><table><tr><th>what<th class=n>value<th>convention</tr>"
    for each in result.statistics:
        shown = "" if each.value is None else f"{each.value:.6g}"
        yield f"<tr><td>{escape(each.name)}<td class=n>{shown}<td><small>{escape(each.convention)}</small></tr>"
    yield "</table></html>"


def _figures(result: RunResult) -> Iterator[str]:
    figures = {
        "net": _money(result.net),
        "gross": _money(result.gross),
        "fees": _money(result.fees),
        "orders": str(result.sent),
        "sharpe": _figure(result.statistic("sharpe")),
        "max drawdown": _share(result.statistic("max_drawdown")),
        "gap exposure": f"{result.gaps.share:.1%}",
    }
    yield (
        '<div class="figures">'
        + "".join(f"<div>{name}<b>{value}</b></div>" for name, value in figures.items())
        + "</div>"
    )


def _zone(selection: Selection) -> timezone:
    """China's where every exchange is one of China's, else UTC."""
    return _CHINA if all(is_chinese(data.instrument.venue) for data in selection.instruments) else UTC


def _trades(result: RunResult, selection: Selection) -> Iterator[str]:
    """Candles of the instruments that were traded, the most traded ones where they are many."""
    counts = {data.instrument.key: 0 for data in selection.instruments}
    for fill in result.fills:
        counts[fill.venue, fill.symbol] += 1
    chosen = sorted(counts, key=lambda key: -counts[key])[:_MOST_CHARTS]
    for data in selection.instruments:
        key = data.instrument.key
        if key in chosen and (counts[key] or len(counts) == 1):
            mine = [fill for fill in result.fills if (fill.venue, fill.symbol) == key]
            zone = _CHINA if is_chinese(data.instrument.venue) else UTC
            title, drawn = f"Trades of {escape(data.instrument.symbol)}", _candles(data, mine, zone)
            if len(counts) > _UNFOLDED:
                yield f"<details><summary>{title}, {len(mine)} fills</summary>{drawn}</details>"
            else:
                yield f"<h2>{title}</h2>{drawn}"
    if len(counts) > len(chosen):
        yield f"<p><small>{len(chosen)} of {len(counts)} instruments, the most traded ones</small></p>"


def _line(ts: NDArray[np.int64], values: Floats, zone: timezone) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(_xs(len(values)), _ys(values, _HIGH), strict=True))
    return _svg(_HIGH, f'<polyline class="line" points="{points}"/>' + _axis(ts, values, _HIGH, zone))


def _area(ts: NDArray[np.int64], depth: Floats, zone: timezone) -> str:
    ys = _ys(np.r_[depth, 0.0], _LOW)[:-1]
    top = float(_ys(np.r_[depth, 0.0], _LOW)[-1])
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(_xs(len(depth)), ys, strict=True))
    shape = f'<polygon class="below" points="0,{top:.1f} {points} {_WIDE},{top:.1f}"/>'
    return _svg(_LOW, shape + _axis(ts, np.r_[depth, 0.0], _LOW, zone, share=True))


def _candles(data: InstrumentData, fills: Sequence[Fill], zone: timezone) -> str:
    """Candles of equal numbers of rows, fills as triangles, gaps shaded."""
    ts, first, high, low, last = _prices(data)
    if not len(ts):
        return "<p>no prices</p>"
    edges = np.unique(np.linspace(0, len(ts), min(_CANDLES, len(ts)) + 1).astype(np.int64))
    starts, ends = edges[:-1], edges[1:]
    highs = np.maximum.reduceat(high, starts)
    lows = np.minimum.reduceat(low, starts)
    opens, closes = first[starts], last[ends - 1]
    top, bottom = float(highs.max()), float(lows.min())
    width = _WIDE / len(starts)

    def y(price: float) -> float:
        return 8 + (top - price) / ((top - bottom) or 1) * (_HIGH - 28)

    def x(when: int) -> float:
        return float(np.searchsorted(ts[starts], when, side="right") - 0.5) * width

    parts = []
    for hole in data.holes:
        left, right = x(hole.ts_from), x(hole.ts_to)
        wide = max(2.0, right - left)
        parts.append(f'<rect class="gap" x="{left:.1f}" y="0" width="{wide:.1f}" height="{_HIGH - 16}"/>')
    for number in range(len(starts)):
        middle = (number + 0.5) * width
        body = sorted((y(float(opens[number])), y(float(closes[number]))))
        parts.append(
            f'<g class="{"up" if closes[number] >= opens[number] else "down"}"><line x1="{middle:.1f}" '
            f'x2="{middle:.1f}" y1="{y(float(highs[number])):.1f}" y2="{y(float(lows[number])):.1f}"/>'
            f'<rect x="{middle - width * 0.3:.1f}" '
            f'y="{body[0]:.1f}" width="{width * 0.6:.1f}" height="{max(0.6, body[1] - body[0]):.1f}"/></g>'
        )
    for fill in fills[:2_000]:
        at, price = x(fill.ts), y(float(fill.price / data.unit))
        turn = 5 if fill.side == "buy" else -5
        text = f"{fill.side} {fill.quantity.normalize():f} @ {fill.price:f}, {_time(fill.ts, zone)}"
        parts.append(
            f'<path class="{fill.side}" d="M{at:.1f},{price:.1f} l-4,{turn} h8 z"><title>{escape(text)}</title></path>'
        )
    scale = np.array([top, bottom], dtype=np.float64) * float(data.unit)
    return _svg(_HIGH, "".join(parts) + _axis(ts, scale, _HIGH, zone))


def _prices(data: InstrumentData) -> tuple[NDArray[np.int64], ...]:
    for columns in data.bars.values():
        return columns.ts_open, columns.open, columns.high, columns.low, columns.close
    if data.ticks is not None:
        there = data.ticks.last != NO_PRICE
        last = data.ticks.last[there]
        return data.ticks.ts[there], last, last, last, last
    if data.trades is not None:
        price = data.trades.price
        return data.trades.ts, price, price, price, price
    empty = np.zeros(0, dtype=np.int64)
    return empty, empty, empty, empty, empty


def _months(result: RunResult) -> Iterator[str]:
    months = monthly_returns(
        [day.trading_day for day in result.days], [float(day.equity) for day in result.days], float(result.capital)
    )
    heads = "".join(f"<th class=n>{n}" for n in range(1, 13))
    yield f"<h2>Months</h2><table><tr><th>year{heads}<th class=n>whole</tr>"
    for year in sorted({month[:4] for month in months}):
        mine = [months.get(f"{year}{n:02}") for n in range(1, 13)]
        whole = float(np.prod([1 + each for each in mine if each is not None]) - 1)
        yield f"<tr><td>{year}" + "".join(f"<td class=n>{_share(each)}" for each in [*mine, whole]) + "</tr>"
    yield "</table>"


def _rolling(result: RunResult) -> Iterator[str]:
    """The Sharpe ratio of the last 60 days, where there are so many."""
    days = [day.trading_day for day in result.days]
    rows = rolling(days, [float(day.equity) for day in result.days], float(result.capital))
    values = np.array([each.sharpe or 0.0 for each in rows], dtype=np.float64)
    if len(values) > 1:
        ends = {day.trading_day: day.ts for day in result.days}
        ts = np.array([ends[each.trading_day] for each in rows], dtype=np.int64)
        yield f"<h2>Sharpe ratio of {WINDOW} days</h2>" + _line(ts, values, UTC)


def _costs(result: RunResult) -> Iterator[str]:
    yield from _pairs(
        "Costs",
        {
            "gross": _money(result.gross),
            "fees": _money(-result.fees),
            "funding": _money(result.funding),
            "net": _money(result.net),
            "turnover": _large(result.statistic("turnover")),
            "fees over turnover": _figure(result.statistic("fees_share")),
            "slippage, inside gross": _money(-result.slippage),
            "slippage rule": str(result.settings["slippage"]),
        },
    )


def _exposures(result: RunResult) -> Iterator[str]:
    yield from _pairs(
        "Exposure",
        {
            "rows at which something is held": _share(result.statistic("exposure")),
            "mean time of a position, hours": _figure(result.statistic("mean_holding_hours")),
            "turnover a day over capital": _figure(result.statistic("turnover_a_day")),
            "return of holding the instruments": _share(result.statistic("benchmark_return")),
            "alpha": _figure(result.statistic("alpha")),
            "beta": _figure(result.statistic("beta")),
        },
    )


def _gaps(result: RunResult) -> Iterator[str]:
    gaps = result.gaps
    yield from _pairs(
        "Gaps",
        {
            "fills in gaps": f"{gaps.fills_in_gaps} of {gaps.fills}",
            "decisions whose lookback overlaps a gap": f"{gaps.tainted_decisions} of {gaps.decisions}",
            "positions held through a gap": f"{gaps.held_through} of {gaps.positions}",
            "session minutes without data": f"{gaps.minutes_missing} of {gaps.minutes}",
            "profit of what touches a gap": _money(gaps.tainted_profit),
            "net if every gap had moved against it, or for it": f"{_money(gaps.net_low)} … {_money(gaps.net_high)}",
        },
    )


def _groups(result: RunResult) -> Iterator[str]:
    """Positions by side, instrument, session, weekday and hour of their entry."""
    rows = breakdown(result.trips)
    if not rows:
        return
    yield "<h2>Where it comes from</h2><table><tr><th>by<th>value<th class=n>positions<th class=n>profit after fees"
    yield "<th class=n>won<th class=n>mean hours</tr>"
    for each in rows:
        yield (
            f"<tr><td>{each.by}<td>{escape(each.value)}<td class=n>{each.positions}<td class=n>{_money(each.profit)}"
            f"<td class=n>{_share(each.win_rate)}<td class=n>{_figure(each.mean_hours)}</tr>"
        )
    yield "</table>"


def _pairs(title: str, rows: dict[str, str]) -> Iterator[str]:
    cells = "".join(f"<tr><td>{name}<td class=n>{escape(value)}</tr>" for name, value in rows.items())
    yield f"<h2>{title}</h2><table>{cells}</table>"


def _svg(high: int, inside: str) -> str:
    return f'<svg viewBox="0 0 {_WIDE} {high}" role="img">{inside}</svg>'


def _axis(ts: NDArray[np.int64], values: Floats, high: int, zone: timezone, *, share: bool = False) -> str:
    top, bottom = float(values.max()), float(values.min())
    form = "{:.2%}" if share else "{:,.2f}" if top - bottom < 100 else "{:,.0f}"
    times = [_time(int(ts[0]), zone), _time(int(ts[-1]), zone)]
    return (
        f'<text x="4" y="12">{form.format(top)}</text><text x="4" y="{high - 18}">{form.format(bottom)}</text>'
        f'<text x="4" y="{high - 4}">{times[0]}</text>'
        f'<text x="{_WIDE - 4}" y="{high - 4}" text-anchor="end">{times[1]}</text>'
    )


def _xs(count: int) -> Floats:
    return np.linspace(0, _WIDE, count)


def _ys(values: Floats, high: int) -> Floats:
    top, bottom = float(values.max()), float(values.min())
    return 8 + (top - values) / ((top - bottom) or 1) * (high - 28)


def _time(ts: int, zone: timezone) -> str:
    name = "Z" if zone is UTC else "+08"
    return datetime.fromtimestamp(ts / 1e9, zone).strftime("%Y-%m-%d %H:%M:%S") + name


def _money(value: Decimal) -> str:
    return f"{value:,.2f}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"


def _large(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2%}"
