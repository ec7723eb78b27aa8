"""Causality of what clients read: of one session nothing goes back, whoever answers.

Lines of a session are in the order in which its answers came, one after the other. What is compared is a place that only
grows (`newest`, `watermark`), and of a bar what is known of it once it is closed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.histories.stage_checks import Judged


def judge_reads(answers: Iterable[dict[str, Any]]) -> Judged:
    """Judge answers: lines with `session`, `key` (what was asked for), `by` (who answered), `newest` (the place of the
    newest record, nanoseconds), `count` of the records up to a place that was seen before where it was asked
    (`up_to`), `bars` as `[open time, revision, content]`, and `wrote` (what this session had been told to be stored)."""
    judged = Judged()
    newest: dict[tuple[str, str], tuple[int, str]] = {}
    counts: dict[tuple[str, str, int], tuple[int, str]] = {}
    bars: dict[tuple[str, str, int], tuple[int, Any]] = {}
    for line in answers:
        judged.counts["answers"] += 1
        session, key, by = line["session"], line["key"], line.get("by", "")
        if (place := line.get("newest")) is not None:
            before, whose = newest.get((session, key), (0, ""))
            if place < before:
                judged.complain(f"{session} {key}: {by} answered up to {place}, {whose} had answered up to {before}")
            newest[session, key] = max((before, whose), (place, by))
        if (up_to := line.get("up_to")) is not None:
            seen, whose = counts.get((session, key, up_to), (0, ""))
            if line["count"] < seen:
                judged.complain(f"{session} {key}: {by} has {line['count']} up to {up_to}, {whose} had {seen}")
            counts[session, key, up_to] = max((seen, whose), (line["count"], by))
        if (wrote := line.get("wrote")) is not None and (place or 0) < wrote:
            judged.complain(f"{session} {key}: {by} answered up to {place}, its own write was at {wrote}")
        for opened, revision, content in line.get("bars") or ():
            judged.counts["bars"] += 1
            old = bars.get((session, key, opened))
            if old is not None and revision < old[0]:
                judged.complain(f"{session} {key}: the bar of {opened} went back from revision {old[0]} to {revision}")
            elif old is not None and revision == old[0] and content != old[1]:
                judged.complain(f"{session} {key}: the bar of {opened} changed within revision {revision}")
            bars[session, key, opened] = (revision, content)
    return judged


def judge_watermarks(notes: Iterable[dict[str, Any]]) -> Judged:
    """Judge places that must never go back: lines with `of`, `place`, and `at`, where the record has its own order."""
    judged = Judged()
    last: dict[str, int] = {}
    for note in sorted(notes, key=lambda note: int(note.get("at", 0))):
        judged.counts["places"] += 1
        before = last.get(note["of"], note["place"])
        if note["place"] < before:
            judged.complain(f"{note['of']}: went back from {before} to {note['place']}")
        last[note["of"]] = max(before, note["place"])
    return judged


__all__ = ["judge_reads", "judge_watermarks"]
