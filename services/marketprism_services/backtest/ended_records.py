"""Records that have ended, on their way from what is under way to where they stay."""

from __future__ import annotations

import asyncio

import structlog

from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_application.contracts.backtests import BacktestRecord
from marketprism_sdk.errors import SdkError, reason_of
from marketprism_services.backtest.stored_results import StoredResults

log = structlog.get_logger()

_LOOK_S = 5.0
_PAUSE_S = 1.0


class EndedRecords:
    """Stores each record for good, then takes it out of what is under way; the leader's work. Whoever leads next goes
    on with those that are still there: stored twice, a record is there once."""

    def __init__(self, store: BacktestStore, results: StoredResults) -> None:
        self._store, self._results = store, results
        self._changed = asyncio.Event()
        self.waiting = 0  # records that the storage has not taken when they were last given

    def add(self) -> None:
        """A record has ended."""
        self._changed.set()

    async def run(self) -> None:
        """Move what has ended, until cancelled."""
        while True:
            self._changed.clear()
            try:
                ended = [each.record for each in await self._store.records() if each.record.state.is_final]
                for number, each in enumerate(ended):
                    await self._move(each, len(ended) - number)
                self.waiting = 0
            except SdkError as error:
                log.warning("backtest.record_not_stored", error=reason_of(error))
                await asyncio.sleep(_PAUSE_S)
            try:
                async with asyncio.timeout(_LOOK_S):
                    await self._changed.wait()
            except TimeoutError:
                pass

    async def _move(self, record: BacktestRecord, left: int) -> None:
        try:
            await self._results.write_record(record)
        except SdkError:
            self.waiting = left
            raise
        await self._store.forget(record)


__all__ = ["EndedRecords"]
