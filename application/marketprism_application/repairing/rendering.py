"""Verdicts, plans and results of repairs as values that JSON has. Times are nanoseconds UTC."""

from __future__ import annotations

from collections.abc import Sequence

from marketprism_application.contracts.repairs import LedgerEntry, Recheck, RepairPlan, RepairResult
from marketprism_application.integrity.rendering import plain_defect
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.verdicts import JudgedDefect


def plain_recheck(recheck: Recheck) -> dict[str, object]:
    """`dataset`, `counts` (bars by verdict), `requests`, `ledger`, and `judged`: each defect as in a report, with its
    verdict, who decided, and what each witness said."""
    return {
        "dataset": _dataset(recheck.dataset),
        "counts": recheck.counts,
        "requests": recheck.requests,
        "ledger": _ledger(recheck.ledger),
        "judged": [_judged(each) for each in recheck.judged],
    }


def plain_plan(plan: RepairPlan) -> dict[str, object]:
    """`parts`, `bars`, `ranges`, `requests`, `seconds`, and `left`: bars that no revision mends."""
    return {
        "parts": len(plan.ranges),
        "bars": plan.bars,
        "ranges": [each._asdict() for each in plan.ranges],
        "requests": plan.requests,
        "seconds": round(plan.seconds, 3),
        "left": plan.left,
    }


def plain_repair(result: RepairResult) -> dict[str, object]:
    """`before` and `after` (None where nothing was written), how many bars were replaced, inserted and made again,
    `changes` (the first of them), `ledger`, `undone` and `error`."""
    return {
        "job": result.job,
        "before": result.before._asdict(),
        "after": None if result.after is None else result.after._asdict(),
        "revisions": result.revisions,
        "inserted": result.inserted,
        "longer": result.longer,
        "changes": [each._asdict() for each in result.changes],
        "changes_total": result.changes_total,
        "ledger": _ledger(result.ledger),
        "requests": result.requests,
        "pages": result.pages,
        "undone": result.undone,
        "error": result.error,
    }


def _judged(each: JudgedDefect) -> dict[str, object]:
    return {
        **plain_defect(each.defect),
        "verdict": each.verdict.value,
        "witness": each.witness,
        "testimonies": [one._asdict() for one in each.testimonies],
    }


def _dataset(dataset: Dataset) -> dict[str, object]:
    return {name: getattr(dataset, name) for name in ("kind", "venue", "symbol", "interval", "ts_from", "ts_to")}


def _ledger(entries: Sequence[LedgerEntry]) -> list[dict[str, object]]:
    return [each._asdict() for each in entries]


__all__ = ["plain_plan", "plain_recheck", "plain_repair"]
