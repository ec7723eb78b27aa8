"""Verdicts: what other sources say of a defect, and whose it is therefore."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from marketprism_domain.integrity.report import Defect

SETTLED_AFTER_NS = 24 * 3_600 * 1_000_000_000  # a hole that is younger may still be filled by the venue


class Verdict(StrEnum):
    """Whose a defect is."""

    OURS = "ours"  # a witness has the right rows
    VENUE = "venue"  # the witness, asked again and again, has it too
    BOTH = "both"  # the witness differs from what is stored, and is wrong as well
    VANISHED = "vanished"  # what is stored is right by now
    UNKNOWN = "unknown"  # nobody could be asked, or it is too early to believe the answer


class Testimony(NamedTuple):
    """What one witness said of a defect: how often it was asked, how many of the rows it has, and in words."""

    witness: str
    asked: int
    has: int
    lacks: int
    text: str = ""


class JudgedDefect(NamedTuple):
    """A defect and whose it is. Parts of a defect that witnesses judge differently are judged apart: `defect` is that
    of [ts_from, ts_to) and `total` of its own rows then. `witness` is the one that decided, empty for none."""

    defect: Defect
    verdict: Verdict
    witness: str = ""
    testimonies: tuple[Testimony, ...] = ()


__all__ = ["SETTLED_AFTER_NS", "JudgedDefect", "Testimony", "Verdict"]
