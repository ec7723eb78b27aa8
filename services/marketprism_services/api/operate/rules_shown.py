"""Validation rules as an answer has them: each with its bounds, what it does, and where its value comes from."""

from __future__ import annotations

from collections.abc import Sequence

from marketprism_adapters.nats.rules_view import RulesInForce, ValidatorAnswer
from marketprism_application.contracts.rules_records import RulesRecord
from marketprism_domain.ticks.rule_list import BY_VENUE, ORDERS, RULES, RuleRow
from marketprism_domain.ticks.rules import ValidationRules

Row = dict[str, object]


def shown_rules(found: RulesInForce, newest: Sequence[RulesRecord]) -> Row:
    """The rules in force; `newest` are versions, newest first, of which the last change of each is told."""
    values, defaults = found.rules.values(), ValidationRules().values()
    rows: list[Row] = []
    for rule in (*RULES, BY_VENUE):
        value, default = values[rule.name], defaults[rule.name]
        changed = next((each for each in newest if rule.name in each.changes), None)
        rows.append(
            {
                "name": rule.name,
                "value": value,
                "default": default,
                "lowest": rule.lowest,
                "highest": rule.highest,
                "unit": rule.unit,
                "whole": rule.whole,
                "by_venue": rule is BY_VENUE,
                "text": _texts(rule),
                "origin": "changed" if changed else "default" if value == default else "settings",
                "changed": None if changed is None else _who(changed),
            }
        )
    version = found.rules.version
    return {
        "version": version,
        "origin": "changed" if found.record else "default" if values == defaults else "settings",
        "changed": None if found.record is None else _who(found.record),
        "rules": rows,
        "orders": [{"rules": list(each.names), "sign": each.sign, "text": each.text} for each in ORDERS],
        "validators": [shown_validator(each, version) for each in found.validators],
    }


def shown_validator(answer: ValidatorAnswer, version: int) -> Row:
    """A validator, and whether it judges by a version."""
    return {
        "instance": answer.instance,
        "version": answer.version,
        "is_current": not answer.is_behind(version),
        "problem": answer.problem,
    }


def shown_history(records: Sequence[RulesRecord], limit: int) -> Row:
    """Versions, newest first, and behind the oldest change what was before it."""
    versions = [
        {
            **_who(each),
            "changes": {name: {"old": old, "new": new} for name, (old, new) in each.changes.items()},
            "rules": _values(each),
        }
        for each in records
    ]
    more = len(records) == limit and records[-1].version > 1
    if records and not more:
        oldest = records[-1]
        before = {name: old for name, (old, _) in oldest.changes.items()}
        initial: Row = {"version": oldest.version - 1, "ts": None, "who": "", "reason": "", "changes": {}}
        versions.append({**initial, "rules": {**_values(oldest), **before}})
    return {"versions": versions, "before": records[-1].version if more else None}


def _who(record: RulesRecord) -> Row:
    return {"version": record.version, "ts": record.ts, "who": record.who, "reason": record.reason}


def _values(record: RulesRecord) -> Row:
    return {name: value for name, value in record.rules.items() if name != "version"}


def _texts(rule: RuleRow) -> Row:
    return {"en": rule.en, "zh": rule.zh}


__all__ = ["shown_history", "shown_rules", "shown_validator"]
