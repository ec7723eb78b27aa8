"""What `up` shows of the store while it runs: how much is in it so far, until everything is."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote

from rich.console import Console
from rich.status import Status

from marketprism_client import MarketClient, QueryFailed
from marketprism_sdk.errors import SdkError
from marketprism_services.cli.clocks import zone_of_venues
from marketprism_services.cli.language.catalogue import spoken
from marketprism_services.cli.options import err, out
from marketprism_services.cli.tables import Look, Row, show_bars
from marketprism_services.cli.words import count_of
from marketprism_services.platform.local_stack import Running
from marketprism_services.settings.settings import load

_BARS, _DAYS, _INSTRUMENTS = 15, 5, 3
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 10.0, 3_600.0
_TERMINAL_PAUSE_S = 5.0  # of the line that changes in place


class Counts(NamedTuple):
    """Rows of the store, over all instruments."""

    ticks: int
    bars: int
    instruments: int

    @classmethod
    def of(cls, symbols: Sequence[Row]) -> Counts:
        """The sums over what the read side says of each instrument."""
        return cls(sum(row["ticks"] for row in symbols), sum(row["bars"] for row in symbols), len(symbols))

    def sentence(self, *, whole: bool) -> str:
        """How much is stored; `so far` until it is everything."""
        ticks, bars = count_of(self.ticks, "tick"), count_of(self.bars, "bar")
        instruments = count_of(self.instruments, "instrument")
        if whole:
            return f"{ticks} and {bars} of {instruments} are stored"
        return f"{ticks} and {bars} of {instruments} are stored so far"


class StoredLine:
    """One line that goes on: in a terminal it changes in place, in a pipe there is a new one now and then."""

    def __init__(self, console: Console = err) -> None:
        self._console = console
        self._status = Status("", console=console, refresh_per_second=2) if console.is_terminal else None
        self._shown = Counts(0, 0, 0)
        self._due = 0.0
        self._pause_s = _FIRST_PAUSE_S
        self._over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()

    def is_due(self, now: float) -> bool:
        """Whether new counts would be shown now: the store counts all its rows for them."""
        return not self._over and now >= self._due

    def show(self, counts: Counts, now: float) -> None:
        """Show counts that are not the last ones yet; `now` is a monotonic clock in seconds."""
        if self._over or not counts.instruments:
            return
        if self._status is not None:
            self._status.update(spoken().translate(counts.sentence(whole=False)))
            self._status.start()
            self._due = now + _TERMINAL_PAUSE_S
        elif counts != self._shown and now >= self._due:
            self._line(counts.sentence(whole=False))
            self._due, self._pause_s = now + self._pause_s, min(self._pause_s * 2, _LONGEST_PAUSE_S)
        self._shown = counts

    def end(self, counts: Counts) -> None:
        """Everything that the source holds is stored."""
        self._over = True
        if self._status is not None:
            self._status.stop()
        sentence = counts.sentence(whole=True)
        self._line(f"{sentence}; the source has ended and all of it is stored")

    def _line(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


async def symbols_of(market: MarketClient) -> list[Row]:
    """What is stored, an instrument a row; empty as long as nobody answers."""
    with contextlib.suppress(SdkError, QueryFailed):
        return list((await market.symbols()).to_pylist())
    return []


async def show_stored(running: Running, market: MarketClient, *, whole: bool) -> bool:
    """Print the newest bars of the first instruments and how to look further; False where nothing is stored yet."""
    symbols = await symbols_of(market)
    if not symbols:
        return False
    try:
        for row in symbols[:_INSTRUMENTS]:
            await _show_bars_of(market, row)
    except (SdkError, QueryFailed) as error:
        err.print(f"bars cannot be shown now: {error}", highlight=False, markup=False, soft_wrap=True)
    sentence = Counts.of(symbols).sentence(whole=whole)
    out.print(f"\n{sentence}. Look further:", highlight=False, markup=False, soft_wrap=True)
    for line in further(running, symbols[0]["venue"], symbols[0]["symbol"]):
        out.print(f"  {line}", highlight=False, markup=False, soft_wrap=True)
    if running.settings.api.auth == "local":
        out.print("Nobody on this machine has to log in; api.auth = on changes that.", highlight=False)
    elif running.settings.api.auth == "on":
        out.print("Keys are needed: marketprism access init makes the first administrator's.", highlight=False)
    out.print("Ctrl-C stops.", highlight=False)
    return True


async def _show_bars_of(market: MarketClient, row: Row) -> None:
    zone = zone_of_venues([row["venue"]])
    for interval, most in (("1m", _BARS), ("1d", _DAYS)):
        bars = await market.last("bar", row["symbol"], most, interval=interval)
        if bars.num_rows:
            title = f"{row['venue']}.{row['symbol']} {interval}, newest {bars.num_rows}, {zone.name}"
            show_bars(out, bars.table, interval, Look(title, zone, most))


def further(running: Running, venue: str, symbol: str) -> list[str]:
    """Where more is seen of an instrument: the console, or what answers in its place, and commands that find this
    pipeline wherever its data are."""
    settings = running.settings
    where = "" if settings.data_dir == load().data_dir else f" --data-dir {shlex.quote(str(settings.data_dir))}"
    scheme = "https" if settings.http.tls.files else "http"
    path = f"api/v1/bars/{quote(symbol)}?interval=5m"
    if settings.api.console:
        path = f"market/{quote(f'{venue}.{symbol}')}"
    return [
        f"{scheme}://{settings.http.host}:{settings.http.port_of('api')}/{path}",
        f"marketprism bars {shlex.quote(symbol)} --interval 5m --plot{where}",
        f"marketprism tail {shlex.quote(symbol)}{where}",
        f"marketprism status{where}",
    ]
