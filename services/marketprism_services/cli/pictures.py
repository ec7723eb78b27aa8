"""Candlestick pictures: of characters in the terminal, or as PNG, SVG or HTML.

Bars stand side by side: nights, breaks and week ends take no room. Red rises and green falls, as Chinese screens show
it; `western` is the other way round.
"""

from __future__ import annotations

import html
import io
import math
import os
import re
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.cells import cell_len
from rich.console import Console

from marketprism_services.cli.clocks import Zone
from marketprism_services.cli.language.catalogue import Catalogue, spoken
from marketprism_services.cli.tables import Row, is_of_days
from marketprism_services.platform.exits import Exit, Stop

if TYPE_CHECKING:
    from marketprism_application.contracts.plain_table import Table

PICTURES = (".png", ".svg", ".html")
COLOURS = ("chinese", "western")
_RED, _GREEN = "#d64545", "#2f9e6e"
_HEIGHT = 24
_PIPED = 100  # columns, where nobody says how many there are
_TICK_EVERY = 16  # columns of the terminal from one time to the next, a time with its year and a blank
_PRICES = 6
_CHINESE_FONTS = (
    "Noto Sans CJK SC",
    "Source Han Sans SC",
    "WenQuanYi Micro Hei",
    "WenQuanYi Zen Hei",
    "Microsoft YaHei",
    "SimHei",
    "PingFang SC",
    "Heiti SC",
)
_LEGEND = "█ rises, ░ falls"


class Picture(NamedTuple):
    """What is drawn: bars of one instrument, how they are called, where their times are, and which colour rises."""

    data: Table
    symbol: str
    interval: str
    zone: Zone
    colours: str = COLOURS[0]

    def title(self, rows: Sequence[Row]) -> str:
        """`ru1901 5m, newest 71 of 207 bars, 2018, China time`."""
        count = f"newest {len(rows)} of {self.data.num_rows} bars"
        if len(rows) == self.data.num_rows:
            count = f"{len(rows)} bars" if len(rows) != 1 else "1 bar"
        years = [self.moment(row).year for row in (rows[0], rows[-1])]
        span = str(years[0]) if years[0] == years[1] else f"{years[0]} to {years[1]}"
        return f"{self.symbol} {self.interval}, {count}, {span}, {self.zone.name}"

    def moment(self, row: Row) -> datetime:
        """When a bar opens; of a day, its trading day."""
        if is_of_days(self.interval) and row.get("trading_day"):
            return datetime.strptime(str(row["trading_day"]), "%Y%m%d")  # noqa: DTZ007 (a day has no zone)
        return self.zone.moment(row["ts_open"])

    def label(self, rows: Sequence[Row], at: int) -> str:
        """`10-08 09:00`, with the year where the bars are of several, without the time where they are of days."""
        form = "%m-%d" if is_of_days(self.interval) else "%m-%d %H:%M"
        several = self.moment(rows[0]).year != self.moment(rows[-1]).year
        return self.moment(rows[at]).strftime(f"%Y-{form}" if several else form)

    def rises_in(self, red: str, green: str) -> tuple[str, str]:
        """The colours of a bar that rises and of one that falls."""
        return (red, green) if self.colours == COLOURS[0] else (green, red)


def candles_in_terminal(console: Console, picture: Picture) -> None:
    """Print a candlestick picture made of characters, as wide as the terminal; in colours where it shows them."""
    width = console.width if console.is_terminal or "COLUMNS" in os.environ else _PIPED
    text = _of_characters(picture, max(40, width))
    if not console.is_terminal or console.no_color or console.color_system is None:
        plain = _needs("plotext").uncolorize(_hollow(text, picture)).rstrip("\n")
        text = f"{plain}\n{spoken().translate(_LEGEND)}"
    # Written as it is: whoever measures it anew counts the colours as characters.
    console.file.write(text.rstrip("\n") + "\n")
    console.file.flush()


def _hollow(text: str, picture: Picture) -> str:
    """The same with another body for bars that fall: without colours nothing else tells them from those that rise."""
    falling = picture.rises_in("1", "2")[1]  # of the terminal's colours: red and green
    return re.sub(rf"\x1b\[38;5;{falling}m[^\x1b]*", lambda found: found[0].replace("█", "░"), text)


