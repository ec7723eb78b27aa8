"""Messages in the user's language."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from rich.table import Table

from marketprism_services.cli.language.catalogue import Catalogue, catalogue, language_of
from marketprism_services.cli.language.console import TranslatingConsole
from tests.support.texts import texts_of_help, texts_raised, texts_shown

TEXTS = Catalogue(
    {
        "{}: expected {}, was {}": "{}：应为 {}，实际为 {}",
        "a day like {}": "形如 {} 的日期",
        "no gaps known": "没有已知缺口",
        "[red]error:[/red] {}": "[red]错误：[/red]{}",
        "{} of {} bars": "共 {1} 根 K 线，显示 {0} 根",
        "high": "最高",
    }
)


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "zh_CN"}, "zh_CN"),
        ({"LANG": "zh_TW.UTF-8"}, "zh_CN"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh_CN"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "zh_CN:en"}, "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8", "MARKETPRISM_LANG": "en"}, "en"),
        ({"LANG": "de_DE.UTF-8", "MARKETPRISM_LANG": "zh"}, "zh_CN"),
    ],
)
def test_the_language_is_that_of_the_locale(environ: dict[str, str], language: str) -> None:
    assert language_of(environ) == language


@pytest.mark.parametrize(
    ("english", "own"),
    [
        ("no gaps known", "没有已知缺口"),
        ("--date: expected a day like 2025-03-03, was x", "--date：应为 形如 2025-03-03 的日期，实际为 x"),
        ("[red]error:[/red] no gaps known", "[red]错误：[/red]没有已知缺口"),
        ("3 of 7 bars", "共 7 根 K 线，显示 3 根"),
        ("3 of 7 bars\nno gaps known\n", "共 7 根 K 线，显示 3 根\n没有已知缺口\n"),
        ("never seen", "never seen"),
        ("", ""),
        ("--date: expected {}, was {0}", "--date：应为 {}，实际为 {0}"),
    ],
)
def test_values_stay_and_sentences_change(english: str, own: str) -> None:
    assert TEXTS.translate(english) == own
    assert Catalogue({}).translate(english) == english


def test_a_table_shows_its_headings_in_the_language() -> None:
    table = Table("high", "other", title="3 of 7 bars")
    shown = TranslatingConsole(TEXTS).translated(table)
    assert [column.header for column in shown.columns] == ["最高", "other"]
    assert shown.title == "共 7 根 K 线，显示 3 根"


def test_every_text_has_as_many_values_in_chinese() -> None:
    chinese = catalogue("zh_CN")
    for english, _, own in chinese._patterns:
        count = english.count("{}")
        own.format(*range(count))
        assert all(str(number) in own.format(*map("<{}>".format, range(count))) for number in range(count)), english


def _missing(texts: set[str]) -> list[str]:
    chinese = catalogue("zh_CN")
    sample = {text: text.replace("{}", "§") for text in texts}
    return sorted(text for text, filled in sample.items() if chinese.translate(filled) == filled)


def test_every_message_and_every_help_text_has_a_chinese_one() -> None:
    assert _missing(texts_shown()) == []
    assert _missing(texts_of_help()) == []


def test_every_error_has_a_chinese_text() -> None:
    assert _missing(texts_raised("domain", "application", "adapters", "services", "sdk")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--help"], "命令"), (["bars", "--help"], "某个合约"), (["calendar", "rb2505", "--date", "x"], "错误")],
)
def test_a_chinese_locale_gives_chinese(arguments: list[str], said: str) -> None:
    environ = {**os.environ, "LANG": "zh_CN.UTF-8", "LC_ALL": "zh_CN.UTF-8", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "marketprism_services", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said in done.stdout + done.stderr
