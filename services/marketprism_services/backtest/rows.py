"""Rows of the read side for the children of this host: asked for once, and kept as files while there is room."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pyarrow as pa
import structlog

from marketprism_adapters.trading_tables.files import FileTables
from marketprism_application.backtesting.continuous_view import is_view
from marketprism_application.backtesting.errors import BacktestError
from marketprism_application.backtesting.identity import digest_of
from marketprism_application.backtesting.instruments import Instrument
from marketprism_application.backtesting.options import terms_of
from marketprism_application.backtesting.settings import FillMode
from marketprism_application.backtesting.stored_rows import Ask, RowsAsked, Terms, stored_instrument
from marketprism_application.backtesting.terms import instrument_of
from marketprism_application.contracts.backtests import RunQuestion
from marketprism_application.contracts.failures import AnswerError
from marketprism_application.contracts.questions import Question, decode_answer, encode_question
from marketprism_sdk.errors import RemoteError, SdkError, reason_of
from marketprism_sdk.lazy import loaded
from marketprism_sdk.messaging import RpcClient
from marketprism_services.backtest.row_files import RowsWriter, bytes_of

log = structlog.get_logger()

_ASK_S = 30.0
_PATIENCE_S, _PAUSE_S = 120.0, 0.5
_MEGABYTE = 2**20


def asking(calls: RpcClient) -> Ask:
    """Questions to the query service. They raise AnswerError, RemoteError, and what says that nobody answered."""

    async def ask(question: Question) -> pa.Table:
        await loaded("pyarrow")
        data = await calls.call_raw("query", "arrow", encode_question(question), timeout_s=_ASK_S, idempotent=True)
        return decode_answer(data)

    return ask


def rows_asked(question: RunQuestion) -> RowsAsked:
    """Which rows a run is of."""
    return RowsAsked(
        question.interval,
        FillMode(str(question.options["fill"])),
        str(question.options["detail"]),
        question.venue,
        question.ts_from,
        question.ts_to,
        question.as_of or None,
        str(question.options["adjust"]),
    )


class RowFiles:
    """Folders of rows by the question that they answer. `tables` reads those of orders, in a thread."""

    def __init__(self, folder: Path, ask: Ask, tables: Callable[[], FileTables], most_mb: int) -> None:
        self._folder, self._ask, self._read_tables, self._most = folder, ask, tables, most_mb * _MEGABYTE
        self._tables: FileTables | None = None
        self._locks: dict[str, asyncio.Lock] = {}
        self.reads = 0

    async def folder_of(self, question: RunQuestion) -> Path:
        """The folder of a run's rows, read where they are not there. An absent read side is waited for.

        Raises:
            BacktestError: there are none, or what is asked for cannot be. OSError: they cannot be written.
        """
        asked = rows_asked(question)
        terms = {name: question.options[name] for name in ("multiplier", "fee_rate", "fee_per_lot", "price_tick")}
        terms |= {name: question.options[name] for name in ("margin_rate", "leverage")}
        named = [asked.bars_of, asked.wants_ticks, asked.venue, asked.ts_from, asked.ts_to, asked.as_of]
        named.append(asked.adjust if any(map(is_view, question.instruments)) else "")
        key = digest_of([list(question.instruments), named, terms])[:32]
        folder = self._folder / key
        lock = self._locks.setdefault(key, asyncio.Lock())
        try:
            async with lock:
                if not await asyncio.to_thread(_touched, folder):
                    await self._read(question, asked, folder)
        finally:
            if not lock.locked():
                self._locks.pop(key, None)
        return folder

    async def _read(self, question: RunQuestion, asked: RowsAsked, folder: Path) -> None:
        if self._tables is None:
            self._tables = await asyncio.to_thread(self._read_tables)
        tables, given = self._tables, terms_of(question.options)

        def terms(venue: str, symbol: str, on: date) -> Instrument:
            return instrument_of(tables, venue, symbol, on, given)

        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                await self._write(question.instruments, asked, terms, folder)
                break
            except (AnswerError, SdkError) as error:
                refused = _refusal(error)
                if refused is not None:
                    raise refused from error
                if time.monotonic() > end:
                    raise BacktestError(f"query: expected rows of the read side, {reason_of(error)}") from error
                log.warning("backtest.rows_not_read", error=reason_of(error))
                await asyncio.sleep(_PAUSE_S)
        self.reads += 1

    async def _write(self, symbols: Sequence[str], asked: RowsAsked, terms: Terms, folder: Path) -> None:
        """Instruments one after another: a year of many is more than memory is for."""
        await asyncio.to_thread(self._make_room, folder)
        writer = RowsWriter(folder)
        try:
            for symbol in symbols:
                data = await stored_instrument(self._ask, symbol, asked, terms)
                await asyncio.to_thread(writer.add, data)
            await asyncio.to_thread(writer.finish)
        finally:
            await asyncio.to_thread(writer.close)

    def _make_room(self, but: Path) -> None:
        """Take the folders out that were not used for longest, as far as there are too many bytes."""
        if not self._folder.is_dir():
            return
        found = sorted(
            ((each.stat().st_mtime, bytes_of(each), each) for each in self._folder.iterdir() if each.is_dir()),
            reverse=True,
        )
        total = 0
        for _, size, folder in found:
            total += size
            if total > self._most and folder != but:
                shutil.rmtree(folder, ignore_errors=True)


def _refusal(error: Exception) -> BacktestError | None:
    """A mistake in what is asked for, None where asking again may help."""
    code = error.failure.code if isinstance(error, AnswerError) else getattr(error, "code", "")
    text = error.failure.message if isinstance(error, AnswerError) else getattr(error, "message", str(error))
    if not isinstance(error, AnswerError | RemoteError):
        return None
    return BacktestError(str(text)) if code in ("INVALID_PARAMETER", "UNKNOWN_SYMBOL") else None


def _touched(folder: Path) -> bool:
    """Whether a folder is there; it counts as used now."""
    if not folder.is_dir():
        return False
    os.utime(folder)
    return True


__all__ = ["RowFiles", "asking", "rows_asked"]
