"""Days that parameters are chosen by never touch those they are tried on."""

from __future__ import annotations

import pytest

from marketprism_application.backtesting.errors import ParameterError
from marketprism_application.sweeps.windows import purged_folds, walk_forward_windows

DAYS = [f"202401{day:02}" for day in range(1, 32)]


def test_windows_roll_over_the_days() -> None:
    found = walk_forward_windows(DAYS, train=10, test=5, embargo=1)
    assert [(each.train[0], each.train[-1], each.test[0], each.test[-1]) for each in found] == [
        ("20240101", "20240110", "20240112", "20240116"),
        ("20240106", "20240115", "20240117", "20240121"),
        ("20240111", "20240120", "20240122", "20240126"),
        ("20240116", "20240125", "20240127", "20240131"),
    ]
    tested = [day for each in found for day in each.test]
    assert tested == DAYS[11:]  # each once, none left out


def test_anchored_windows_begin_at_the_first_day() -> None:
    found = walk_forward_windows(DAYS, train=10, test=10, anchored=True)
    assert [len(each.train) for each in found] == [10, 20, 30]
    assert {each.train[0] for each in found} == {"20240101"}
    assert found[-1].test == ("20240131",)


@pytest.mark.parametrize(("train", "test", "embargo"), [(0, 1, 0), (1, 0, 0), (31, 1, 0), (30, 1, 1), (5, 5, -1)])
def test_windows_that_cannot_be_are_refused(train: int, test: int, embargo: int) -> None:
    with pytest.raises(ParameterError, match="windows"):
        walk_forward_windows(DAYS, train=train, test=test, embargo=embargo)


def test_days_out_of_order_are_refused() -> None:
    with pytest.raises(ParameterError, match="order"):
        walk_forward_windows([*DAYS, "20240101"], train=1, test=1)


def test_folds_are_purged_on_both_sides() -> None:
    found = purged_folds(100, 5, purge=3, embargo=2)
    assert [each.test[0] for each in found] == [0, 20, 40, 60, 80]
    assert sorted(index for each in found for index in each.test) == list(range(100))
    for fold in found:
        first, last = fold.test[0], fold.test[-1]
        assert all(each < first - 3 or each > last + 5 for each in fold.train)
    assert len(found[2].train) == 100 - 20 - 3 - 5


@pytest.mark.parametrize(("count", "folds"), [(10, 1), (3, 4)])
def test_folds_that_cannot_be_are_refused(count: int, folds: int) -> None:
    with pytest.raises(ParameterError, match="folds"):
        purged_folds(count, folds)
