"""Results by module: a file, and a table in both pages."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

from tests.mutation.modules import ROOT
from tests.mutation.trials import Trial

FILE = Path(__file__).with_name("results.json")
PAGES = {"docs/proof.md": "all", "docs/zh/proof.md": "全部"}
BEGIN, END = "<!-- mutants: begin -->", "<!-- mutants: end -->"


class Row(TypedDict):
    """What came of a module. `sampled`: so many were thrown; 0: every one was tried."""

    module: str
    mutants: int
    killed: int
    explained: int
    sampled: int
    date: str


def score(row: Row) -> float:
    """Killed of those that are not explained, in %."""
    tried = row["mutants"] - row["explained"]
    return 100 * row["killed"] / tried if tried else 100.0


def counted(trials: Iterable[Trial], sampled: int) -> list[Row]:
    rows: dict[str, Row] = {}
    today = time.strftime("%Y-%m-%d", time.gmtime())
    for each in trials:
        name = each.target.name
        row = rows.setdefault(name, Row(module=name, mutants=0, killed=0, explained=0, sampled=sampled, date=today))
        row["mutants"] += 1
        row["killed"] += each.verdict in ("killed", "timeout")
        row["explained"] += each.verdict == "explained"
    for row in rows.values():
        row["sampled"] = sampled if row["mutants"] >= sampled else 0  # a small module's are all of them
    return list(rows.values())


def line(row: Row) -> str:
    return f"{row['module']:60} {row['mutants']:5} mutants {row['killed']:5} killed {row['explained']:4} explained {score(row):6.1f} %"


def kept() -> list[Row]:
    rows: list[Row] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else []
    return rows


def keep(rows: Sequence[Row]) -> None:
    """Put them into the file, in the place of older ones of the same modules, and into the pages."""
    found = {row["module"]: row for row in [*kept(), *rows]}
    ordered = [found[name] for name in sorted(found)]
    text = ",\n".join(json.dumps(row) for row in ordered)
    FILE.write_text(f"[\n{text}\n]\n", encoding="utf-8")
    for page in PAGES:
        path = ROOT / page
        before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
        path.write_text(f"{before}{BEGIN}\n{table(page, ordered)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def table(page: str, rows: Sequence[Row]) -> str:
    """The rows of a page's table, under a row of the sum."""
    whole = Row(
        module="",
        mutants=sum(row["mutants"] for row in rows),
        killed=sum(row["killed"] for row in rows),
        explained=sum(row["explained"] for row in rows),
        sampled=0,
        date=max((row["date"] for row in rows), default=""),
    )
    english = "/zh/" not in page
    head = (
        "| Module | Mutants | Killed | Explained | Score | Date |"
        if english
        else "| 模块 | 变异 | 杀死 | 已解释 | 得分 | 日期 |"
    )
    lines = [head, "|---|---:|---:|---:|---:|---|", _cells(PAGES[page], whole, "")]
    for row in rows:
        sampled = f" ({'sample' if english else '抽样'})" if row["sampled"] else ""
        lines.append(_cells(f"`{row['module'].removeprefix('marketprism_')}`", row, sampled))
    return "\n".join(lines)


def _cells(name: str, row: Row, sampled: str) -> str:
    return f"| {name} | {row['mutants']}{sampled} | {row['killed']} | {row['explained']} | {score(row):.1f} % | {row['date']} |"
