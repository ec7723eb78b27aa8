"""Without atheris: every input that is kept, every seed, and some thousands of changed ones, the same every time."""

from __future__ import annotations

from random import Random

import pytest

from marketprism_adapters.imports.registry import FORMATS
from marketprism_adapters.venues.registry import MARKETS
from marketprism_application.contracts.kinds import KINDS
from marketprism_application.contracts.questions import QUESTIONS
from marketprism_services.api.openapi import described
from marketprism_services.api.read.parameters import Parameters
from tests.fuzzing.corpus import FOLDER, kept
from tests.fuzzing.registry import MODULES, all_targets, of_module
from tests.fuzzing.target import Finding, Target

pytestmark = pytest.mark.xdist_group("fuzzing")  # one process loads them all

_ROUNDS = 25
_LONGEST = 6_000


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.filterwarnings("ignore")
def test_whatever_comes_is_taken_or_refused_as_its_contract_says(module: str) -> None:
    for target in of_module(module).values():
        seeds = list(target.seeds())
        for name, data in kept(target):
            _tried(target, data, f"corpus/{target.name}/{name}")
        for number, seed in enumerate(seeds):
            _tried(target, seed, f"seed {number}")
        chance = Random(7)
        for number in range(_ROUNDS if seeds else 0):
            data = target.mutate(chance.choice(seeds), chance)[:_LONGEST]
            _tried(target, data, f"round {number}: {data!r}"[:400])


def _tried(target: Target, data: bytes, what: str) -> None:
    try:
        target.try_one(data)
    except Exception as error:
        raise AssertionError(f"{target.name}, {what}: {type(error).__name__}: {error}") from error


def test_most_seeds_are_taken_so_that_changed_ones_get_far() -> None:
    target = all_targets()["codec-message"]
    assert all(target.try_one(seed) for seed in target.seeds())


def test_each_kept_input_is_of_a_target_and_small() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} <= all_targets().keys()
    assert sum(path.stat().st_size for path in files) < 48_000


def test_whatever_reads_what_others_write_has_a_target() -> None:
    reads = {each for target in all_targets().values() for each in target.reads}
    # Parameters that are no `Parameters` are words of the document: their handlers read names and tokens (`rights`).
    with_input = {
        f"operation:{each.id}"
        for each in described()
        if any(issubclass(one, Parameters) for one in each.parameters) or isinstance(each.body, type)
    }
    expected = {
        *(f"market:{name}" for name in MARKETS),
        *(f"import:{each.name}" for each in FORMATS),
        *(f"kind:{name}" for name in KINDS),
        *(f"question:{name}" for name in QUESTIONS),
        *with_input,
    }
    assert sorted(expected - reads) == []


def test_what_is_no_contract_is_a_finding() -> None:
    def run(data: bytes) -> None:
        raise {b"a": ValueError("expected b"), b"k": KeyError("k"), b"\n": ValueError("\ud800")}[data]

    target = Target("x", run, (ValueError,))
    assert not target.try_one(b"a")
    with pytest.raises(KeyError):
        target.try_one(b"k")
    with pytest.raises(Finding, match="UTF-8 has room for"):
        target.try_one(b"\n")
