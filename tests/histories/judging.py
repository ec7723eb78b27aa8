"""A recorded history, judged by everything that there is for what was run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.histories.beliefs import overlapping
from tests.histories.linearizing import Verdict, by_key, check
from tests.histories.models import FencedStream, Lease, Register
from tests.histories.operations import ENDLESS, FAIL, OK, History, Operation, history_of
from tests.histories.read_checks import judge_reads, judge_watermarks
from tests.histories.reads_of_keys import loosened, one_value_each, settle
from tests.histories.stage_checks import judge_stage


@dataclass
class Report:
    """What a run showed: counts, what was wrong, and what is noted though nobody promised it."""

    what: str
    seed: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    faults: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    noted: dict[str, int] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)  # what was noted, in words

    def text(self) -> str:
        """In a few lines."""
        counts = ", ".join(f"{name} {count}" for name, count in self.counts.items())
        faults = ", ".join(f"{name} {count}" for name, count in sorted(self.faults.items())) or "none"
        lines = [f"{self.what}, seed {self.seed}: {counts}", f"  faults: {faults}"]
        if self.noted:
            lines.append("  noted: " + ", ".join(f"{name} {count}" for name, count in self.noted.items()))
        lines += [f"  WRONG {text}" for text in self.wrong] + [f"  UNDECIDED {text}" for text in self.undecided]
        return "\n".join([*lines, f"  {'VIOLATED' if self.wrong else 'holds'}"])


def judge(lines: Iterable[dict[str, Any]]) -> Report:
    """Judge the lines of a run. Raises ValueError where they do not say what was run."""
    history = history_of(lines)
    run = next(history.of("run"), None)
    if run is None:
        raise ValueError("history: expected a note that says what was run, was none")
    report = Report(run["what"], int(run["seed"]))
    outcomes = Counter(f"{each.outcome}" for each in history.operations)
    report.counts = {"operations": len(history.operations), **dict(sorted(outcomes.items()))}
    report.faults = dict(Counter(note["what"].split()[0] for note in history.of("fault")))
    if run["what"] == "kv":
        _keys(history, report)
    elif run["what"] in ("lease", "lock"):
        _lease(history, report, alone=run["what"] == "lock")
    elif run["what"] == "stages":
        _stages(history, report, int(run["every"]))
    else:
        _reads(history, report)
    return report


def _add(report: Report, key: str, verdict: Verdict) -> None:
    if verdict.holds is None:
        report.undecided.append(f"{key}: {verdict.text()}")
    elif not verdict.holds:
        report.wrong.append(f"{key}: {verdict.text()}")


def _keys(history: History, report: Report) -> None:
    """Writes must be linearizable, reads of replicas committed. What the leader answers is judged as strictly as what
    nobody promises, and noted: how often a read of it is not the newest, and how often a refusal is none."""
    report.wrong += one_value_each(history.operations)
    objects = by_key(history.operations)
    report.counts["keys"] = len(objects)
    noted: Counter[str] = Counter()
    for _, operations in sorted(objects.items()):
        if not _judged(operations, Register(), report, ("get", "read"), noted):
            continue
        noted["keys with late reads of the leader"] += check(settle(operations)[0], Register()).holds is False
        everything = settle(operations, late=())[0]
        noted["keys with late reads"] += check(everything, Register()).holds is False
    report.noted = dict(noted)


def _judged(
    operations: list[Operation],
    model: Register,
    report: Report,
    late: tuple[str, ...],
    noted: Counter[str],
) -> bool:
    """Judge an object; whether it holds with refusals that have reasons."""
    left, wrong = settle(operations, late=late)
    verdict = check(left, model)
    if verdict.holds and not wrong:
        return True
    loose, still_wrong = settle(loosened(operations), late=late)
    relaxed = check(loose, model)
    report.wrong += still_wrong
    _add(report, operations[0].key, relaxed)
    if relaxed.holds and not still_wrong:
        noted["keys with refusals that were none"] += 1
        report.told += wrong or [f"{operations[0].key}: {verdict.text()}"]
    return False


def _lease(history: History, report: Report, *, alone: bool) -> None:
    """The lease and the stream that is written under its fence, each for itself; `alone` where nobody probes."""
    lease = [each for each in history.operations if each.key == "lease"]
    noted: Counter[str] = Counter()
    report.wrong += one_value_each(lease)
    _judged(lease, Lease(), report, ("get",), noted)
    _stream(history, report, noted)
    beliefs = list(history.of("belief"))
    overlaps = overlapping(beliefs)
    report.counts |= {"beliefs": len(beliefs), "epochs": len({note["epoch"] for note in beliefs})}
    if alone:
        report.wrong += overlaps
    else:  # a probe may take the lease of one whose connection broke, while it still believes
        noted["beliefs behind the next one's"] = len(overlaps)
    report.noted = dict(noted)


def _stream(history: History, report: Report, noted: Counter[str]) -> None:
    """What the stream holds in the end says of every operation whether it was done, and in which order."""
    held: dict[str, list[int]] = defaultdict(list)
    newest = 0
    for note in sorted((*history.of("stored-entry"), *history.of("stored-fence")), key=lambda note: int(note["seq"])):
        if note["kind"] == "stored-fence":
            newest = max(newest, int(note["epoch"]))
            continue
        name, _, epoch = note["value"].rpartition(" ")
        held[name].append(note["seq"])
        if int(epoch) < newest:
            report.wrong.append(f"entry {name} of epoch {epoch} stands behind the fence of epoch {newest}")
    report.counts["stored"] = sum(map(len, held.values()))
    report.wrong += [f"entry {name} is stored {len(at)} times" for name, at in held.items() if len(at) > 1]
    fences: dict[tuple[str, int], list[int]] = defaultdict(list)
    for note in sorted(history.of("stored-fence"), key=lambda note: int(note["seq"])):
        fences[note["holder"], note["epoch"]].append(note["seq"])
    operations = [each for each in history.operations if each.key == "stream"]
    told = {each.got for each in operations if each.kind == "raise" and each.outcome == OK}
    known: list[Operation] = []
    for each in operations:
        if each.kind == "raise":
            unclaimed = [seq for seq in fences[tuple(each.given)] if seq not in told]
            found = unclaimed[:1] if each.outcome != OK else []
            told.update(found)
        else:
            found = held.get(f"{each.process}#{each.number}", [])
            if each.outcome == OK and each.got not in found:
                report.wrong.append(f"an entry that was taken is not stored: {each}")
        if each.outcome == OK:
            known.append(each)
        elif found:  # nobody was told, or that it was refused, by a server that led before
            noted["refused and stored"] += each.outcome == FAIL
            known.append(replace(each, outcome=OK, got=found[0], end=ENDLESS))
        elif each.outcome == FAIL:
            known.append(each)
    verdict = check(known, FencedStream())
    if verdict.holds is False:
        noted["refused by a leader of before"] += 1
        report.told.append(f"stream: {verdict.text()}")
        verdict = check([each for each in known if each.outcome == OK], FencedStream())
    _add(report, "stream", verdict)


def _stages(history: History, report: Report, every: int) -> None:
    end = next(history.of("end"), {"complete": False})
    if not end["complete"]:
        report.wrong.append("not everything was worked off within its time")
    judged = judge_stage(
        history.of("stored"),
        (note["number"] for note in history.of("acknowledged")),
        every=every,
        complete=bool(end["complete"]),
    )
    report.counts |= dict(judged.counts)
    report.wrong += judged.wrong


def _reads(history: History, report: Report) -> None:
    for judged in (judge_reads(history.of("answer")), judge_watermarks(history.of("place"))):
        report.counts |= dict(judged.counts)
        report.wrong += judged.wrong


__all__ = ["Report", "judge"]
