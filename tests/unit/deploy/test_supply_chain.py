"""Licences of what is installed, and secrets in what git knows: none that is not explained, and what is put in is found."""

from __future__ import annotations

import sys
from email.message import Message
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "deploy" / "supply_chain"))
import licences
import secrets_scan

SEED = "SU" + "AB2CDEFGHI" * 5 + "ABCDEF"


class Installed(Distribution):
    """A distribution whose metadata are given."""

    def __init__(self, **said: str) -> None:
        self._said = Message()
        for name, value in {"Name": "x", "Version": "1", **said}.items():
            self._said[name.replace("_", "-")] = value

    @property
    def metadata(self) -> Any:
        return self._said

    def read_text(self, filename: str) -> str | None:
        return None

    def locate_file(self, path: Any) -> Any:
        return path


def test_each_licence_is_permissive_or_explained() -> None:
    assert list(licences.problems()) == []


def test_nothing_is_explained_that_needs_no_words() -> None:
    there = {licences.re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower(): each for each in distributions()}
    known = licences.PERMISSIVE | licences.OF_FILES
    needless = [n for n in licences.NAMED if n in there and (w := licences.words_of(there[n])) and set(w) <= known]
    assert needless == []


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"License_Expression": "GPL-3.0-only"}, "was 'gpl-3.0-only'"),
        ({"License_Expression": "MIT AND AGPL-3.0-only"}, "was 'agpl-3.0-only'"),
        ({"Classifier": "License :: Other/Proprietary License"}, "was 'other/proprietary license'"),
        ({}, "expected a licence in its metadata, was none"),
    ],
)
def test_another_licence_is_named(said: dict[str, str], problem: str) -> None:
    (found,) = licences.problems([Installed(**said)])
    assert problem in found


def test_no_file_of_the_repository_has_a_secret() -> None:
    assert list(secrets_scan.problems()) == []


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("-----BEGIN " + "PRIVATE KEY-----", "a private key"),
        ("key = '" + "AKIA" + "ABCDEFGHIJKLMNOP'", "a key of AWS"),
        (SEED, "a seed of NATS"),
        ("pass" + 'word = "kJ8sQ2vX9bN4mZ7wR1tY6pL3"', "a text of much chance where a secret is expected"),
    ],
)
def test_a_secret_is_found(line: str, what: str) -> None:
    assert list(secrets_scan.found_in(f"a\n{line}\n")) == [(2, what)]


def test_words_are_no_secrets_and_a_line_may_say_why_it_is_none() -> None:
    assert (
        list(secrets_scan.found_in(f'password = "the_word_for_a_door_here"\n{SEED}  # not a secret: of a test\n')) == []
    )
