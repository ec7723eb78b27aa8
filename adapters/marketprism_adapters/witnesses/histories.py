"""A venue's own history, or its archive, as a witness."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from marketprism_application.contracts.kinds import KINDS, KLINE
from marketprism_application.errors import QueryError, SourceError, UnknownSymbolError
from marketprism_application.ports.history import History, RawPage
from marketprism_application.ports.witnesses import WitnessRows
from marketprism_application.queries.arrow_tables import schema_of
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.values import Interval

_DAY_NS = 86_400 * 10**9
_MONTH_DAYS = 10  # of more days the archive has one file


class HistoryWitness:
    """Fulfils `Witness` by the klines of a `History`. `venue` is the market's as rows name it; `page` rows are in one
    answer, each answer costs `weight` of the budget. Of an archive (`page` 0) a request is a file of a day or a month.
    """

    is_remote = True

    def __init__(self, name: str, history: History, venue: str, *, page: int = 0, weight: float = 1.0) -> None:
        self.name = name
        self._history, self._venue, self._page, self._weight = history, venue, page, weight

    def knows(self, dataset: Dataset) -> bool:
        """Whether the venue has klines of the interval."""
        intervals = self._history.kinds().get(KLINE.name, ())
        return dataset.venue == self._venue and KINDS[dataset.kind].has_interval and dataset.interval in intervals

    async def bars(self, dataset: Dataset) -> WitnessRows:
        """The klines of the range; none of what lies before the listing or has not ended yet."""
        wanted = replace(dataset, kind=KLINE.name)
        tables = [schema_of(KLINE.name).empty_table()]
        pages: list[RawPage] = []
        requests = 0
        try:
            for part in await self._history.plan(wanted):
                found = await self._history.fetch(part)
                tables.append(found.rows)
                pages += found.pages
                requests += found.requests
        except (UnknownSymbolError, QueryError) as error:
            raise SourceError(str(error), refused=True) from error
        return WitnessRows(pa.concat_tables(tables), tuple(pages), max(1, requests))

    def cost(self, dataset: Dataset) -> tuple[int, float]:
        """By full pages, at the pace of the budget that klines draw from."""
        length = dataset.ts_to - dataset.ts_from
        if not self._page:
            days = -(-dataset.ts_to // _DAY_NS) - dataset.ts_from // _DAY_NS
            return (days if days < _MONTH_DAYS else -(-days // 30), 0.0)
        bars = max(1, -(-length // Interval.parse(dataset.interval).nanos))
        requests = -(-bars // self._page)
        rate = self._history.budget(KLINE.name).rate
        return requests, requests * self._weight / rate if rate else 0.0


__all__ = ["HistoryWitness"]
