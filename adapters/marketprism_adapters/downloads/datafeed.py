"""A datafeed of VeighNa (rqdata, tushare, tqsdk, …) as a history: its bars are rows of kind bar.

Nothing of vnpy is imported before a datafeed is asked for. Its calls block, so each runs in the one thread of it: these
libraries have one connection. User and password are those of VeighNa's own `vt_setting.json`.
"""

from __future__ import annotations

import asyncio
import importlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Protocol, TypeVar, cast

import pyarrow as pa

from marketprism_adapters.downloads.datafeed_rows import DatafeedBar, DatafeedRows
from marketprism_adapters.vnpy_gateway.settings import VnpySettings
from marketprism_application.contracts.kinds import BAR
from marketprism_application.contracts.nearest import did_you_mean
from marketprism_application.contracts.times import CHINA
from marketprism_application.downloads.units import span_of, units
from marketprism_application.errors import QueryError, SourceError
from marketprism_application.history.file_rows import rows_of
from marketprism_application.history.kinds import HISTORY_KINDS
from marketprism_application.history.targets import ImportTarget
from marketprism_application.integrity.file_check import CheckAsked
from marketprism_application.ports.history import Bounds, Fetched, HistoryBudget, Part
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.sessions.calendar import MarketCalendar
from marketprism_domain.values import NANOS_PER_MINUTE, NANOS_PER_SECOND
from marketprism_sdk.errors import reason_of

_INTERVALS = {"1m": "MINUTE", "1h": "HOUR", "1d": "DAILY", "1w": "WEEKLY"}
_EARLIEST = int(datetime(1990, 1, 1, tzinfo=CHINA).timestamp()) * NANOS_PER_SECOND
_LONGEST_HOLIDAY = 14 * 1440 * NANOS_PER_MINUTE
GATEWAY = "vnpy:"  # before the class of a gateway of VeighNa
_Output = Callable[[str], object]
T = TypeVar("T")


class Datafeed(Protocol):
    """`vnpy.trader.datafeed.BaseDatafeed`, as far as it is used."""

    def init(self, output: _Output) -> bool:
        """Log in; False where that failed, of which `output` gets the reason, or where nothing is to be done."""
        ...

    def query_bar_history(self, req: object, output: _Output) -> Sequence[DatafeedBar] | None:
        """Bars of a `HistoryRequest`; none, with a text to `output`, where it failed."""
        ...


