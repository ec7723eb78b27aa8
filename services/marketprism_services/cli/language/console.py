"""A console that shows what it is given in the user's language."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, TypeVar, cast

from rich.console import Console
from rich.table import Table

from marketprism_services.cli.language.catalogue import Catalogue

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType
    from rich.status import Status

T = TypeVar("T")


def harmless(text: str) -> str:
    """A text with its escape sequences and changes of direction spelled out: a terminal would obey them, and whoever
    named a folder, an instrument or an error would write what the user sees. Line breaks and blanks stay.
    """
    if text.isprintable():
        return text
    return "".join(c if _is_harmless(c) else repr(c)[1:-1] for c in text)


def _is_harmless(character: str) -> bool:
    return character.isprintable() or character in "\n\t" or unicodedata.category(character) == "Zs"


class TranslatingConsole(Console):
    """Looks up each text, and each title, heading and sentence of a table, before it shows them; of a text nothing is
    left that a terminal would obey.
    """

    def __init__(self, texts: Catalogue, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr)
        self._texts = texts

    def print(self, *objects: object, **how: object) -> None:
        """As rich's, in the user's language."""
        show = cast("Callable[..., None]", super().print)
        # A sentence stays in one line: a pipe has no margin, and Chinese has no blanks to break it at.
        if (self._texts or not self.is_terminal) and all(isinstance(shown, str) for shown in objects):
            how.setdefault("soft_wrap", True)
        show(*(self.translated(shown) for shown in objects), **how)

    def status(self, status: RenderableType, **how: object) -> Status:
        """As rich's, in the user's language."""
        show = cast("Callable[..., Status]", super().status)
        return show(self.translated(status), **how)

    def translated(self, shown: object) -> object:
        """A text or a table in the user's language; anything else as it is."""
        if isinstance(shown, str):
            return harmless(self._texts.translate(shown) if self._texts else shown)
        if not self._texts:
            return shown
        if isinstance(shown, Table):
            shown.title = self._text(shown.title) if shown.title else None
            shown.caption = self._text(shown.caption) if shown.caption else None
            for column in shown.columns:
                column.header = self._text(column.header)
                # Reasons and notes are sentences; a single word is a value: a symbol, a state.
                column._cells = [
                    self._text(cell) if isinstance(cell, str) and " " in cell else cell for cell in column._cells
                ]
            return shown
        return shown

    def _text(self, shown: T) -> T:
        return cast("T", self._texts.translate(shown)) if isinstance(shown, str) else shown