def _of_characters(picture: Picture, width: int) -> str:
    plotext = _needs("plotext")
    every = picture.data.slice(max(0, picture.data.num_rows - width)).to_pylist()
    prices, texts = _price_ticks(every)
    # One column a bar, or two where there is room: what is left of the width beside the prices and the frame.
    room = width - max(map(len, texts)) - 2
    rows = every[-room:]
    prices, texts = _price_ticks(rows)
    room = width - max(map(len, texts)) - 2
    step = 2 if len(rows) * 2 <= room else 1
    plotext.clear_figure()
    plotext.theme("clear")
    columns = {key.title(): [float(str(row[key])) for row in rows] for key in ("open", "close", "high", "low")}
    rising = [c >= o for o, c in zip(columns["Open"], columns["Close"], strict=True)]
    for risen, colour in zip((True, False), picture.rises_in("red", "green"), strict=True):
        at = [number for number, each in enumerate(rising) if each is risen]
        if at:
            part = {name: [values[number] for number in at] for name, values in columns.items()}
            plotext.candlestick([number * step for number in at], part, colors=[colour, colour])
    plotext.xlim(0, room - 1)
    low, high = min(columns["Low"]), max(columns["High"])
    plotext.ylim(low, high if high > low else low + 1)
    labelled = range(0, len(rows), max(1, _TICK_EVERY // step))
    ticks = [at for at in labelled if at * step + _TICK_EVERY // 2 < room]
    plotext.xticks([at * step for at in ticks], [picture.label(rows, at) for at in ticks])
    plotext.yticks(prices, texts)
    plotext.plotsize(width, _HEIGHT - 1)
    built: str = plotext.build()
    title = spoken().translate(picture.title(rows))  # the library would count a Chinese character as one column
    return f"{' ' * max(0, (width - cell_len(title)) // 2)}{title}\n{built}"


def _price_ticks(rows: Sequence[Row]) -> tuple[list[float], list[str]]:
    """Round prices between the lowest and the highest, and how they are written; all texts are of one length."""
    low, high = min(float(row["low"]) for row in rows), max(float(row["high"]) for row in rows)
    rough = (high - low) / _PRICES or abs(high) / 100 or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step for step in (power, 2 * power, 5 * power, 10 * power) if step >= rough)
    first = math.ceil(low / step)
    prices = [number * step for number in range(first, math.floor(high / step) + 1)] or [low]
    decimals = max(0, -math.floor(math.log10(step))) if len(prices) > 1 else 4
    texts = [f"{price:.{decimals}f}" for price in prices]
    longest = max(map(len, texts))
    return prices, [text.rjust(longest) for text in texts]


def candles_to_file(picture: Picture, path: Path) -> None:
    """Write a candlestick picture with volume; the ending chooses PNG, SVG or HTML.

    Raises:
        Stop: another ending, a file that cannot be written, or matplotlib is not installed.
    """
    ending = path.suffix.lower()
    if ending not in PICTURES:
        raise Stop(Exit.USAGE, f"--plot: expected a file ending in .png, .svg or .html, was {path.name!r}")
    buffer = io.BytesIO()
    title = _draw(picture, buffer, "png" if ending == ".png" else "svg")
    written = buffer.getvalue()
    if ending == ".html":
        drawn = written.decode()
        drawn = drawn[drawn.index("<svg") :]
        head = f"<!doctype html><html><head><meta charset='utf-8'><title>{html.escape(title)}</title></head>"
        written = f"{head}<body>{drawn}</body></html>".encode()
    try:
        path.write_bytes(written)
    except OSError as error:
        raise Stop(Exit.USAGE, f"--output {path}: expected a writable file: {error.strerror}") from error


def _draw(picture: Picture, target: io.BytesIO, form: str) -> str:
    """Draw every bar; returns the title."""
    _needs("matplotlib")
    import matplotlib as mpl  # noqa: PLC0415 (an extra)
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    rows = picture.data.to_pylist()
    rises, falls = picture.rises_in(_RED, _GREEN)
    texts, fonts = _texts_and_fonts(form)
    figure = Figure(figsize=(14, 7), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    price, volume = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    for x, row in enumerate(rows):
        opened, closed = float(row["open"]), float(row["close"])
        colour = rises if closed >= opened else falls
        price.vlines(x, float(row["low"]), float(row["high"]), color=colour, linewidth=0.8)
        price.bar(x, abs(closed - opened) or 1e-9, 0.7, bottom=min(opened, closed), color=colour)
        volume.bar(x, float(row["volume"]), 0.7, color=colour)
        if row["gap"]:
            price.axvspan(x - 0.5, x + 0.5, color="#f2c94c", alpha=0.35, linewidth=0)
    ticks = range(0, len(rows), max(1, len(rows) // 12))
    volume.set_xticks(list(ticks), [picture.label(rows, x) for x in ticks], rotation=30, ha="right")
    title = texts.translate(picture.title(rows))
    price.set_title(title, loc="left", family=fonts)
    price.set_ylabel(texts.translate("price"), family=fonts)
    volume.set_ylabel(texts.translate("volume"), family=fonts)
    volume.set_xlabel(texts.translate(picture.zone.name), family=fonts)
    for axes in (price, volume):
        axes.grid(visible=True, alpha=0.2)
        axes.margins(x=0.01)
    # Texts of an SVG are texts, which can be found and read aloud; whoever shows it has the font that this may lack.
    with mpl.rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(target, format=form)
    return title


def _texts_and_fonts(form: str) -> tuple[Catalogue, list[str]]:
    """The user's language and fonts that have it; English where a PNG could show Chinese as boxes only."""
    from matplotlib import font_manager  # noqa: PLC0415 (an extra)

    there = {font.name for font in font_manager.fontManager.ttflist}
    chinese = [name for name in _CHINESE_FONTS if name in there]
    texts = spoken()
    if form == "png" and not chinese:
        texts = Catalogue({})
    return texts, [*(chinese if texts else []), "sans-serif"]


def _needs(module: str) -> Any:
    try:
        return __import__(module)
    except ImportError:
        raise Stop(Exit.USAGE, f"pictures need {module}: install marketprism[plot]") from None
