"""Validation rules: each declared once, with its bounds and what it does; changed all or none."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from marketprism_domain.errors import InvalidValue
from marketprism_domain.ticks.rule_list import BY_VENUE, ORDERS, RULES, RuleOrder
from marketprism_domain.ticks.rules import RuleSettings, ValidationRules


def test_every_rule_is_declared_with_its_bounds_and_in_both_languages() -> None:
    assert {row.name for row in (*RULES, BY_VENUE)} == {each.name for each in fields(RuleSettings)}
    assert len({row.name for row in RULES}) == len(RULES)
    defaults = ValidationRules().values()
    for row in RULES:
        assert row.lowest <= defaults[row.name] <= row.highest
        assert RuleSettings.BOUNDS[row.name] == (row.lowest, row.highest)
        assert isinstance(defaults[row.name], int) == row.whole
        assert row.en.endswith(".")
        assert row.zh.endswith("。")
        assert "\u4e00" <= row.zh[0] <= "\u9fff"


@pytest.mark.parametrize("row", RULES, ids=lambda row: row.name)
def test_a_bound_is_allowed_and_what_is_beyond_is_not(row: Any) -> None:
    for beyond in (row.lowest - 1, row.highest + 1, float("nan"), float("inf"), True, None, "5", [1]):
        with pytest.raises(InvalidValue, match=rf"rules\.{row.name}: expected a (whole )?number from"):
            ValidationRules().changed(**{row.name: beyond})
    if not any(row.name in order.names for order in ORDERS):
        for bound in (row.lowest, row.highest):
            assert getattr(ValidationRules().changed(**{row.name: bound}), row.name) == bound


def test_rules_that_go_together_are_changed_together() -> None:
    with pytest.raises(InvalidValue, match=r"z_low < z_medium < z_high < z_critical, was 3\.5"):
        ValidationRules().changed(z_low=3.5, z_medium=3.5)
    with pytest.raises(InvalidValue, match=r"degraded_below: expected degraded_below <= restored_at, was 96"):
        ValidationRules().changed(degraded_below=96)
    assert ValidationRules().changed(z_low=3.5, z_medium=4.5).version == 2
    assert ValidationRules().changed(degraded_below=95).degraded_below == 95
    assert RuleOrder(("a", "b"), "<=").holds({"a": 1, "b": 1})
    assert not RuleOrder(("a", "b"), "<").holds({"a": 1, "b": 1})


def test_what_a_change_changes_is_named_old_and_new() -> None:
    old = ValidationRules()
    new = old.changed(stale_s=4.0, z_low=3.0, stale_s_by_venue={"shfe": 9})
    assert old.differences(new) == {"stale_s": (5.0, 4.0), "stale_s_by_venue": ({}, {"shfe": 9})}
    assert old.differences(old.changed()) == {}
    assert "version" not in new.values()
    assert ValidationRules.from_dict(new.to_dict()) == new


def test_rules_that_were_stored_before_whole_numbers_were_asked_for_stay_readable() -> None:
    stored = {**ValidationRules().to_dict(), "error_weight": 12.5, "stale_s_by_venue": {"SHFE": 1}}
    assert ValidationRules.from_dict(stored).error_weight == 12.5
    with pytest.raises(InvalidValue, match="error_weight: expected a whole number"):
        ValidationRules().changed(error_weight=12.5)
    with pytest.raises(InvalidValue, match="names of venues"):
        ValidationRules().changed(stale_s_by_venue={"SHFE": 1})
    with pytest.raises(InvalidValue, match="at most 100 venues"):
        ValidationRules().changed(stale_s_by_venue={f"v{number}": 1 for number in range(101)})


# Name, least, most, unit, whole, default: as docs and the page of settings say them.
TABLE = [
    ("stale_s", 0.001, 86400, "seconds", False, 5.0),
    ("futures_band_percent", 0.1, 100, "percent", False, 10.0),
    ("option_band_percent", 0.1, 10000, "percent", False, 30.0),
    ("error_weight", 0, 100, "points", True, 20),
    ("warning_weight", 0, 100, "points", True, 5),
    ("silence_min_s", 1, 86400, "seconds", False, 60.0),
    ("silence_factor", 1, 100000, "times", False, 30.0),
    ("z_low", 0.5, 100, "deviations", False, 3.0),
    ("z_medium", 0.5, 100, "deviations", False, 4.0),
    ("z_high", 0.5, 100, "deviations", False, 5.0),
    ("z_critical", 0.5, 100, "deviations", False, 6.0),
    ("jump_percent", 0.01, 1000, "percent", False, 3.0),
    ("burst_factor", 1, 1000000, "times", False, 100.0),
    ("spread_factor", 1, 1000000, "times", False, 50.0),
    ("warm_up_ticks", 2, 1000000, "ticks", True, 100),
    ("quality_window_s", 1, 86400, "seconds", False, 60.0),
    ("degraded_below", 0, 100, "points", True, 80),
    ("restored_at", 0, 100, "points", True, 95),
    ("clock_off_s", 0.5, 86400, "seconds", False, 3.0),
]


def test_rules_their_bounds_units_and_defaults() -> None:
    given = ValidationRules()
    assert [(r.name, r.lowest, r.highest, r.unit, r.whole, getattr(given, r.name)) for r in RULES] == TABLE
    assert (BY_VENUE.lowest, BY_VENUE.highest, BY_VENUE.unit) == (0.001, 86400, "seconds")
    assert BY_VENUE.en.endswith(".")
    assert BY_VENUE.zh.endswith("。")
    assert [(order.text, order.sign) for order in ORDERS] == [
        ("z_low < z_medium < z_high < z_critical", "<"),
        ("degraded_below <= restored_at", "<="),
    ]
    assert (given.version, given.stale_s_by_venue) == (ValidationRules().version, {})
