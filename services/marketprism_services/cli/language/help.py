"""Help pages in the user's language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from typer import rich_utils

if TYPE_CHECKING:
    from marketprism_services.cli.language.catalogue import Catalogue

_TITLES = ("ARGUMENTS_PANEL_TITLE", "OPTIONS_PANEL_TITLE", "COMMANDS_PANEL_TITLE", "ERRORS_PANEL_TITLE")
_MARKS = ("DEFAULT_STRING", "REQUIRED_LONG_STRING", "ENVVAR_STRING", "ABORTED_TEXT", "RICH_HELP")


def translate_help(command: Any, texts: Catalogue) -> None:
    """Put a command's help, that of its parameters and of its subcommands into the catalogue's language."""
    if not texts:
        return
    command.help = command.help and _paragraphs(command.help, texts)
    command.short_help = command.short_help and texts.translate(command.short_help)
    # The library makes the option `--help` when it is first asked for, and keeps it.
    of_help = command.get_help_option(click.Context(command))
    for parameter in (*command.params, *((of_help,) if of_help else ())):
        if getattr(parameter, "help", None):
            parameter.help = texts.translate(parameter.help)
    for subcommand in getattr(command, "commands", {}).values():
        translate_help(subcommand, texts)


def translate_frame(texts: Catalogue) -> None:
    """The titles and marks that the library puts around every help page."""
    for name in (*_TITLES, *_MARKS):
        setattr(rich_utils, name, texts.translate(getattr(rich_utils, name)))


def _paragraphs(text: str, texts: Catalogue) -> str:
    return "\n\n".join(texts.translate(" ".join(part.split())) for part in text.split("\n\n"))
