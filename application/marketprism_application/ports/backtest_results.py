"""Where results of backtests are kept for good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from marketprism_application.contracts.backtest_rows import ResultsQuestion, WriteRows

if TYPE_CHECKING:
    import pyarrow as pa


class BacktestResults(Protocol):
    """Rows of results, each once by its key: written again they are there once, of the highest version. What was
    written is in the next answer.

    An answer is a table with the columns that its question names. It may have fewer rows than there are, those of the
    beginning: who asks goes on behind them until there is none.

    Raises (everywhere):
        RowError: a row is refused for what it holds. StoreError: everything else; the same call can succeed later.
    """

    async def write(self, rows: WriteRows) -> None:
        """Store rows, in their order."""
        ...

    async def answer(self, question: ResultsQuestion) -> pa.Table:
        """What is asked for."""
        ...


__all__ = ["BacktestResults"]
