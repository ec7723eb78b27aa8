"""Minute bars of trades as LEAN reads them: a zip a day, prices as text, milliseconds of the day in UTC.

`cryptofuture/binance/minute/btcusdt/20240101_trade.zip` holds `20240101_btcusdt_minute_trade_perp.csv`; of spot the
first folder is `crypto` and the member has no `_perp`.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pyarrow as pa

from marketprism_adapters.exports.series import (
    Exported,
    ExportSeries,
    Tables,
    by_days,
    folder_of,
    ints,
    moment,
    placed,
    plain_texts,
)
from marketprism_application.errors import QueryError
from marketprism_domain.instruments.exchange_codes import is_chinese

_DAY_NS = 86_400 * 10**9
_COLUMNS = ("open", "high", "low", "close", "volume")


def write(series: ExportSeries, rows: Mapping[str, Tables], out: Path) -> Exported:
    """Bars of minutes, a zip a day.

    Raises:
        QueryError: bars of another interval, or of a market that LEAN has no folder for. SourceError: no rows.
    """
    if series.interval != "1m":
        raise QueryError(f"interval: expected 1m, which LEAN's minute files have, was {series.interval}")
    if is_chinese(series.venue):
        raise QueryError(f"venue: expected a crypto venue, for LEAN has no market of {series.venue}")
    files, counts = [], dict.fromkeys(rows, 0)
    perpetual = series.symbol.endswith("-PERP")
    name = re.sub("[^a-z0-9]", "", series.name.removesuffix("-PERP").lower())
    folder = folder_of(out / ("cryptofuture" if perpetual else "crypto") / series.venue / "minute" / name)
    for kind, tables in rows.items():
        for day, part in by_days(tables, kind):
            counts[kind] += part.num_rows
            stamp = f"{moment(day * _DAY_NS):%Y%m%d}"
            member = f"{stamp}_{name}_minute_trade{'_perp' if perpetual else ''}.csv"
            files.append(placed(folder / f"{stamp}_trade.zip", partial(_zip, member, _text(part, day))))
    return Exported(tuple(files), counts)


def _zip(member: str, text: str, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(member, text)


def _text(table: pa.Table, day: int) -> str:
    times = (ints(table, "ts_open") - day * _DAY_NS) // 10**6
    columns = [plain_texts(table.column(name)) for name in _COLUMNS]
    return "".join(",".join((str(ms), *row)) + "\n" for ms, *row in zip(times.tolist(), *columns, strict=True))
