"""The models hold, what is put into them wrongly is found, and they are of this product."""

from __future__ import annotations

from functools import cache, reduce
from importlib import import_module
from typing import Any

import pytest

from tests.model.__main__ import FULL, SMALL, main, simulated
from tests.model.correspondence import ELECTION, HANDOVER, Same
from tests.model.election import Election
from tests.model.engine import Found, explore
from tests.model.handover import Handover
from tests.model.mutants import mutants
from tests.model.records import Record
from tests.model.traces import check

_LONG = ("a probe is not counted", "a probe outlives a renewal")
_MUTANTS = [
    pytest.param(model, id=model.name, marks=[pytest.mark.long] if model.mutant in _LONG else []) for model in mutants()
]


@cache
def _explored(model: Any) -> Found[Any]:
    return explore(model)


@pytest.mark.parametrize("model", SMALL, ids=lambda model: model.name)
def test_a_model_holds_in_every_state(model: Election | Handover) -> None:
    found = _explored(model)
    assert not found.violation, found.told()
    assert found.states > 100


@pytest.mark.long
@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("model", FULL[len(SMALL) :], ids=lambda model: model.name)
def test_a_larger_model_holds_in_every_state(model: Election | Handover) -> None:
    found = _explored(model)
    assert not found.violation, found.told()


@pytest.mark.parametrize("model", _MUTANTS)
def test_what_is_done_wrongly_is_found_and_told(model: Election | Handover) -> None:
    found = _explored(model)
    assert found.violation
    assert 0 < len(found.told().splitlines()) <= 20


def _there(path: str) -> object:
    module, _, name = path.partition(":")
    return reduce(getattr, name.split("."), import_module(module))


@pytest.mark.parametrize("same", [*ELECTION, *HANDOVER], ids=lambda same: same.step)
def test_a_step_of_a_model_is_a_function_of_the_product(same: Same) -> None:
    assert all(callable(_there(path)) for path in same.functions)


def test_every_step_that_a_model_takes_has_its_place_in_the_table() -> None:
    for kind, table in ((Election, ELECTION), (Handover, HANDOVER)):
        taken = [_explored(model).actions.keys() for model in SMALL if isinstance(model, kind)]
        assert set().union(*taken) == {same.step for same in table}


@pytest.fixture(scope="module")
def schedule() -> list[Record]:
    """What the streams of a schedule of the simulation took."""
    return simulated("stages", 3)


def test_a_schedule_of_the_simulation_is_a_behaviour_of_both_models(schedule: list[Record]) -> None:
    for what in ("election", "hand-over"):
        verdict = check(schedule, what)
        assert verdict, str(verdict)
        assert verdict.of > 100


def _first(records: list[Record], kind: str, number: int = 0) -> int:
    return [place for place, record in enumerate(records) if record["kind"] == kind][number]


def _late(records: list[Record]) -> None:
    """A write of before comes behind the next fence."""
    write = records[_first(records, "write")]
    fence = next(n for n, r in enumerate(records) if r["kind"] == "fence" and r["holder"] != write["holder"])
    records.insert(fence + 1, write)
    del records[_first(records, "write") + 6 : fence]


def _unfenced(records: list[Record]) -> None:
    """Nobody raised the fence that is written behind."""
    del records[_first(records, "fence")]


def _again(records: list[Record]) -> None:
    """An output comes twice."""
    commits = (r["entries"][0] for r in records if r["kind"] == "batch")
    next(entry for entry in commits if entry["old"])["old"] -= 1


def _lost(records: list[Record]) -> None:
    """A commit is missing."""
    del records[next(n for n, r in enumerate(records) if r["kind"] == "batch" and r["entries"][0]["new"])]


def _unclaimed(records: list[Record]) -> None:
    """Somebody works on what he has not claimed."""
    del records[_first(records, "own")]


def _of_another_epoch(records: list[Record]) -> None:
    """An epoch was passed over."""
    records[_first(records, "own")]["epoch"] += 1


@pytest.mark.parametrize(
    ("what", "doctor"),
    [
        ("election", _late),
        ("election", _unfenced),
        ("hand-over", _again),
        pytest.param("hand-over", _lost, marks=pytest.mark.long),
        ("hand-over", _unclaimed),
        ("hand-over", _of_another_epoch),
    ],
)
@pytest.mark.long_on("_again")
def test_what_did_not_happen_is_refused(schedule: list[Record], what: str, doctor: Any) -> None:
    records = [{**record, "entries": [dict(e) for e in record.get("entries", ())]} for record in schedule]
    doctor(records)
    verdict = check(records, what)
    assert not verdict
    assert f"record {verdict.explained + 1}" in str(verdict)


@pytest.mark.long
def test_a_run_of_true_processes_of_which_two_are_killed_is_a_behaviour_of_both_models(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["real"]) == 0, capsys.readouterr().out
