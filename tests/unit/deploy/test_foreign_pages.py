"""Pages for clients in other languages say what the code does; notebooks are stored without what they have shown."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

from marketprism_application.contracts.kinds import BAR, TICK, DataKind

ROOT = Path(__file__).parents[3]
NOTEBOOKS = sorted((ROOT / "examples/notebooks").glob("*.ipynb"))


def test_there_are_notebooks() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["backtest", "read_bars"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_code_without_outputs(path: Path) -> None:
    book = json.loads(path.read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert book["cells"][0]["cell_type"] == "markdown"
    cells = [each for each in book["cells"] if each["cell_type"] == "code"]
    assert [(each["execution_count"], each["outputs"]) for each in cells] == [(None, [])] * len(cells)
    for each in cells:
        compile("".join(each["source"]), path.name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


PAGES = ("foreign-clients", "from-datarecorder")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SOURCES = {"js": ("node/market.mjs", "node/history.mjs"), "c": ("c/subscribe.c",)}


def _page(name: str, language: str = "") -> str:
    return (ROOT / "docs" / language / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", PAGES)
def test_both_languages_have_the_same_sections_programs_and_links(name: str) -> None:
    english, chinese = _page(name), _page(name, "zh")
    assert BLOCK.findall(english) == BLOCK.findall(chinese)
    for pattern in (r"^(#+) ", r"^\|(-+\|)+$"):
        assert re.findall(pattern, english, re.MULTILINE) == re.findall(pattern, chinese, re.MULTILINE)
    for language, text in (("", english), ("zh", chinese)):
        links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text)]
        assert [link for link in links if not (ROOT / "docs" / language / link).exists()] == []


def test_what_the_page_shows_of_a_program_is_the_program() -> None:
    shown = [(language, text) for language, text in BLOCK.findall(_page("foreign-clients")) if language in SOURCES]
    assert {language for language, _ in shown} == set(SOURCES)
    for language, text in shown:
        files = [(ROOT / "examples" / file).read_text(encoding="utf-8") for file in SOURCES[language]]
        assert any(text in each for each in files), text


@pytest.mark.parametrize("kind", [TICK, BAR], ids=lambda kind: kind.name)
def test_the_table_of_fields_is_the_contract(kind: DataKind) -> None:
    defaults = kind.model._field_defaults
    needed = ["v", *(name for name in kind.fields if name not in defaults)]
    written = {None: "", (): "=[]", "": '=""', 0: "=0"}
    absent = [f"`{name}`" + ("=false" if value is False else written[value]) for name, value in defaults.items()]
    row = f"| {kind.name} | {' '.join(f'`{name}`' for name in needed)} | {' '.join(absent)} |"
    for language in ("", "zh"):
        assert row in _page("foreign-clients", language).splitlines()
    assert kind.version == 1  # as the examples and the page say
