"""What a repair fetches: the bars that are ours, in as few questions as the pages of their witnesses allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from marketprism_application.contracts.repairs import PlannedRange, RepairPlan
from marketprism_application.ports.witnesses import Witness
from marketprism_application.repairing.asking import spans_of
from marketprism_application.repairing.cases import SURPLUS, Ground
from marketprism_domain.integrity.dataset import Dataset
from marketprism_domain.integrity.verdicts import JudgedDefect, Verdict


def ours(judged: Sequence[JudgedDefect]) -> Iterator[JudgedDefect]:
    """The defects that rows of a witness mend."""
    for each in judged:
        if each.verdict is Verdict.OURS and each.defect.code not in SURPLUS:
            yield each


def bars_by_witness(judged: Sequence[JudgedDefect], ground: Ground) -> dict[str, list[int]]:
    """The bars that each witness has the right rows of, by when they open; each once."""
    found: dict[str, set[int]] = {}
    taken: set[int] = set()
    for each in ours(judged):
        keys = set(ground.keys_of(each.defect).tolist()) - taken
        found.setdefault(each.witness, set()).update(keys)
        taken |= keys
    return {name: sorted(keys) for name, keys in found.items() if keys}


def planned(
    dataset: Dataset, judged: Sequence[JudgedDefect], ground: Ground, witnesses: Mapping[str, Witness]
) -> RepairPlan:
    """The plan of a repair. A witness that is not there is none to fetch from: its bars are left."""
    ranges: list[PlannedRange] = []
    requests, seconds = 0, 0.0
    left = sum(each.defect.total for each in judged if each.verdict is Verdict.OURS and each.defect.code in SURPLUS)
    for name, keys in bars_by_witness(judged, ground).items():
        witness = witnesses.get(name)
        if witness is None:
            left += len(keys)
            continue
        opens = np.array(keys, dtype=np.int64)
        for span in spans_of(witness, dataset, opens, ground.closes(opens)):
            cost = witness.cost(replace(dataset, ts_from=span.ts_from, ts_to=span.ts_to))
            requests, seconds = requests + cost[0], seconds + cost[1]
            ranges.append(PlannedRange(span.ts_from, span.ts_to, span.bars, name))
    ranges.sort()
    return RepairPlan(dataset=dataset, ranges=tuple(ranges), requests=requests, seconds=seconds, left=left)


__all__ = ["bars_by_witness", "ours", "planned"]
