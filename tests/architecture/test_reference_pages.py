"""The reference pages are what the code makes of them, and whole: `make docs` writes them."""

from __future__ import annotations

import re

import pytest

from marketprism_application.contracts.failures import Code
from marketprism_application.contracts.kinds import KINDS
from marketprism_services.cli.language.catalogue import catalogue
from marketprism_services.settings.errors import SettingsError
from marketprism_services.settings.meanings import LANGUAGES, WHY_FIXED, meanings
from marketprism_services.settings.modes import FIXED
from marketprism_services.settings.settings import Settings, load
from marketprism_services.settings.shape import type_at
from tests.support.reference import FOLDERS, PAGES, ROOT, groups
from tests.support.reference import MEANINGS as MEANINGS_FILE
from tests.support.reference.columns import MEANINGS
from tests.support.reference.errors import comments_of_members
from tests.support.reference.settings import bounds_of, meanings_file, rows
from tests.support.reference.tables import comments_of, meaning_of


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name](), "expected the page of `make docs`"


def test_pages_of_commands_and_requests_are_what_the_code_says() -> None:
    made = groups()
    assert len(made) > 100
    there = {
        str(path.relative_to(ROOT / "docs")) for folder in FOLDERS for path in (ROOT / "docs" / folder).glob("*.md")
    }
    assert there - made.keys() == set(), "expected pages of commands and requests that there are"
    stale = [name for name, text in made.items() if (ROOT / "docs" / name).read_text(encoding="utf-8") != text]
    assert stale == [], "expected the pages of `make docs`"


def test_the_chinese_reference_is_in_chinese() -> None:
    english = re.compile(r"(?<![`\w])(?:[a-z]+ ){4,}[a-z]+(?![`\w])")
    pages = [path for folder in ("zh/settings.md", "zh/reference/cli/*.md") for path in (ROOT / "docs").glob(folder)]
    found = [(path.name, said[0]) for path in pages for said in english.finditer(path.read_text(encoding="utf-8"))]
    assert found == [], "expected a Chinese text in cli/language/zh_CN or settings_chinese.py"


def test_every_code_of_a_failure_has_a_meaning() -> None:
    meanings = comments_of_members(Code)
    assert [code for code in Code if not meanings.get(code)] == []


def test_every_setting_has_its_meaning_in_both_languages() -> None:
    assert (ROOT / MEANINGS_FILE).read_text(encoding="utf-8") == meanings_file(), "expected what `make docs` writes"
    names = {row.name for row in rows()}
    for language in LANGUAGES:
        assert names ^ meanings(language)["meanings"].keys() == set(), language
    assert [name for name, text in meanings("zh")["meanings"].items() if not re.search(r"[\u4e00-\u9fff]", text)] == []
    shown = catalogue("zh_CN")
    assert meanings("zh")[WHY_FIXED] == {why: shown.translate(why) for why in FIXED.values()}


def test_every_setting_has_a_meaning_and_every_number_a_range() -> None:
    found = rows()
    assert len(found) > 100
    assert [row.name for row in found if not row.meaning] == []
    assert [row.name for row in found if row.kind in ("number", "whole number") and not row.range] == []
    timed = [row.name for row in found if re.search(r"_(s|ms|mb|gb|percent|days)$", row.path[-1]) and not row.unit]
    assert timed == []


def _with(path: tuple[str, ...], value: object) -> dict[str, object]:
    for part in reversed(path):
        value = {part: value}
    return value  # type: ignore[return-value]


_NUMBERS = [row for row in rows() if row.kind in ("number", "whole number")]


@pytest.mark.parametrize("row", _NUMBERS, ids=[row.name for row in _NUMBERS])
def test_what_is_out_of_a_range_is_refused_by_name(row) -> None:  # type: ignore[no-untyped-def]
    whole = type_at(Settings, row.path) is int
    bounds = bounds_of(row.path)
    wrong: list[float] = [-(10**18), *([] if whole else [float("nan"), float("-inf")])]
    if bounds is not None:
        lowest, highest = bounds
        wrong += [lowest - 1, int(highest) + 1 if whole else highest * 1.01 + 1]
    for value in wrong:
        with pytest.raises(SettingsError, match=row.path[-1].removesuffix("_s")):
            load(None, _with(row.path, value))


def test_every_column_has_a_meaning_and_every_meaning_a_column() -> None:
    assert [(kind.name, field) for kind in KINDS.values() for field in kind.fields if not meaning_of(kind, field)] == []
    used = {field for kind in KINDS.values() for field in kind.fields if field not in comments_of(kind.model)}
    assert sorted(MEANINGS.keys() - used) == []
