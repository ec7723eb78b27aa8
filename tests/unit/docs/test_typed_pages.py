"""Tutorial and how-tos as they are typed: every block parses, commands and names exist, both languages are one."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.command_lines import commands_of, fault_of
from tests.support.runbooks import lines_of
from tests.support.typed_pages import LANGUAGES, ROOT, Block, blocks_of, pages_of, unshown

TYPED = ("tutorial", "how-to")
FOLDERS = (*TYPED, "explanation")
PAGES = [page for folder in TYPED for page in pages_of(folder, "en")]
PROGRAMS = ("cat", "cmp", "curl", "echo", "pytest", "python", "source")
_HEADING = re.compile(r"^(#+) ", re.MULTILINE)


def _blocks(language: str) -> list[Block]:
    return [block for folder in TYPED for page in pages_of(folder, language) for block in blocks_of(page)]


def test_the_tutorial_has_ten_steps() -> None:
    assert [page.name[:2] for page in pages_of("tutorial", "en")] == [f"{number:02}" for number in range(1, 11)]


@pytest.mark.parametrize("folder", FOLDERS)
def test_both_languages_have_the_same_pages_headings_and_blocks(folder: str) -> None:
    english, chinese = (pages_of(folder, language) for language in LANGUAGES)
    assert [page.name for page in english] == [page.name for page in chinese]
    for ours, theirs in zip(english, chinese, strict=True):
        texts = [re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL) for page in (ours, theirs)]
        assert _HEADING.findall(texts[0]) == _HEADING.findall(texts[1]), ours.name
        blocks = [[block._replace(page=ours) for block in blocks_of(page)] for page in (ours, theirs)]
        assert blocks[0] == blocks[1], ours.name
        assert len(re.findall(r"^\|", texts[0], re.MULTILINE)) == len(re.findall(r"^\|", texts[1], re.MULTILINE))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_is_one(page: Path) -> None:
    script = "\n".join(block.text for block in blocks_of(page) if block.language == "sh")
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    found = [fault_of(words, PROGRAMS) for line in lines_of(script) for words in commands_of(line)]
    assert [fault for fault in found if fault] == []


def test_what_is_run_was_saved_or_is_there() -> None:
    for folder in TYPED:
        saved: set[str] = set()
        for page in pages_of(folder, "en"):
            for block in blocks_of(page):
                saved |= {block.notes["file"]} if "file" in block.notes else set()
                for name in re.findall(
                    r"\bpython (\S+\.py)|\b(\w+\.py):\w+", block.text if block.language == "sh" else ""
                ):
                    assert "".join(name) in saved, (block.place, name)


def test_programs_compile_and_what_they_import_exists() -> None:
    for block in _blocks("en"):
        if block.language != "python" or "file" not in block.notes:
            continue
        for node in ast.walk(ast.parse(block.text, block.place)):
            if isinstance(node, ast.ImportFrom):
                module = importlib.import_module(node.module or "")
                assert [each.name for each in node.names if not hasattr(module, each.name)] == [], block.place
            elif isinstance(node, ast.Import):
                assert all(importlib.util.find_spec(each.name) for each in node.names), block.place


def test_extras_that_are_installed_are_there() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for block in _blocks("en"):
        for extras in re.findall(r"\.\[([\w,]+)\]", block.text):
            assert [each for each in extras.split(",") if f"\n{each} = [" not in text] == [], block.place


def test_examples_of_the_tutorial_are_its_blocks() -> None:
    saved = {block.notes["file"]: block.text for block in _blocks("en") if "file" in block.notes}
    named = {name for page in PAGES for name in re.findall(r"`examples/(\w+\.py)`", page.read_text(encoding="utf-8"))}
    assert named == {"subscribe.py", "query.py", "books.py", "breakout.py"}
    for name in named:
        assert (ROOT / "examples" / name).read_text(encoding="utf-8") == saved[name]


@pytest.mark.parametrize("language", LANGUAGES)
def test_links_lead_somewhere(language: str) -> None:
    for folder in FOLDERS:
        for page in pages_of(folder, language):
            text = page.read_text(encoding="utf-8")
            for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
                target = (page.parent / link).resolve()
                assert target.exists(), (page.name, link)
                assert target.is_relative_to(ROOT / "docs"), (page.name, link)


@pytest.mark.parametrize("language", LANGUAGES)
def test_notes_are_ones_that_a_reader_follows(language: str) -> None:
    known = {"terminal", "here", "after Ctrl-C", "repeat", "exit", "not run", "file"}
    for page in (page for folder in FOLDERS for page in pages_of(folder, language)):
        text = page.read_text(encoding="utf-8")
        for block in blocks_of(page):
            assert block.notes.keys() <= known, block.place
            assert block.language in ("sh", "text", "python"), block.place
            if "file" in block.notes:  # a reader has to know what to call it
                assert f"`{block.notes['file']}`" in text.split(block.text)[0], block.place


def test_every_example_is_run_by_a_test() -> None:
    typed = {block.notes.get("file") for block in _blocks("en")}
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    for path in (ROOT / "examples").glob("[a-z]*.py"):
        assert f"from examples.{path.stem} import" in tests or path.name in typed, path.name


@pytest.mark.parametrize(
    ("expected", "output", "first"),
    [
        ("a  b\nc", "x\n a b \nz\nc\n", ""),
        ("a\nc", "c\na\n", "c"),
        ("a … z", "a z", ""),
        ("open … z", "opens 1 z", ""),
        ("a.c", "abc", "a.c"),
        ("a\n…\nb", "a\n1\n2\nb", ""),
        ("27", "127", "27"),
    ],
)
def test_what_is_shown_is_found_in_its_order(expected: str, output: str, first: str) -> None:
    assert unshown(expected, output) == first
