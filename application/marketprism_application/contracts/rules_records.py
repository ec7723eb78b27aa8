"""Validation rules as services hand them around: a version as it is kept, what a validator has, a trial that is asked
for."""

from __future__ import annotations

import msgspec

RULES_IN_FORCE = "rules_in_force"  # of a validator
TRY_RULES = "try_rules"  # of the monitor
MOST_MINUTES = 60.0

Values = dict[str, object]


class RulesRecord(msgspec.Struct, frozen=True):
    """A version of the rules: who made it when (nanoseconds UTC), why, and each value that it changed, old and new.

    `key` is that of the command that made it.
    """

    version: int
    ts: int
    who: str
    reason: str
    key: str
    changes: dict[str, tuple[object, object]]
    rules: Values


class ValidatorRules(msgspec.Struct, frozen=True):
    """What a validator judges by. `version` is the lowest that any of its partitions is at, `rules` those that it gives
    to each."""

    version: int
    rules: Values


class RulesTrialRequest(msgspec.Struct, frozen=True):
    """Judge the last `minutes` of the raw log by two sets of rules. `who` asks, for those who ask meanwhile."""

    now: Values
    new: Values
    minutes: float = MOST_MINUTES
    who: str = ""
