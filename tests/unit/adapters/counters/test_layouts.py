"""Recordings as other programs write them: each of them gives the ticks of the plain one."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from marketprism_adapters.counters.recordings.formats import CTP_COLUMNS
from marketprism_adapters.counters.recordings.reader import Recording
from marketprism_adapters.counters.recordings.replay import recording_paths
from marketprism_adapters.sources.registry import make_source, parse_source
from marketprism_application.errors import SourceError
from marketprism_domain.sessions.calendar import MarketCalendar
from tests.unit.adapters.counters.test_spoiled_rows import ctp_row, save


def text_of(rows: range, columns: tuple[str, ...] = CTP_COLUMNS, sign: str = ",", end: str = "\n") -> str:
    lines = [sign.join(columns), *(sign.join(ctp_row(n).get(c, "") for c in columns) for n in rows)]
    return end.join(lines) + end


def _zipped(path: Path, data: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.csv", data)


PLAIN = text_of(range(6))
HEADER, _, ROWS = PLAIN.partition("\n")
CHINESE = ",".join(
    [
        *[
            "交易日",
            "合约代码",
            "交易所代码",
            "最新价",
            "上次结算价",
            "昨收盘",
            "昨持仓量",
            "今开盘",
            "最高价",
            "最低价",
            "数量",
            "成交金额",
            "持仓量",
            "今收盘",
        ],
        *["本次结算价", "涨停板价", "跌停板价", "最后修改时间", "最后修改毫秒", "当日均价", "业务日期"],
        *(f"{side}{what}{n}" for n in "一二三四五" for side in ("申买", "申卖") for what in "价量"),
    ]
)
TURNED = tuple(reversed(CTP_COLUMNS))
LAYOUTS: dict[str, str | bytes] = {
    "small letters": HEADER.lower() + "\n" + ROWS,
    "underscores": HEADER.replace("Price", "_Price").replace("Day", "_day") + "\n" + ROWS,
    "tabs": text_of(range(6), sign="\t"),
    "semicolons": text_of(range(6), sign=";"),
    "bars": text_of(range(6), sign="|"),
    "blanks": PLAIN.replace(",", " , "),
    "CRLF": text_of(range(6), end="\r\n"),
    "CR": text_of(range(6), end="\r"),
    "blank lines": "\n \n" + PLAIN.replace("\n", "\n\n"),
    "for a spreadsheet": "sep=,\n" + PLAIN,
    "a separator behind each row": HEADER + "\n" + ROWS.replace("\n", ",\n"),
    "a separator behind each line": PLAIN.replace("\n", ",\n"),
    "a separator behind the header": HEADER + ",\n" + ROWS,
    "no end of line": PLAIN[:-1],
    "a mark": PLAIN.encode("utf-8-sig"),
    "UTF-16": PLAIN.encode("utf-16"),
    "UTF-16 without a mark": PLAIN.encode("utf-16-le"),
    "UTF-16 of the other order": PLAIN.encode("utf-16-be"),
    "columns turned": text_of(range(6), TURNED),
    "more columns": text_of(range(6), ("n", *CTP_COLUMNS, "名称")),
    "a column of the same letters": text_of(range(6), (*CTP_COLUMNS, "last_price")),
    "Chinese names": CHINESE + "\n" + ROWS,
    "Chinese names in GBK": (CHINESE + ",备注\n" + ROWS.replace("\n", ",无\n")).encode("gbk"),
    "gzip": gzip.compress(PLAIN.encode()),
    "xz": lzma.compress(PLAIN.encode()),
    "bzip2": bz2.compress(PLAIN.encode()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_says_nothing_of_the_ticks(tmp_path: Path, calendar: MarketCalendar, layout: str) -> None:
    data = LAYOUTS[layout]
    path = tmp_path / "x.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    plain = Recording(save(tmp_path / "plain.csv", CTP_COLUMNS, [ctp_row(n) for n in range(6)]), calendar)
    recording = Recording(path, calendar)
    blank = {"source_seq": 0, "source": ""}
    right = [tick._replace(**blank) for tick in plain.rows()]
    assert [tick._replace(**blank) for tick in recording.rows()] == right
    assert recording.refused == []


def test_headers_again_name_the_columns_behind_them(tmp_path: Path, calendar: MarketCalendar) -> None:
    """Files put together, also of several layouts."""
    path = tmp_path / "x.csv"
    path.write_text(text_of(range(2)) + text_of(range(2, 4), TURNED) + text_of(range(4, 6), CTP_COLUMNS[:-8], ";"))
    recording = Recording(path, calendar)
    assert [int(tick.last or 0) for tick in recording.rows()] == [3300 + n for n in range(6)]
    assert recording.skipped == {"repeated_header": 2}
    assert recording.refused == [f"row {n}: a header again, the rows behind it are read by it" for n in (3, 6)]


def test_a_column_that_stands_twice_is_not_guessed(tmp_path: Path, calendar: MarketCalendar) -> None:
    path = tmp_path / "x.csv"
    path.write_text(text_of(range(3), (*CTP_COLUMNS, "LastPrice")))
    with pytest.raises(SourceError, match="each column of a CTP depth recording once, was LastPrice twice"):
        Recording(path, calendar)


def test_a_separator_in_one_number_is_no_layout(tmp_path: Path, calendar: MarketCalendar) -> None:
    columns = (*CTP_COLUMNS, "empty")
    text = text_of(range(3), columns).replace(",3301,", ",3,301,", 1)
    (tmp_path / "x.csv").write_text(text)
    recording = Recording(tmp_path / "x.csv", calendar)
    assert len(list(recording.rows())) == 2
    assert [text.partition(": ")[2] for text in recording.refused] == [
        f"expected {len(columns)} columns, was {len(columns) + 1}"
    ]


@pytest.mark.parametrize(
    "name", ["x.csv.zip", "X.CSV", "x.csv.GZ", "x.tsv", "a,b.csv", "[x].csv", "a*b.csv", "行 情%.csv"]
)
def test_names_in_any_case_and_with_any_sign(tmp_path: Path, calendar: MarketCalendar, name: str) -> None:
    write: Callable[[Path, bytes], object] = _zipped if name.endswith(".zip") else Path.write_bytes
    write(tmp_path / name, PLAIN.encode())
    (tmp_path / "axb.csv").write_text("another")
    assert recording_paths(str(tmp_path / name)) == [tmp_path / name]
    assert len(list(Recording(tmp_path / name, calendar).rows())) == 6


def test_what_is_no_file_of_text_is_refused_by_what_it_is(tmp_path: Path, calendar: MarketCalendar) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "x.csv").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(20))
    _zipped(tmp_path / "two.csv.zip", PLAIN.encode())
    with zipfile.ZipFile(tmp_path / "two.csv.zip", "a") as archive:
        archive.writestr("y.csv", "x")
    for name, text in (
        ("pipe.csv", "expected a file, was a pipe"),
        ("folder.csv", "expected a file, was a folder"),
        ("x.csv", "was a zstd file"),
        ("two.csv.zip", "a zip archive of one file, was one of 2"),
    ):
        with pytest.raises(SourceError, match=text):
            Recording(tmp_path / name, calendar)
    with pytest.raises(SourceError, match="expected names of files: File name too long"):
        make_source(parse_source(f"replay:{'x' * 300}.csv"), calendar, speed=None)


def test_hidden_files_of_a_folder_are_no_recordings(tmp_path: Path) -> None:
    for name in (".x.csv", "._y.csv", "z.csv"):
        (tmp_path / name).write_text(PLAIN)
    assert recording_paths(str(tmp_path)) == [tmp_path / "z.csv"]
