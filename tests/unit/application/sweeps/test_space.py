"""Which parameter sets a sweep tries."""

from __future__ import annotations

import pytest

from marketprism_application.backtesting.errors import ParameterError
from marketprism_application.sweeps.constraints import Constraint
from marketprism_application.sweeps.sobol import MOST_DIMENSIONS, sobol_points
from marketprism_application.sweeps.space import Space, dimension_of


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("fast=5:50:5", ("5", "10", "15", "20", "25", "30", "35", "40", "45", "50")),
        ("x=0.1:0.5:0.2", ("0.1", "0.3", "0.5")),
        ("x=1:10:4", ("1", "5", "9")),
        ("n=3:6", ("3", "4", "5", "6")),
        ("kind=a, b,a", ("a", "b")),
        ("n=7", ("7",)),
        ("n=7:7", ("7",)),
    ],
)
def test_ranges_and_lists_name_values(text: str, values: tuple[str, ...]) -> None:
    assert dimension_of(text).values == values


@pytest.mark.parametrize(
    "text", ["fast", "=5", "fast=", "fast=5:1:1", "fast=1:5:0", "fast=a:b", "fast=1:2:3:4", "fast=1,,2", "f=0:1e9:1"]
)
def test_what_names_no_values_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="param"):
        dimension_of(text)


def test_a_grid_is_every_combination_that_the_constraint_allows() -> None:
    space = Space.of_texts(["fast=5:20:5", "slow=10:20:10"], "fast < slow and slow - fast >= 5")
    found = [(each["fast"], each["slow"]) for each in space.sets()]
    assert found == [("5", "10"), ("5", "20"), ("10", "20"), ("15", "20")]
    assert space.size == 8


@pytest.mark.parametrize("method", ["random", "sobol"])
def test_chance_and_sobol_give_as_many_sets_as_asked_for_each_once_and_the_same_again(method: str) -> None:
    space = Space.of_texts(["a=1:100", "b=1:100", "c=x,y"], "a != b")
    sets = list(space.sets(method, 200, seed=3))
    assert len({tuple(each.values()) for each in sets}) == 200
    assert sets == list(space.sets(method, 200, seed=3))
    assert all(each["a"] != each["b"] for each in sets)
    if method == "random":
        assert sets != list(space.sets(method, 200, seed=4))


def test_more_than_there_is_gives_what_there_is() -> None:
    space = Space.of_texts(["a=1:3", "b=1:3"])
    assert len(list(space.sets("random", 100))) == 9
    assert len(list(space.sets("sobol", 100))) == 9


def test_sobol_points_are_those_of_scipy() -> None:
    points = list(sobol_points(MOST_DIMENSIONS, 1_024))
    # What scipy.stats.qmc has at this place, unscrambled, in ten dimensions.
    expected = "0.6923828125 0.9365234375 0.1630859375 0.2744140625 0.6357421875 0.3564453125 0.1904296875 0.7626953125"
    assert [str(each) for each in points[777]] == [*expected.split(), "0.3486328125", "0.3232421875"]
    for dimension in range(MOST_DIMENSIONS):  # every interval of the grid holds one
        assert len({int(point[dimension] * 1_024) for point in points}) == 1_024


def test_neighbours_are_one_step_away() -> None:
    space = Space.of_texts(["fast=5:20:5", "slow=10:40:10"], "fast < slow")
    found = [(each["fast"], each["slow"]) for each in space.neighbours({"fast": "10", "slow": "20"})]
    assert found == [("5", "20"), ("15", "20"), ("10", "30")]


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("a < b < 10", True),
        ("not a > b", True),
        ("a * 2 == b", True),
        ("b % a == 1 or kind == 'x'", True),
        ("-a < 0 and b // 2 >= 3", False),
        ("kind != 'x'", False),
        ("", True),
    ],
)
def test_constraints_are_counted_exactly(text: str, holds: bool) -> None:
    assert Constraint(text, ("a", "b", "kind")).holds({"a": "2", "b": "4", "kind": "x"}) is holds


@pytest.mark.parametrize(
    "text", ["__import__('os')", "a.b", "[a]", "a if b else a", "c < 1", "a <", "a ** 99", "lambda: a", "f'{a}'"]
)
def test_a_constraint_is_no_program(text: str) -> None:
    with pytest.raises(ParameterError, match="constraint"):
        Constraint(text, ("a", "b"))


def test_a_constraint_that_cannot_be_counted_says_so() -> None:
    with pytest.raises(ParameterError, match="division by 0"):
        Constraint("a / b > 1", ("a", "b")).holds({"a": "1", "b": "0"})
    with pytest.raises(ParameterError, match="a number"):
        Constraint("a < b", ("a", "b")).holds({"a": "1", "b": "text"})
