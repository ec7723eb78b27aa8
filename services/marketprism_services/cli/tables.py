"""What a person sees: tables in the terminal, candlestick pictures in the terminal, as PNG, SVG or HTML."""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from marketprism_application.contracts.codec import plain
from marketprism_services.platform.exits import Exit, Stop

if TYPE_CHECKING:
    import pyarrow as pa

# Times are shown in exchange time of the Chinese venues; data and files keep nanoseconds UTC.
CHINA = timezone(timedelta(hours=8), "CST")
_UP, _DOWN = "#d64545", "#2f9e6e"  # red rises, green falls, as Chinese screens show it
_BAR_COLUMNS = ("ts_open", "open", "high", "low", "close", "volume", "open_interest", "gap")


def clock_text(ts: int, *, zone: timezone = CHINA, with_ms: bool = False) -> str:
    """`2018-10-09 21:00:00` of an instant in nanoseconds UTC."""
    moment = datetime.fromtimestamp(ts // 1_000_000_000, zone)
    text = moment.strftime("%Y-%m-%d %H:%M:%S")
    return f"{text}.{ts % 1_000_000_000 // 1_000_000:03d}" if with_ms else text


def cell(name: str, value: Any) -> str:
    """One value as a person reads it."""
    if value is None:
        return ""
    if name.startswith("ts_"):
        return clock_text(value)[5:]
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, bool):
        return "yes" if value else ""
    return str(value)


def heading(name: str) -> str:
    """Column title: `ts_open` becomes `open at`, because a time of day is shown."""
    return f"{name.removeprefix('ts_')} at" if name.startswith("ts_") else name.replace("_", " ")


def table_of(data: pa.Table, columns: Sequence[str], *, title: str = "", last: int = 20) -> Table:
    """The newest `last` rows of an Arrow table as a terminal table."""
    import pyarrow as pa  # noqa: PLC0415 (heavy: only who has a table)

    shown = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    numeric = {
        name for name in columns if name in data.column_names and not pa.types.is_string(data.schema.field(name).type)
    }
    rows = data.slice(max(0, data.num_rows - last)).to_pylist()
    for name in columns:
        justify: Any = "right" if name in numeric and not name.startswith("ts_") else "left"
        # A number that is cut is another number: words give way first.
        width = max((len(cell(name, row.get(name))) for row in rows), default=0) if name in numeric else None
        shown.add_column(heading(name), justify=justify, no_wrap=True, min_width=width)
    for row in rows:
        style = "yellow" if row.get("gap") else None
        shown.add_row(*(cell(name, row.get(name)) for name in columns), style=style)
    return shown


def bars_table(data: pa.Table, *, title: str, last: int = 20) -> Table:
    """Bars, newest last; rows that overlap a gap are yellow. Open interest is shown where there is any."""
    none = "open_interest" not in data.column_names or data.column("open_interest").null_count == data.num_rows
    columns = [name for name in _BAR_COLUMNS if not (none and name == "open_interest")]
    return table_of(data, columns, title=title, last=last)


def candles_in_terminal(data: pa.Table, title: str, *, last: int = 90) -> str:
    """A candlestick picture made of characters."""
    plotext = _needs("plotext")
    rows = data.slice(max(0, data.num_rows - last)).to_pylist()
    plotext.clear_figure()
    plotext.theme("clear")
    plotext.date_form("d/m/Y H:M")
    dates = [datetime.fromtimestamp(row["ts_open"] // 1_000_000_000, CHINA).strftime("%d/%m/%Y %H:%M") for row in rows]
    columns = {key.title(): [float(row[key]) for row in rows] for key in ("open", "close", "high", "low")}
    plotext.candlestick(dates, columns)
    plotext.title(title)
    plotext.plotsize(min(120, max(60, len(rows) + 20)), 24)
    built: str = plotext.build()
    return built


def candles_to_file(data: pa.Table, path: Path, title: str) -> None:
    """Write a candlestick picture with volume; the ending chooses PNG, SVG or HTML.

    Raises:
        Stop: another ending, or matplotlib is not installed.
    """
    ending = path.suffix.lower()
    if ending not in {".png", ".svg", ".html"}:
        raise Stop(Exit.USAGE, f"--plot: expected a file ending in .png, .svg or .html, was {path.name!r}")
    buffer = io.BytesIO()
    _draw(data, buffer, title, "png" if ending == ".png" else "svg")
    if ending == ".html":
        picture = buffer.getvalue().decode()
        picture = picture[picture.index("<svg") :]
        safe = html.escape(title)
        head = f"<!doctype html><html><head><meta charset='utf-8'><title>{safe}</title></head>"
        path.write_text(f"{head}<body>{picture}</body></html>", encoding="utf-8")
    else:
        path.write_bytes(buffer.getvalue())


def _draw(data: pa.Table, target: io.BytesIO, title: str, form: str) -> None:
    _needs("matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 (an extra)
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = data.to_pylist()
    figure = Figure(figsize=(14, 7), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    price, volume = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    # Bars stand side by side: nights, breaks and week ends take no room.
    for x, row in enumerate(rows):
        opened, closed = float(row["open"]), float(row["close"])
        colour = _UP if closed >= opened else _DOWN
        price.vlines(x, float(row["low"]), float(row["high"]), color=colour, linewidth=0.8)
        price.bar(x, abs(closed - opened) or 1e-9, 0.7, bottom=min(opened, closed), color=colour)
        volume.bar(x, float(row["volume"]), 0.7, color=colour)
        if row["gap"]:
            price.axvspan(x - 0.5, x + 0.5, color="#f2c94c", alpha=0.35, linewidth=0)
    ticks = range(0, len(rows), max(1, len(rows) // 12))
    volume.set_xticks(list(ticks), [clock_text(rows[x]["ts_open"])[5:16] for x in ticks], rotation=30, ha="right")
    price.set_title(title, loc="left")
    price.set_ylabel("price")
    volume.set_ylabel("volume")
    for axes in (price, volume):
        axes.grid(visible=True, alpha=0.2)
        axes.margins(x=0.01)
    figure.savefig(target, format=form)


def _needs(module: str) -> Any:
    try:
        return __import__(module)
    except ImportError:
        raise Stop(Exit.USAGE, f"pictures need {module}: install marketprism[plot]") from None
