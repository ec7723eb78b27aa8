"""What a worker says of a task: how far it is, and what has become of it."""

from __future__ import annotations

import time

import msgspec

from marketprism_adapters.nats.backtest_store import BacktestStore
from marketprism_application.contracts.backtests import RunState, TaskProgress, TaskRecord

_TELL_S = 1.0


class Telling:
    """How far a task is, into the store, at most once a second."""

    def __init__(self, store: BacktestStore, task: TaskRecord) -> None:
        self._store, self._task, self._last = store, task, 0.0

    async def tell(self, done: int, share: float, now: int, equity: str = "") -> None:
        """Say it, unless that was a moment ago."""
        moment = time.monotonic()
        if moment - self._last < _TELL_S:
            return
        self._last = moment
        progress = TaskProgress(self._task.number, done, share, now, time.time_ns(), equity)
        await self._store.put_progress(self._task.id, progress)


def rows_read(document: dict[str, object]) -> int:
    """How many rows a run has read, as it says."""
    found = document.get("rows")
    return found if isinstance(found, int) else 0


def ended_task(
    task: TaskRecord,
    state: RunState,
    *,
    digest: str = "",
    same_as: str = "",
    code: str = "",
    error: str = "",
    cpu_s: float = 0.0,
    rows: int = 0,
    failed: int = 0,
    summary: dict[str, object] | None = None,
) -> TaskRecord:
    """A task with what has become of it, as of now."""
    return msgspec.structs.replace(
        task,
        state=state,
        ended_at=time.time_ns(),
        digest=digest,
        same_as=same_as,
        code=code,
        error=error[:2_000],
        cpu_s=cpu_s,
        rows=rows,
        failed=failed,
        summary=summary or {},
    )


__all__ = ["Telling", "ended_task", "rows_read"]
