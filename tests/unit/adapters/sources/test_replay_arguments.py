"""What stands behind `replay:`, whatever is in the names of files."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketprism_adapters.sources.registry import ReplayArguments, parse_source, replay_arguments, replay_spec
from marketprism_application.errors import SourceError

NAMES = st.lists(st.text(st.sampled_from("ab ,\\é行.-"), min_size=1, max_size=8), min_size=1, max_size=4)


@given(NAMES)
def test_names_come_back_as_they_were(names: list[str]) -> None:
    assert replay_arguments(parse_source(replay_spec(names)).arguments) == ReplayArguments(names, "", False)


def test_a_comma_needs_no_sign_where_the_whole_is_a_file(tmp_path: Path) -> None:
    odd, plain = tmp_path / "a, b" / "c,d.csv", tmp_path / "e.csv"
    odd.parent.mkdir()
    for path in (odd, plain):
        path.touch()
    assert replay_arguments(f"{odd},{plain}").recordings == [str(odd), str(plain)]
    assert replay_arguments(f"{plain},{odd}").recordings == [str(plain), str(odd)]


def test_market_and_partial_stand_among_the_names(tmp_path: Path) -> None:
    assert replay_arguments("a.txt,market=okx,b.txt,partial=yes") == ReplayArguments(["a.txt", "b.txt"], "okx", True)
    (tmp_path / "market=x").touch()
    assert replay_arguments(str(tmp_path / "market=x")).recordings == [str(tmp_path / "market=x")]


@pytest.mark.parametrize(
    ("text", "said"), [("a,partial=maybe", "yes or no, was 'maybe'"), (",", "expected recordings")]
)
def test_what_makes_no_sense_is_refused(text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        replay_arguments(text)
