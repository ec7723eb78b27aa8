"""What a notebook shows of an answer: candles of bars, and a few rows."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING

from marketprism_client._records import shortest
from marketprism_client._times import zone_of

if TYPE_CHECKING:
    from marketprism_application.contracts.plain_table import Table

_BARS, _ROWS = 120, 10
_WIDTH, _HEIGHT = 720, 240
_HIDDEN = frozenset({"source", "epoch", "seq", "ts_recv", "ts_pub", "source_seq"})
_PRICES = ("open", "high", "low", "close")
_UP, _DOWN = "#d0332b", "#1f9d55"  # red rises, as everywhere in China and in our other pictures


def html_of(table: Table, time_field: str | None, tz: str) -> str:
    """HTML of the newest rows, below a picture where they are bars of one instrument."""
    picture = _candles(table.slice(max(0, table.num_rows - _BARS))) if _is_bars(table) else ""
    return f"<div>{picture}{_rows(table, time_field, tz)}</div>"


def _is_bars(table: Table) -> bool:
    names = set(table.column_names)
    return (
        {*_PRICES, "ts_open", "symbol"} <= names
        and table.num_rows > 1
        and len(set(table.column("symbol").to_pylist())) == 1
    )


def _candles(table: Table) -> str:
    """Bars side by side: a break takes no room."""
    bars = [tuple(float(str(each[name])) for name in _PRICES) for each in table.select(list(_PRICES)).to_pylist()]
    highest, lowest = max(bar[1] for bar in bars), min(bar[2] for bar in bars)
    scale = (_HEIGHT - 20) / ((highest - lowest) or 1.0)
    step = _WIDTH / len(bars)

    def y(price: float) -> float:
        return 10 + (highest - price) * scale

    shapes = []
    for number, (open_, high, low, close) in enumerate(bars):
        middle = (number + 0.5) * step
        colour = _UP if close >= open_ else _DOWN
        top, height = y(max(open_, close)), max(1.0, abs(close - open_) * scale)
        shapes.append(
            f'<path d="M{middle:.1f} {y(high):.1f}V{y(low):.1f}" stroke="{colour}"/>'
            f'<rect x="{middle - step * 0.35:.1f}" y="{top:.1f}" width="{step * 0.7:.1f}" height="{height:.1f}" '
            f'fill="{colour}"/>'
        )
    ends = f'<text x="2" y="9">{highest:g}</text><text x="2" y="{_HEIGHT - 1}">{lowest:g}</text>'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'font-size="9" fill="currentColor">{ends}{"".join(shapes)}</svg>'
    )


def _rows(table: Table, time_field: str | None, tz: str) -> str:
    names = [name for name in table.column_names if name not in _HIDDEN]
    if time_field in names:
        names = [time_field, *(name for name in names if name != time_field)]
    rows = table.slice(max(0, table.num_rows - _ROWS)).to_pylist()
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    body = "".join(f"<tr>{''.join(f'<td>{_text(name, row[name], tz)}</td>' for name in names)}</tr>" for row in rows)
    count = table.num_rows
    newest = f", the newest {len(rows)}" if count > len(rows) else ""
    title = f"{count} row{'s' * (count != 1)}{newest}"
    return f"<p>{title}; times in {escape(tz)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _text(name: str, value: object, tz: str) -> str:
    if value is None:
        return ""
    if name.startswith("ts_") and isinstance(value, int):
        zone = zone_of(tz)[1]
        return datetime.fromtimestamp(value // 10**9, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, Decimal):
        return str(shortest(value))
    if isinstance(value, list):
        return escape(", ".join(_level(each) for each in value[:5]))
    return escape(str(value))


def _level(value: object) -> str:
    if isinstance(value, dict):
        return f"{shortest(value['price'])}×{shortest(value['quantity'])}"
    return str(value)
