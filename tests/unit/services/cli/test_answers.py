"""What `--format`, `--json` and `--output` mean together: never ignored."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
import typer

from marketprism_application.queries.export import FORMATS
from marketprism_services.cli.answers import Shown, Wanted, show, wanted
from marketprism_services.platform.exits import Exit, Stop

_EMPTY = pa.table({"venue": pa.array([], pa.string()), "ts_from": pa.array([], pa.int64())})


def test_the_ending_of_a_file_chooses_the_format() -> None:
    for form in FORMATS:
        path = Path(f"x.{form}")
        assert wanted(None, path) == Wanted(form, path)
    assert wanted(None, Path("X.CSV")).form == "csv"
    assert wanted("json", Path("x.dat")) == Wanted("json", Path("x.dat"))
    assert wanted(None, None).table
    assert wanted(None, None, as_json=True).form == "json"


@pytest.mark.parametrize(
    ("form", "output", "as_json", "text"),
    [
        (None, "x.dat", False, "expected a name that ends in .csv"),
        (None, "x", False, "expected a name that ends in .csv"),
        (None, "x.png", False, "expected --plot with a picture"),
        ("table", "x.csv", False, "--output: expected a --format of"),
        ("cvs", None, False, "--format: expected one of table"),
        ("csv", None, True, "--json: expected no other --format"),
    ],
)
def test_what_nothing_decides_or_contradicts_itself_is_refused(
    form: str | None, output: str | None, as_json: bool, text: str
) -> None:
    with pytest.raises(Stop, match=text) as refused:
        wanted(form, Path(output) if output else None, as_json=as_json)
    assert refused.value.code == Exit.USAGE


def test_an_empty_answer_is_said_and_fails_unless_it_is_good_news(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = Shown(("ts_from",), "gaps of x", "no gaps of x are known", may_be_empty=True)
    show(_EMPTY, Wanted("json", tmp_path / "x.json"), shown)
    assert (tmp_path / "x.json").read_text(encoding="utf-8").strip() == "[]"
    with pytest.raises(typer.Exit) as ended:
        show(_EMPTY, Wanted("table", None), shown._replace(may_be_empty=False))
    assert ended.value.exit_code == Exit.FAILED
    assert capsys.readouterr().out == "no gaps of x are known\n"
