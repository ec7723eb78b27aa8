"""Help pages, and errors in how a command was called, in the user's language."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import typer
from rich import _wrap
from rich.highlighter import Highlighter
from rich.text import Text
from typer import rich_utils

if TYPE_CHECKING:
    from typer._click import Command

    from marketprism_services.cli.language.catalogue import Catalogue

_TITLES = ("ARGUMENTS_PANEL_TITLE", "OPTIONS_PANEL_TITLE", "COMMANDS_PANEL_TITLE", "ERRORS_PANEL_TITLE")
_MARKS = ("DEFAULT_STRING", "REQUIRED_LONG_STRING", "ENVVAR_STRING", "ABORTED_TEXT", "RICH_HELP")
# Between two Chinese characters a line may end, but not before a comma or behind an opening bracket; the library knows
# blanks only, and cuts off a sentence that has none.
_WORD = re.compile(
    r"\s*[（「“《]*(?:[\u3400-\u9fff]|[^\s,\u3000-\u303f\u3400-\u9fff\uff00-\uffef]+|.)[,，。；：、！？）」”》…]*\s*"
)


def translate_help(command: Command, texts: Catalogue) -> None:
    """Put a command's help, that of its parameters and of its subcommands into the catalogue's language."""
    if not texts:
        return
    command.help = command.help and _paragraphs(command.help, texts)
    command.short_help = command.short_help and texts.translate(command.short_help)
    # The library makes the option `--help` when it is first asked for, and keeps it.
    of_help = command.get_help_option(typer.Context(command))
    for parameter in (*command.params, *((of_help,) if of_help else ())):
        if getattr(parameter, "help", None):
            parameter.help = texts.translate(parameter.help)
    for subcommand in getattr(command, "commands", {}).values():
        translate_help(subcommand, texts)


def translate_frame(texts: Catalogue) -> None:
    """The titles and marks that the library puts around every help page, its lines of usage and its errors."""
    for name in (*_TITLES, *_MARKS):
        setattr(rich_utils, name, texts.translate(getattr(rich_utils, name)))
    setattr(rich_utils, "highlighter", _Translating(rich_utils.highlighter, texts))  # noqa: B010 (it is of another class)
    setattr(_wrap, "re_word", _WORD)  # noqa: B010 (it is not for others, but there is no other way)
    setattr(Text, "rstrip_end", _rstrip_end)  # noqa: B010 (the library counts characters, and Chinese ones are wide)


def _rstrip_end(text: Text, size: int) -> None:
    """Blanks at the end of a line go that stand beyond so many columns."""
    blanks = len(text.plain) - len(text.plain.rstrip())
    if blanks and (excess := text.cell_len - size) > 0:
        text.right_crop(min(blanks, excess))


class _Translating(Highlighter):
    """Translates the sentences that are highlighted: usage and errors. Names of options and arguments stay."""

    def __init__(self, highlighter: Highlighter, texts: Catalogue) -> None:
        self._highlighter = highlighter
        self._texts = texts

    def __call__(self, text: str | Text) -> Text:
        return super().__call__(self._texts.translate(text) if isinstance(text, str) and " " in text else text)

    def highlight(self, text: Text) -> None:
        self._highlighter.highlight(text)


def _paragraphs(text: str, texts: Catalogue) -> str:
    return "\n\n".join(texts.translate(" ".join(part.split())) for part in text.split("\n\n"))
