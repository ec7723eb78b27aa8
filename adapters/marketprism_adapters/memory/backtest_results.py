"""Results of backtests in memory."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pyarrow as pa

from marketprism_application.contracts.backtest_rows import (
    MORE,
    RECORDS,
    RUNS,
    STATS,
    TABLES,
    RecordsAsked,
    ResultsQuestion,
    RowsAsked,
    RunsAsked,
    TrialsAsked,
    WriteRows,
)

_Key = tuple[str, int, int]
_Row = Mapping[str, object]


class MemoryBacktestResults:
    """Fulfils `BacktestResults`."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[_Key, tuple[int, _Row]]] = {name: {} for name in TABLES}

    async def write(self, rows: WriteRows) -> None:
        """Each in the place of that of a lower version, or of the same."""
        for each in rows.rows:
            table = self._tables[each.table]
            for row in pa.ipc.open_stream(io.BytesIO(each.data)).read_all().to_pylist():
                key = (row["record"], row["run"], row["row"])
                if key not in table or table[key][0] <= rows.version:
                    table[key] = (rows.version, row)

    async def answer(self, question: ResultsQuestion) -> pa.Table:
        """By looking at every row."""
        if isinstance(question, RecordsAsked):
            found = sorted(
                (each for each in self._of(RECORDS) if _is_meant(question, each)),
                key=lambda each: (-_int(each["created_at"]), str(each["record"])),
            )[question.offset :][: question.limit]
            return _table(found, ("record", "created_at", "document"))
        if isinstance(question, TrialsAsked):
            mine = [
                each
                for each in self._of(RECORDS)
                if each["strategy"] == question.strategy
                and not each["same_as"]
                and _int(each["created_at"]) < question.before
                and each["record"] != question.but
            ]
            done: dict[str, int] = {}
            for each in mine:
                content = str(each["digest"] or each["record"])
                done[content] = max(done.get(content, 0), _int(each["done"]))
            names = sorted(done)
            numbers = pa.array([done[name] for name in names], pa.int64())
            return pa.table({"content": pa.array(names, pa.string()), "done": numbers})
        return self._runs(question) if isinstance(question, RunsAsked) else self._rows(question)

    def _of(self, table: str) -> list[_Row]:
        return [row for _, row in self._tables[table].values()]

    def _runs(self, asked: RunsAsked) -> pa.Table:
        mine = [each for each in self._of(RUNS) if each["record"] == asked.record]
        found = sorted(mine, key=lambda row: _int(row["run"]))
        if asked.sort:
            values = {
                _int(each["run"]): each["value"]
                for each in self._of(STATS)
                if each["record"] == asked.record and each["name"] == asked.sort
            }

            def rank(row: _Row) -> tuple[bool, float]:
                value = values.get(_int(row["run"]))
                return row["state"] == "failed" or value is None, -float(str(value or 0))

            found.sort(key=rank)
        return _table(found[asked.offset :][: asked.limit], ("run", "state", "counts", "document"))

    def _rows(self, asked: RowsAsked) -> pa.Table:
        found = [
            each
            for each in self._of(asked.table)
            if (each["record"], each["run"]) == (asked.record, asked.run)
            and asked.offset <= _int(each["row"]) < asked.until
        ]
        names = ("row", *(each.name for each in TABLES[asked.table]), MORE)
        return _table(sorted(found, key=lambda each: _int(each["row"])), names)


def _is_meant(asked: RecordsAsked, row: _Row) -> bool:
    named = ("strategy", "state", "kind", "user", "key", "digest")
    created = _int(row["created_at"])
    return (
        all(getattr(asked, name) in ("", row[name]) for name in named)
        and (not asked.ids or row["record"] in asked.ids)
        and not (asked.own and row["same_as"])
        and (not asked.before or created < asked.before)
        and (not asked.after or created > asked.after)
    )


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0


def _table(rows: list[_Row], names: tuple[str, ...]) -> pa.Table:
    return pa.table({name: [row[name] for row in rows] for name in names})


__all__ = ["MemoryBacktestResults"]
