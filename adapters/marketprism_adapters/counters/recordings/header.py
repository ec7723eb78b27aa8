"""What the first line of a recording says: the sign between its cells, its form, and where each column is."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import NamedTuple

from marketprism_adapters.counters.recordings.formats import FORMATS, Format

_SEPARATORS = ",\t;|"
# The fields of the counter's message as its documents name them; tables that are sold in China have these.
_CHINESE_NAMES = """
交易日 TradingDay 合约代码 InstrumentID 交易所代码 ExchangeID 最新价 LastPrice 上次结算价 PreSettlementPrice
昨收盘 PreClosePrice 昨持仓量 PreOpenInterest 今开盘 OpenPrice 最高价 HighestPrice 最低价 LowestPrice 数量 Volume
成交金额 Turnover 持仓量 OpenInterest 今收盘 ClosePrice 本次结算价 SettlementPrice 涨停板价 UpperLimitPrice
跌停板价 LowerLimitPrice 最后修改时间 UpdateTime 最后修改毫秒 UpdateMillisec 当日均价 AveragePrice 业务日期 ActionDay
"""
_WORDS = _CHINESE_NAMES.split()
_CHINESE = dict(zip(_WORDS[::2], _WORDS[1::2], strict=True))
_CHINESE |= {
    f"申{side}{what}{number}": f"{ours}{field}{n}"
    for n, number in enumerate("一二三四五", 1)
    for side, ours in (("买", "Bid"), ("卖", "Ask"))
    for what, field in (("价", "Price"), ("量", "Volume"))
}
_EXCEL_HINT = "sep="  # a line that tells a spreadsheet the sign between cells


class NoHeader(ValueError):
    """A first line that is no header of a recording; the text says what is missing."""


class Header(NamedTuple):
    """The form of a recording, its columns by the names of the form, and the sign between cells."""

    form: Format
    columns: list[str]
    separator: str
    trailing: bool = False  # rows have a separator behind their last cell too

    @property
    def width(self) -> int:
        """How many cells a row has."""
        return len(self.columns) + self.trailing

    def of_rows(self, lines: Sequence[str]) -> Header:
        """The header with what the first rows below it show: whether they have an empty cell more."""
        wider = 0
        for line in lines:
            cells = line.rstrip("\r\n").split(self.separator)
            wider += len(cells) == len(self.columns) + 1 and not cells[-1]
        return self._replace(trailing=wider * 2 > len(lines))

    @property
    def at(self) -> dict[str, int]:
        """Where each column of the form is; what is missing stands behind the last."""
        at = dict.fromkeys(self.form.columns, self.width)
        at.update({column: number for number, column in enumerate(self.columns)})
        return at


def is_before_header(line: str) -> bool:
    """Whether a line may stand before the header: it is empty, or for a spreadsheet."""
    text = line.strip().strip('"')
    return not text or (text.lower().startswith(_EXCEL_HINT) and len(text) <= len(_EXCEL_HINT) + 1)


def header_of(line: str) -> Header:
    """The header that a line is. Names count in any case, with or without underscores, `last_price` is LastPrice, and
    in Chinese, `最新价`, in UTF-8 or GBK.

    Raises:
        NoHeader: it is none of a known form, or has a column twice.
    """
    separator = max(_SEPARATORS, key=line.count)
    try:
        cells = [cell.strip() for cell in cells_of(_readable(line), separator)]
    except csv.Error as error:
        raise NoHeader(f"expected a header row, was {line.strip()[:80]!r}: {error}") from error
    while cells and not cells[-1]:
        cells.pop()
    for form in FORMATS:
        columns = _named(form, cells)
        if not _lacking(form, columns):
            twice = next((name for name in form.columns if columns.count(name) > 1), None)
            if twice is not None:
                raise NoHeader(f"expected each column of a {form.name} recording once, was {twice} twice")
            return Header(form, columns, separator)
    nearest = max(FORMATS, key=lambda form: len(set(form.columns) & set(_named(form, cells))))
    lacking = ", ".join(_lacking(nearest, _named(nearest, cells)))
    raise NoHeader(f"expected the columns of a {nearest.name} recording, missing {lacking}; was {_shown(cells)} …")


def _shown(cells: Sequence[str]) -> str:
    """The first cells; what was no text, and is kept as its bytes, as signs that can be written."""
    return ", ".join(cells[:8]).encode("utf-8", "replace").decode()


def cells_of(line: str, separator: str) -> list[str]:
    """Raises csv.Error: quotes that do not belong together; none reaches into another line."""
    if '"' not in line:
        return line.rstrip("\r\n").split(separator)
    return next(csv.reader([line], delimiter=separator, strict=True), [])


def _named(form: Format, cells: Sequence[str]) -> list[str]:
    """The cells as the form names them; one that is written exactly so goes before another that reads the same."""
    names = {chinese: name for chinese, name in _CHINESE.items() if name in form.columns}
    names |= {_plain(name): name for name in form.columns}
    exact = set(cells) & set(form.columns)
    return [name if (name := names.get(_plain(cell), cell)) not in exact or cell in exact else cell for cell in cells]


def _readable(line: str) -> str:
    """A line whose bytes are no UTF-8, as GBK where they are that."""
    try:
        return line.encode("utf-8", "surrogateescape").decode("gbk") if not line.isprintable() else line
    except UnicodeError:
        return line


def _plain(name: str) -> str:
    return name.replace("_", "").casefold()


def _lacking(form: Format, columns: Sequence[str]) -> list[str]:
    """What columns lack for a form."""
    lacking = [column for column in form.needed if column not in columns]
    return lacking if set(form.days) & set(columns) else [*lacking, " or ".join(form.days)]


__all__ = ["Header", "NoHeader", "cells_of", "header_of", "is_before_header"]
