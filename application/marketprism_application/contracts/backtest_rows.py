"""Results of backtests as rows: which tables there are, and the questions about them, as they travel.

A row is known by `record` (a run, a sweep or a walk-forward), `run` (its number in a sweep, a window of a walk-forward,
0 of a single run) and `row`. Of two with one key that of the higher `version` counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

Type: TypeAlias = Literal["text", "int", "money", "float", "bool"]


class Column(NamedTuple):
    """A column of a table of results; any may be empty."""

    name: str
    type: Type


def _columns(**named: str) -> tuple[Column, ...]:
    """Columns by their type: `int="ts number"`."""
    types: dict[str, Type] = {"text": "text", "int": "int", "money": "money", "float": "float", "bool": "bool"}
    return tuple(Column(name, types[kind]) for kind, names in named.items() for name in names.split())


MORE: Final = "more"  # a JSON object of what a row has besides: what a newer engine says is not lost
RECORDS: Final = "backtests"
RUNS: Final = "backtest_runs"
STATS: Final = "backtest_stats"
FILES: Final = "backtest_files"
PARTS: Final = MappingProxyType(
    {
        "fills": "backtest_fills",
        "orders": "backtest_orders",
        "positions": "backtest_positions",
        "decisions": "backtest_decisions",
        "equity": "backtest_equity",
        "series": "backtest_series",
        "stats": STATS,
    }
)
_WHERE = "venue symbol"
TABLES: Final[Mapping[str, tuple[Column, ...]]] = MappingProxyType(
    {
        RECORDS: _columns(
            text="kind state user strategy code error key digest same_as params instruments interval settings document",
            int="created_at ts_from ts_to as_of started_at ended_at runs done failed rows",
            float="cpu_s",
        ),
        RUNS: _columns(text="state digest params code error counts document", money="net gross fees funding"),
        STATS: _columns(text="name convention", float="value"),
        FILES: _columns(text="name data"),
        PARTS["fills"]: _columns(
            int="number order ts ts_known evidence_ts evidence_seq",
            text=f"trading_day {_WHERE} side tag gap evidence_series evidence_venue evidence_symbol",
            money="quantity price fee profit held",
            bool="taker",
        ),
        PARTS["orders"]: _columns(
            int="number ts ts_done", text=f"{_WHERE} side kind tif state code tag", money="quantity filled limit stop"
        ),
        PARTS["positions"]: _columns(
            int="sign ts_entry ts_exit",
            text=f"{_WHERE} tag",
            money="quantity entry exit profit fees funding mae mfe",
            float="seconds",
            bool="held_through tainted",
        ),
        PARTS["decisions"]: _columns(int="ts", text=f"{_WHERE} text", bool="tainted"),
        PARTS["equity"]: _columns(
            text="date trading_day", int="ts held", money="equity cash open_profit", float="returns"
        ),
        PARTS["series"]: _columns(int="ts", text="name value"),
    }
)


class Rows(msgspec.Struct, frozen=True):
    """Rows of a table as an Arrow stream: `record`, `run`, `row` and the table's columns."""

    table: str
    data: bytes


class WriteRows(msgspec.Struct, frozen=True, tag="write"):
    """Rows to be stored, in this order; all have one version."""

    version: int
    rows: tuple[Rows, ...]


class RecordsAsked(msgspec.Struct, frozen=True, kw_only=True, tag="records"):
    """Records that have ended, the newest first: `document` of each. Empty fields ask for nothing; `before` and `after`
    are bounds of `created_at`, neither included."""

    ids: tuple[str, ...] = ()
    strategy: str = ""
    state: str = ""
    kind: str = ""
    user: str = ""
    key: str = ""
    digest: str = ""
    own: bool = False  # with a result of its own, not that of another record
    before: int = 0
    after: int = 0
    offset: int = 0
    limit: int = 100


class TrialsAsked(msgspec.Struct, frozen=True, kw_only=True, tag="trials"):
    """How many runs of a strategy were done by records that began before: `content` (a digest, or the name
    of a record that has none) and `done` of each content once."""

    strategy: str
    before: int
    but: str


class RunsAsked(msgspec.Struct, frozen=True, kw_only=True, tag="runs"):
    """Runs of a record: `run`, `state`, `counts` and `document`, by number, or those with most of a statistic first;
    what has failed or has none is at the end."""

    record: str
    sort: str = ""
    offset: int = 0
    limit: int = 100


class RowsAsked(msgspec.Struct, frozen=True, kw_only=True, tag="rows"):
    """Rows of a part (or of the files) of one run, `row` from `offset` on and below `until`."""

    table: str
    record: str
    run: int = 0
    offset: int = 0
    until: int = 0


ResultsQuestion: TypeAlias = RecordsAsked | TrialsAsked | RunsAsked | RowsAsked

__all__ = [
    "FILES",
    "MORE",
    "PARTS",
    "RECORDS",
    "RUNS",
    "STATS",
    "TABLES",
    "Column",
    "RecordsAsked",
    "ResultsQuestion",
    "Rows",
    "RowsAsked",
    "RunsAsked",
    "TrialsAsked",
    "Type",
    "WriteRows",
]
