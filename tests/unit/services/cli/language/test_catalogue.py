"""Messages in the user's language."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from importlib.resources import files

import pytest
from rich.console import Console
from rich.table import Table

from marketprism_services.cli.language.catalogue import Catalogue, catalogue, language_of
from marketprism_services.cli.language.console import TranslatingConsole
from marketprism_services.cli.tables import show_table
from tests.support.texts import texts_of_help, texts_raised, texts_shown

TEXTS = Catalogue(
    {
        "{}: expected {}, was {}": "{}：应为 {}，实际为 {}",
        "a day like {}": "形如 {} 的日期",
        "no gaps known": "没有已知缺口",
        "[red]error:[/red] {}": "[red]错误：[/red]{}",
        "{} of {} bars": "共 {1} 根 K 线，显示 {0} 根",
        "high": "最高",
        "{} to {}": "{} 到 {}",
        "{}: expected a number from {} to {}, was {}": "{}：应为 {} 到 {} 的数，实际为 {}",
        "pictures need {}: install marketprism[plot]": "画图需要 {}：请安装 marketprism[plot]",
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
        ("--date: expected a day like 2025-03-03, was x", "--date：应为形如 2025-03-03 的日期，实际为 x"),
        ("[red]error:[/red] no gaps known", "[red]错误：[/red]没有已知缺口"),
        ("[red]error:[/red] z: expected a number from 1 to 9, was 0", "[red]错误：[/red]z：应为 1 到 9 的数，实际为 0"),
        ("--seed: expected 0 to 1.5e3, was x", "--seed：应为 0 到 1.5e3，实际为 x"),
        ("failed to open", "failed to open"),
        (
            "high: expected a day like today, was x\nno gaps known",
            "high：应为形如 today 的日期，实际为 x\n没有已知缺口",
        ),
        (r"pictures need plotext: install marketprism\[plot]", r"画图需要 plotext：请安装 marketprism\[plot]"),
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
    table.add_row("high", "no gaps known")
    shown = TranslatingConsole(TEXTS).translated(table)
    assert [column.header for column in shown.columns] == ["最高", "other"]
    assert [list(column.cells) for column in shown.columns] == [["high"], ["没有已知缺口"]]
    assert shown.title == "共 7 根 K 线，显示 3 根"


def test_no_text_has_two_chinese_ones() -> None:
    """Of two, the file that comes later in the alphabet would decide."""
    catalogues = files("marketprism_services.cli.language").joinpath("zh_CN").iterdir()
    tables = [table for each in catalogues for table in tomllib.loads(each.read_text("utf-8")).items()]
    assert [name for name, times in Counter(name for name, _ in tables).items() if times > 1] == []
    texts = Counter(english for _, table in tables for english in table)
    assert [english for english, times in texts.items() if times > 1] == []


def test_every_text_has_as_many_values_in_chinese() -> None:
    chinese = catalogue("zh_CN")
    for english, own in chinese.items():
        count = english.count("{}")
        if not count:
            continue
        own.format(*range(count))
        assert all(str(number) in own.format(*map("<{}>".format, range(count))) for number in range(count)), english


def test_a_count_is_a_number_and_nothing_else() -> None:
    texts = Catalogue({"behind: {}": "积压：{}", "{} ticks": "{} 个 tick"}, ["{} ticks"])
    assert texts.translate("behind: 1,024 ticks") == "积压：1,024 个 tick"
    assert texts.translate("behind: nobody knows of ticks") == "积压：nobody knows of ticks"


def test_a_line_of_rows_is_as_wide_as_its_chinese_headings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETPRISM_LANG", "zh")
    out = io.StringIO()
    console = Console(file=out, width=40, force_terminal=True, color_system=None)
    rows = [{"group": "default", "role": "stands by", "trouble": "nobody listens there (x)"}]
    show_table(console, rows, ("group", "role", "trouble"))
    lines = out.getvalue().splitlines()
    assert lines[0].split() == ["组", "角色", "问题"]
    assert "备" in lines[1]
    assert "nobody" not in out.getvalue()


def test_a_sentence_in_a_pipe_is_one_line() -> None:
    console = TranslatingConsole(TEXTS)
    console.file = out = io.StringIO()
    console.print("no gaps known " * 20)
    assert out.getvalue().count("\n") == 1


def test_a_status_is_shown_in_the_language() -> None:
    assert TranslatingConsole(TEXTS).status("no gaps known").status == "没有已知缺口"


def _missing(texts: set[str]) -> list[str]:
    """A pattern that fits half of all sentences is not enough: each has its own."""
    return sorted(texts - dict(catalogue("zh_CN").items()).keys())


def test_every_message_has_a_chinese_one() -> None:
    assert _missing(texts_shown()) == []


def test_every_help_text_has_a_chinese_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARKETPRISM_LANG", "en")  # whoever runs this may have another locale
    chinese = catalogue("zh_CN")  # some are made of lists of names
    assert sorted(text for text in texts_of_help() if chinese.translate(text) == text) == []


def test_every_error_has_a_chinese_text() -> None:
    assert _missing(texts_raised("domain", "application", "adapters", "services", "sdk")) == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--help"], "命令"),
        (["bars", "--help"], "查看合约"),
        (["calendar", "rb2505", "--date", "x"], "错误"),
        (["bars"], "缺少参数 'symbol'。"),
        (["--nosuch"], "没有 --nosuch 这个选项。"),
        (["barz"], "没有 'barz' 这个命令。是否想写 'bars'？"),
        (["tail", "ru1901", "-n", "x"], "'-n' 的值无效：'x' 应为整数"),
        (["simulate", "okx", "--port", "70000"], "'--port' 的值无效：70000 不在范围 0<=x<=65535 之内"),
        (["calendar", "rb2505", "--date", "2025-10-09"], "集合竞价"),
    ],
)
def test_a_chinese_locale_gives_chinese(arguments: list[str], said: str) -> None:
    locale = {"LANG": "zh_CN.UTF-8", "LC_ALL": "zh_CN.UTF-8", "MARKETPRISM_LANG": ""}
    environ = {**os.environ, **locale, "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "marketprism_services", *arguments],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said in done.stdout + done.stderr


def test_a_terminal_that_cannot_write_chinese_gets_english() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "marketprism_services", "bars", "x", "--interval", "2d"],
        env={**os.environ, "MARKETPRISM_LANG": "zh", "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr.startswith("error: interval: expected 1d or 1w")


@pytest.mark.parametrize("columns", ["60", "110", "120"])
def test_a_long_chinese_sentence_is_broken_and_not_cut_off(columns: str) -> None:
    environ = {**os.environ, "MARKETPRISM_LANG": "zh", "PYTHONIOENCODING": "utf-8", "COLUMNS": columns}
    done = subprocess.run(
        [sys.executable, "-m", "marketprism_services", "up", "--help"],
        env=environ,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    wanted = "End when everything is stored; exit 0 only if nothing was lost or doubled."
    assert "…" not in done.stdout
    assert "".join(catalogue("zh_CN").translate(wanted).split()) in re.sub(r"[│\s]", "", done.stdout)


@pytest.mark.parametrize(
    ("english", "own"),
    [
        (
            "gateway ctp refused it: expected a source that can subscribe, this one delivers what it has",
            "gateway ctp 拒绝了指令：这个行情源不能订阅，有什么就给什么",
        ),
        (
            "setting nats.url: expected nats://host:port or tls://host:port, with special characters as %XX, was ''",
            "设置 nats.url：应为 nats://host:port 或 tls://host:port，特殊字符写成 %XX，实际为 ''",
        ),
        (
            "setting bars: interval: expected a number and one of s m h d w, like 1m or 4h, was 'x'",
            "设置 bars：interval：应为数字加 s m h d w 之一，例如 1m 或 4h，实际为 'x'",
        ),
        ("source: expected one of ctp, sopt, sim, was 'x, y'", "source：应为 ctp、sopt、sim 之一，实际为 'x, y'"),
        (
            "--interval: interval: expected a number and one of s m h d w, like 1m or 4h, was 'x'",
            "--interval：应为数字加 s m h d w 之一，例如 1m 或 4h，实际为 'x'",
        ),
        (
            "front: expected a free port 1: error while attempting to bind on address ('::', 1): address already in use",
            "前置：端口 1 不可用：无法绑定地址 ('::', 1)：地址已被占用",
        ),
        (
            "recording x: expected the columns of a CTP depth recording, missing A, B or C; was a, b …",
            "录制文件 x：应有 CTP 深度行情录制文件的各列，缺少 A、B 或 C；实际为 a、b …",
        ),
        (
            "settings file x: expected TOML or JSON: Invalid value (at line 1, column 10)",
            "设置文件 x：应为 TOML 或 JSON：第 1 行第 10 列：值无效",
        ),
        ("class: expected one of a, b, was 'c'; did you mean 'a'", "类别：应为 a、b 之一，实际为 'c'；是否想写 'a'？"),
    ],
)
def test_a_reason_within_a_sentence_is_in_the_language_too(english: str, own: str) -> None:
    assert catalogue("zh_CN").translate(english) == own


def test_single_words_of_the_program_are_translated_and_those_of_the_market_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MARKETPRISM_LANG", "zh")
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True, color_system=None)
    rows = [{"symbol": "active", "class_": "option", "status": "standby", "verdict": "stale"}]
    show_table(console, rows, tuple(rows[0]))
    assert out.getvalue().splitlines()[1].split() == ["active", "期权", "待命", "过时"]
