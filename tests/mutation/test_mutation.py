"""The tool itself, on a small module; what is written down about the product's modules."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mutation import results
from tests.mutation.changes import applied, changes_of
from tests.mutation.explained import FILE, Explained
from tests.mutation.modules import ROOT, module_files, source_of

RATES = '''"""Rates."""

LOWEST = 5


def paid(lots: int, rate: int, *, free: bool = False) -> int:
    """What is paid."""
    if free or lots <= 0:
        return 0
    return max(LOWEST, lots * rate)


class Book:
    """What was paid."""

    def __init__(self) -> None:
        self.total = 0

    def add(self, amount: int) -> None:
        """One more."""
        if amount < 100:
            self.total += amount
'''
TESTS = """
from marketprism_rates.rates import LOWEST, Book, paid


def test_paid():
    assert [paid(2, 10), paid(0, 7), paid(3, 0, free=True), LOWEST] == [20, 0, 0, 5]


def test_book():
    book = Book()
    book.add(3)
    book.add(4)
    book.add(200)
    assert book.total == 7
"""


def test_changes_are_what_a_slip_of_the_hand_would_write() -> None:
    tree = ast.parse(RATES)
    before = ast.unparse(tree)
    found = changes_of(tree)
    assert [(each.line, each.kind, each.text) for each in found if each.line in (3, 6, 8, 10)] == [
        (3, "constant", "5 -> 6"),
        (6, "constant", "False -> True"),
        (8, "boolean", "free or lots <= 0 -> free and lots <= 0"),
        (8, "comparison", "lots <= 0 -> lots < 0"),
        (8, "comparison", "lots <= 0 -> lots > 0"),
        (8, "constant", "0 -> 1"),
        (10, "return", "return max(LOWEST, lots * rate) -> return None"),
        (10, "arithmetic", "lots * rate -> lots / rate"),
    ]
    for each in found:
        with applied(each):
            assert ast.unparse(tree) != before, each
        assert ast.unparse(tree) == before


@pytest.mark.parametrize(
    ("source", "change"),
    [
        ("def f(a):\n    return a[1:2]", "1 -> (no bound)"),
        ("def f(a):\n    g(a, b=1)", "b=1 -> (nothing)"),
        ("def f(a):\n    g(a)", "g(a) -> pass"),
        ("def f(a):\n    a.b = 1", "a.b = 1 -> pass"),
        ("def f(a):\n    raise KeyError(a)", "raise KeyError(a) -> pass"),
        ("def f(a):\n    return 1 if a else 2", "a -> not a"),
        ("def f(a):\n    while not a:\n        break", "break -> continue"),
        ("def f(a):\n    try:\n        a()\n    except (OSError, KeyError):\n        pass", "OSError -> (nothing)"),
        ("def f(a):\n    try:\n        a()\n    except OSError:\n        a = 1", "a = 1 -> raise"),
        ("def f(a):\n    try:\n        a()\n    finally:\n        b()", "b() -> pass"),
        ("def f(a):\n    with suppress(OSError):\n        a()", "suppress(OSError) -> suppress()"),
        ("def f(a):\n    return [b for b in a if b]", "b -> not b"),
    ],
)
def test_every_kind_of_change(source: str, change: str) -> None:
    assert change in [each.text for each in changes_of(ast.parse(source))]


def test_logs_types_and_words_of_errors_are_left_alone() -> None:
    source = "def f(a: Literal['x']) -> None:\n    '''Words.'''\n    self._log.info('a.b', c=1)\n    raise InvalidValue('a', 'b')"
    assert [each.kind for each in changes_of(ast.parse(source))] == ["statement"]


def test_what_tests_notice_is_killed_and_what_they_do_not_is_told(tmp_path: Path) -> None:
    package = tmp_path / "marketprism_rates"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "rates.py").write_text(RATES)
    (tmp_path / "test_rates.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-m", "tests.mutation", "marketprism_rates", "--root", tmp_path, "--tests", tmp_path],
        env={
            **os.environ,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}",
        },
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    found = [line for line in done.stdout.splitlines() if line.startswith("marketprism_rates.rates")]
    assert sorted(found[:-1]) == [
        "marketprism_rates.rates:21: survived: comparison: amount < 100 -> amount <= 100",
        "marketprism_rates.rates:21: survived: constant: 100 -> 101",
        "marketprism_rates.rates:8: survived: constant: 0 -> 1",
    ], done.stdout + done.stderr
    assert "16 mutants    13 killed    0 explained   81.2 %" in found[-1]
    assert done.returncode == 1


def test_each_explained_change_is_one_of_a_line_that_exists_and_has_a_reason() -> None:
    rows = Explained.load().rows
    for module in sorted({module for module, _, _ in rows}):
        ((_, path),) = module_files([module])
        tree, text = source_of(path)
        lines = text.splitlines()
        there = {(lines[each.line - 1].strip(), each.text) for each in changes_of(tree)}
        for name, line, change in rows:
            assert name != module or (line, change) in there, f"{FILE.name}: {module}: {line}: {change}"
    assert all(len(why.split()) >= 3 for why in rows.values())


@pytest.mark.parametrize("page", sorted(results.PAGES))
def test_the_pages_show_the_results_that_were_kept(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    _, _, rest = text.partition(results.BEGIN)
    assert rest.partition(results.END)[0].strip() == results.table(page, results.kept())
