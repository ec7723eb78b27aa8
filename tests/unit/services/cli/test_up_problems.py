"""What lasts is told once, and so is its end."""

from __future__ import annotations

from marketprism_services.cli.up_problems import ProblemLines


def test_a_problem_is_told_when_it_lasts_whatever_its_numbers_are_and_once() -> None:
    lines = ProblemLines(looks=3)
    assert lines.look(["storage x: 10 messages wait for 5 s"]) == []
    assert lines.look(["storage x: 12 messages wait for 10.5 s"]) == []
    assert lines.look(["storage x: 14 messages wait for 15 s", "leader lost: a"]) == [
        "wrong: storage x: 14 messages wait for 15 s"
    ]
    assert lines.look(["storage x: 16 messages wait for 20 s"]) == []
    assert lines.look([]) == ["over: storage x: 14 messages wait for 15 s"]
    assert lines.look([]) == []


def test_what_is_over_before_it_lasts_is_not_told_and_what_comes_back_is_told_again() -> None:
    lines = ProblemLines(looks=2)
    for _ in range(5):
        assert lines.look(["a"]) == []
        assert lines.look([]) == []
    lines.look(["a"])
    assert lines.look(["a"]) == ["wrong: a"]
    lines.look([])
    lines.look(["a"])
    assert lines.look(["a"]) == ["wrong: a"]
