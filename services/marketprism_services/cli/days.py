"""Trading days of an instrument as commands name them: `--day`, and the instants it lies between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from marketprism_adapters.calendars import chinese_calendar_of_markets
from marketprism_domain.sessions.calendar import AlwaysOpen, Schedule
from marketprism_domain.sessions.exchange_hours import EXCHANGES
from marketprism_domain.sessions.trading_days import day_text
from marketprism_services.cli.clocks import chinese_venue, day_of_text, zone_of_symbol
from marketprism_services.cli.tables import is_of_days
from marketprism_services.platform.exits import Exit, Stop

if TYPE_CHECKING:
    import pyarrow as pa

Day = Annotated[
    str | None, typer.Option("--day", help="One trading day, 2018-10-09, night session included; instead of --from.")
]
_EDGE_NS = 60_000_000_000  # what a venue still sends after a close


class Range(NamedTuple):
    """Instants [from, to) in nanoseconds UTC, and the trading day where one was asked for."""

    ts_from: int | None
    ts_to: int | None
    trading_day: str = ""

    def only(self, data: pa.Table) -> pa.Table:
        """The rows of the trading day, where one was asked for and the rows have theirs."""
        if not self.trading_day or "trading_day" not in data.column_names:
            return data
        import pyarrow as pa  # noqa: PLC0415 (heavy: only who has an answer)
        import pyarrow.compute as pc  # noqa: PLC0415 (heavy: only who has an answer)

        return data.filter(pc.equal(data.column("trading_day"), pa.scalar(self.trading_day)))


def schedule_of(symbol: str, venue: str | None = None) -> Schedule:
    """The sessions of an instrument by its name; of a name that no Chinese exchange has, days of UTC."""
    where = venue or chinese_venue(symbol)
    if where is None and symbol[:1].isdigit():  # contracts of stock options are numbers
        where = next(name for name, exchange in EXCHANGES.items() if not exchange.products)
    return chinese_calendar_of_markets().schedule(where or "", symbol)


def range_of(
    symbol: str, start: str | None, end: str | None, day: str | None, tz: str | None, interval: str = ""
) -> Range:
    """The range that `--from`, `--to` and `--day` mean for an instrument, and for bars of an interval.

    Raises:
        Stop: one of them is wrong, they contradict one another, or the day is no trading day.
    """
    if day is None:
        return Range(*zone_of_symbol(symbol, tz).range(start, end))
    if start is not None or end is not None:
        raise Stop(Exit.USAGE, "--day: expected neither --from nor --to with it")
    asked, schedule = day_of_text(day, "--day"), schedule_of(symbol)
    if not schedule.trades(asked):
        raise Stop(Exit.FAILED, f"{asked} is no trading day; the next one is {schedule.next_day(asked)}")
    text = day_text(asked)
    sessions = schedule.sessions(text)
    ts_to = sessions[-1].ts_close + (0 if isinstance(schedule, AlwaysOpen) else _EDGE_NS)
    if interval == "1w":
        first, last = schedule.week(text)
        # A bar of a week bears the last of its trading days.
        return Range(schedule.sessions(first)[0].ts_auction, schedule.sessions(last)[-1].ts_close)
    return Range(sessions[0].ts_auction, ts_to, text if is_of_days(interval) or not interval else "")
