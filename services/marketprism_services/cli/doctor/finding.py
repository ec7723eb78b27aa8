"""What the doctor says of one thing that it has looked at."""

from __future__ import annotations

from typing import Literal, NamedTuple

Grade = Literal["ok", "warning", "wrong"]


class Finding(NamedTuple):
    """ok, warning or wrong; what was looked at; what was found; what was expected, and what is to be done, in one line
    each (empty where everything is as it should be)."""

    grade: Grade
    what: str
    text: str
    expected: str = ""
    todo: str = ""


def ok(what: str, text: str) -> Finding:
    """Nothing is to be done."""
    return Finding("ok", what, text)


def warning(what: str, text: str, expected: str, todo: str) -> Finding:
    """It works, and will not under load, or some day."""
    return Finding("warning", what, text, expected, todo)


def wrong(what: str, text: str, expected: str, todo: str) -> Finding:
    """Nobody should run it for money like this."""
    return Finding("wrong", what, text, expected, todo)


def judged(grade: Grade, what: str, text: str, expected: str, todo: str) -> Finding:
    """A finding of a grade that was reckoned; what is well has nothing to be done."""
    return ok(what, text) if grade == "ok" else Finding(grade, what, text, expected, todo)


def worst(*grades: Grade) -> Grade:
    """The worst of them; ok of none."""
    return "wrong" if "wrong" in grades else "warning" if "warning" in grades else "ok"


__all__ = ["Finding", "Grade", "judged", "ok", "warning", "worst", "wrong"]