class DatafeedHistory:
    """Fulfils `History`. A datafeed does not say where its rows begin: they can be anywhere until now."""

    def __init__(
        self,
        name: str,
        market: str,
        feed: Datafeed,
        calendar: MarketCalendar,
        *,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.market, self.source = market, f"datafeed:{name}"
        self._name, self._feed, self._calendar, self._now_ns = name, feed, calendar, now_ns
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"datafeed-{name}")
        self._requests = 0

    async def open(self) -> None:
        """Log in. Raises SourceError: it refuses, with its words."""
        words: list[str] = []

        def init() -> bool:
            try:
                return self._feed.init(lambda text: words.append(str(text)))
            except Exception as error:  # anybody's code
                text = f"datafeed {self._name}: expected to be logged in: {reason_of(error)}"
                raise SourceError(text[:500]) from error

        # One that logs in with each question has vnpy's own `init`, which answers False and says nothing.
        if not await self._blocking(init) and words:
            raise SourceError(f"datafeed {self._name}: expected to be logged in: {'; '.join(words)}"[:500])

    def close(self) -> None:
        """End its thread as soon as what it asks is answered, and the connection of one that has one of its own."""
        ending = getattr(self._feed, "close", None)
        self._thread.shutdown(wait=False, cancel_futures=True)
        if callable(ending):
            threading.Thread(target=ending, name=f"datafeed-{self._name}-close", daemon=True).start()

    def kinds(self) -> Mapping[str, Sequence[str]]:
        """Bars of four intervals."""
        return {BAR.name: tuple(_INTERVALS)}

    def budget(self, kind: str) -> HistoryBudget:  # noqa: ARG002 (the port's form)
        """Nobody counts but the maker of the datafeed, who says nothing before it refuses."""
        return HistoryBudget(requests=self._requests, used=float(self._requests))

    async def bounds(self, symbol: str, kind: str, interval: str) -> Bounds:  # noqa: ARG002 (the port's form)
        """Until now; nobody says since when."""
        self._check(kind, interval)
        return Bounds(_EARLIEST, self._now_ns())

    async def plan(self, dataset: Dataset) -> Sequence[Part]:
        """A month a part, a year of longer bars."""
        first, last = await self.bounds(dataset.symbol, dataset.kind, dataset.interval)
        ts_from, ts_to = max(dataset.ts_from, first), min(dataset.ts_to, last)
        if ts_to <= ts_from:
            return []
        span = "year" if span_of(dataset.kind, dataset.interval) == "year" else "month"
        return [
            Part(dataset, number, max(unit.ts_from, ts_from), min(unit.ts_to, ts_to))
            for number, unit in enumerate(units(span, ts_from, ts_to))
        ]

    async def fetch(self, part: Part) -> Fetched:
        """The bars that open in a part, each once. Raises SourceError: it refuses, or a bar is none."""
        bars, words = await self._blocking(lambda: self._asked(part))
        self._requests += 1
        if not bars and words:
            raise SourceError(f"datafeed {self._name}: expected bars: {'; '.join(words)}"[:500])
        return await asyncio.to_thread(self._rows, part, bars)

    def _asked(self, part: Part) -> tuple[list[DatafeedBar], list[str]]:
        words: list[str] = []
        # A bar of a day bears its midnight, long after it opened over a holiday: more is asked for, and cut.
        beside = 0 if part.dataset.interval in ("1m", "1h") else _LONGEST_HOLIDAY
        request = request_of(part.dataset, part.ts_from - beside, part.ts_to + beside)
        try:
            found = self._feed.query_bar_history(request, lambda text: words.append(str(text)))
        except Exception as error:  # anybody's code: whatever it raises, this part has failed
            raise SourceError(f"datafeed {self._name}: expected bars: {reason_of(error)}"[:500]) from error
        return list(found or ()), words

    def _rows(self, part: Part, bars: Sequence[DatafeedBar]) -> Fetched:
        dataset = part.dataset
        file = DatafeedRows(self._name, dataset, bars)
        if not len(file):
            return Fetched(schema_of(BAR.name).empty_table())
        target = ImportTarget(HISTORY_KINDS[BAR.name], dataset.venue, dataset.symbol, dataset.interval, self.source)
        asked = CheckAsked(self._now_ns(), part.ts_from, part.ts_to, confirmed=True)
        found = list(rows_of(file, file.facts.series[0], target, self._calendar, asked))
        differing = sum(each.left_out for each in found)
        if differing:
            text = f"{dataset.symbol}: expected one bar of a time, {differing} rows differ from one another"
            raise SourceError(f"datafeed {self._name}: {text}")
        table = pa.concat_tables([each.table for each in found])
        return Fetched(table, repeated=sum(each.repeated for each in found))

    async def _blocking(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _check(self, kind: str, interval: str) -> None:
        if kind not in self.kinds():
            raise QueryError(f"kind: expected one of {', '.join(self.kinds())}, was {kind!r}")
        if interval not in _INTERVALS:
            near = did_you_mean(interval, _INTERVALS)
            raise QueryError(f"interval: expected one of {', '.join(_INTERVALS)}, was {interval!r}{near}")


def request_of(dataset: Dataset, ts_from: int, ts_to: int) -> object:
    """vnpy's `HistoryRequest` of a range, on China's clocks.

    Raises:
        QueryError: an exchange that vnpy does not have. SourceError: vnpy is not installed.
    """
    try:
        objects, constants = (
            importlib.import_module("vnpy.trader.object"),
            importlib.import_module("vnpy.trader.constant"),
        )
    except ImportError as error:
        raise SourceError(
            f"datafeed: expected vnpy, pip install 'marketprism[datafeed]': {reason_of(error)}"
        ) from error
    exchanges = {each.value: each for each in constants.Exchange}
    name = dataset.venue.upper()
    if name not in exchanges:
        raise QueryError(
            f"venue: expected an exchange that vnpy has, was {dataset.venue!r}{did_you_mean(name, exchanges)}"
        )
    start, end = (datetime.fromtimestamp(ts // NANOS_PER_SECOND, CHINA) for ts in (ts_from, ts_to))
    interval = constants.Interval[_INTERVALS[dataset.interval]]
    request: object = objects.HistoryRequest(
        symbol=dataset.symbol, exchange=exchanges[name], start=start, end=end, interval=interval
    )
    return request


def datafeed_named(name: str, vnpy: VnpySettings | None = None) -> Datafeed:
    """The datafeed of a module: `rqdata` is `vnpy_rqdata`, as VeighNa has it, or a module is named in full. The history
    of a gateway, `vnpy:vnpy_ib.IbGateway`, is one, connected by the settings `vnpy`.

    Raises:
        QueryError: there is no such module, or it has no `Datafeed`. SourceError: it cannot be loaded.
    """
    if name.startswith(GATEWAY):
        from marketprism_adapters.vnpy_gateway.history import GatewayFeed  # noqa: PLC0415 (only where one is asked for)

        return cast("Datafeed", GatewayFeed(name.removeprefix(GATEWAY), vnpy or VnpySettings()))
    tried = [f"vnpy_{name}", name] if name.isidentifier() else [name]
    for module in tried:
        try:
            found: object = getattr(importlib.import_module(module), "Datafeed", None)
        except ModuleNotFoundError as error:
            if error.name is not None and module.partition(".")[0] == error.name.partition(".")[0]:
                continue
            raise SourceError(f"datafeed {name}: expected to be loaded: {reason_of(error)}") from error
        except Exception as error:
            raise SourceError(f"datafeed {name}: expected to be loaded: {reason_of(error)}"[:500]) from error
        if not callable(found):
            continue
        feed: Datafeed = found()
        return feed
    raise QueryError(
        f"datafeed: expected a module with a Datafeed ({' or '.join(tried)}), was {name!r}; is it installed?"
    )


@asynccontextmanager
async def datafeed_history(
    name: str, market: str, calendar: MarketCalendar, vnpy: VnpySettings | None = None
) -> AsyncIterator[DatafeedHistory]:
    """The history of a datafeed, or of a gateway by the settings `vnpy`, logged in.

    Raises:
        QueryError: there is no such datafeed. SourceError: it refuses.
    """
    history = DatafeedHistory(name, market, await asyncio.to_thread(datafeed_named, name, vnpy), calendar)
    try:
        await history.open()
        yield history
    finally:
        history.close()


__all__ = ["Datafeed", "DatafeedHistory", "datafeed_history", "datafeed_named", "request_of"]
