"""What is stored, as VeighNa lists it."""

from __future__ import annotations

from vnpy.trader.database import BarOverview, TickOverview

from marketprism_client import SyncMarketClient, questions
from vnpy_marketprism.names import BY_DAY, CHINESE, INTERVAL_OF, names_of
from vnpy_marketprism.times import moment_of, trading_day_opened


def bar_overviews(client: SyncMarketClient) -> list[BarOverview]:
    """Stored series of minutes, hours, days and weeks, by name; of a crypto venue those that loading gives: its own
    bars before those that are made of its ticks."""
    rows = client.ask(questions.BarSeries()).to_pylist()
    found: dict[tuple[str, str, str], BarOverview] = {}
    for row in sorted(rows, key=lambda row: str(row["kind"])):  # bars before klines, which are a crypto venue's own
        venue, name, ours = str(row["venue"]), str(row["symbol"]), str(row["interval"])
        interval = INTERVAL_OF.get(ours)
        if interval is None:
            continue
        symbol, exchange = names_of(venue, name)
        by_day = venue in CHINESE and ours in BY_DAY
        start, end = (
            trading_day_opened(int(row[which])) if by_day else moment_of(int(row[which]))
            for which in ("ts_first", "ts_last")
        )
        overview = BarOverview(
            symbol=symbol, exchange=exchange, interval=interval, count=int(row["rows"]), start=start, end=end
        )
        if venue in CHINESE:
            found.setdefault((venue, name, ours), overview)
        else:
            found[venue, name, ours] = overview
    return [found[key] for key in sorted(found)]


def tick_overviews(client: SyncMarketClient) -> list[TickOverview]:
    """Instruments with stored ticks, by name."""
    found = []
    for row in client.symbols().to_pylist():
        if row["ticks"]:
            symbol, exchange = names_of(str(row["venue"]), str(row["symbol"]))
            found.append(
                TickOverview(
                    symbol=symbol,
                    exchange=exchange,
                    count=int(str(row["ticks"])),
                    start=moment_of(int(str(row["ts_first"]))),
                    end=moment_of(int(str(row["ts_last"]))),
                )
            )
    return found
