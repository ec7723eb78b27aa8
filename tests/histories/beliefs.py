"""Who believed when to hold a lease: without a probe, never two at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def overlapping(notes: Iterable[dict[str, Any]]) -> list[str]:
    """Beliefs of a lower epoch behind those of a higher one.

    Each note has `p`, `epoch`, and `since` and `t`: at some moment between the two `is_leader` was true.
    """
    wrong: list[str] = []
    spans: dict[tuple[str, int], tuple[int, int]] = {}
    for note in notes:
        place = (str(note["p"]), int(note["epoch"]))
        began, ended = spans.get(place, (int(note["t"]), int(note["since"])))
        spans[place] = (min(began, int(note["t"])), max(ended, int(note["since"])))
    ordered = sorted(spans.items(), key=lambda span: span[0][1])
    for (older, epoch), (_, ended) in ordered:
        for (newer, later), (began, _) in ordered:
            if later > epoch and ended > began:
                wrong.append(
                    f"{older} believed to lead under epoch {epoch} for {(ended - began) / 1e6:.1f} ms "
                    f"behind the beginning of epoch {later} of {newer}"
                )
            if later == epoch and newer > older:
                wrong.append(f"epoch {epoch} is of {older} and of {newer}")
    return wrong


__all__ = ["overlapping"]
