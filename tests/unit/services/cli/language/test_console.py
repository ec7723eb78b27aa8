"""What the console shows holds nothing that a terminal would obey."""

from __future__ import annotations

import pytest

from marketprism_services.cli.language.catalogue import catalogue
from marketprism_services.cli.language.console import TranslatingConsole, harmless


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a \x1b]0;title\x07b", r"a \x1b]0;title\x07b"),
        ("/data/\x1b[31m/red", r"/data/\x1b[31m/red"),
        ("invoice\u202egnp.exe", r"invoice\u202egnp.exe"),
        ("\u2066a\u2069\u200b", r"\u2066a\u2069\u200b"),
        ("a\rb\x9b", r"a\rb\x9b"),
        ("two\nlines\tand\u3000a wide blank\u00a0", "two\nlines\tand\u3000a wide blank\u00a0"),
        ("行情 é", "行情 é"),
    ],
)
def test_escape_sequences_and_changes_of_direction_are_spelled_out(text: str, shown: str) -> None:
    assert harmless(text) == shown


@pytest.mark.parametrize("language", ["en", "zh_CN"])
def test_every_printed_text_goes_through_it(language: str, capsys: pytest.CaptureFixture[str]) -> None:
    console = TranslatingConsole(catalogue(language))
    console.print("[red]error:[/red] data directory /x/\x1b[31mevil: expected a writable directory", highlight=False)
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert r"/x/\x1b[31mevil" in shown
